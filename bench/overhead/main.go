// Command overhead measures windrow beside the code that one would write by hand and the libraries that one would pick
// instead: what handling an item costs when the call itself does nothing, and what is left of that over HTTP. Each
// workload is done in several ways, in turns, by package ratio.
//
//	go run ./bench/overhead [flags]
//
//	-n items           items of the calls that do nothing (default 1000000); the other workloads shrink with it
//	-reps rounds       measured runs of each contender (default 7); twice as many where the figures vary most
//	-concurrency list  concurrencies of the calls that do nothing (default 8,64)
//	-case list         only these workloads, by name or the beginning of one (default all)
//	-json              print one JSON object in place of the tables
//	-check             compare with the goals and name each that is missed
//
// All of it takes about a quarter of an hour. The exit status is 1 when a goal is missed or a contender fails, and 2
// when the flags make no sense.
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

	"github.com/windrow-go/windrow/bench/child"
	"github.com/windrow-go/windrow/bench/ratio"
)

func main() {
	child.Main(parts)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// fullSize is the number of items of the calls that do nothing for which the goals are.
const fullSize = 1_000_000

// settings are the parsed flags.
type settings struct {
	share     float64 // of the full size
	rounds    int
	workloads []workload
	json      bool
	check     bool
}

// output is what -json prints.
type output struct {
	Go      string    `json:"go"`
	System  string    `json:"system"`
	Procs   int       `json:"procs"`
	Results []section `json:"results"`
}

// section is the result of one workload.
type section struct {
	Workload string          `json:"workload"`
	About    string          `json:"about"`
	Report   *ratio.Report   `json:"report"`
	Verdicts []ratio.Verdict `json:"verdicts,omitempty"`
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
	return set.measureAll(ctx, stdout, stderr)
}

// measureAll does the workloads one after the other, prints what it finds, and returns the exit status.
func (set settings) measureAll(ctx context.Context, stdout, stderr io.Writer) int {
	out := output{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Procs: runtime.GOMAXPROCS(0)}
	if !set.json {
		fmt.Fprintf(stdout, "%s %s, %d procs\n", out.Go, out.System, out.Procs)
	}
	status := 0
	for _, w := range set.workloads {
		sec, err := measure(ctx, set, w)
		if err != nil {
			fmt.Fprintf(stderr, "overhead: %s: %v\n", w.name, err)
			return 1
		}
		out.Results = append(out.Results, sec)
		if !set.json {
			fmt.Fprintf(stdout, "\n%s: %s\n", sec.Workload, sec.About)
			if err := sec.Report.WriteTable(stdout); err != nil {
				fmt.Fprintln(stderr, "overhead:", err)
				return 1
			}
		}
		for _, verdict := range sec.Verdicts {
			switch {
			case !verdict.Met:
				status = 1
				fmt.Fprintf(stderr, "%s: %v\n", w.name, verdict)
			case !set.json:
				fmt.Fprintf(stdout, "%s: %v\n", w.name, verdict)
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

// measure does one workload in all its ways, side by side.
func measure(ctx context.Context, set settings, w workload) (section, error) {
	report, err := ratio.Measure(ctx, w.cases(), ratio.Config{Items: w.size(set.share), Rounds: w.rounds(set.rounds), Baselines: w.baselines})
	if err != nil {
		return section{}, err
	}
	sec := section{Workload: w.name, About: w.about, Report: report}
	if set.check {
		sec.Verdicts, err = report.Judge(w.goals)
	}
	return sec, err
}

// parse reads the flags. It has printed what is wrong with a flag's form, and returns what is wrong with its value.
func parse(args []string, stderr io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("overhead", flag.ContinueOnError)
	flags.SetOutput(stderr)
	items := flags.Int("n", fullSize, "`items` of the calls that do nothing; the other workloads shrink with it")
	flags.IntVar(&set.rounds, "reps", ratio.DefaultRounds, "measured `rounds`, each of which runs every contender once")
	flags.BoolVar(&set.json, "json", false, "print one JSON object in place of the tables")
	flags.BoolVar(&set.check, "check", false, "compare with the goals; exit status 1 names each that is missed")
	concurrencies := flags.String("concurrency", "8,64", "comma-separated `list` of concurrencies of the calls that do nothing")
	names := flags.String("case", "", "comma-separated `list` of workloads, by name or the beginning of one (default all)")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	switch {
	case flags.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *items <= 0:
		return set, fmt.Errorf("-n is %d, want a positive number", *items)
	case set.rounds <= 0:
		return set, fmt.Errorf("-reps is %d, want a positive number", set.rounds)
	case set.check && set.rounds < ratio.DefaultRounds:
		return set, fmt.Errorf("-reps is %d, want at least %d with -check", set.rounds, ratio.DefaultRounds)
	}
	set.share = float64(*items) / fullSize
	var numbers []int
	for field := range strings.SplitSeq(*concurrencies, ",") {
		number, err := strconv.Atoi(field)
		if err != nil || number <= 0 || slices.Contains(numbers, number) {
			return set, fmt.Errorf("-concurrency has %q, want positive numbers, each once", field)
		}
		numbers = append(numbers, number)
	}
	var err error
	set.workloads, err = chosen(workloads(numbers), *names)
	return set, err
}

// chosen returns the workloads of a list of names, in their own order; all of them for an empty list.
func chosen(all []workload, names string) ([]workload, error) {
	if names == "" {
		return all, nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, w := range all {
			if name != "" && strings.HasPrefix(w.name, name) {
				wanted[w.name], found = true, true
			}
		}
		if !found {
			var known []string
			for _, w := range all {
				known = append(known, w.name)
			}
			return nil, fmt.Errorf("-case has %q, want some of %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(w workload) bool { return !wanted[w.name] }), nil
}
