package main

import (
	"slices"

	"github.com/windrow-go/windrow/bench/ratio"
)

// workload is some work that is done in several ways, side by side: a case of the goals.
type workload struct {
	name       string // for -case
	about      string // what is done, for the heading of its table
	items      int    // at the full size
	least      int    // items below which the work makes no sense; 0 means 1
	longer     bool   // takes twice the rounds: it varies by more than it is from its goal
	contenders []contender
	baselines  []string // contenders that the others are compared with, beside the best peer; none means the first
	goals      []ratio.Goal
}

// contender is a way of doing the work.
type contender struct {
	name    string
	peer    bool // a library or a habit that a user might pick in place of windrow
	prepare func(items int) (ratio.Work, error)
}

// size is how many items are handled at a share of the full size.
func (w workload) size(share float64) int {
	return max(1, w.least, int(share*float64(w.items)))
}

// rounds is in how many rounds it is measured where the others are in so many.
func (w workload) rounds(others int) int {
	if w.longer {
		return 2 * others
	}
	return others
}

// cases are the contenders in the form in which they are measured.
func (w workload) cases() []ratio.Case {
	var cases []ratio.Case
	for _, c := range w.contenders {
		cases = append(cases, ratio.Case{Name: c.name, Peer: c.peer, Prepare: c.prepare})
	}
	return cases
}

// workloads are all of them, those of calls that do nothing once for each concurrency.
func workloads(concurrencies []int) []workload {
	var all []workload
	for _, concurrency := range concurrencies {
		all = append(all, noopRun(concurrency))
	}
	for _, concurrency := range concurrencies {
		all = append(all, policies(concurrency))
	}
	return slices.Concat(all, []workload{
		timeouts(), shortWork(), streamed(), streamMemory(), slowHeads(), slowCalls(),
		posts(), waves(), bulk(), elastic(), lists(), rates(),
	})
}
