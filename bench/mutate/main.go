// Command mutate asks the tests what they notice. It makes small changes of the source, such as < for <= or a statement
// left out, one at a time, and runs the tests of the packages that depend on the changed one, until one of them fails.
// A change that no test notices survives: it is equivalent, or costs speed only, or there is a test to write.
//
//	go run ./bench/mutate [flags]
//
//	-n number      how many changes (default 60)
//	-seed number   which ones (default 1)
//	-only list     packages to change, as the go command takes them, with commas (default the core and the adapters)
//	-tests list    packages whose tests may notice it (default those of the root's module, and the property tests)
//	-least number  the exit status is 1 when fewer are noticed
//	-list          print the changes, and test none
//
// The same seed draws the same changes of the same source. Those that do not compile are not counted; others are drawn
// in their place. The tests of the changed package run first, then those of the root, then the others, the shortest
// first. The source itself is not touched: the go command is told to read the changed file instead (-overlay). Nothing
// else should keep the machine busy meanwhile, since a test that fails for another reason counts as one that notices.
// The exit status is 2 when the flags make no sense, or when the tests fail without a change.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"time"
)

const (
	// targets are the packages that are changed unless -only says otherwise.
	targets = "./internal/engine,./internal/gate,./internal/adapt,./internal/resume,./journal,./plan,./adapters/..."
	// witnesses are those whose tests may notice, unless -tests says otherwise.
	witnesses = "./...,./internal/proptest"
)

// settings are the parsed flags.
type settings struct {
	n, least int
	seed     uint64
	only     string
	tests    string
	list     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	set, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	noticed := 0
	if err == nil {
		noticed, err = run(ctx, ".", set, os.Stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	case !set.list && noticed < set.least:
		os.Exit(1)
	}
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (set settings, err error) {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&set.n, "n", 60, "how many changes")
	flags.Uint64Var(&set.seed, "seed", 1, "which ones")
	flags.StringVar(&set.only, "only", targets, "packages to change, with commas")
	flags.StringVar(&set.tests, "tests", witnesses, "packages whose tests may notice, with commas")
	flags.IntVar(&set.least, "least", 0, "fail when fewer are noticed")
	flags.BoolVar(&set.list, "list", false, "print the changes, and test none")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	switch {
	case flags.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case set.n < 1:
		return set, fmt.Errorf("-n %d: there must be at least one", set.n)
	case set.least > set.n:
		return set, fmt.Errorf("-least %d is more than -n %d", set.least, set.n)
	}
	return set, nil
}

// run tests changes of the module in a folder, and returns how many were noticed.
func run(ctx context.Context, folder string, set settings, out io.Writer) (noticed int, err error) {
	began := time.Now()
	mutants, err := find(ctx, folder, strings.Split(set.only, ","))
	if err != nil {
		return 0, err
	}
	r := rand.New(rand.NewPCG(set.seed, 0))
	r.Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
	fmt.Fprintf(out, "%d possible changes, %d of them drawn with the seed %d\n", len(mutants), min(set.n, len(mutants)), set.seed)
	s, err := newSuite(ctx, folder, strings.Split(set.tests, ","))
	if err != nil {
		return 0, err
	}
	defer s.close()
	tested, broken := 0, 0
	var survivors []*mutant
	for _, m := range mutants {
		if tested == set.n {
			break
		}
		if err := s.apply(m); err != nil {
			return noticed, err
		}
		if !s.compiles(ctx, m.pkg) {
			if ctx.Err() != nil {
				return noticed, ctx.Err()
			}
			broken++
			continue
		}
		tested++
		fmt.Fprintf(out, "%3d %s\n", tested, m)
		if set.list {
			continue
		}
		since := time.Now()
		by, err := s.noticed(ctx, m.pkg)
		if err != nil {
			return noticed, err
		}
		if by == "" {
			survivors = append(survivors, m)
			by = "SURVIVES"
		} else {
			noticed++
			by = "noticed by " + by
		}
		fmt.Fprintf(out, "    %s (%v)\n", by, time.Since(since).Round(100*time.Millisecond))
	}
	if set.list {
		return 0, nil
	}
	for _, m := range survivors {
		fmt.Fprintf(out, "\nSURVIVES %s\n%s", m, m.diff())
	}
	fmt.Fprintf(out, "\nseed %d: %d of %d changes noticed, %d survive; %d did not compile; %v\n",
		set.seed, noticed, tested, len(survivors), broken, time.Since(began).Round(time.Second))
	return noticed, nil
}
