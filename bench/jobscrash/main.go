// Command jobscrash kills a program that carries out durable jobs with SIGKILL, again and again, and starts it again with
// the same store, against a server that remembers all that it really applied.
//
//	go run ./bench/jobscrash [flags]
//
//	-kills number   how often the program is killed (default 200)
//	-seed number    of the jobs, the server's faults and the moments of the kills (default: another each time)
//	-short          20 kills
//	-keep           keep the store, and say where it is
//
// The jobs create, update and delete records of eight kinds: a server that makes a record of each create, one that knows
// creates by their idempotency key, one that refuses an id that it has, and one whose records are looked up by a Reconcile;
// each with single calls and with native batches. Their items come from filters, ids and records. Meanwhile the program
// pauses, resumes and cancels jobs at random moments, and the server fails, loses responses, refuses some records and names
// records of a list twice.
//
// The program is killed at random times, when so many requests were carried out, while a list is read, and before, during
// and right after a Submit, Pause, Resume, Cancel and the end of a job. When all jobs have ended, each item is compared with
// what the server did, and each job with what the program was told.
//
// It prints the kills, the jobs, the items, and of these how many are Unknown; how often an update or a delete was carried
// out again, as it may be; how many items were lost (said to be done and not there, or never said to be anything else),
// doubled (made twice), untrue (said not to have been applied although they were), and how many jobs are in a wrong state or
// have wrong counts or events. The exit status is 1 when something is wrong, 2 when the flags make no sense.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/windrow-go/windrow/bench/child"
)

// parts are the parts of this program that have a process of their own.
var parts = map[string]child.Part{"live": live}

func main() {
	child.Main(parts)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("jobscrash", flag.ContinueOnError)
	flags.SetOutput(stderr)
	kills := flags.Int("kills", 200, "kill the program `n` times")
	seed := flags.Uint64("seed", 0, "`seed` of the jobs, faults and kills; 0: another each time")
	short := flags.Bool("short", false, "20 kills")
	keep := flags.Bool("keep", false, "keep the store, and say where it is")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 || *kills < 0 {
		fmt.Fprintln(stderr, "jobscrash: -kills must not be negative, and there are only flags. See -help.")
		return 2
	}
	if *short {
		*kills = 20
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Fprintf(stdout, "seed %d\n", *seed)
	folder, err := os.MkdirTemp("", "windrow-jobscrash-")
	if err != nil {
		fmt.Fprintf(stderr, "jobscrash: %v\n", err)
		return 1
	}
	if *keep {
		fmt.Fprintf(stdout, "store %s\n", filepath.Join(folder, "jobs.db"))
	} else {
		defer os.RemoveAll(folder)
	}
	began := time.Now()
	c := &crash{seed: *seed, path: filepath.Join(folder, "jobs.db"), random: rand.New(rand.NewPCG(*seed, 2))}
	t, err := c.run(ctx, *kills, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "jobscrash: after %d kills: %v\n", c.kills, err)
		return 1
	}
	t.print(stdout, c, time.Since(began))
	for _, fault := range t.faults {
		fmt.Fprintln(stderr, fault)
	}
	if len(t.faults) > 0 {
		return 1
	}
	return 0
}

// moments are the events at which the program is killed. The empty one is a random time.
var moments = []string{"", "write", "", "list", "write", submitting, submitted, "write", pausing, paused, "list", cancelling, cancelled, "", ended, "write", resumed}

// crash is a run of the command.
type crash struct {
	seed    uint64
	path    string
	random  *rand.Rand
	server  *server
	kills   int
	jobs    []job
	reached map[string]int // kills by event
	trigger
	told
}

func (c *crash) run(ctx context.Context, kills int, stderr io.Writer) (t tally, err error) {
	if c.server, err = startServer(c.seed); err != nil {
		return t, err
	}
	defer c.server.close()
	c.server.told, c.server.passed = c.note, c.passed
	c.reached = map[string]int{}
	for number := 0; c.kills < kills; number++ {
		if err := c.live(ctx, number, false, stderr); err != nil {
			return t, err
		}
	}
	if err := c.live(ctx, -1, true, stderr); err != nil {
		return t, err
	}
	return c.verify(ctx)
}

// live starts the program once.
func (c *crash) live(ctx context.Context, number int, last bool, stderr io.Writer) error {
	moment := "the end"
	if !last {
		moment = moments[number%len(moments)]
	}
	l := life{URL: c.server.url, Path: c.path, Seed: c.seed, Number: number, Moment: moment, Last: last}
	for range 2 {
		if last {
			break
		}
		j := plan(c.seed, len(c.jobs))
		c.server.seed(j)
		c.jobs = append(c.jobs, j)
	}
	for _, j := range c.jobs {
		if !c.history(j.number).submitted {
			l.Submit = append(l.Submit, j.number)
		}
	}
	argument, err := json.Marshal(l)
	if err != nil {
		return err
	}
	var kill chan struct{}
	if !last {
		kill = c.arm(moment, c.random)
	}
	killed, err := child.Kill(ctx, "live", string(argument), kill)
	event := c.disarm()
	switch {
	case err != nil:
		return fmt.Errorf("life %d, to be killed at %q: %w", number, moment, err)
	case killed:
		c.kills++
		c.reached[event]++
	case !last:
		return fmt.Errorf("life %d ended by itself", number)
	}
	return nil
}

// tally is what came of the jobs.
type tally struct {
	items, unknown, doubtful, repeated, late, lost, doubled, untrue, states int
	pauses, cancels                                                         int
	faults                                                                  []string
}

func (t *tally) print(w io.Writer, c *crash, took time.Duration) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "kills\tjobs\titems\tunknown\tof these not plain\trepeated\tlate\tlost\tdoubled\tuntrue\twrong jobs\tpauses\tcancels\trequests\ttime\t")
	fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1fs\t\n", c.kills, len(c.jobs), t.items, t.unknown, t.doubtful,
		t.repeated, t.late, t.lost, t.doubled, t.untrue, t.states, t.pauses, t.cancels, c.server.count, took.Seconds())
	_ = table.Flush()
	fmt.Fprint(w, "kills by moment:")
	for _, m := range []string{"", "list", "write", submitting, submitted, pausing, paused, resumed, cancelling, cancelled, ended} {
		name := m
		if m == "" {
			name = "random time"
		}
		fmt.Fprintf(w, " %s %d,", name, c.reached[m])
	}
	fmt.Fprintln(w)
}
