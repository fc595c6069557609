package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A row is what one law reached with one server, as the mean over the seeds.
type row struct {
	Server      string   `json:"server"`
	Law         string   `json:"law"`
	Seeds       int      `json:"seeds"`
	Items       int      `json:"items"`
	Ideal       float64  `json:"ideal_s"`
	Makespan    float64  `json:"makespan_s"`
	Utilisation float64  `json:"utilisation"`
	Worst       float64  `json:"worst_utilisation"` // of all seeds
	Throttled   float64  `json:"throttled_share"`
	P99         float64  `json:"p99_s"`
	Lost        int      `json:"lost"`
	Stops       int      `json:"stops"`           // runs that the server throttled for longer than MaxThrottleWait, and that were gone on with
	Wrong       []string `json:"wrong,omitempty"` // promises that were broken
	Missed      []string `json:"missed,omitempty"`
	spec        spec
}

// outcome is one run.
type outcome struct {
	ideal, makespan time.Duration
	requests        int
	throttled       int
	p99             time.Duration
	lost, stops     int
	wrong           []string
}

// simulate runs a law against a server in virtual time.
func simulate(t *testing.T, s spec, l law, seed uint64) (out outcome) {
	synctest.Test(t, func(*testing.T) {
		srv := newServer(s, seed)
		began := time.Now()
		out.ideal = s.ideal(srv.offset)
		took := make([][]time.Duration, s.Clients)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for k := range s.Clients {
			n := s.Items / s.Clients
			took[k] = make([]time.Duration, n)
			first := make([]time.Time, n)
			c := &client{strict: l.strict}
			wg.Go(func() {
				end := l.run(n, seed*31+uint64(k), func(i int) answer {
					if first[i].IsZero() {
						first[i] = time.Now()
					}
					a := srv.call(c)
					if !a.throttled {
						took[k][i] = time.Since(first[i])
					}
					return a
				})
				mu.Lock()
				out.lost += end.lost
				out.stops += end.stops
				if end.err != nil {
					out.wrong = append(out.wrong, end.err.Error())
				}
				mu.Unlock()
			})
		}
		wg.Wait()
		out.makespan = time.Since(began)
		out.requests, out.throttled = srv.requests, srv.throttled
		out.wrong = append(out.wrong, srv.broken...)
		all := slices.Concat(took...)
		slices.Sort(all)
		out.p99 = all[len(all)*99/100]
	})
	return out
}

// measure runs a law with several seeds.
func measure(t *testing.T, s spec, l law, first uint64, seeds int) row {
	r := row{Server: s.Name, Law: l.name, Seeds: seeds, Items: s.Items, Worst: 1, spec: s}
	outs := make([]outcome, seeds)
	t.Run(s.Name+"/"+l.name, func(t *testing.T) {
		for i := range outs {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				outs[i] = simulate(t, s, l, first+uint64(i))
			})
		}
	})
	for _, o := range outs {
		u := o.ideal.Seconds() / o.makespan.Seconds()
		r.Ideal += o.ideal.Seconds() / float64(seeds)
		r.Makespan += o.makespan.Seconds() / float64(seeds)
		r.Utilisation += u / float64(seeds)
		r.Worst = min(r.Worst, u)
		r.Throttled += float64(o.throttled) / float64(o.requests) / float64(seeds)
		r.P99 += o.p99.Seconds() / float64(seeds)
		r.Lost += o.lost
		r.Stops += o.stops
		r.Wrong = append(r.Wrong, o.wrong...)
	}
	slices.SortFunc(r.Wrong, cmp.Compare[string])
	if l.strict {
		r.Missed = missed(r)
	}
	return r
}
