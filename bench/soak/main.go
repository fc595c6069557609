// Command soak streams millions of records, a hundred in a request, to a server that misbehaves in every way that it can
// do at random, with the journal on, and prints over time what that takes: memory, open files, goroutines.
//
//	go run ./bench/soak [flags]
//
//	-n items        records (default 5000000)
//	-every time     time between two lines (default 5s)
//	-batch items    records in a request (default 100)
//
// At the end it compares what it was told of each record with what the server has. The exit status is 1 when these
// differ, when something is left open, or when memory at the end is more than half as much again as after the first
// tenth; 2 when the flags make no sense.
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
	"runtime"
	"strconv"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/journal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config is what the flags say.
type config struct {
	n, batch int
	every    time.Duration
}

// run is the whole command and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cfg config
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&cfg.n, "n", 5_000_000, "stream `n` records")
	flags.DurationVar(&cfg.every, "every", 5*time.Second, "`time` between two lines")
	flags.IntVar(&cfg.batch, "batch", 100, "`n` records in a request")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || cfg.n < 1 || cfg.batch < 1 || cfg.every <= 0 {
		fmt.Fprintln(stderr, "soak: -n, -every and -batch must be positive, and there are only flags. See -help.")
		return 2
	}
	if err := soak(ctx, cfg, stdout); err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 1
	}
	return 0
}

// reading is what the process takes at a moment.
type reading struct {
	memory     uint64 // in use, after a collection
	files      int    // -1 if it is not known
	goroutines int
}

func read() reading {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r := reading{memory: m.HeapInuse + m.StackInuse, files: -1, goroutines: runtime.NumGoroutine()}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.files = len(open)
	}
	return r
}

func (r reading) print(w io.Writer, done int, since time.Duration, stats windrow.RunStats) {
	fmt.Fprintf(w, "%7.1f s %9d done %8d failed %7d requests %6d throttled %6.1f MiB %3d files %4d goroutines\n",
		since.Seconds(), done, stats.Failed, stats.Requests, stats.Throttled, float64(r.memory)/(1<<20), r.files, r.goroutines)
}

// soak streams the records and compares what came of them.
func soak(ctx context.Context, cfg config, stdout io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "windrow-soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := startServer(cfg.n)
	if err != nil {
		return err
	}
	idle := read()
	idle.files--      // the server's own, and its goroutine, are to go
	idle.goroutines-- //
	wrong, early, late, err := stream(ctx, cfg, s, filepath.Join(folder, "soak.journal"), stdout)
	s.close()
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("of %d records the stream says something else than the server has", wrong)
	}
	after := settle(idle)
	fmt.Fprintf(stdout, "Told the truth of all %d records. Memory: %.1f MiB after a tenth, %.1f MiB at the end. Left: %d files and %d goroutines more than without it.\n",
		cfg.n, float64(early.memory)/(1<<20), float64(late.memory)/(1<<20), after.files-idle.files, after.goroutines-idle.goroutines)
	// The journal knows each key, in 18 bytes at most.
	keys := uint64(cfg.n) * 18
	switch {
	case late.memory > early.memory*3/2+keys:
		return fmt.Errorf("memory has grown from %d to %d bytes", early.memory, late.memory)
	case after.files > idle.files || after.goroutines > idle.goroutines:
		return errors.New("something is left open")
	}
	return nil
}

// settle waits until what has ended is gone.
func settle(idle reading) reading {
	after := read()
	for range 100 {
		if after.files <= idle.files && after.goroutines <= idle.goroutines {
			break
		}
		time.Sleep(20 * time.Millisecond)
		after = read()
	}
	return after
}

// stream sends the records, and counts those of which it is told something wrong.
func stream(ctx context.Context, cfg config, s *server, path string, stdout io.Writer) (wrong int, early, late reading, err error) {
	j, err := journal.Open(path, "soak")
	if err != nil {
		return 0, early, late, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	limiter := windrow.NewLimiter(windrow.Concurrency(16))
	client, err := rest.New(s.url, rest.WithLimiter(limiter))
	if err != nil {
		return 0, early, late, err
	}
	defer client.CloseIdleConnections()
	p := windrow.NewCreateProcessor(records{client, cfg.batch}, windrow.WithLimiter(limiter), windrow.WithJournal(j),
		windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Exponential(10*time.Millisecond, time.Second), Budget: windrow.RetryBudget{Size: 1e9}}))
	p.Key = strconv.Itoa
	p.ResultID = func(id string) string { return id }

	source := func(yield func(int, error) bool) {
		for item := range cfg.n {
			if !yield(item, nil) {
				return
			}
		}
	}
	began, next, done := time.Now(), time.Now().Add(cfg.every), 0
	results := p.Stream(ctx, source)
	for r, err := range results.All() {
		if stop, ok := errors.AsType[*windrow.StopError](err); ok {
			return wrong, early, late, stop
		}
		done++
		if !s.agrees(r.Input, r.State) {
			wrong++
		}
		if done == max(1, cfg.n/10) {
			early = read()
		}
		if now := time.Now(); done%1024 == 0 && now.After(next) {
			next = now.Add(cfg.every)
			read().print(stdout, done, now.Sub(began), results.Stats())
		}
	}
	late = read()
	late.print(stdout, done, time.Since(began), results.Stats())
	if done != cfg.n {
		return wrong, early, late, fmt.Errorf("%d results of %d records", done, cfg.n)
	}
	return wrong, early, late, nil
}
