// Command batch creates records through the bulk endpoint of a real CMS that
// applies a request as a whole or not at all, although some of the records are
// bad: exactly those fail, each with its own message, and the others are created.
//
// The CMS is PocketBase, which runs inside this program. A request to its
// /api/batch carries 50 records, is refused when one of them is, and names the
// first bad one only. Each record counts against the rate limit, and a request
// that is over it is refused with the status 400, which says 429 somewhere
// inside. The records are the documentation of the Go standard library, some of
// which are spoiled in different ways.
//
//	go run ./examples/batch
//
// The exit status is 1 when a record is not where it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/catalog"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
)

// config is what the flags say.
type config struct {
	n     int // records
	bad   int // of them, those that are spoiled
	rate  int // records that the server takes a second
	batch int // records in one request
}

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cfg config
	flags := flag.NewFlagSet("batch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&cfg.n, "n", 5000, "create `n` records")
	flags.IntVar(&cfg.bad, "bad", 25, "spoil `n` of them")
	flags.IntVar(&cfg.rate, "rate", 1000, "let the server take `n` records a second")
	flags.IntVar(&cfg.batch, "batch", 50, "let the server take `n` records in one request")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || cfg.n < 1 || cfg.bad < 0 || cfg.bad > cfg.n || cfg.rate < 1 || cfg.batch < 1 {
		fmt.Fprintln(stderr, "batch: -n, -rate and -batch must be positive, -bad from 0 to -n, and there are only flags. See -help.")
		return 2
	}
	symbols, err := site.Symbols(ctx, cfg.n)
	if err == nil && len(symbols) < cfg.n {
		err = fmt.Errorf("-n %d: the documentation has %d records only", cfg.n, len(symbols))
	}
	if err == nil {
		err = demonstrate(ctx, symbols, cfg, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "batch: %v\n", err)
		return 1
	}
	return 0
}

// spoils are ways in which a record can be bad, and what the server says then.
var spoils = []struct {
	spoil   func(s *stdlib.Symbol)
	field   string
	message string
}{
	{func(s *stdlib.Symbol) { s.Name = "" }, "name", "Cannot be blank."},
	{func(s *stdlib.Symbol) { s.Kind = "poison" }, "kind", "Invalid value poison."},
	{func(s *stdlib.Symbol) { s.ImportPath = "" }, "import_path", "Cannot be blank."},
	{func(s *stdlib.Symbol) { s.Kind = "" }, "kind", "Cannot be blank."},
}

// spoilSome spoils so many records, spread over all, and returns how each was: by
// its index the number of the spoil.
func spoilSome(symbols []stdlib.Symbol, bad int) map[int]int {
	spoiled := make(map[int]int, bad)
	for k := range bad {
		i := (k*len(symbols) + len(symbols)/2) / bad
		spoils[k%len(spoils)].spoil(&symbols[i])
		spoiled[i] = k % len(spoils)
	}
	return spoiled
}

// demonstrate creates the records on a new server.
func demonstrate(ctx context.Context, symbols []stdlib.Symbol, cfg config, stdout io.Writer) (err error) {
	spoiled := spoilSome(symbols, cfg.bad)
	server, err := pocket.Start(ctx, pocket.Config{Rate: cfg.rate, Batch: cfg.batch})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fmt.Fprintf(stdout, "Server: PocketBase, %d records a request, all of them or none, and %d a second.\n", cfg.batch, cfg.rate)
	fmt.Fprintf(stdout, "Input: %d records, documentation of the Go standard library, %d of them spoiled.\n\n", len(symbols), cfg.bad)

	limiter := windrow.NewLimiter()
	records, err := catalog.OpenBatch(server, limiter, cfg.batch)
	if err != nil {
		return err
	}
	p := windrow.NewCreateProcessor(records, windrow.WithLimiter(limiter), windrow.AttemptTimeout(catalog.Timeout))
	p.Key = stdlib.Symbol.Key
	res, runErr := p.Run(ctx, symbols)
	if _, listed := errors.AsType[*windrow.BulkError](runErr); runErr != nil && !listed {
		return runErr
	}
	stats := res.Stats()
	fmt.Fprintf(stdout, "Created %d, failed %d, unknown %d, not attempted %d, in %.1f s.\n",
		stats.Succeeded, stats.Failed, stats.Unknown, stats.NotAttempted, stats.Elapsed.Seconds())
	fmt.Fprintf(stdout, "Requests: %d, %d of them throttled. Single calls would have taken %d at least.\n\n",
		stats.Requests, stats.Throttled, len(symbols))
	printFailures(res, stdout)
	if err := checkFailures(res, spoiled); err != nil {
		return err
	}
	return checkRecords(ctx, records, res, stdout)
}

// shown is how many failures are listed.
const shown = 8

// printFailures lists the first records that failed.
func printFailures(res *windrow.BulkResult[stdlib.Symbol, readback.Record], stdout io.Writer) {
	listed := 0
	for r := range res.Failed() {
		if listed == shown {
			fmt.Fprintf(stdout, "  and %d more\n", res.Stats().Failed-shown)
			break
		}
		listed++
		fmt.Fprintf(stdout, "  record %d, %s: %v", r.Index, r.Key, r.Err)
		for _, field := range windrow.FieldErrors(r.Err) {
			fmt.Fprintf(stdout, " (%v)", field)
		}
		fmt.Fprintln(stdout)
	}
}

// checkFailures compares what failed with what was spoiled.
func checkFailures(res *windrow.BulkResult[stdlib.Symbol, readback.Record], spoiled map[int]int) error {
	for r := range res.All() {
		k, bad := spoiled[r.Index]
		switch {
		case !bad && r.State != windrow.Succeeded:
			return fmt.Errorf("record %d is good, and %v: %w", r.Index, r.State, r.Err)
		case bad && r.State != windrow.Failed:
			return fmt.Errorf("record %d is spoiled, and %v", r.Index, r.State)
		case bad && !slices.ContainsFunc(windrow.FieldErrors(r.Err), func(e *windrow.FieldError) bool {
			return e.Field == spoils[k].field && e.Message == spoils[k].message
		}):
			return fmt.Errorf("record %d failed with another's message: %w", r.Index, r.Err)
		}
	}
	return nil
}

// checkRecords reads everything back and compares it, field by field, with the
// input and with what the result says.
func checkRecords(ctx context.Context, records catalog.Batch, res *windrow.BulkResult[stdlib.Symbol, readback.Record], stdout io.Writer) error {
	var held []readback.Record
	for record, err := range pages.Read(ctx, records.Written(500)) {
		if err != nil {
			return err
		}
		held = append(held, record)
	}
	if found := readback.Compare(readback.Claims(res), held); len(found) > 0 {
		return fmt.Errorf("%d mismatches, the first is %v", len(found), found[0])
	}
	fmt.Fprintf(stdout, "\nRead back: %d records, each field as it was sent, and none of the spoiled ones.\n", len(held))
	return nil
}
