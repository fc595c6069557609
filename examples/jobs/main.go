// Command jobs changes a thousand records of a real CMS by a durable batch job,
// which is paused and resumed, killed and started again: at the end each record
// was changed exactly once.
//
// The CMS is PocketBase, which runs inside this program, with the fields of a
// farm. The job runs in a process of its own. It is the batch API's own example:
// update the irrigation schedules of all active fields. Five fields take no
// schedule as long as the new one, so their updates fail, each with its error.
// The process pauses and resumes its job, gets SIGKILL when about 60 % of the
// fields are done, and is started again with the same store.
//
//	go run ./examples/jobs
//
// The exit status is 1 when a record was not changed, was changed twice, or is
// not as it should be.
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
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/jobs"
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
	flags := flag.NewFlagSet("jobs", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 1000, "update `n` fields, at least 20")
	rate := flags.Int("rate", 200, "let the server take `n` requests a second")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || *n < 20 || *rate < 1 {
		fmt.Fprintln(stderr, "jobs: -n must be at least 20, -rate positive, and there are only flags. See -help.")
		return 2
	}
	if err := demonstrate(ctx, *n, *rate, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "jobs: %v\n", err)
		return 1
	}
	return 0
}

// refused is how many fields take no long schedule.
const refused = 5

// sow makes the fields: n active ones, some of which take no long schedule, and
// a tenth as many that lie fallow.
func sow(n int) (fields []pocket.Field) {
	for i := range n + n/10 {
		f := pocket.Field{ID: fmt.Sprintf("field%010d", i), Status: "active", Enabled: true, MostMinutes: 60}
		switch {
		case i >= n:
			f.Status = "fallow"
		case i%(n/refused) == n/refused/2:
			f.MostMinutes = 10
		}
		fields = append(fields, f)
	}
	return fields
}

// demonstrate runs the job against a new server, in two processes.
func demonstrate(ctx context.Context, n, rate int, stdout, stderr io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "windrow-jobs-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	server, err := pocket.Start(ctx, pocket.Config{Rate: rate})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fields := sow(n)
	if err := server.Sow(fields...); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Server: PocketBase, at most %d requests a second; %d active fields, %d fallow ones.\n", rate, n, len(fields)-n)
	child := childConfig{URL: server.URL(), Token: server.Token(), Store: filepath.Join(folder, "jobs.db"), PauseAt: n * 3 / 10}
	fmt.Fprintln(stdout, "\nStart 1:")
	if err := live(ctx, child, server, n*6/10, stdout, stderr); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "\nStart 2:")
	child.PauseAt = 0
	if err := live(ctx, child, server, n+1, stdout, stderr); err != nil {
		return err
	}
	return check(ctx, server, fields, stdout)
}

// live runs the job's process until it ends, or until so many fields were
// changed: then it is killed.
func live(ctx context.Context, child childConfig, server *pocket.Server, target int, stdout, stderr io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), child.env()...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case <-time.After(5 * time.Millisecond):
		}
		changed := len(server.Changes())
		if changed < target {
			continue
		}
		if err := cmd.Process.Kill(); err != nil { // SIGKILL: it can do nothing about it
			return err
		}
		<-ended
		fmt.Fprintf(stdout, "  killed, when the server had changed %d fields\n", changed)
		return nil
	}
}

// check reads every field back.
func check(ctx context.Context, server *pocket.Server, fields []pocket.Field, stdout io.Writer) error {
	farm, err := openFarm(server.URL(), server.Token(), windrow.NewLimiter())
	if err != nil {
		return err
	}
	now := map[string]Field{}
	for f, err := range pages.Read(ctx, farm.list(jobs.Fields{})) {
		if err != nil {
			return err
		}
		now[f.ID] = f
	}
	changes, updated := server.Changes(), 0
	for _, f := range fields {
		schedule, times := now[f.ID].Schedule, changes[f.ID]
		wanted := f.Status == "active" && f.MostMinutes >= 30
		switch {
		case wanted && (schedule == nil || schedule.Minutes != 30 || times != 1):
			return fmt.Errorf("%s was changed %d times, and has the schedule %+v", f.ID, times, schedule)
		case !wanted && (schedule != nil || times != 0):
			return fmt.Errorf("%s was changed", f.ID)
		case wanted:
			updated++
		}
	}
	fmt.Fprintf(stdout, "\nRead back: %d fields have the new schedule, each was changed exactly once; %d others are as they were.\n",
		updated, len(fields)-updated)
	fmt.Fprintf(stdout, "The server got %d updates: those in flight at the kill may have come twice, which changes nothing.\n",
		server.Traffic("PATCH").Requests-server.Traffic("PATCH").Throttled)
	return nil
}
