// Command journal measures what a journal costs beside a run without one and beside the same written by hand, on the
// disk of a folder.
//
//	go run ./bench/journal [flags]
//
//	-n items         ends that are recorded in each run (default 200000)
//	-intents items   intents in each run (default 4000)
//	-records number  records of the journal that is opened (default 1000000)
//	-reps rounds     measured runs of each case (default 7)
//	-dir folder      where the files are (default the system's folder for temporary files)
//	-check           compare with the goals and name each that is missed
//
// The exit status is 1 when a goal is missed or a case fails, and 2 when the flags make no sense. The goals: to record
// how an item ended costs at most 2 µs more than not to; intents cost at most two syncs for as many as are in
// flight; a journal of a million records is opened in 2 s, and holds at most 32 bytes a key.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"

	"github.com/windrow-go/windrow/bench/ratio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are the parsed flags.
type settings struct {
	items, intents, records, rounds int
	dir                             string
	check                           bool
}

// goal is a bound on a figure.
type goal struct {
	what     string
	got, max float64
}

func (g goal) String() string {
	word := "met"
	if g.got > g.max {
		word = "MISSED"
	}
	return fmt.Sprintf("%s  %s <= %g  (measured %.4g)", word, g.what, g.max, g.got)
}

// inFlight is how many intents are made at once.
var inFlight = []int{1, 8, 64}

// run is the whole command and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "journal:", err)
		return 2
	}
	goals, err := measure(ctx, set, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "journal:", err)
		return 1
	}
	status := 0
	for _, g := range goals {
		switch {
		case !set.check:
		case g.got > g.max:
			status = 1
			fmt.Fprintln(stderr, g)
		default:
			fmt.Fprintln(stdout, g)
		}
	}
	return status
}

// measure runs all cases and returns the figures that have goals.
func measure(ctx context.Context, set settings, stdout io.Writer) (goals []goal, err error) {
	dir, err := os.MkdirTemp(set.dir, "journal")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{dir: dir, syncs: map[string]*counter{}}
	fmt.Fprintf(stdout, "%s %s/%s, %d procs\n\nhow items end: ", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	ends, err := table(ctx, b.ends(set.items), set.items, set.rounds, stdout)
	if err != nil {
		return nil, err
	}
	goals = append(goals, goal{"a run that records, over a run, in their fastest rounds: ns/item", fastest(ends, "a run that records") - fastest(ends, "a run"), 2000})
	var cases []ratio.Case
	for _, n := range inFlight {
		cases = append(cases, b.intents(set.intents, n)...)
	}
	fmt.Fprint(stdout, "\nintents: ")
	if _, err := table(ctx, cases, set.intents, set.rounds, stdout); err != nil {
		return nil, err
	}
	for _, n := range inFlight {
		groups := float64(set.intents) / float64(n) * float64(set.rounds+1) // one round warms up
		perGroup := float64(b.syncs[intentsOf(n)].n.Load()) / groups
		fmt.Fprintf(stdout, "%s: %.2f syncs for as many intents\n", intentsOf(n), perGroup)
		goals = append(goals, goal{intentsOf(n) + ": syncs for as many intents", perGroup, 2})
	}
	open, held, err := b.resume(set.records)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(stdout, "\nopening a journal: ")
	opened, err := table(ctx, []ratio.Case{open}, set.records, set.rounds, stdout)
	if err != nil {
		return nil, err
	}
	bytes, err := held()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stdout, "it holds %.1f bytes a key\n", bytes)
	return append(goals,
		goal{"opening a million records: s", wall(opened, "Open") * 1e6 / 1e9, 2},
		goal{"memory of an open journal: bytes/key", bytes, 32},
	), nil
}

// table measures cases side by side and prints what they cost.
func table(ctx context.Context, cases []ratio.Case, items, rounds int, stdout io.Writer) (*ratio.Report, error) {
	report, err := ratio.Measure(ctx, cases, ratio.Config{Items: items, Rounds: rounds})
	if err != nil {
		return nil, err
	}
	return report, report.WriteTable(stdout)
}

// wall returns how long a case takes for an item, in nanoseconds.
func wall(report *ratio.Report, name string) float64 {
	for _, row := range report.Rows {
		if row.Name == name {
			return row.Cost.Wall
		}
	}
	panic("no case " + name)
}

// fastest is how long an item of a case takes in its fastest round. A difference of two cases says little in the others:
// what else the machine and its disk do falls on them as a whole, and does not cancel out as in a ratio.
func fastest(report *ratio.Report, name string) float64 {
	least := math.Inf(1)
	for _, row := range report.Rows {
		for _, run := range row.Runs {
			if row.Name == name {
				least = min(least, float64(run.Wall)/float64(report.Items))
			}
		}
	}
	return least
}

// parse reads the flags. It has printed what is wrong with a flag's form, and returns what is wrong with its value.
func parse(args []string, stderr io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("journal", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&set.items, "n", 200_000, "`items` whose end is recorded in each run")
	flags.IntVar(&set.intents, "intents", 4000, "`items` that are intended in each run")
	flags.IntVar(&set.records, "records", 1_000_000, "`number` of records of the journal that is opened")
	flags.IntVar(&set.rounds, "reps", ratio.DefaultRounds, "measured `rounds`, each of which runs every case once")
	flags.StringVar(&set.dir, "dir", "", "`folder` for the files (default the system's for temporary files)")
	flags.BoolVar(&set.check, "check", false, "compare with the goals; exit status 1 names each that is missed")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case set.items <= 0 || set.intents <= 0 || set.records <= 1 || set.rounds <= 0:
		return settings{}, errors.New("-n, -intents, -records and -reps must be positive")
	case set.check && set.rounds < ratio.DefaultRounds:
		return settings{}, fmt.Errorf("-reps is %d, want at least %d with -check", set.rounds, ratio.DefaultRounds)
	}
	return set, nil
}
