// Command cleanup deletes records from a real CMS safely: it fetches what is to
// be deleted, asks, writes a backup file, and only then deletes. After that it
// restores the records from the file, and compares every row with what it was.
//
// The CMS is PocketBase, which runs inside this program, filled with the
// documentation of the Go standard library. Deprecated symbols go, and a few
// ids that never existed.
//
//	go run ./examples/cleanup
//	go run ./examples/cleanup -confirm=false   # refuse the deletion
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
	"path/filepath"
	"slices"
	"syscall"

	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

// neverThere are ids that the list names and the server does not know.
var neverThere = []string{"doesnotexist000", "doesnotexist001", "doesnotexist002"}

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("cleanup", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 1000, "fill the server with `n` records, deprecated ones first; 0 means all")
	rate := flags.Int("rate", 500, "let the server take `n` requests a second; 0 means any")
	confirm := flags.Bool("confirm", true, "what to answer when asked whether to delete")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || *n < 0 || *rate < 0 {
		fmt.Fprintln(stderr, "cleanup: -n and -rate must not be negative, and there are only flags. See -help.")
		return 2
	}
	symbols, err := site.Symbols(ctx, *n)
	if err == nil {
		err = demonstrate(ctx, symbols, *rate, *confirm, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "cleanup: %v\n", err)
		return 1
	}
	return 0
}

// demonstrate prepares the server and a folder for the backup.
func demonstrate(ctx context.Context, symbols []stdlib.Symbol, rate int, confirm bool, stdout io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "windrow-cleanup-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := site.Start(ctx, symbols, rate)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Fprintf(stdout, "Server: PocketBase with %d records, documentation of the Go standard library.\n\n", len(symbols))
	return cleanup(ctx, s, filepath.Join(folder, "deprecated.json"), confirm, stdout)
}

// cleanup deletes the deprecated symbols, and brings them back.
func cleanup(ctx context.Context, s *site.Site, backup string, confirm bool, stdout io.Writer) error {
	ids := slices.Clone(neverThere)
	for record, err := range pages.Read(ctx, site.Pager[readback.Record](s, "deprecated=true")) {
		if err != nil {
			return err
		}
		ids = append(ids, record.ID)
	}
	before, err := s.Rows(ctx)
	if err != nil {
		return err
	}

	records := rest.NewResource[readback.Record, readback.Record](s.Client, site.Path)
	p, err := plan.Deletes(ctx, records, ids, s.Options())
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The list: %d ids, %d of which the server does not have.\n", len(ids), len(p.Missing))
	p.OnStage = func(step plan.StageReport) { fmt.Fprintln(stdout, step) }
	p.Confirm = func(_ context.Context, p *plan.DeletePlan[string, readback.Record]) (bool, error) {
		answer := "no"
		if confirm {
			answer = "yes"
		}
		fmt.Fprintf(stdout, "Back up and then delete %d records? The flag -confirm answers: %s.\n", p.Len(), answer)
		return confirm, nil
	}
	p.Backup = plan.BackupFile[readback.Record](backup)
	res, err := plan.ApplyDeletes(ctx, p, records, s.Options())
	if err != nil {
		return err
	}
	after, err := s.Rows(ctx)
	if err != nil {
		return err
	}
	if res.Cancelled {
		return cancelled(before, after, backup, stdout)
	}
	if gone := before.Differences(after); len(gone) != p.Len() || len(before)-len(after) != p.Len() || len(p.Missing) != len(neverThere) {
		return fmt.Errorf("%d rows differ, %d are gone and %d ids missing: not what was to be deleted", len(gone), len(before)-len(after), len(p.Missing))
	}
	info, err := os.Stat(backup)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Deleted %d of %d rows; %d ids were missing. The backup has %d bytes.\n\n", res.Stats().Succeeded, len(before), len(p.Missing), info.Size())

	restored, err := plan.Restore(ctx, backup, records, s.Options())
	if err != nil {
		return err
	}
	if after, err = s.Rows(ctx); err != nil {
		return err
	}
	if different := before.Differences(after); len(different) > 0 {
		return fmt.Errorf("%d rows are not what they were before", len(different))
	}
	fmt.Fprintf(stdout, "Restored %d from the file: all %d rows are what they were, ids included.\n", restored.Stats().Succeeded, len(after))
	return nil
}

// cancelled checks that nothing was done.
func cancelled(before, after site.Rows, backup string, stdout io.Writer) error {
	if different := before.Differences(after); len(different) > 0 {
		return fmt.Errorf("cancelled, and %d rows changed", len(different))
	}
	if _, err := os.Stat(backup); !errors.Is(err, os.ErrNotExist) {
		return errors.New("cancelled, and there is a backup")
	}
	fmt.Fprintf(stdout, "Cancelled: no backup was made, and all %d rows are still there.\n", len(after))
	return nil
}
