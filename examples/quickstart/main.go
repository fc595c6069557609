// Command quickstart creates some eleven thousand records in a real CMS that
// limits the rate, reads them all back, and compares what is there with what
// was sent and with what windrow says of each. Then it streams the records back
// page by page, changes those whose documentation has a new edition, deletes the
// deprecated ones, and compares once more.
//
// The CMS is PocketBase, which runs inside this program. The records are the
// documentation of the Go standard library, as it is installed here. windrow is
// not told what the limit is, and PocketBase's refusals do not tell it either.
//
// Progress and errors go to standard error, everything else to standard output.
// The exit status is 1 when a record was not created or is not what it should
// be at the end, and 2 when the flags make no sense. An interrupt stops the run; what was
// created until then is still read back and reported.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/catalog"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/progress"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	rep, err := demonstrate(ctx, cfg, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "quickstart: %v\n", err)
		return 1
	}
	if !rep.good() {
		return 1
	}
	return 0
}

// demonstrate prepares the input and the server, has the one put into the
// other, and reports.
func demonstrate(ctx context.Context, cfg config, stdout, stderr io.Writer) (_ *report, err error) {
	library, err := stdlib.Read(ctx)
	if err != nil {
		return nil, err
	}
	input := library.Symbols
	if cfg.n > 0 && cfg.n < len(input) {
		input = input[:cfg.n]
	}
	server, err := pocket.Start(ctx, pocket.Config{Rate: cfg.rate, Keep: cfg.keep})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	fmt.Fprintf(stdout, "Input: %d of the %d documented symbols of %s.\n", len(input), len(library.Symbols), library.Version)
	fmt.Fprintf(stdout, "Server: PocketBase. Of each action (create, update, delete) it takes %d requests in each second of its clock. windrow is not told.\n", cfg.rate)
	fmt.Fprintf(stdout, "They may come all at once, and with each full second it counts anew: %d late in one and %d early in the next are within the limit. So a short run may have a higher average.\n", cfg.rate, cfg.rate)
	if cfg.keep {
		fmt.Fprintf(stdout, "Its data stays in %s.\n", server.Dir())
	}
	w, err := newWork(server, cfg, stdout, stderr)
	if err != nil {
		return nil, err
	}
	rep, res, err := w.fill(ctx, input)
	if err != nil {
		return nil, err
	}
	if rep.good() && ctx.Err() == nil {
		rep.revision = w.revise(ctx, input, res)
	}
	return rep, rep.print(stdout, cfg.json)
}

// work is what is done to a server.
type work struct {
	server         *pocket.Server
	limiter        *windrow.Limiter // one for everything that is sent to the server; it finds out what the server takes
	symbols        catalog.Catalog
	stdout, stderr io.Writer
}

func newWork(server *pocket.Server, cfg config, stdout, stderr io.Writer) (*work, error) {
	limiter := windrow.NewLimiter(cfg.limits...)
	symbols, err := catalog.Open(server, limiter)
	return &work{server, limiter, symbols, stdout, stderr}, err
}

// options are those of every run.
func (w *work) options() windrow.Option {
	return windrow.Options(windrow.WithLimiter(w.limiter), windrow.AttemptTimeout(catalog.Timeout))
}

// fill creates a record for each symbol and reads all records back.
func (w *work) fill(ctx context.Context, input []stdlib.Symbol) (*report, *result, error) {
	display := progress.Start(w.stderr, "Creating", len(input))
	create := windrow.NewCreateProcessor(w.symbols, w.options(), windrow.OnProgress(display.Update))
	create.Key = stdlib.Symbol.Key // names the items in errors and in what is sent
	began := time.Now()
	res, runErr := create.Run(ctx, input)
	ended := time.Now()
	display.Close()
	if err := res.Summary(w.stdout); err != nil {
		return nil, nil, err
	}

	if runErr != nil && ctx.Err() != nil {
		fmt.Fprintln(w.stderr, "Interrupted. Reading back what was created; a second interrupt leaves that out.")
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	var records []readback.Record
	var readErr error
	for record, err := range pages.Read(ctx, w.symbols.Written(1000)) {
		if readErr = err; err == nil {
			records = append(records, record)
		}
	}
	if readErr != nil {
		fmt.Fprintf(w.stderr, "quickstart: read back: %v\n", readErr)
	}
	rep, err := newReport(input, res, records, readErr == nil, w.server)
	if err != nil {
		return nil, nil, err
	}
	rep.seconds = ended.Unix() - began.Unix() + 1
	return rep, res, nil
}
