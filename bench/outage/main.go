// Command outage shows what a run does while the server takes no calls, and when records or servers have bad luck: with
// the real Limiter and BatchProcessor, in virtual time, and once over real sockets with a server that is killed and
// started again.
//
//	go run ./bench/outage [flags]
//
//	-check         the exit status is 1 when a goal is missed
//	-case name     only the cases whose name contains it
//	-seed number   of latencies and of bad luck (default 1)
//	-real=false    leave out the sockets
//	-v             print every variant of a case, not only the worst and those that miss the goal
//
// A call takes 20 to 120 ms, a refused dial about 1 ms, an error status 20 to 40 ms, that of a flaky
// proxy 10 to 20 ms. Concurrency is what the limiter finds unless a case names it. A floor is the same run undisturbed.
// A run is deterministic but for the order in which goroutines wake at the same instant. The exit status is 2 when the
// flags make no sense.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// settings are the parsed flags.
type settings struct {
	check, real, all bool
	name             string
	seed             uint64
}

func main() {
	if isServer() {
		os.Exit(runServer(os.Stderr))
	}
	stdout, stderr := os.Stdout, os.Stderr
	set, err := parse(os.Args[1:], stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(stderr, "outage:", err)
		os.Exit(2)
	}
	// Virtual time needs a testing.T, and there is no way to one but a test. It ends the program itself.
	testing.Init()
	if err := flag.CommandLine.Parse(nil); err != nil {
		panic(err)
	}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "outage",
		F:    func(t *testing.T) { os.Exit(run(t, set, stdout, stderr)) },
	}}, nil, nil)
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (set settings, err error) {
	f := flag.NewFlagSet("outage", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&set.check, "check", false, "fail when a goal is missed")
	f.BoolVar(&set.real, "real", true, "also over real sockets")
	f.BoolVar(&set.all, "v", false, "print every variant")
	f.StringVar(&set.name, "case", "", "only the cases whose `name` contains it")
	f.Uint64Var(&set.seed, "seed", 1, "`number` that latencies and bad luck are drawn from")
	if err := f.Parse(args); err != nil {
		return set, err
	}
	if f.NArg() > 0 {
		return set, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return set, nil
}

// run is the whole command and returns its exit status.
func run(t *testing.T, set settings, stdout, stderr io.Writer) int {
	b := newBench(set.seed)
	sections := [][]row{b.shortOutages(), b.endless(), b.badLuck(), b.chunks()}
	if set.real {
		sections = append(sections, sockets())
	}
	missed, found := 0, 0
	for _, rows := range sections {
		var chosen []row
		for _, r := range rows {
			if strings.Contains(r.name, set.name) {
				chosen = append(chosen, r)
			}
		}
		if found += len(chosen); len(chosen) == 0 {
			continue
		}
		bad, err := show(stdout, chosen, measure(t, chosen), set.all)
		if err != nil {
			fmt.Fprintln(stderr, "outage:", err)
			return 1
		}
		missed += bad
	}
	switch {
	case found == 0:
		fmt.Fprintf(stderr, "outage: no case's name contains %q\n", set.name)
		return 2
	case t.Failed():
		return 1
	}
	fmt.Fprintf(stdout, "\n%d of %d cases meet their goals\n", found-missed, found)
	if set.check && missed > 0 {
		return 1
	}
	return 0
}
