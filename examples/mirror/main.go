// Command mirror streams the records of one server into another, through two
// limiters: the servers take requests at different rates, and windrow is told
// neither.
//
// Both servers are PocketBase and run inside this program. The first has the
// documentation of the Go standard library. The second has an old copy of it:
// some records are missing, some are out of date, and some should not be there.
// The program makes the second like the first: it creates, updates and deletes
// by key, and leaves alone what is as it should be. Then it compares record by
// record, and mirrors a second time, when there must be nothing left to do.
//
// Both lists are read page by page, in the order of their keys and in step. What
// is in memory at any time is a few pages and what is in flight, however long the
// lists are.
//
// The exit status is 1 when the second server is not what it should be, and 2
// when the flags make no sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config is what the flags say.
type config struct {
	n        int // symbols on the first server
	from, to int // limits of the servers
}

// parse reads the flags. What is wrong with them is written to output, too.
func parse(args []string, output io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("mirror", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&cfg.n, "n", 3000, "mirror the first `n` symbols")
	flags.IntVar(&cfg.from, "from-rate", 10, "let the first server take `n` requests of one action a second")
	flags.IntVar(&cfg.to, "to-rate", 200, "let the second server take `n` requests of one action a second")
	if err := flags.Parse(args); err != nil {
		return config{}, err
	}
	var errs []error
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q: there are only flags", flags.Arg(0)))
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"n", cfg.n}, {"from-rate", cfg.from}, {"to-rate", cfg.to}} {
		if f.value < 1 {
			errs = append(errs, fmt.Errorf("-%s %d: must be at least 1", f.name, f.value))
		}
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintf(output, "%v\nSee -help for the flags.\n", err)
		return config{}, err
	}
	return cfg, nil
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
	if err := demonstrate(ctx, cfg, stdout); err != nil {
		fmt.Fprintf(stderr, "mirror: %v\n", err)
		return 1
	}
	return 0
}

// demonstrate prepares the servers and mirrors the one in the other, twice. The
// error is about what could not be done or is not as it should be.
func demonstrate(ctx context.Context, cfg config, stdout io.Writer) (err error) {
	library, err := stdlib.Read(ctx)
	if err != nil {
		return err
	}
	input := library.Symbols[:min(cfg.n, len(library.Symbols))]
	var servers [2]*pocket.Server
	for i, rate := range []int{cfg.from, cfg.to} {
		server, err := pocket.Start(ctx, pocket.Config{Rate: rate})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		servers[i] = server
	}
	from, to := servers[0], servers[1]
	err = errors.Join(pocket.Load(from, slices.Values(input)), pocket.Load(to, outdated(input)))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "From: %d symbols of %s, on a server that takes %d requests of each action in each second of its clock.\n", len(input), library.Version, cfg.from)
	fmt.Fprintf(stdout, "To: an old copy of them, on a server that takes %d; creates, updates and deletes are counted apart.\n", cfg.to)

	m, err := newMirror(from, to)
	if err != nil {
		return err
	}
	for _, name := range []string{"First run", "Second run"} {
		done, err := m.run(ctx)
		fmt.Fprintf(stdout, "%s: %v\n", name, done)
		if err != nil {
			return err
		}
		same, err := m.verify(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Compared: %d records are the same on both servers, field by field.\n", same)
		if left, err := to.Count(); err != nil || left != len(input) || same != left {
			return errors.Join(err, fmt.Errorf("%d records on the second server, %d of them compared, want %d", left, same, len(input)))
		}
		if changes := done.upserts.Total + done.deletes.Total; name == "Second run" && changes > 0 {
			return fmt.Errorf("the second run sent %d records: there was nothing to do", changes)
		}
	}
	fmt.Fprintf(stdout, "The servers' own counts: the first refused %d requests as too many, and the second %d.\n", refused(from), refused(to))
	return nil
}

// refused is how many requests the server has throttled.
func refused(server *pocket.Server) (n int) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		n += server.Traffic(method).Throttled
	}
	return n
}

// outdated yields an old copy of the symbols: of ten, two are missing and one is
// out of date; and there are some that the new ones do not have.
func outdated(symbols []stdlib.Symbol) iter.Seq[stdlib.Symbol] {
	return func(yield func(stdlib.Symbol) bool) {
		for i, s := range symbols {
			switch i % 10 {
			case 2, 7:
				continue
			case 4:
				s.Doc, s.Deprecated = "What it said before.\n", !s.Deprecated
			case 5:
				gone := s
				gone.FullName, gone.Name = s.FullName+".Gone", s.Name+".Gone"
				if !yield(gone) {
					return
				}
			}
			if !yield(s) {
				return
			}
		}
	}
}
