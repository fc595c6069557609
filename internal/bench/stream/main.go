// Command stream shows two properties of windrow's streams: that memory does not
// grow with the length of the stream, and that results in order do not make the
// work wait for a slow item.
//
//	go run ./internal/bench/stream [flags]
//
//	-short items   length of the short stream (default 1000000)
//	-long items    length of the long stream (default 10000000)
//	-reps rounds   measured runs of each case (default 7)
//	-check         compare with the goals and name each that is missed
//
// Memory is the largest resident set of a process of its own for each run, and
// the median of the rounds is taken. The slow items are 1 % of the calls, which
// take 20 times as long as the others, at a concurrency of 50, beside a
// hand-written loop whose results come as they end, and beside a channel of
// futures, the usual way to keep results in order.
//
// The exit status is 1 when a goal is missed or a case fails, and 2 when the
// flags make no sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windrow-go/windrow/internal/bench/ratio"
)

// The goals: how much more memory the long stream may take, and how much longer
// ordered results may take than the unordered loop.
const (
	maxMemory = 1.05
	maxSlow   = 1.05
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("stream", flag.ContinueOnError)
	flags.SetOutput(stderr)
	short := flags.Int("short", 1_000_000, "`items` of the short stream")
	long := flags.Int("long", 10_000_000, "`items` of the long stream")
	rounds := flags.Int("reps", ratio.DefaultRounds, "measured `rounds`")
	check := flags.Bool("check", false, "compare with the goals; exit status 1 names each that is missed")
	child := flags.Int("memory-of", 0, "only stream that many `items` and print the largest resident set in bytes")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *short <= 0 || *long <= 0 || *rounds <= 0 || *child < 0 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "stream: -short, -long and -reps want positive numbers, and there are no other arguments")
		return 2
	}
	if *child > 0 {
		if err := drain(ctx, *child); err != nil {
			fmt.Fprintln(stderr, "stream:", err)
			return 1
		}
		fmt.Fprintln(stdout, peakMemory())
		return 0
	}
	if peakMemory() == 0 {
		fmt.Fprintln(stderr, "stream: this system does not tell the largest resident set of a process")
		return 1
	}
	grows, err := compareMemory(ctx, *short, *long, *rounds, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "stream:", err)
		return 1
	}
	report, err := ratio.Measure(ctx, slowCases, ratio.Config{Items: slowItems, Rounds: *rounds, Baselines: []string{handLoop}})
	if err != nil {
		fmt.Fprintln(stderr, "stream:", err)
		return 1
	}
	fmt.Fprintf(stdout, "\n1 %% of the calls take 20 times as long, concurrency %d: ", slowConcurrency)
	if err := report.WriteTable(stdout); err != nil {
		fmt.Fprintln(stderr, "stream:", err)
		return 1
	}
	if !*check {
		return 0
	}
	verdicts, err := report.Judge([]ratio.Goal{{Case: ordered, Metric: ratio.Wall, Baseline: handLoop, Max: maxSlow}})
	if err != nil {
		fmt.Fprintln(stderr, "stream:", err)
		return 1
	}
	status := 0
	if grows > maxMemory {
		fmt.Fprintf(stderr, "MISSED  memory: %d items take %.3f x that of %d, want <= %v\n", *long, grows, *short, maxMemory)
		status = 1
	}
	for _, v := range verdicts {
		if !v.Met {
			fmt.Fprintln(stderr, v)
			status = 1
		}
	}
	return status
}

// compareMemory prints how much memory the two streams take, and returns the
// ratio of the medians.
func compareMemory(ctx context.Context, short, long, rounds int, stdout io.Writer) (float64, error) {
	lengths := []int{short, long}
	peaks := make([][]float64, len(lengths))
	for range rounds {
		for i, n := range lengths {
			peak, err := memoryOf(ctx, n)
			if err != nil {
				return 0, err
			}
			peaks[i] = append(peaks[i], peak)
		}
	}
	var medians []float64
	for i, n := range lengths {
		slices.Sort(peaks[i])
		medians = append(medians, peaks[i][len(peaks[i])/2])
		fmt.Fprintf(stdout, "%9d items, in order: %.1f MiB at most (%.1f to %.1f in %d runs)\n", n,
			medians[i]/(1<<20), peaks[i][0]/(1<<20), peaks[i][len(peaks[i])-1]/(1<<20), rounds)
	}
	grows := medians[1] / medians[0]
	fmt.Fprintf(stdout, "the long stream takes %.3f x the memory of the short one\n", grows)
	return grows, nil
}

// memoryOf streams n items in a process of its own and returns its largest
// resident set in bytes.
func memoryOf(ctx context.Context, n int) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	command := exec.CommandContext(ctx, self, "-memory-of", strconv.Itoa(n))
	command.WaitDelay = time.Second
	out, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("streaming %d items: %w", n, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
