package ratio

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is what [Measure] found. It marshals to JSON.
type Report struct {
	Items  int   `json:"items"`  // items in each run
	Rounds int   `json:"rounds"` // measured runs of each case
	Rows   []Row `json:"cases"`  // one for each case, in the given order
}

// Row is the result of one case.
type Row struct {
	Name   string   `json:"name"`    // the case's name
	Cost   Cost     `json:"cost"`    // medians over the rounds
	Versus []Versus `json:"versus"`  // one for each baseline, in the given order
	Runs   []Sample `json:"samples"` // every measured run
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

// Spread is a ratio over all rounds. Its zero value means that it could not be
// measured.
type Spread struct {
	Median float64 `json:"median"` // the figure to quote
	Min    float64 `json:"min"`    // the smallest of any round
	Max    float64 `json:"max"`    // the largest of any round
}

func newReport(cases []Case, samples [][]Sample, config Config) *Report {
	report := &Report{Items: config.Items, Rounds: config.Rounds}
	for i, c := range cases {
		perItem := func(total func(Sample) float64) float64 {
			values := make([]float64, 0, len(samples[i]))
			for _, s := range samples[i] {
				values = append(values, total(s)/float64(config.Items))
			}
			return median(values)
		}
		row := Row{
			Name: c.Name,
			Cost: Cost{
				Wall:   perItem(wall),
				CPU:    perItem(cpu),
				Allocs: perItem(func(s Sample) float64 { return float64(s.Allocs) }),
				Bytes:  perItem(func(s Sample) float64 { return float64(s.Bytes) }),
			},
			Runs: samples[i],
		}
		for _, name := range config.Baselines {
			base := samples[slices.IndexFunc(cases, func(c Case) bool { return c.Name == name })]
			row.Versus = append(row.Versus, Versus{
				Baseline: name,
				Wall:     spread(samples[i], base, wall),
				CPU:      spread(samples[i], base, cpu),
			})
		}
		report.Rows = append(report.Rows, row)
	}
	return report
}

func wall(s Sample) float64 { return float64(s.Wall) }

func cpu(s Sample) float64 { return float64(s.CPU) }

// spread compares the runs of the same round with each other. A round in which
// either side is zero has no ratio, and then nor has the whole.
func spread(of, base []Sample, total func(Sample) float64) Spread {
	ratios := make([]float64, 0, len(of))
	for round := range of {
		if total(of[round]) <= 0 || total(base[round]) <= 0 {
			return Spread{}
		}
		ratios = append(ratios, total(of[round])/total(base[round]))
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
	fmt.Fprintf(w, "%d items, medians of %d rounds in turns, ratios with (smallest..largest)\n", r.Items, r.Rounds)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "case\twall ns/item\tcpu ns/item\tallocs/item\tbytes/item")
	if len(r.Rows) > 0 {
		for _, v := range r.Rows[0].Versus {
			fmt.Fprintf(table, "\twall x %s\tcpu x %s", v.Baseline, v.Baseline)
		}
	}
	fmt.Fprintln(table)
	for _, row := range r.Rows {
		cpu := "-"
		if row.Cost.CPU > 0 {
			cpu = fmt.Sprintf("%.1f", row.Cost.CPU)
		}
		fmt.Fprintf(table, "%s\t%.1f\t%s\t%.4f\t%.1f", row.Name, row.Cost.Wall, cpu, row.Cost.Allocs, row.Cost.Bytes)
		for _, v := range row.Versus {
			fmt.Fprintf(table, "\t%v\t%v", v.Wall, v.CPU)
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// String shows the median and, in brackets, the smallest and the largest, or "-"
// for the zero value.
func (s Spread) String() string {
	if s == (Spread{}) {
		return "-"
	}
	return fmt.Sprintf("%.3f (%.3f..%.3f)", s.Median, s.Min, s.Max)
}

// row finds a case by its name, or nil.
func (r *Report) row(name string) *Row {
	for i := range r.Rows {
		if r.Rows[i].Name == name {
			return &r.Rows[i]
		}
	}
	return nil
}

// names lists the cases for an error message.
func (r *Report) names() string {
	var names []string
	for _, row := range r.Rows {
		names = append(names, row.Name)
	}
	return strings.Join(names, ", ")
}
