// Command resume imports records into a real CMS with a journal, is killed three
// times on the way, and goes on each time where it was: at the end the server has
// each record exactly once.
//
// The CMS is PocketBase, which runs inside this program. The import runs in a
// process of its own, which gets SIGKILL when a quarter, a half and three quarters
// of the records are there, and which is started again with the same journal. The
// records are the documentation of the Go standard library; the server would take
// one twice.
//
//	go run ./examples/resume
//
// The exit status is 1 when a record is missing, there twice, or not as it was sent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/catalog"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	if isChild() {
		os.Exit(runChild(ctx, os.Stdout, os.Stderr))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("resume", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 0, "import the first `n` records; 0 means all")
	rate := flags.Int("rate", 500, "let the server take `n` requests a second")
	kills := flags.Int("kills", 3, "kill the import `n` times")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || *n < 0 || *rate < 1 || *kills < 0 {
		fmt.Fprintln(stderr, "resume: -n and -kills must not be negative, -rate positive, and there are only flags. See -help.")
		return 2
	}
	if err := demonstrate(ctx, *n, *rate, *kills, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "resume: %v\n", err)
		return 1
	}
	return 0
}

// demonstrate imports the records into a new server, in as many processes as it
// takes.
func demonstrate(ctx context.Context, n, rate, kills int, stdout, stderr io.Writer) (err error) {
	symbols, err := site.Symbols(ctx, n)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "windrow-resume-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	server, err := pocket.Start(ctx, pocket.Config{Rate: rate, Loose: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fmt.Fprintf(stdout, "Server: PocketBase, at most %d requests a second, keys need not be unique.\n", rate)
	fmt.Fprintf(stdout, "Input: %d records, documentation of the Go standard library.\n", len(symbols))

	child := childConfig{URL: server.URL(), Token: server.Token(), Journal: filepath.Join(folder, "import.journal"), N: n}
	for life := 1; ; life++ {
		fmt.Fprintf(stdout, "\nImport, start %d:\n", life)
		target := len(symbols) + 1 // that is: let it live
		if life <= kills {
			target = len(symbols) * life / (kills + 1)
		}
		killed, err := live(ctx, child, server, target, stdout, stderr)
		if err != nil {
			return err
		}
		if !killed {
			break
		}
	}
	return check(ctx, server, symbols, stdout)
}

// live runs the import until it ends, or the server has so many records: then it
// is killed.
func live(ctx context.Context, child childConfig, server *pocket.Server, target int, stdout, stderr io.Writer) (killed bool, _ error) {
	program, err := os.Executable()
	if err != nil {
		return false, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), child.env()...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return false, err
		case <-time.After(5 * time.Millisecond):
		}
		count, err := server.Count()
		if err == nil && count < target {
			continue
		}
		if kill := cmd.Process.Kill(); kill != nil { // SIGKILL: it can do nothing about it
			return false, errors.Join(err, kill)
		}
		<-ended
		fmt.Fprintf(stdout, "  killed, when the server had %d records\n", count)
		return true, err
	}
}

// check reads everything back and compares it with the input.
func check(ctx context.Context, server *pocket.Server, symbols []stdlib.Symbol, stdout io.Writer) error {
	records, err := catalog.Open(server, windrow.NewLimiter())
	if err != nil {
		return err
	}
	var held []readback.Record
	for record, err := range pages.Read(ctx, records.Written(500)) {
		if err != nil {
			return err
		}
		held = append(held, record)
	}
	claims := make([]readback.Claim, len(symbols))
	for i, symbol := range symbols {
		claims[i] = readback.Claim{Symbol: symbol, Verdict: readback.Unsure} // which of the processes sent it is of no matter
	}
	found := readback.Compare(claims, held)
	if len(held) < len(symbols) {
		found = append(found, readback.Mismatch{Key: "all", Field: "count", Want: fmt.Sprint(len(symbols)), Got: fmt.Sprint(len(held))})
	}
	if len(found) > 0 {
		return fmt.Errorf("%d mismatches, the first is %v", len(found), found[0])
	}
	fmt.Fprintf(stdout, "\nRead back: %d records, each of the input exactly once, and each field as it was sent.\n", len(held))
	return nil
}
