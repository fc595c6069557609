// Command migrate changes some of the records in a real CMS, after it has shown
// what it will change, and proves by reading all rows before and after that it
// has done that and nothing else.
//
// The CMS is PocketBase, which runs inside this program, filled with the
// documentation of the Go standard library. The migration marks the synopsis of
// every deprecated symbol. It reads the list of those that are not marked yet,
// page by page; while it writes, that list gets shorter.
//
//	go run ./examples/migrate            # plan, apply, apply again
//	go run ./examples/migrate -dry-run   # plan, and that is all
//
// The exit status is 1 when a row is not as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

// mark is what the migration puts before a synopsis.
const mark = "[Deprecated] "

// pending is the filter for what is to be migrated. Records stop matching as
// soon as they are.
const pending = `deprecated=true && synopsis!~"[Deprecated] %"`

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 2000, "fill the server with `n` records, deprecated ones first; 0 means all")
	rate := flags.Int("rate", 500, "let the server take `n` requests a second; 0 means any")
	dryRun := flags.Bool("dry-run", false, "print the plan, and change nothing")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || *n < 0 || *rate < 0 {
		fmt.Fprintln(stderr, "migrate: -n and -rate must not be negative, and there are only flags. See -help.")
		return 2
	}
	symbols, err := site.Symbols(ctx, *n)
	if err == nil {
		err = demonstrate(ctx, symbols, *rate, *dryRun, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "migrate: %v\n", err)
		return 1
	}
	return 0
}

// demonstrate migrates a new server with those records.
func demonstrate(ctx context.Context, symbols []stdlib.Symbol, rate int, dryRun bool, stdout io.Writer) error {
	s, err := site.Start(ctx, symbols, rate)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Server: PocketBase with %d records, documentation of the Go standard library.\n\n", len(symbols))
	return errors.Join(migrate(ctx, s, dryRun, stdout), s.Close())
}

// markDeprecated is the change. Made twice it changes nothing the second time.
func markDeprecated(r readback.Record) (readback.Record, error) {
	if r.Deprecated && !strings.HasPrefix(r.Synopsis, mark) {
		r.Synopsis = mark + r.Synopsis
	}
	return r, nil
}

// makePlan is the dry run: it has nothing to write with.
func makePlan(ctx context.Context, s *site.Site, opts ...plan.Option) (*plan.UpdatePlan[string, readback.Record], error) {
	source := pages.Read(ctx, site.Pager[readback.Record](s, pending))
	return plan.Updates(ctx, source, func(r readback.Record) string { return r.ID }, markDeprecated, opts...)
}

// migrate plans, applies, applies again, and looks at every row after each.
func migrate(ctx context.Context, s *site.Site, dryRun bool, stdout io.Writer) error {
	before, err := s.Rows(ctx)
	if err != nil {
		return err
	}
	p, err := makePlan(ctx, s, plan.ReportPages(site.PageSize, func(page plan.PageReport) {
		fmt.Fprintf(stdout, "Page %d of what is not marked yet, with %d records: %d to update.\n", page.Number, page.Records, page.Changes)
	}))
	if err != nil {
		return err
	}
	if err := printPlan(p, stdout); err != nil {
		return err
	}
	after, err := s.Rows(ctx)
	if err != nil {
		return err
	}
	if changed := before.Differences(after); len(changed) > 0 {
		return fmt.Errorf("the dry run changed %d rows", len(changed))
	}
	fmt.Fprintf(stdout, "Dry run: %d rows compared before and after, none changed.\n\n", len(after))
	if dryRun {
		return nil
	}

	// A PATCH of a record sends the fields that change. Reading the records
	// again before the first write refuses to overwrite what others changed.
	records := rest.NewResource[plan.Patch, readback.Record](s.Client, site.Path)
	p.Current, p.CurrentOptions = records, []windrow.Option{s.Options()}
	p.OnStage = func(step plan.StageReport) { fmt.Fprintln(stdout, " ", step) }
	fmt.Fprintln(stdout, "Applying the plan:")
	if _, err := plan.ApplyPatches(ctx, p, records, s.Options()); err != nil {
		return err
	}
	if after, err = s.Rows(ctx); err != nil {
		return err
	}
	if err := check(p, before, after); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Applied: %d of %d rows changed, exactly those of the plan, each in its synopsis.\n\n", p.Len(), len(after))

	// The very same plan once more, and a new one.
	fmt.Fprintln(stdout, "Applying the same plan again:")
	res, err := plan.ApplyPatches(ctx, p, records, s.Options())
	if err != nil {
		return err
	}
	again, err := makePlan(ctx, s)
	if err != nil {
		return err
	}
	last, err := s.Rows(ctx)
	if err != nil {
		return err
	}
	if changed := after.Differences(last); len(changed) > 0 || again.Len() > 0 || res.Stats().Skipped != p.Len() {
		return fmt.Errorf("the second time changed %d rows and would change %d, with %d skipped", len(changed), again.Len(), res.Stats().Skipped)
	}
	fmt.Fprintf(stdout, "Applied again: %d skipped as unchanged, no row changed; a new plan has %d records.\n", res.Stats().Skipped, again.Len())
	return nil
}

// printPlan shows the first lines of a plan.
func printPlan(p *plan.UpdatePlan[string, readback.Record], stdout io.Writer) error {
	const shown = 13
	var b strings.Builder
	if err := p.Print(&b); err != nil {
		return err
	}
	lines := strings.SplitAfter(b.String(), "\n")
	if len(lines) > shown {
		lines = append(lines[:shown:shown], "  ...\n")
	}
	_, err := fmt.Fprint(stdout, "\n", strings.Join(lines, ""), "\n")
	return err
}
