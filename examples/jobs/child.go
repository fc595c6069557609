package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/progress"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
	"github.com/windrow-go/windrow/pages"
)

// request is the body of a request to create a job, as the batch API has it.
//
//go:embed request.json
var request []byte

// Field is a record of the farm.
type Field struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Enabled  bool      `json:"irrigation_enabled"`
	Schedule *Schedule `json:"irrigation_schedule"`
}

// Patch is what an update changes.
type Patch struct {
	Schedule Schedule `json:"irrigation_schedule"`
}

// Schedule says when a field is watered.
type Schedule struct {
	Frequency string `json:"frequency"`
	Start     string `json:"start_time"`
	Minutes   int    `json:"duration_minutes"`
}

// farm is the client of the fields.
type farm struct{ *rest.Resource[Patch, Field] }

func openFarm(address, token string, limiter *windrow.Limiter) (*farm, error) {
	client, err := rest.New(address+"/api", rest.WithHeader("Authorization", token), rest.WithLimiter(limiter))
	if err != nil {
		return nil, err
	}
	return &farm{rest.NewResource[Patch, Field](client, "/collections/fields/records", rest.WithItemsField("items"))}, nil
}

// list is a pager of the fields that a filter selects, in the language of
// PocketBase.
func (f *farm) list(filter jobs.Fields) *pages.Pager[Field] {
	var terms []string
	for name, value := range filter {
		text, _ := json.Marshal(value) // it came from JSON
		terms = append(terms, name+"="+string(text))
	}
	slices.Sort(terms)
	query := url.Values{"filter": {strings.Join(terms, "&&")}, "sort": {"id"}, "skipTotal": {"1"}}
	return f.ByNumber(1, 200, rest.WithParameters("page", "perPage"), rest.WithQuery(query))
}

// describe makes PocketBase's message that of the item.
func describe(err error) (code, message string) {
	refused, ok := errors.AsType[*rest.Error](err)
	if !ok {
		return "", ""
	}
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(refused.Body, &body) != nil {
		return "", ""
	}
	return "", strings.TrimSuffix(body.Message, ".")
}

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
	store, err := sqlitestore.Open(cfg.Store)
	if err != nil {
		return err
	}
	m, err := jobs.Open(ctx, jobs.Config{Store: store})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	err = jobs.Register(m, "fields", jobs.Resource[Patch, Field]{
		Client: fields, Limiter: limiter, ID: func(f Field) string { return f.ID }, Describe: describe,
		List: func(ctx context.Context, filter jobs.Fields) iter.Seq2[Field, error] {
			return pages.Read(ctx, fields.list(filter))
		},
	})
	if err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
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
	fmt.Fprintf(stdout, "  the job is %s, %d of its items have ended\n", job.State, job.Progress.Completed())
	if err := follow(ctx, m, job.ID, cfg.PauseAt, stdout); err != nil {
		return err
	}
	if job, err = m.Wait(ctx, job.ID); err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{"data": job}, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s\n", text)
	return nil
}

// follow shows how far the job has come until it has ended, and pauses and
// resumes it on the way.
func follow(ctx context.Context, m *jobs.Manager, id string, pauseAt int, stdout io.Writer) error {
	var bar *progress.Display
	defer func() {
		if bar != nil {
			bar.Close()
		}
	}()
	for {
		job, err := m.Get(ctx, id)
		if err != nil {
			return err
		}
		p := job.Progress
		if !p.Expanding && bar == nil {
			bar = progress.Start(stdout, "Updating", int(p.Total))
		}
		if bar != nil {
			bar.Update(windrow.Progress{
				Done: int(p.Completed()), Total: int(p.Total), Succeeded: int(p.Succeeded), Failed: int(p.Failed), Skipped: int(p.Skipped),
				Rate: job.Statistics.ItemsPerSecond, ETA: job.Statistics.RemainingTime, Waiting: job.Statistics.Waiting,
			})
		}
		if job.State.Ended() {
			return nil
		}
		if pauseAt > 0 && p.Completed() >= int64(pauseAt) {
			pauseAt = 0
			if err := pause(ctx, m, id, stdout); err != nil {
				return err
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pause pauses the job, and resumes it.
func pause(ctx context.Context, m *jobs.Manager, id string, stdout io.Writer) error {
	if _, err := m.Pause(ctx, id); err != nil {
		return err
	}
	job, err := m.Wait(ctx, id) // until its calls in flight have ended
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "  %s, after %d items; and resumed\n", job.State, job.Progress.Completed())
	_, err = m.Resume(ctx, id)
	return err
}
