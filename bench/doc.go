// Package bench holds windrow's benchmarks: what the library costs beside the
// code that a user would write by hand, and beside the libraries that a user
// would pick instead.
//
// A time alone says little: it differs from machine to machine and from minute
// to minute. Every figure is therefore a ratio of two cases that were measured
// in one process, in turns (A B C A B C), as package ratio does it. The figures
// have goals, which the commands check when asked, and which no test depends
// on.
//
//	go run ./bench/overhead           # calls that do nothing, streams, HTTP on loopback, pages, rates
//	go run ./bench/overhead -check    # exit status 1 if a goal is missed; a quarter of an hour
//	go run ./bench/growth             # from a thousand to ten million items
//	go run ./bench/journal -check     # what a journal costs, beside a run without one and beside one by hand
//	go run ./bench/crash              # an import that is killed again and again
//	go run ./bench/jobs -check        # what durable jobs cost, beside the same by hand
//	go run ./bench/jobscrash          # a program with jobs that is killed again and again
//	go run ./bench/soak               # millions of records, to a server that misbehaves
//	go run ./bench/limits             # the limiter against servers that tell it nothing
//	go run ./bench/outage -check      # servers that are down, flaky or killed, and records that never pass
//	go run ./bench/headtohead         # through a real nginx, and a real PocketBase, that limit
//	go run ./bench/mutate -least 54   # what the tests notice of 60 small changes; half an hour
//	go test -run='^$' -bench=. ./bench/...
//
// It is a module of its own, so that what it compares with never becomes a
// requirement of windrow.
package bench
