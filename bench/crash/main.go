// Command crash kills an import with SIGKILL, again and again, and starts it again with the same journal, against a server
// that keeps a ledger of what it really applied.
//
//	go run ./bench/crash [flags]
//
//	-kills number   how often the import is killed (default 200)
//	-late number    how often it is killed beside a server whose records are there 700 ms late (default 20)
//	-items number   records that are imported altogether (default 51000)
//	-seed number    for the moments at which it is killed (default: another each time)
//
//	-servers names  which of the servers, separated by commas (default all)
//
// The records go in equal parts to a server that makes a record of each request, to one that knows requests by their
// idempotency key, and to one that refuses an id that it has; of each there is one more whose records are looked up by a
// Reconcile. The import is killed at each of four points in turn (before an intent is written, after it, after the request
// was carried out, and before its end is written) and at random times. The last server has looked-up records that are there
// 700 ms late; it gets as many records for each kill as the others.
//
// It prints the kills, the items, and of these how many were lost (said to be created and not there, or neither created
// nor said to be in doubt), how many doubled (made twice), how many the import calls Unknown, and of how many it says that
// they failed although they are there. The exit status is 1 when an item is lost or doubled, or is there and said to have
// failed; 2 when the flags make no sense.
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
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if isChild() {
		os.Exit(runChild(ctx, os.Stderr))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.SetOutput(stderr)
	kills := flags.Int("kills", 200, "kill the import `n` times")
	items := flags.Int("items", 51000, "import `n` records altogether")
	late := flags.Int("late", 20, "kill it `n` times beside a server whose records are late")
	names := flags.String("servers", "", "only the servers of these `names`, separated by commas")
	seed := flags.Uint64("seed", 0, "`seed` of the moments at which it is killed; 0: another each time")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	chosen, ok := choose(*names)
	if flags.NArg() > 0 || *kills < 0 || *late < 0 || *items < len(modes) || !ok {
		fmt.Fprintf(stderr, "crash: -kills and -late must not be negative, -items at least %d, -servers some of its lines, and there are only flags. See -help.\n", len(modes))
		return 2
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Fprintf(stdout, "seed %d\n", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "server\tkills\titems\tlost\tdoubled\tunknown\tfailed\trequests\ttime\t")
	var total tally
	status := 0
	for k, m := range chosen {
		dies, makes := share(*kills, k, len(chosen)), share(*items, k, len(chosen))
		if m.late > 0 {
			dies, makes = *late, makes*(*late+1)/(dies+1)
		}
		t, err := m.torture(ctx, dies, makes, random, stderr)
		if err != nil {
			fmt.Fprintf(stderr, "crash: %s: %v\n", m.name, err)
			return 1
		}
		t.print(w, m.name)
		total.add(t)
		if t.lost > 0 || t.doubled > 0 || t.failed > 0 {
			status = 1
		}
	}
	total.print(w, "all")
	if err := w.Flush(); err != nil {
		return 1
	}
	return status
}

// share is the k-th part of a number, of so many.
func share(n, k, of int) int { return n*(k+1)/of - n*k/of }

// choose returns the modes of these names, all for none. ok is false when there is no such name.
func choose(names string) (chosen []mode, ok bool) {
	if names == "" {
		return modes, true
	}
	for name := range strings.SplitSeq(names, ",") {
		k := slices.IndexFunc(modes, func(m mode) bool { return m.name == name })
		if k < 0 {
			return nil, false
		}
		chosen = append(chosen, modes[k])
	}
	return chosen, true
}

// tally is what came of the imports.
type tally struct {
	kills, items, lost, doubled, unknown, failed, requests int
	took                                                   time.Duration
}

func (t *tally) add(other tally) {
	t.kills += other.kills
	t.items += other.items
	t.lost += other.lost
	t.doubled += other.doubled
	t.unknown += other.unknown
	t.failed += other.failed
	t.requests += other.requests
	t.took += other.took
}

func (t tally) print(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1fs\t\n", name, t.kills, t.items, t.lost, t.doubled, t.unknown, t.failed, t.requests, t.took.Seconds())
}

// mode is a kind of server, and how the import deals with it.
type mode struct {
	name      string
	keys      bool // it knows requests by their idempotency key
	ids       bool // it refuses a record that is there
	reconcile bool // the import looks up what it has begun
	late      time.Duration
}

var modes = []mode{
	{name: "plain"},
	{name: "idempotency keys", keys: true},
	{name: "look-ups", reconcile: true},
	{name: "client ids", ids: true},
	{name: "keys and look-ups", keys: true, reconcile: true},
	{name: "ids and look-ups", ids: true, reconcile: true},
	{name: "late", reconcile: true, late: 700 * time.Millisecond},
}

// points are where the import can be killed.
var points = []point{beforeIntent, afterIntent, afterSend, beforeDone, anyTime}

// torture imports so many items and kills the import so many times on the way.
func (m mode) torture(ctx context.Context, kills, items int, random *rand.Rand, stderr io.Writer) (t tally, err error) {
	began := time.Now()
	folder, err := os.MkdirTemp("", "windrow-crash-")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := startServer(m)
	if err != nil {
		return t, err
	}
	defer s.close()
	cfg := childConfig{URL: s.url, Folder: folder, Items: items, Keys: m.keys, IDs: m.ids, Reconcile: m.reconcile}
	for t.kills < kills {
		// Each life is to do its part: the next kill comes when so many more items are there.
		cfg.Point, cfg.After = points[t.kills%len(points)], 1+random.IntN(max(1, items/(kills+1)))
		killed, err := s.live(ctx, cfg, stderr)
		if err != nil {
			return t, err
		}
		if !killed {
			return t, fmt.Errorf("the import came to its end after %d kills: give it more -items", t.kills)
		}
		t.kills++
	}
	cfg.Point = never
	if killed, err := s.live(ctx, cfg, stderr); err != nil || killed {
		return t, fmt.Errorf("the last start was killed: %t, %w", killed, err)
	}
	time.Sleep(2 * m.late) // until all is there
	states, err := readStates(filepath.Join(folder, statesFile), items)
	if err != nil {
		return t, err
	}
	t.items, t.requests, t.took = items, s.requests(), time.Since(began)
	for item, state := range states {
		applied := s.applied(item)
		switch {
		case applied > 1:
			t.doubled++
		case state == 'u':
			t.unknown++
		case state == 'f' && applied == 1:
			t.failed++
		case state != 's' || applied == 0: // a good server refuses nothing: whatever is not in doubt must be there
			t.lost++
		}
	}
	return t, nil
}
