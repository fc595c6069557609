package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// example returns a manager of plots, and what closes it.
func example() (m *jobs.Manager, end func()) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlitestore.Open(filepath.Join(dir, "jobs.db"))
	if err != nil {
		log.Fatal(err)
	}
	m, err = jobs.Open(context.Background(), jobs.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	plots := newPlots()
	err = jobs.Register(m, "plots", jobs.Resource[PlotPatch, Plot]{
		Client: plots, List: plots.List, ID: func(p Plot) string { return p.ID },
	})
	if err != nil {
		log.Fatal(err)
	}
	return m, func() {
		_ = m.Close()
		_ = os.RemoveAll(dir)
	}
}

// sow is a job over two plots, one of which does not exist.
var sow = jobs.Spec{Operations: []jobs.Operation{{
	Type: jobs.Update, Resource: "plots", IDs: []string{"p1", "p9"}, Update: jobs.Fields{"crop": "clover"},
}}}

// carriedOut submits a job and waits for it.
func carriedOut(m *jobs.Manager, s jobs.Spec) jobs.Job {
	ctx := context.Background()
	if err := m.Start(ctx); err != nil {
		log.Fatal(err)
	}
	job, err := m.Submit(ctx, s)
	if err == nil {
		job, err = m.Wait(ctx, job.ID)
	}
	if err != nil {
		log.Fatal(err)
	}
	return job
}

// A wrong spec is refused with all its mistakes. Nothing is stored.
func ExampleManager_Submit() {
	m, end := example()
	defer end()
	_, err := m.Submit(context.Background(), jobs.Spec{Operations: []jobs.Operation{
		{Type: "process", Resource: "plots"},
		{Type: jobs.Update, Resource: "plots", Filter: jobs.Fields{"colour": "red"}, Update: jobs.Fields{"crop": "clover"}},
	}})
	if refused, ok := errors.AsType[*jobs.SpecError](err); ok {
		for _, mistake := range refused.Mistakes {
			fmt.Println(mistake.Field, mistake.Code, mistake.Message)
		}
	}
	// Output:
	// operations[0].type INVALID_OPERATION Unknown operation type: process
	// operations[1].filter.colour INVALID_FIELD is no field of the resource plots
}

// Wait returns nil as its error however the job ended: its state and its items say how.
func ExampleManager_Wait() {
	m, end := example()
	defer end()
	job := carriedOut(m, sow)
	fmt.Println(job.State, job.Outcome)
	for _, item := range job.Errors {
		fmt.Println(item.Key, item.Code, item.Message, item.Pile())
	}
	// Output:
	// completed some
	// p9 RESOURCE_ERROR not found after_correction
}

// Items are read in every state of a job, by what became of them.
func ExampleManager_Items() {
	m, end := example()
	defer end()
	job := carriedOut(m, sow)
	for item, err := range m.Items(context.Background(), job.ID, jobs.ItemQuery{States: []windrow.State{windrow.Succeeded}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Index, item.Key, item.State, item.Attempts)
	}
	// Output: 0 p1 succeeded 1
}

// A paused job sends nothing more, and goes on when it is resumed, also after a restart.
func ExampleManager_Pause() {
	m, end := example()
	defer end()
	ctx := context.Background()
	job, err := m.Submit(ctx, sow) // queued: the manager is not started yet
	if err != nil {
		log.Fatal(err)
	}
	if job, err = m.Pause(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.State, job.Reason)
	if err := m.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if job, err = m.Resume(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	if job, err = m.Wait(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.State)
	_, err = m.Resume(ctx, job.ID)
	fmt.Println(err)
	// Output:
	// paused paused
	// completed
	// jobs: a job that is completed cannot be resumed: that is possible while it is paused, queued or running
}

// Events are the audit log of a job. They are followed while it runs: the loop ends when the job has ended.
func ExampleManager_Events() {
	m, end := example()
	defer end()
	ctx := jobs.WithCaller(context.Background(), jobs.Caller{Actor: "ann"})
	job, err := m.Submit(ctx, sow)
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Start(ctx); err != nil {
		log.Fatal(err)
	}
	for event, err := range m.Events(ctx, job.ID, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Type != jobs.EventProgress {
			fmt.Println(event.Type, event.Actor, event.Details.Succeeded, event.Details.Failed)
		}
	}
	// Output:
	// job_queued ann 0 0
	// job_started  0 0
	// job_completed  1 1
}

// An export has a line for each item, in the order of the input.
func ExampleManager_Export() {
	m, end := example()
	defer end()
	job := carriedOut(m, sow)
	if err := m.Export(context.Background(), job.ID, os.Stdout, jobs.CSV); err != nil {
		log.Fatal(err)
	}
	// Output:
	// index,key,input,id,state,reason,code,message,attempts
	// 0,p1,,p1,succeeded,,,,1
	// 1,p9,,p9,failed,,RESOURCE_ERROR,not found,1
}

// A resource whose client cannot do what is asked of it is refused when it is registered.
func ExampleRegister() {
	m, end := example()
	defer end()
	err := jobs.Register(m, "sensors", jobs.Resource[PlotPatch, Plot]{Client: newPlots(), Replaces: true})
	fmt.Println(err)
	// Output: jobs: resource "sensors": Replaces needs a Client that is a windrow.Updater and a windrow.Getter[string, jobs_test.Plot]
}

// ParseSpec reads what the API takes as "batch".
func ExampleParseSpec() {
	spec, err := jobs.ParseSpec([]byte(`{
		"type": "sow",
		"operations": [{"type": "update", "resource": "plots", "filter": {"status": "active"}, "update": {"crop": "clover"}}],
		"options": {"max_concurrent": 5, "retry": {"attempts": 3, "backoff": "linear", "delay": "1m30s"}}
	}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(spec.Operations[0].Filter["status"], spec.Options.Retry.Delay)
	text, err := json.Marshal(spec.Options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	_, err = jobs.ParseSpec([]byte(`{"operations": [{"where": {}}], "options": {"speed": 11}}`))
	fmt.Println(err)
	// Output:
	// active 1m30s
	// {"max_concurrent":5,"retry":{"attempts":3,"backoff":"linear","delay":"1m30s"}}
	// jobs: the spec is refused: operations[0].where: is no field of a spec; options.speed: is no field of a spec
}
