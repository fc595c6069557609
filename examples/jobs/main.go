// Command jobs changes a thousand records of a real CMS by a durable batch job,
// which is paused and resumed, killed and started again: at the end each record
// was changed exactly once.
//
// The CMS is PocketBase, which runs inside this program, with the fields of a
// farm. The job runs in a process of its own. It is the batch API's own example:
// update the irrigation schedules of all active fields. The server refuses the
// new schedule for five of them, so that their updates fail, each with its error.
// The process pauses and resumes its job, gets SIGKILL when about 60 % of the
// fields are changed, and is started again with the same store.
//
//	go run ./examples/jobs
//
// Then the job is read from its store, and every field from the server. The exit
// status is 1 when the job does not say what became of each field, or a field was
// not changed, was changed twice, or is not as it should be.
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

	"github.com/windrow-go/windrow/examples/internal/pocket"
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
	rate := flags.Int("rate", 0, "let the server take `n` requests a second; 0 means a fifth of the fields")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || *n < 20 || *rate < 0 {
		fmt.Fprintln(stderr, "jobs: -n must be at least 20, -rate not negative, and there are only flags. See -help.")
		return 2
	}
	if *rate == 0 {
		*rate = *n / 5
	}
	if err := demonstrate(ctx, *n, *rate, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "jobs: %v\n", err)
		return 1
	}
	return 0
}

// refused is how many fields do not take the new schedule.
const refused = 5

// weekly is the schedule of all fields at first, and daily that of the job.
var (
	weekly = Schedule{Frequency: "weekly", Start: "05:00", Minutes: 10}
	daily  = Schedule{Frequency: "daily", Start: "06:00", Minutes: 30}
)

// sow makes the fields: n that the job selects, for some of which the server
// refuses its schedule, and a tenth as many that it must leave alone.
func sow(n int) (fields []pocket.Field) {
	for i := range n + n/10 {
		f := pocket.Field{ID: fmt.Sprintf("field%010d", i), Status: "active", Enabled: true, Schedule: weekly, MostMinutes: 60}
		switch {
		case i >= n && i%2 == 0:
			f.Status = "fallow"
		case i >= n:
			f.Enabled = false
		case i%(n/refused) == n/refused/2 && i/(n/refused) < refused:
			f.MostMinutes = 20
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
	fmt.Fprintf(stdout, "Server: PocketBase, at most %d requests a second.\n", rate)
	fmt.Fprintf(stdout, "Fields: %d are active and irrigated, %d are not.\n", n, len(fields)-n)

	child := childConfig{URL: server.URL(), Token: server.Token(), Store: filepath.Join(folder, "jobs.db"), PauseAt: n * 3 / 10}
	fmt.Fprintln(stdout, "\nStart 1:")
	if err := live(ctx, child, server, n*6/10, stdout, stderr); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "\nStart 2:")
	child.PauseAt = 0
	if err := live(ctx, child, server, 0, stdout, stderr); err != nil {
		return err
	}
	return check(ctx, child.Store, server, fields, stdout)
}

// live runs the job's process until it ends. With a target, the process is killed
// when so many fields are changed, and it is an error if it ends before.
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
			if err == nil && target > 0 {
				err = errors.New("the job ended before its process could be killed: let the server take fewer requests a second")
			}
			return err
		case <-time.After(5 * time.Millisecond):
		}
		changed := len(server.Changes())
		if target == 0 || changed < target {
			continue
		}
		if err := cmd.Process.Kill(); err != nil { // SIGKILL: it can do nothing about it
			return err
		}
		<-ended
		fmt.Fprintf(stdout, "\nKilled, when the server had changed %d fields.\n", changed)
		return nil
	}
}
