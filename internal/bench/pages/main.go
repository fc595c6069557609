// Command pages measures what reading a list page by page costs beside the time that it must take: 20 ms for a page of
// 100 items, 0.1 ms for handling an item. Both are waits that make up for their own delays, so that what is left is
// the reader's. It measures side by side, by package ratio.
//
//	go run ./internal/bench/pages [flags]
//
//	-n pages      pages of the list (default 100)
//	-reps rounds  measured runs of each case (default 7)
//	-json         print one JSON object in place of the table
//	-check        compare with the goals and name each that is missed
//
// The exit status is 1 when a goal is missed or a case fails, and 2 when the flags make no sense. With the defaults it
// takes about a minute and a half.
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

	"github.com/windrow-go/windrow/internal/bench/ratio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are the parsed flags.
type settings struct {
	pages  int
	rounds int
	json   bool
	check  bool
}

// output is what -json prints.
type output struct {
	Go       string          `json:"go"`
	System   string          `json:"system"`
	Procs    int             `json:"procs"`
	Pages    int             `json:"pages"`
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
		fmt.Fprintln(stderr, "pages:", err)
		return 2
	}
	out, err := measure(ctx, set)
	if err != nil {
		fmt.Fprintln(stderr, "pages:", err)
		return 1
	}
	if set.json {
		err = json.NewEncoder(stdout).Encode(out)
	} else {
		fmt.Fprintf(stdout, "%s %s, %d procs\n%d pages; %v is ideal, %v with %d pages at once\n\n",
			out.Go, out.System, out.Procs, out.Pages, ideal(set.pages), idealParallel(set.pages), parallel)
		err = out.Report.WriteTable(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "pages:", err)
		return 1
	}
	status := 0
	for _, verdict := range out.Verdicts {
		switch {
		case !verdict.Met:
			status = 1
			fmt.Fprintln(stderr, verdict)
		case !set.json:
			fmt.Fprintln(stdout, verdict)
		}
	}
	return status
}

// measure runs the cases side by side.
func measure(ctx context.Context, set settings) (output, error) {
	var cases []ratio.Case
	for _, c := range candidates {
		cases = append(cases, ratio.Case{
			Name:    c.name,
			Prepare: func(items int) (ratio.Work, error) { return c.prepare(items / size), nil },
		})
	}
	out := output{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Procs: runtime.GOMAXPROCS(0), Pages: set.pages}
	var err error
	out.Report, err = ratio.Measure(ctx, cases, ratio.Config{Items: set.pages * size, Rounds: set.rounds, Baselines: baselines})
	if err == nil && set.check {
		out.Verdicts, err = out.Report.Judge(goals)
	}
	return out, err
}

// parse reads the flags. It has printed what is wrong with a flag's form, and returns what is wrong with its value.
func parse(args []string, stderr io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("pages", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&set.pages, "n", 100, "`pages` of the list")
	flags.IntVar(&set.rounds, "reps", ratio.DefaultRounds, "measured `rounds`, each of which runs every case once")
	flags.BoolVar(&set.json, "json", false, "print one JSON object in place of the table")
	flags.BoolVar(&set.check, "check", false, "compare with the goals; exit status 1 names each that is missed")
	err := flags.Parse(args)
	switch {
	case err != nil:
		return set, err
	case flags.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case set.pages <= 0:
		return set, fmt.Errorf("-n is %d, want a positive number", set.pages)
	case set.rounds <= 0:
		return set, fmt.Errorf("-reps is %d, want a positive number", set.rounds)
	case set.check && set.pages != 100:
		return set, fmt.Errorf("-n is %d, want 100 with -check", set.pages)
	case set.check && set.rounds < ratio.DefaultRounds:
		return set, fmt.Errorf("-reps is %d, want at least %d with -check", set.rounds, ratio.DefaultRounds)
	}
	return set, nil
}
