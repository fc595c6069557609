package ratio

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is what [Measure] found. It marshals to JSON.
type Report struct {
	Items    int    `json:"items"`               // items in each run
	Rounds   int    `json:"rounds"`              // measured runs of each case
	BestPeer string `json:"best_peer,omitempty"` // of the peers the one with the lowest median wall time
	Rows     []Row  `json:"cases"`               // one for each case, in the given order
}

// Row is the result of one case.
type Row struct {
	Name    string             `json:"name"`              // the case's name
	Peer    bool               `json:"peer,omitempty"`    // whether it is one
	Items   int                `json:"items"`             // items that each run has handled
	Cost    Cost               `json:"cost"`              // medians over the rounds
	Figures map[Metric]float64 `json:"figures,omitempty"` // medians of what the case counts itself
	Versus  []Versus           `json:"versus"`            // one for each baseline, in the given order, and one for the best peer
	Runs    []Sample           `json:"samples"`           // every measured run
}

// Cost is the cost of one item.
type Cost struct {
	Wall   float64 `json:"wall_ns"` // nanoseconds on the clock
	CPU    float64 `json:"cpu_ns"`  // nanoseconds of CPU time; 0 means not measured
	Allocs float64 `json:"allocs"`  // objects allocated
	Bytes  float64 `json:"bytes"`   // bytes allocated
}

// Versus compares a case with a baseline.
type Versus struct {
	Baseline string `json:"baseline"` // the baseline's name
	Wall     Spread `json:"wall"`     // the case's wall time by the baseline's
	CPU      Spread `json:"cpu"`      // the case's CPU time by the baseline's
}

// Spread is a ratio over all rounds. Its zero value means that it could not be measured.
type Spread struct {
	Median float64 `json:"median"` // the figure to quote
	Min    float64 `json:"min"`    // the smallest of any round
	Max    float64 `json:"max"`    // the largest of any round
}

func newReport(cases []Case, items []int, samples [][]Sample, config Config) *Report {
	report := &Report{Items: config.Items, Rounds: config.Rounds}
	for i, c := range cases {
		row := Row{Name: c.Name, Peer: c.Peer, Items: items[i], Runs: samples[i]}
		row.Cost = Cost{Wall: row.median(Wall), CPU: row.median(CPU), Allocs: row.median(Allocs), Bytes: row.median(Bytes)}
		for metric := range samples[i][0].Figures {
			if row.Figures == nil {
				row.Figures = map[Metric]float64{}
			}
			row.Figures[metric] = row.median(metric)
		}
		report.Rows = append(report.Rows, row)
	}
	baselines := config.Baselines
	if best := report.bestPeer(); best != nil {
		report.BestPeer = best.Name
		if !slices.Contains(baselines, best.Name) {
			baselines = append(slices.Clone(baselines), best.Name)
		}
	}
	for i := range report.Rows {
		row := &report.Rows[i]
		for _, name := range baselines {
			base, _ := report.find(name) // config was checked
			row.Versus = append(row.Versus, Versus{Baseline: name, Wall: versus(row, base, Wall), CPU: versus(row, base, CPU)})
		}
	}
	return report
}

// bestPeer is the peer with the lowest median wall time, nil when there is none.
func (r *Report) bestPeer() *Row {
	var best *Row
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Peer && (best == nil || row.Cost.Wall < best.Cost.Wall) {
			best = row
		}
	}
	return best
}

// find finds a case by its name.
func (r *Report) find(name string) (*Row, error) {
	for i := range r.Rows {
		if r.Rows[i].Name == name {
			return &r.Rows[i], nil
		}
	}
	return nil, fmt.Errorf("case %q was not measured, only %s", name, r.names())
}

// names lists the cases for an error message.
func (r *Report) names() string {
	var names []string
	for _, row := range r.Rows {
		names = append(names, row.Name)
	}
	return strings.Join(names, ", ")
}

// metrics are those that were measured for the case.
func (r *Row) metrics() []Metric {
	metrics := []Metric{Wall, Allocs, Bytes}
	if r.Cost.CPU > 0 {
		metrics = append(metrics, CPU)
	}
	return append(metrics, slices.Sorted(maps.Keys(r.Figures))...)
}

// figure is a metric of one run.
func (r *Row) figure(round int, metric Metric) float64 {
	s, items := r.Runs[round], float64(r.Items)
	switch metric {
	case Wall:
		return float64(s.Wall) / items
	case CPU:
		return float64(s.CPU) / items
	case Allocs:
		return float64(s.Allocs) / items
	case Bytes:
		return float64(s.Bytes) / items
	}
	return s.Figures[metric]
}

// median is that of a metric over all rounds.
func (r *Row) median(metric Metric) float64 {
	values := make([]float64, 0, len(r.Runs))
	for round := range r.Runs {
		values = append(values, r.figure(round, metric))
	}
	return median(values)
}

// versus compares the runs of the same round with each other. A round in which either side is zero has no ratio, and
// then nor has the whole.
func versus(row, base *Row, metric Metric) Spread {
	ratios := make([]float64, 0, len(row.Runs))
	for round := range row.Runs {
		a, b := row.figure(round, metric), base.figure(round, metric)
		if a <= 0 || b <= 0 {
			return Spread{}
		}
		ratios = append(ratios, a/b)
	}
	return Spread{Median: median(ratios), Min: slices.Min(ratios), Max: slices.Max(ratios)}
}

// median is the middle of the values, or the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// WriteTable prints the report as a table, a line for each case.
func (r *Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%d items, medians of %d rounds in turns, those of wall time with (smallest..largest)\n", r.Items, r.Rounds)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "case\twall ns/item\tcpu ns/item\tallocs/item\tbytes/item")
	own := r.ownMetrics()
	for _, metric := range own {
		fmt.Fprintf(table, "\t%s", metric)
	}
	if len(r.Rows) > 0 {
		for _, v := range r.Rows[0].Versus {
			name := v.Baseline
			if name == r.BestPeer {
				name += " (best peer)"
			}
			fmt.Fprintf(table, "\tx %s\tcpu x", name)
		}
	}
	fmt.Fprintln(table)
	for _, row := range r.Rows {
		cpu := "-"
		if row.Cost.CPU > 0 {
			cpu = fmt.Sprintf("%.1f", row.Cost.CPU)
		}
		fmt.Fprintf(table, "%s\t%.1f\t%s\t%.4f\t%.1f", row.Name, row.Cost.Wall, cpu, row.Cost.Allocs, row.Cost.Bytes)
		for _, metric := range own {
			if value, ok := row.Figures[metric]; ok {
				fmt.Fprintf(table, "\t%.4g", value)
			} else {
				fmt.Fprint(table, "\t-")
			}
		}
		for _, v := range row.Versus {
			fmt.Fprintf(table, "\t%v\t%s", v.Wall, number(v.CPU.Median))
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// ownMetrics are those that any of the cases counts itself.
func (r *Report) ownMetrics() []Metric {
	all := map[Metric]bool{}
	for _, row := range r.Rows {
		for metric := range row.Figures {
			all[metric] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// String shows the median and, in brackets, the smallest and the largest, or "-" for the zero value.
func (s Spread) String() string {
	if s == (Spread{}) {
		return "-"
	}
	return fmt.Sprintf("%s (%s..%s)", number(s.Median), number(s.Min), number(s.Max))
}

// number shows a ratio with as many digits as mean something, or "-" for one that was not measured.
func number(ratio float64) string {
	switch {
	case ratio == 0:
		return "-"
	case ratio >= 100:
		return fmt.Sprintf("%.0f", ratio)
	case ratio >= 10:
		return fmt.Sprintf("%.1f", ratio)
	}
	return fmt.Sprintf("%.3f", ratio)
}
