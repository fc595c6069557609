package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
)

// badLuck are the cases of single records, and of servers that fail now and then.
func (b *bench) badLuck() []row {
	const section = "bad luck"
	poisoned := row{
		section: section, name: "64 in a row of 5,000 always answer 504", goal: "<= 15 s; 4,936 succeed",
	}
	tail := row{section: section, name: "the last 20 of 5,000 always answer 504", goal: "ends; they are charged, Unknown"}
	for _, j := range jobs(5_000) {
		poisoned.variants = append(poisoned.variants, variant{j.String(), func(t *testing.T) []figure {
			return b.poison(t, j, 2_000, 2_064, 15*time.Second)
		}})
		tail.variants = append(tail.variants, variant{j.String(), func(t *testing.T) []figure {
			return b.poison(t, j, 4_980, 5_000, 310*time.Second)
		}})
	}
	rows := []row{poisoned, tail}
	for _, luck := range []struct {
		share, factor float64
		items         int
		lost          float64 // share whose five attempts may fail
	}{{0.1, 1.1, 100_000, 0.0001}, {0.3, 1.3, 50_000, 0.005}} {
		r := row{
			section: section, name: fmt.Sprintf("%.0f %% random 502, repeatable", 100*luck.share),
			goal: fmt.Sprintf("<= %v x floor", luck.factor),
		}
		for _, stream := range []bool{false, true} {
			j := job{items: luck.items, repeatable: true, stream: stream}
			if stream { // the default window would wait for each unlucky item
				j.opts = []windrow.Option{windrow.Window(luck.items)}
			}
			r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
				floor := b.floor(t, j)
				var w *world
				bad := status(502) // of a proxy without its server: it comes soon
				bad.min, bad.more = 10*time.Millisecond, 10*time.Millisecond
				end := b.bubble(t, j, func(w *world) {
					w.judge = func(item, nth int, _ time.Duration) *failure {
						if random(b.seed, 502, uint64(item), uint64(nth)) < luck.share {
							return &bad
						}
						return nil
					}
				}, func(x *world) { w = x })
				return append([]figure{
					atMost("took", end.elapsed.Seconds()/floor.Seconds(), luck.factor, "x"),
					atMost("not Succeeded", float64(j.items-end.states[windrow.Succeeded]), luck.lost*float64(j.items), ""),
				}, broken(j, w, end)...)
			}})
		}
		rows = append(rows, r)
	}
	one := row{section: section, name: "one of 999 throttled for ever, Retry-After 1", goal: "the others by floor + 2 s"}
	for _, j := range jobs(999) {
		for _, which := range []int{0, 500, 998} {
			one.variants = append(one.variants, variant{fmt.Sprintf("number %d of %s", which+1, j), func(t *testing.T) []figure {
				floor := b.floor(t, j)
				var w *world
				busy := status(429)
				busy.err = &statusError{code: 429, after: time.Second}
				end := b.bubble(t, j, func(w *world) {
					w.judge = func(item, _ int, _ time.Duration) *failure {
						if item == which {
							return &busy
						}
						return nil
					}
				}, func(x *world) { w = x })
				return append([]figure{
					atMost("the others by", seconds(w.last), seconds(floor+2*time.Second), "s"),
					exactly("Succeeded", end.states[windrow.Succeeded], j.items-1),
					exactly("NotAttempted", end.states[windrow.NotAttempted], 1),
					atMost("the run took", seconds(end.elapsed), 320, "s"),
				}, broken(j, w, end)...)
			}})
		}
	}
	return append(rows, one)
}

// poison runs a job in which some items always get a 504.
func (b *bench) poison(t *testing.T, j job, first, after int, limit time.Duration) []figure {
	var w *world
	bad := status(504)
	end := b.bubble(t, j, func(w *world) {
		w.judge = func(item, _ int, _ time.Duration) *failure {
			if item >= first && item < after {
				return &bad
			}
			return nil
		}
	}, func(x *world) { w = x })
	charged := 0
	for item := first; item < after; item++ {
		if end.state[item] == windrow.Unknown && w.sent[item] > 0 {
			charged++
		}
	}
	return append([]figure{
		atMost("took", seconds(end.elapsed), seconds(limit), "s"),
		exactly("Succeeded", end.states[windrow.Succeeded], j.items-(after-first)),
		exactly("charged and Unknown", charged, after-first),
	}, broken(j, w, end)...)
}
