// Package proptest holds windrow's property tests: random servers, faults, options and clients, and what must hold
// whatever they are. A failure is shrunk to the smallest case that still fails, and printed as the draws that lead to it.
//
//	go test ./internal/proptest                        # a hundred cases of each property
//	go test ./internal/proptest -rapid.checks=10000    # more
//
// It is a module of its own, so that the library that it needs is no requirement of windrow.
package proptest
