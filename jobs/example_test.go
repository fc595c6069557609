package jobs_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"
	"sync"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// Plot is a record of a server, and PlotPatch a change of one.
type (
	Plot struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Crop   string `json:"crop"`
	}
	PlotPatch struct {
		Crop string `json:"crop"`
	}
)

// Plots is a client of that server.
type Plots struct {
	mu  sync.Mutex
	all []Plot
}

// Update implements windrow.Updater.
func (p *Plots) Update(_ context.Context, id string, patch PlotPatch) (Plot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.all {
		if p.all[k].ID == id {
			p.all[k].Crop = patch.Crop
			return p.all[k], nil
		}
	}
	return Plot{}, windrow.ErrNotFound
}

// List yields the plots that a filter selects.
func (p *Plots) List(_ context.Context, filter jobs.Fields) iter.Seq2[Plot, error] {
	return func(yield func(Plot, error) bool) {
		p.mu.Lock()
		all := append([]Plot(nil), p.all...)
		p.mu.Unlock()
		for _, plot := range all {
			if plot.Status == filter["status"] && !yield(plot, nil) {
				return
			}
		}
	}
}

func newPlots() *Plots {
	return &Plots{all: []Plot{{"p1", "active", "oats"}, {"p2", "fallow", ""}, {"p3", "active", "rye"}}}
}

// The smallest program: open a store, say how records are listed and changed, submit a job, and wait for it.
func Example() {
	ctx, plots := context.Background(), newPlots()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	store, err := sqlitestore.Open(filepath.Join(dir, "jobs.db"))
	if err != nil {
		log.Fatal(err)
	}
	m, err := jobs.Open(ctx, jobs.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	err = jobs.Register(m, "plots", jobs.Resource[PlotPatch, Plot]{
		Client: plots, List: plots.List, ID: func(p Plot) string { return p.ID },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Start(ctx); err != nil { // unfinished jobs go on here
		log.Fatal(err)
	}
	job, err := m.Submit(ctx, jobs.Spec{
		Type: "sow", IdempotencyKey: "clover-2026",
		Operations: []jobs.Operation{{
			Type: jobs.Update, Resource: "plots",
			Filter: jobs.Fields{"status": "active"}, Update: jobs.Fields{"crop": "clover"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if job, err = m.Wait(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.State, job.Progress.Succeeded, "of", job.Progress.Total)
	// Output: completed 2 of 2
}
