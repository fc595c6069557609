// Command limits shows what laws of adaptation reach against servers whose
// limits they are not told: windrow's, through the real Limiter and
// BatchProcessor with all defaults, beside others. Time is virtual.
//
//	go run ./bench/limits [flags]
//
//	-server name   only the servers whose name contains it
//	-law name      only the laws whose name contains it
//	-draw seed     servers drawn over ranges that were not used for tuning, instead of the named
//	-n count       how many are drawn (default 30)
//	-spec file     servers described in a file, in place of the named
//	-spec-help     print how a spec file is written
//	-seeds count   runs of each law with each server (default 20; 1 for drawn servers)
//	-seed first    the first of them (default 1000)
//	-json          print one JSON object in place of the table
//	-check         run windrow alone and name each goal row that is missed
//	-trace         print each change of what the limiter believes
//
// Utilisation is the ideal makespan divided by the real one, the 429 share that
// of throttled requests among all, and p99 is from the first send of an item to
// its success; each is a mean over the seeds.
//
// A run that is throttled for longer than MaxThrottleWait, because another client
// of the server is quicker all the time, is gone on with by Rerun, and counted.
//
// A run is deterministic but for the order in which goroutines wake at the same
// instant, so figures differ a little from one to the next. The exit status is
// 1 when items were lost, a promise was broken or, with -check, a goal was
// missed, and 2 when the flags make no sense.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
)

// settings are the parsed flags.
type settings struct {
	server, law, file string
	draw              uint64
	drawn             bool
	count, seeds      int
	first             uint64
	json, check       bool
	trace, help       bool
}

func main() {
	stdout, stderr := os.Stdout, os.Stderr
	set, err := parse(os.Args[1:], stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(stderr, "limits:", err)
		os.Exit(2)
	case set.help:
		fmt.Fprint(stdout, specHelp)
		return
	}
	specs, err := set.specs()
	if err != nil {
		fmt.Fprintln(stderr, "limits:", err)
		os.Exit(2)
	}
	// Virtual time needs a testing.T, and there is no way to one but a test. It ends the program itself.
	testing.Init()
	if err := flag.CommandLine.Parse(nil); err != nil {
		panic(err)
	}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "limits",
		F:    func(t *testing.T) { os.Exit(run(t, set, specs, stdout, stderr)) },
	}}, nil, nil)
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (set settings, err error) {
	f := flag.NewFlagSet("limits", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&set.server, "server", "", "only the servers whose `name` contains it")
	f.StringVar(&set.law, "law", "", "only the laws whose `name` contains it")
	f.StringVar(&set.file, "spec", "", "servers described in a `file`")
	f.Uint64Var(&set.draw, "draw", 0, "draw servers from this `seed`")
	f.IntVar(&set.count, "n", 30, "how many servers are drawn")
	f.IntVar(&set.seeds, "seeds", 0, "runs of each law with each server")
	f.Uint64Var(&set.first, "seed", 1000, "the first of their seeds")
	f.BoolVar(&set.json, "json", false, "print JSON")
	f.BoolVar(&set.check, "check", false, "compare with the goals")
	f.BoolVar(&set.trace, "trace", false, "print what the limiter believes")
	f.BoolVar(&set.help, "spec-help", false, "print how a spec file is written")
	if err := f.Parse(args); err != nil {
		return set, err
	}
	f.Visit(func(f *flag.Flag) { set.drawn = set.drawn || f.Name == "draw" })
	if set.seeds == 0 {
		set.seeds = 20
		if set.drawn {
			set.seeds = 1
		}
	}
	switch {
	case f.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case set.seeds < 1 || set.count < 1:
		return set, errors.New("-seeds and -n must be at least 1")
	case set.drawn && set.file != "":
		return set, errors.New("-draw and -spec exclude each other")
	}
	return set, nil
}

// specs are the servers that were asked for.
func (set settings) specs() ([]spec, error) {
	all := named
	switch {
	case set.drawn:
		all = draw(set.draw, set.count)
	case set.file != "":
		var err error
		if all, err = readSpecs(set.file); err != nil {
			return nil, err
		}
	}
	var chosen []spec
	for _, s := range all {
		if strings.Contains(s.Name, set.server) {
			if err := s.check(); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no server's name contains %q", set.server)
	}
	return chosen, nil
}

// laws are the laws that were asked for.
func (set settings) laws() []law {
	var chosen []law
	for _, l := range laws {
		if strings.Contains(l.name, set.law) && (l.strict || !set.check) {
			chosen = append(chosen, l)
		}
	}
	return chosen
}

// run is the whole command and returns its exit status.
func run(t *testing.T, set settings, specs []spec, stdout, stderr io.Writer) (status int) {
	if set.trace {
		trace = func(s windrow.LimiterStats) {
			fmt.Fprintf(stderr, "%9.3f  concurrency %2d  rate %8.2f  in flight %2d  %s\n",
				time.Since(epoch).Seconds(), s.Concurrency, s.Rate, s.InFlight, s.Why)
		}
	}
	var rows []row
	for _, s := range specs {
		for k, l := range set.laws() {
			r := measure(t, s, l, set.first, set.seeds)
			rows = append(rows, r)
			if !set.json {
				show(stdout, r, k == 0, len(rows) == 1)
			}
			switch {
			case l.strict && (r.Lost > 0 || len(r.Wrong) > 0):
				status = 1
				fmt.Fprintf(stderr, "%s: %d lost; %s\n", s.Name, r.Lost, strings.Join(r.Wrong, "; "))
			case set.check && len(r.Missed) > 0:
				status = 1
				fmt.Fprintf(stderr, "%s: MISSED %s\n", s.Name, strings.Join(r.Missed, "; "))
			}
		}
	}
	if set.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(map[string]any{"first_seed": set.first, "rows": rows}); err != nil {
			fmt.Fprintln(stderr, "limits:", err)
			return 1
		}
	}
	return status
}

// epoch is when virtual time begins (package synctest).
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// show prints a line of the table.
func show(w io.Writer, r row, first, header bool) {
	if header {
		fmt.Fprintf(w, "%-34s %-30s %6s %8s %8s %8s %7s %5s\n", "server", "law", "util %", "worst %", "429 %", "p99 s", "items", "lost")
	}
	name := ""
	if first {
		name = r.Server
	}
	mark := ""
	if r.Stops > 0 {
		mark = fmt.Sprintf("  (%d stopped and gone on with)", r.Stops)
	}
	if len(r.Missed) > 0 {
		mark += "  missed: " + strings.Join(r.Missed, "; ")
	}
	fmt.Fprintf(w, "%-34s %-30s %6.1f %8.1f %8.2f %8.2f %7d %5d%s\n",
		name, r.Law, 100*r.Utilisation, 100*r.Worst, 100*r.Throttled, r.P99, r.Items, r.Lost, mark)
}
