package main

import "fmt"

// A goal is a row of the goals table.
type goal struct {
	utilisation float64 // at least
	throttled   float64 // share of the requests, at most
	p99         float64 // seconds, at most; 0: as the server's spec says
}

// goals are the rows, by the names that specs use.
var goals = map[string]goal{
	"headers":     {0.98, 0.005, 0.3},
	"bucket":      {0.97, 0.05, 0.6},
	"window":      {0.95, 0.01, 0.35},
	"concurrency": {0.97, 0.005, 0.35},
	"soft":        {0.98, 0, 0.5},
	"drawn":       {0.90, 0.20, 0},
}

// missed names what a row misses of its goal.
func missed(r row) []string {
	want, known := goals[r.spec.Goal]
	if !known {
		return nil
	}
	if want.p99 == 0 {
		want.p99 = r.spec.Factor
		if want.p99 == 0 {
			want.p99 = 1.05
		}
	}
	var words []string
	if r.Utilisation < want.utilisation {
		words = append(words, fmt.Sprintf("utilisation %.1f %%, at least %.0f %%", 100*r.Utilisation, 100*want.utilisation))
	}
	if r.Throttled > want.throttled {
		words = append(words, fmt.Sprintf("429 share %.2f %%, at most %.1f %%", 100*r.Throttled, 100*want.throttled))
	}
	if r.P99 > want.p99 {
		words = append(words, fmt.Sprintf("p99 %.2f s, at most %.2f s", r.P99, want.p99))
	}
	return words
}
