package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
)

// jobs are the work that short outages are tried with.
func jobs(sizes ...int) (all []job) {
	for _, n := range sizes {
		for _, repeatable := range []bool{false, true} {
			for _, stream := range []bool{false, true} {
				if n >= 100_000 && repeatable != stream {
					continue // two of the largest are enough
				}
				all = append(all, job{items: n, repeatable: repeatable, stream: stream})
			}
		}
	}
	return all
}

// place is where in a run an outage begins.
type place struct {
	name string
	at   float64 // share of the floor
}

var places = []place{{"from the start", 0}, {"in the middle", 0.5}}

// shortOutages are those that end.
func (b *bench) shortOutages() (rows []row) {
	const refusedSection, statusSection = "connections refused", "a proxy without its backend"
	for _, length := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 20 * time.Second} {
		for _, at := range places {
			r := row{
				section: refusedSection, name: fmt.Sprintf("refused for %s, %s", span(length), at.name),
				goal: "outage + 1.15 x floor + 3 s; nothing Failed, nothing charged",
			}
			for _, j := range jobs(1_000, 20_000, 100_000) {
				r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
					return b.short(t, j, at, length, refused(), false, 3*time.Second)
				}})
			}
			rows = append(rows, r)
		}
		r := row{
			section: refusedSection, name: fmt.Sprintf("killed, up after %s", span(length)),
			goal: "outage + 1.15 x floor + 3 s; Unknown <= in flight at the kill",
		}
		for _, j := range jobs(1_000, 20_000) {
			r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
				return b.short(t, j, places[1], length, refused(), true, 3*time.Second)
			}})
		}
		rows = append(rows, r)
	}
	for _, length := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
		for _, code := range []int{502, 503, 504} {
			for _, at := range places {
				r := row{
					section: statusSection, name: fmt.Sprintf("%d for %s, %s", code, span(length), at.name),
					goal: "outage + 1.15 x floor + 10 s; creates Unknown <= in flight + evidence + probes; the rest succeeds",
				}
				sizes := []int{20_000}
				if code == 502 {
					sizes = []int{1_000, 20_000}
				}
				for _, j := range jobs(sizes...) {
					r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
						return b.short(t, j, at, length, status(code), true, 10*time.Second)
					}})
				}
				rows = append(rows, r)
			}
		}
	}
	r := row{
		section: statusSection, name: "resets and timeouts for 2 s, in the middle",
		goal: "outage + 1.15 x floor + 10 s; as 502",
	}
	for _, kind := range []struct {
		name string
		fail failure
	}{{"reset", reset()}, {"timeouts of 500 ms", timeout(500 * time.Millisecond)}} {
		for _, j := range jobs(20_000) {
			r.variants = append(r.variants, variant{kind.name + ", " + j.String(), func(t *testing.T) []figure {
				return b.short(t, j, places[1], 2*time.Second, kind.fail, true, 10*time.Second)
			}})
		}
	}
	return append(rows, r)
}

// short runs a job through an outage that ends.
func (b *bench) short(t *testing.T, j job, at place, length time.Duration, fail failure, kills bool, slack time.Duration) []figure {
	floor := b.floor(t, j)
	begins := time.Duration(at.at * float64(floor))
	var w *world
	end := b.bubble(t, j, nil, func(x *world) { w = x }, fault{from: begins, until: begins + length, fail: fail, kills: kills})
	out := []figure{
		atMost("took", seconds(end.elapsed), seconds(length+slack)+1.15*seconds(floor), "s"),
		exactly("Failed", end.states[windrow.Failed], 0),
		exactly("NotAttempted", end.states[windrow.NotAttempted], 0),
	}
	unknown := end.states[windrow.Unknown]
	switch {
	case !fail.sent:
		most := 0
		if kills {
			most = w.cut
		}
		charged := end.charged
		if !j.repeatable {
			charged += unknown
			out = append(out, atMost("Unknown", float64(unknown), float64(most), ""))
		} else {
			out = append(out, exactly("Unknown", unknown, 0))
		}
		out = append(out, atMost("charged by it", float64(charged), float64(most), ""))
	case j.repeatable:
		out = append(out, exactly("Unknown", unknown, 0))
	default:
		bound := w.most + evidence(w.most) + 4 + probesIn(length, false)
		out = append(out, atMost("Unknown", float64(unknown), float64(bound), ""))
	}
	if length > time.Second {
		out = append(out, atMost("calls at once while it is out", float64(w.crowd), 1, ""))
	}
	return append(out, broken(j, w, end)...)
}

// broken are the figures of what must hold after any run.
func broken(j job, w *world, end ending) (out []figure) {
	if end.err != nil {
		out = append(out, holds("the result is whole", false, end.err.Error()))
	}
	doubled, untrue := 0, 0
	for item, times := range w.applied {
		state := end.state[item]
		if times > 1 && !j.repeatable {
			doubled++
		}
		if state == windrow.Succeeded && times == 0 || (state == windrow.Failed || state == windrow.NotAttempted) && times > 0 {
			untrue++
		}
	}
	if doubled+untrue > 0 {
		out = append(out, exactly("doubled", doubled, 0), exactly("untrue", untrue, 0))
	}
	return out
}
