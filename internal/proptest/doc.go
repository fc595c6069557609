// Package proptest holds windrow's property tests: invariants under random servers, faults, options and clients. A failure
// is shrunk to the smallest case that still fails, and printed as the draws that lead to it.
//
//	go test ./internal/proptest                        # a hundred cases of each property
//	go test ./internal/proptest -rapid.checks=10000    # more
//
// It is a module of its own, so that its library is not a requirement of windrow.
package proptest
