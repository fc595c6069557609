// Command overhead measures what handling an item costs when the call itself
// does nothing: hand-written loops and libraries side by side, by package ratio.
//
//	go run ./internal/bench/overhead [flags]
//
//	-n items           items in each run (default 1000000)
//	-reps rounds       measured runs of each case (default 7)
//	-concurrency list  concurrencies to measure at (default 8,64)
//	-case list         only these cases (default all)
//	-json              print one JSON object in place of the tables
//	-check             compare with the goals and name each that is missed
//
// The exit status is 1 when a goal is missed or a case fails, and 2 when the
// flags make no sense.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/windrow-go/windrow/internal/bench/ratio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are the parsed flags.
type settings struct {
	items         int
	rounds        int
	concurrencies []int
	selected      []candidate
	json          bool
	check         bool
}

// output is what -json prints.
type output struct {
	Go      string    `json:"go"`
	System  string    `json:"system"`
	Procs   int       `json:"procs"`
	Results []section `json:"results"`
}

// section is the result at one concurrency.
type section struct {
	Concurrency int             `json:"concurrency"`
	Report      *ratio.Report   `json:"report"`
	Verdicts    []ratio.Verdict `json:"verdicts,omitempty"`
}

// run is the whole command and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "overhead:", err)
		return 2
	}

	out := output{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Procs: runtime.GOMAXPROCS(0)}
	if !set.json {
		fmt.Fprintf(stdout, "%s %s, %d procs\n", out.Go, out.System, out.Procs)
	}
	status := 0
	for _, concurrency := range set.concurrencies {
		sec, err := measure(ctx, set, concurrency)
		if err != nil {
			fmt.Fprintln(stderr, "overhead:", err)
			return 1
		}
		out.Results = append(out.Results, sec)
		if !set.json {
			fmt.Fprintf(stdout, "\nconcurrency %d: ", concurrency)
			if err := sec.Report.WriteTable(stdout); err != nil {
				fmt.Fprintln(stderr, "overhead:", err)
				return 1
			}
		}
		for _, verdict := range sec.Verdicts {
			switch {
			case !verdict.Met:
				status = 1
				fmt.Fprintf(stderr, "concurrency %d: %v\n", concurrency, verdict)
			case !set.json:
				fmt.Fprintf(stdout, "concurrency %d: %v\n", concurrency, verdict)
			}
		}
	}
	if set.json {
		if err := json.NewEncoder(stdout).Encode(out); err != nil {
			fmt.Fprintln(stderr, "overhead:", err)
			return 1
		}
	}
	return status
}

// measure runs the selected cases side by side at one concurrency.
func measure(ctx context.Context, set settings, concurrency int) (section, error) {
	inputs := make([]int, set.items)
	for i := range inputs {
		inputs[i] = i
	}
	j := job{concurrency: concurrency, inputs: inputs, do: noop}

	var cases []ratio.Case
	config := ratio.Config{Items: set.items, Rounds: set.rounds}
	for _, c := range set.selected {
		cases = append(cases, ratio.Case{
			Name:    c.name,
			Prepare: func(int) (ratio.Work, error) { return c.prepare(j), nil },
		})
		if slices.Contains(baselines, c.name) {
			config.Baselines = append(config.Baselines, c.name)
		}
	}
	report, err := ratio.Measure(ctx, cases, config)
	if err != nil {
		return section{}, err
	}
	sec := section{Concurrency: concurrency, Report: report}
	if set.check {
		sec.Verdicts, err = report.Judge(goals)
	}
	return sec, err
}

// parse reads the flags. It has printed what is wrong with a flag's form, and
// returns what is wrong with its value.
func parse(args []string, stderr io.Writer) (settings, error) {
	set := settings{selected: candidates}
	flags := flag.NewFlagSet("overhead", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&set.items, "n", 1_000_000, "`items` in each run")
	flags.IntVar(&set.rounds, "reps", ratio.DefaultRounds, "measured `rounds`, each of which runs every case once")
	flags.BoolVar(&set.json, "json", false, "print one JSON object in place of the tables")
	flags.BoolVar(&set.check, "check", false, "compare with the goals; exit status 1 names each that is missed")
	concurrencies := flags.String("concurrency", "8,64", "comma-separated `list` of concurrencies to measure at")
	names := flags.String("case", "", "comma-separated `list` of the cases to measure: "+known()+" (default all)")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if set.items <= 0 {
		return settings{}, fmt.Errorf("-n is %d, want a positive number", set.items)
	}
	if set.rounds <= 0 {
		return settings{}, fmt.Errorf("-reps is %d, want a positive number", set.rounds)
	}
	if set.check && set.rounds < ratio.DefaultRounds {
		return settings{}, fmt.Errorf("-reps is %d, want at least %d with -check", set.rounds, ratio.DefaultRounds)
	}
	for field := range strings.SplitSeq(*concurrencies, ",") {
		concurrency, err := strconv.Atoi(field)
		if err != nil || concurrency <= 0 {
			return settings{}, fmt.Errorf("-concurrency has %q, want positive numbers", field)
		}
		set.concurrencies = append(set.concurrencies, concurrency)
	}
	if *names == "" {
		return set, nil
	}
	if set.check {
		return settings{}, errors.New("-check needs all cases: leave out -case")
	}
	wanted := strings.Split(*names, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(candidates, func(c candidate) bool { return c.name == name }) {
			return settings{}, fmt.Errorf("-case has %q, want some of %s", name, known())
		}
	}
	set.selected = nil
	for _, c := range candidates {
		if slices.Contains(wanted, c.name) {
			set.selected = append(set.selected, c)
		}
	}
	return set, nil
}

// known lists the names of all cases.
func known() string {
	var names []string
	for _, c := range candidates {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}
