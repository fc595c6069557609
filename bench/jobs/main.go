// Command jobs measures what durable jobs cost beside the same written by hand: the ids of the records are stored in
// groups, then their results, with the same driver and the same guarantees of the disk.
//
//	go run ./bench/jobs [flags]
//
//	-n items     of the large job (default 1000000); the small one has a tenth
//	-run cases   throughput, creates, memory, status, stops, reopen: some of them, with commas (default all)
//	-dir folder  where the stores are (default the system's folder for temporary files)
//	-check       compare with the goals, and name each that is missed
//
// Calls of the client do nothing, so all that is measured is the job and its store. The exit status is 1 when a goal is
// missed or a case fails, and 2 when the flags make no sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) == 4 && os.Args[1] == childFlag {
		os.Exit(runChild(ctx, os.Args[2], os.Args[3]))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// bench prints figures and compares them with their goals.
type bench struct {
	ctx    context.Context
	out    io.Writer
	dir    string
	n      int
	missed int
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("jobs", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 1_000_000, "items of the large job")
	dir := flags.String("dir", "", "folder of the stores")
	cases := flags.String("run", "", "cases to run, with commas")
	check := flags.Bool("check", false, "compare with the goals")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || *n < 1000 {
		fmt.Fprintln(stderr, "jobs: -n must be at least 1000, and there are only flags. See -help.")
		return 2
	}
	folder, err := os.MkdirTemp(*dir, "windrow-jobs-")
	if err == nil {
		b := &bench{ctx: ctx, out: stdout, dir: folder, n: *n}
		err = errors.Join(b.all(*cases), os.RemoveAll(folder))
		if err == nil && *check && b.missed > 0 {
			err = fmt.Errorf("%d goals are missed", b.missed)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "jobs: %v\n", err)
		return 1
	}
	return 0
}

// all runs the cases that are named, all if none is.
func (b *bench) all(names string) error {
	cases := []struct {
		name string
		run  func() error
	}{
		{"throughput", b.throughput}, {"creates", b.creates}, {"memory", b.memory}, {"status", b.statusReads}, {"stops", b.stops}, {"reopen", b.reopen},
	}
	var known strings.Builder
	for _, c := range cases {
		known.WriteString(" " + c.name)
	}
	wanted := strings.FieldsFunc(names, func(r rune) bool { return r == ',' })
	for _, name := range wanted {
		if !slices.Contains(strings.Fields(known.String()), name) {
			return fmt.Errorf("there is no case %q; there are%s", name, known.String())
		}
	}
	for _, c := range cases {
		if len(wanted) > 0 && !slices.Contains(wanted, c.name) {
			continue
		}
		if err := c.run(); err != nil {
			return err
		}
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// path returns the path of a new store.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name+".db") }

// most prints a figure that has a largest value as its goal, and least one that has a smallest.
func (b *bench) most(what string, got, goal float64)  { b.goal(what, got, goal, got <= goal, "<=") }
func (b *bench) least(what string, got, goal float64) { b.goal(what, got, goal, got >= goal, ">=") }

func (b *bench) goal(what string, got, goal float64, met bool, sign string) {
	word := "met"
	if !met {
		word = "MISSED"
		b.missed++
	}
	fmt.Fprintf(b.out, "  %-6s %s: %.4g (goal %s %g)\n", word, what, got, sign, goal)
}

func (b *bench) title(format string, args ...any) error {
	sync, err := syncLatency(b.dir)
	if err == nil {
		_, err = fmt.Fprintf(b.out, "\n%s (a sync of the disk takes %v)\n", fmt.Sprintf(format, args...), sync.Round(time.Microsecond))
	}
	return err
}

// syncLatency returns how long a write of a page and its sync take, as the median of some.
func syncLatency(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	for range 21 {
		began := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	return median(took), nil
}
