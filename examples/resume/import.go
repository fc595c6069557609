package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/catalog"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/journal"
)

// childConfig is what the import is told. It knows nothing of what was done
// before: that is in the journal.
type childConfig struct {
	URL, Token string
	Journal    string // path
	N          int    // records; 0 means all
}

// childVariable tells a process that it is the import.
const childVariable = "WINDROW_EXAMPLE_IMPORT"

func isChild() bool { return os.Getenv(childVariable) != "" }

func (c childConfig) env() []string {
	text, _ := json.Marshal(c) // strings and a number
	return []string{childVariable + "=" + string(text)}
}

// runChild is the import. It returns the exit status.
func runChild(ctx context.Context, stdout, stderr io.Writer) int {
	var cfg childConfig
	err := json.Unmarshal([]byte(os.Getenv(childVariable)), &cfg)
	if err == nil {
		err = importAll(ctx, cfg, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "import: %v\n", err)
		return 1
	}
	return 0
}

// importAll is what an application would write. It is the same whether it is the
// first start or the fourth.
func importAll(ctx context.Context, cfg childConfig, stdout io.Writer) (err error) {
	symbols, err := site.Symbols(ctx, cfg.N)
	if err != nil {
		return err
	}
	limiter := windrow.NewLimiter()
	records, err := catalog.OpenAt(cfg.URL, cfg.Token, limiter)
	if err != nil {
		return err
	}
	if err := tellWhatIsLeft(cfg.Journal, stdout); err != nil {
		return err
	}
	j, err := journal.Open(cfg.Journal, "import documentation")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()

	p := windrow.NewCreateProcessor(records, windrow.WithLimiter(limiter), windrow.WithJournal(j), windrow.AttemptTimeout(catalog.Timeout))
	p.Key = stdlib.Symbol.Key
	p.ResultID = func(r readback.Record) string { return r.ID }
	var looked, found atomic.Int32
	p.Reconcile = func(ctx context.Context, symbol stdlib.Symbol) (readback.Record, bool, error) {
		record, there, err := records.Reconcile(ctx, symbol)
		if looked.Add(1); there {
			found.Add(1)
		}
		return record, there, err
	}
	res, err := p.Run(ctx, symbols)
	stats := res.Stats()
	for r := range res.Skipped() { // one of them, as an example
		fmt.Fprintf(stdout, "  skipped %d: %s and others were %v, this one with the id %s\n", stats.Skipped, r.Key, r.Reason, r.ID)
		break
	}
	if n := looked.Load(); n > 0 {
		fmt.Fprintf(stdout, "  looked up %d: %d were there, and %d were sent again\n", n, found.Load(), n-found.Load())
	}
	fmt.Fprintf(stdout, "  created %d, %d failed and %d unknown, in %.1f s with %d requests, %d of them throttled\n",
		stats.Succeeded-int(found.Load()), stats.Failed, stats.Unknown, stats.Elapsed.Seconds(), stats.Requests, stats.Throttled)
	return err
}

// tellWhatIsLeft says what an earlier start has left, if there was one.
func tellWhatIsLeft(path string, stdout io.Writer) error {
	left, err := journal.Inspect(path)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(stdout, "  no journal yet: everything is to be created")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "  the journal says: %d records are created, and will be skipped; %d were begun, and will be looked up\n",
		left.Count(windrow.Succeeded), left.Count(windrow.Unknown))
	return nil
}
