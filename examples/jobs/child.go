package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/progress"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// request is the body of a request to create a job, as the batch API has it.
//
//go:embed request.json
var request []byte

// childConfig is what the job's process is told. It knows nothing of what was
// done before: that is in the store.
type childConfig struct {
	URL, Token string
	Store      string // path
	PauseAt    int    // pause and resume when so many items have ended; 0: never
}

// childVariable tells a process that it is to run the job.
const childVariable = "WINDROW_EXAMPLE_JOBS"

func isChild() bool { return os.Getenv(childVariable) != "" }

func (c childConfig) env() []string {
	text, _ := json.Marshal(c) // strings and a number
	return []string{childVariable + "=" + string(text)}
}

// runChild is the job's process. It returns the exit status.
func runChild(ctx context.Context, stdout, stderr io.Writer) int {
	var cfg childConfig
	err := json.Unmarshal([]byte(os.Getenv(childVariable)), &cfg)
	if err == nil {
		err = work(ctx, cfg, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "jobs: %v\n", err)
		return 1
	}
	return 0
}

// work is what an application would write. It is the same whether it is the
// first start or the second.
func work(ctx context.Context, cfg childConfig, stdout io.Writer) (err error) {
	limiter := windrow.NewLimiter()
	fields, err := openFarm(cfg.URL, cfg.Token, limiter)
	if err != nil {
		return err
	}
	m, err := openManager(ctx, cfg.Store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := jobs.Register(m, "fields", fields.resource(limiter)); err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil { // a job that an earlier process left goes on here
		return err
	}

	var body struct {
		Batch jobs.Spec `json:"batch"`
	}
	if err := json.Unmarshal(request, &body); err != nil {
		return err
	}
	body.Batch.IdempotencyKey = "irrigation-2026-12" // so that the second start finds the job of the first
	job, err := m.Submit(ctx, body.Batch)
	if err != nil {
		return err
	}
	p := job.Progress
	fmt.Fprintf(stdout, "  the job is %s, %d of its %d items have ended\n", job.State, p.Completed(), p.Total)
	if cfg.PauseAt > 0 {
		if err := follow(ctx, m, job.ID, int64(cfg.PauseAt), stdout); err != nil {
			return err
		}
		if err := pauseAndResume(ctx, m, job.ID, stdout); err != nil {
			return err
		}
	}
	return follow(ctx, m, job.ID, p.Total+1, stdout)
}

// openManager opens the manager of the jobs in a file.
func openManager(ctx context.Context, path string) (*jobs.Manager, error) {
	store, err := sqlitestore.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := jobs.Open(ctx, jobs.Config{Store: store})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return m, nil
}

// follow shows how far the job has come until it has ended, or so many of its
// items have. A job that is paused meanwhile waits for a person: it is an error.
func follow(ctx context.Context, m *jobs.Manager, id string, items int64, stdout io.Writer) error {
	job, err := m.Get(ctx, id)
	if err != nil {
		return err
	}
	bar := progress.Start(stdout, "Updating", int(job.Progress.Total)) // known from the beginning: the resource has a Count
	defer bar.Close()
	for {
		p := job.Progress
		bar.Update(windrow.Progress{
			Done: int(p.Completed()), Total: int(p.Total), Succeeded: int(p.Succeeded), Failed: int(p.Failed + p.Unknown), Skipped: int(p.Skipped),
			Rate: job.Statistics.ItemsPerSecond, ETA: job.Statistics.RemainingTime, Waiting: job.Statistics.Waiting,
		})
		switch {
		case job.State.Ended() || p.Completed() >= items:
			return nil
		case job.State == jobs.Paused:
			return fmt.Errorf("the job is paused: %s", job.Reason)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if job, err = m.Get(ctx, id); err != nil {
			return err
		}
	}
}

// pauseAndResume pauses the job, waits for its calls in flight, and resumes it.
func pauseAndResume(ctx context.Context, m *jobs.Manager, id string, stdout io.Writer) error {
	if _, err := m.Pause(ctx, id); err != nil {
		return err
	}
	job, err := m.Wait(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "  %s, when %d of %d items had ended; and resumed\n", job.State, job.Progress.Completed(), job.Progress.Total)
	_, err = m.Resume(ctx, id)
	return err
}
