// Command growth shows how time and memory grow with the number of items, from a thousand to ten million: Run and
// Stream, with and without a journal, 1 % of the calls failing. Each measurement is made in a process of its own, whose
// largest resident set is its memory.
//
//	go run ./bench/growth [flags]
//
//	-max items    the largest number of items, a power of ten from 10000 (default 10000000)
//	-reps rounds  rounds of measurements, of which the medians are taken (default 5)
//	-series list  only these series, by name (default all)
//	-svg file     draw a chart into the file
//	-json         print one JSON object in place of the tables
//	-check        compare with the goals and name each that is missed
//
// With the defaults it takes about ten minutes, and 3 GB of memory and of disk space in the directory for temporary
// files. The exit status is 1 when a goal is missed or a measurement fails, and 2 when the flags make no sense.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/windrow-go/windrow/bench/child"
)

func main() {
	child.Main(parts)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const smallest = 1_000

// settings are the parsed flags.
type settings struct {
	sizes  []int
	rounds int
	series []series
	svg    string
	json   bool
	check  bool
}

// output is what -json prints.
type output struct {
	Go      string   `json:"go"`
	System  string   `json:"system"`
	Procs   int      `json:"procs"`
	Series  []curve  `json:"series"`
	Storms  []storm  `json:"storms"`
	Missed  []string `json:"missed,omitempty"`
	Checked bool     `json:"checked"`
}

// curve is what was measured of a series.
type curve struct {
	Name   string  `json:"name"`
	Points []point `json:"points"`
}

// point is a median of several measurements.
type point struct {
	Items  int     `json:"items"`
	Wall   float64 `json:"wall_ns"`    // an item
	Allocs float64 `json:"allocs"`     // an item
	Peak   int64   `json:"peak_bytes"` // of the process
	Held   float64 `json:"held_bytes"` // an item, by what is left of the run when it has ended
}

// run is the whole command and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "growth:", err)
		return 2
	}
	out := output{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Procs: runtime.GOMAXPROCS(0), Checked: set.check}
	if !set.json {
		fmt.Fprintf(stdout, "%s %s, %d procs, medians of %d\n", out.Go, out.System, out.Procs, set.rounds)
	}
	if err := set.measure(ctx, &out, stdout); err != nil {
		fmt.Fprintln(stderr, "growth:", err)
		return 1
	}
	if set.svg != "" {
		if err := os.WriteFile(set.svg, chart(out.Series), 0o644); err != nil {
			fmt.Fprintln(stderr, "growth:", err)
			return 1
		}
	}
	if set.check {
		out.Missed = missed(out)
	}
	if set.json {
		if err := json.NewEncoder(stdout).Encode(out); err != nil {
			fmt.Fprintln(stderr, "growth:", err)
			return 1
		}
	}
	for _, m := range out.Missed {
		fmt.Fprintln(stderr, "MISSED ", m)
	}
	if len(out.Missed) > 0 {
		return 1
	}
	return 0
}

// measure fills the output, and prints it as it comes unless JSON is wanted.
func (set settings) measure(ctx context.Context, out *output, stdout io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	if !set.json {
		fmt.Fprint(table, "series\titems\tns/item\tallocs/item\tpeak MiB\theld bytes/item\t\n")
	}
	for _, s := range set.series {
		points, err := s.measure(ctx, set.sizes, set.rounds)
		if err != nil {
			return err
		}
		out.Series = append(out.Series, curve{s.name, points})
		if !set.json {
			for _, p := range points {
				fmt.Fprintf(table, "%s\t%d\t%.1f\t%.3f\t%.1f\t%.1f\t\n", s.name, p.Items, p.Wall, p.Allocs, float64(p.Peak)/(1<<20), p.Held)
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, name := range storms {
		st, err := measureStorm(ctx, name, set.stormSize(name), set.rounds)
		if err != nil {
			return err
		}
		out.Storms = append(out.Storms, st)
		if !set.json {
			fmt.Fprintf(stdout, "%s: %.1f MiB at most for %d items, %.1f MiB for %d, %d in the stream at once\n",
				st.Name, float64(st.Short)/(1<<20), st.Items/10, float64(st.Long)/(1<<20), st.Items, st.InStream)
		}
	}
	return nil
}

// stormSize is how many items a storm has. A tenth of them must be enough for the memory to have reached what the garbage
// collector lets it have: of ten million where items leave little garbage. One whose items take two attempts
// each, with a pause between them, reaches it sooner, and would take minutes.
func (set settings) stormSize(name string) int {
	largest := set.sizes[len(set.sizes)-1]
	if name == throttled {
		return largest / 10
	}
	return largest
}

// parse reads the flags. It has printed what is wrong with a flag's form, and returns what is wrong with its value.
func parse(args []string, stderr io.Writer) (settings, error) {
	set := settings{series: allSeries}
	flags := flag.NewFlagSet("growth", flag.ContinueOnError)
	flags.SetOutput(stderr)
	most := flags.Int("max", 10_000_000, "the largest number of `items`, a power of ten from 10000")
	flags.IntVar(&set.rounds, "reps", 5, "`rounds` of measurements, of which the medians are taken")
	flags.StringVar(&set.svg, "svg", "", "draw a chart into the `file`")
	flags.BoolVar(&set.json, "json", false, "print one JSON object in place of the tables")
	flags.BoolVar(&set.check, "check", false, "compare with the goals; exit status 1 names each that is missed")
	names := flags.String("series", "", "comma-separated `list` of series (default all)")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	decades := math.Log10(float64(*most))
	switch {
	case flags.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *most < 10*smallest || decades != math.Trunc(decades):
		return set, fmt.Errorf("-max is %d, want a power of ten from %d", *most, 10*smallest)
	case set.rounds < 1:
		return set, fmt.Errorf("-reps is %d, want a positive number", set.rounds)
	}
	for items := smallest; items <= *most; items *= 10 {
		set.sizes = append(set.sizes, items)
	}
	if *names == "" {
		return set, nil
	}
	set.series = nil
	for name := range strings.SplitSeq(*names, ",") {
		i := slices.IndexFunc(allSeries, func(s series) bool { return s.name == name })
		if i < 0 {
			return set, fmt.Errorf("-series has %q, want some of %s", name, seriesNames())
		}
		set.series = append(set.series, allSeries[i])
	}
	return set, nil
}
