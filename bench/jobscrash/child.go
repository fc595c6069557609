package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// life is what the child is told.
type life struct {
	URL, Path string
	Seed      uint64
	Number    int    // of the life, for its random moments
	Submit    []int  // jobs to be submitted
	Moment    string // at which it is to be killed
	Last      bool   // all jobs are to be brought to their end
}

// note is what the child says to its parent.
type note struct {
	What  string `json:"what"`
	Job   int    `json:"job"` // number in the plan; -1 for none
	State string `json:"state,omitempty"`
	Error string `json:"error,omitempty"`
}

// What a note says. Each call has one before it and one when it has returned.
const (
	found      = "found" // state of a job before the manager works
	ready      = "ready"
	submitting = "submitting"
	submitted  = "submitted"
	pausing    = "pausing"
	paused     = "paused"
	resuming   = "resuming"
	resumed    = "resumed"
	cancelling = "cancelling"
	cancelled  = "cancelled"
	ended      = "ended"
)

// worker is the child.
type worker struct {
	life
	m        *jobs.Manager
	random   *rand.Rand
	failed   chan error
	watching sync.WaitGroup

	mu   sync.Mutex
	ids  map[int]string // of the jobs that were submitted
	over map[int]bool   // jobs that have ended
	busy map[int]bool   // jobs of which a call is under way
}

// live runs a life.
func live(ctx context.Context, argument string) (any, error) {
	w := &worker{failed: make(chan error, 1), ids: map[int]string{}, over: map[int]bool{}, busy: map[int]bool{}}
	if err := json.Unmarshal([]byte(argument), &w.life); err != nil {
		return nil, err
	}
	w.random = rand.New(rand.NewPCG(w.Seed, uint64(w.Number)))
	s, err := sqlitestore.Open(w.Path)
	if err != nil {
		return nil, err
	}
	w.m, err = jobs.Open(ctx, jobs.Config{Store: s, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	err = w.work(ctx)
	if err == nil {
		err = s.Check(ctx)
	}
	return nil, errors.Join(err, w.m.Close())
}

func (w *worker) work(ctx context.Context) error {
	if err := register(w.m, w.URL); err != nil {
		return err
	}
	for j, err := range w.m.List(ctx, jobs.Query{}) {
		if err != nil {
			return err
		}
		number, err := numberOf(j)
		if err == nil {
			err = w.tell(note{What: found, Job: number, State: stateOf(j)})
		}
		if err != nil {
			return err
		}
		w.ids[number], w.over[number] = j.ID, j.State.Ended()
	}
	if err := w.m.Start(ctx); err != nil {
		return err
	}
	if err := w.tell(note{What: ready, Job: -1}); err != nil {
		return err
	}
	if !w.Last {
		for range 2 {
			go func() { w.fail(w.disturb(ctx)) }()
		}
	}
	for number := range w.ids {
		w.watch(ctx, number)
	}
	work := func() error {
		for _, number := range w.Submit {
			if err := w.submit(ctx, number); err != nil {
				return err
			}
			w.watch(ctx, number)
		}
		if !w.Last {
			return nil
		}
		return w.finish(ctx)
	}
	if w.Last {
		go func() { w.failed <- work() }()
	} else {
		go func() { w.fail(work()) }()
	}
	return <-w.failed // it is killed meanwhile, if it is not the last life
}

// fail ends the life with an error, if that is not nil.
func (w *worker) fail(err error) {
	if err != nil {
		select {
		case w.failed <- err:
		default:
		}
	}
}

func numberOf(j jobs.Job) (number int, err error) {
	_, err = fmt.Sscanf(j.Type, "job-%d", &number)
	return number, err
}

// stateOf is the state of a job, with cancelling as a state of its own.
func stateOf(j jobs.Job) string {
	if j.Reason == jobs.ReasonCancelling {
		return cancelling
	}
	return string(j.State)
}

// tell sends a note. The parent may kill this process before it replies.
func (w *worker) tell(n note) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	r, err := http.Post(w.URL+"/note", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", text)
	}
	return nil
}

func (w *worker) submit(ctx context.Context, number int) error {
	if err := w.tell(note{What: submitting, Job: number}); err != nil {
		return err
	}
	j, err := w.m.Submit(ctx, plan(w.Seed, number).spec)
	if err != nil {
		return fmt.Errorf("job %d: %w", number, err)
	}
	w.mu.Lock()
	w.ids[number] = j.ID
	w.mu.Unlock()
	return w.tell(note{What: submitted, Job: number, State: stateOf(j)})
}

// watch notes the end of a job.
func (w *worker) watch(ctx context.Context, number int) {
	w.mu.Lock()
	id, over := w.ids[number], w.over[number]
	w.mu.Unlock()
	if over {
		return
	}
	w.watching.Go(func() {
		for {
			j, err := w.m.Wait(ctx, id)
			if err == nil && j.State.Ended() {
				w.mu.Lock()
				w.over[number] = true
				w.mu.Unlock()
				err = w.tell(note{What: ended, Job: number, State: stateOf(j)})
				if err == nil {
					return
				}
			}
			if err != nil {
				w.fail(err)
				return
			}
			time.Sleep(20 * time.Millisecond) // it is paused
		}
	})
}

// pick returns a job that has not ended, and has no other call of it meanwhile. ok is false when there is none.
func (w *worker) pick() (number int, id string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var open []int
	for n := range w.ids {
		if !w.over[n] && !w.busy[n] {
			open = append(open, n)
		}
	}
	if len(open) == 0 {
		return 0, "", false
	}
	slices.Sort(open)
	number = open[w.random.IntN(len(open))]
	w.busy[number] = true
	return number, w.ids[number], true
}

// disturb pauses, resumes and cancels jobs at random moments.
func (w *worker) disturb(ctx context.Context) error {
	for {
		w.mu.Lock()
		wait, what := time.Duration(w.random.IntN(30))*time.Millisecond, w.random.IntN(10)
		w.mu.Unlock()
		time.Sleep(wait)
		number, id, ok := w.pick()
		if !ok {
			continue
		}
		var err error
		switch {
		case strings.HasPrefix(w.Moment, "cancel") && plan(w.Seed, number).cancelling:
			err = w.call(ctx, number, id, cancelling, cancelled, w.m.Cancel)
		case what < 3:
			err = w.call(ctx, number, id, pausing, paused, w.m.Pause)
		case what < 4 && plan(w.Seed, number).cancelling:
			err = w.call(ctx, number, id, cancelling, cancelled, w.m.Cancel)
		default:
			err = w.call(ctx, number, id, resuming, resumed, w.m.Resume)
		}
		w.mu.Lock()
		delete(w.busy, number)
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// call makes a call with notes before and after it.
func (w *worker) call(ctx context.Context, number int, id, before, after string, f func(context.Context, string) (jobs.Job, error)) error {
	if before == resuming {
		if j, err := w.m.Get(ctx, id); err != nil || j.State != jobs.Paused {
			return err
		}
	}
	if err := w.tell(note{What: before, Job: number}); err != nil {
		return err
	}
	j, err := f(ctx, id)
	n := note{What: after, Job: number, State: stateOf(j)}
	if _, refused := errors.AsType[*jobs.StateError](err); refused {
		n.Error = err.Error()
	} else if err != nil {
		return err
	}
	return w.tell(n)
}

// finish brings all jobs to their end.
func (w *worker) finish(ctx context.Context) error {
	w.mu.Lock()
	all := maps.Clone(w.ids)
	w.mu.Unlock()
	for number, id := range all {
		for {
			j, err := w.m.Wait(ctx, id)
			if err != nil {
				return err
			}
			if j.State.Ended() {
				break
			}
			if err := w.call(ctx, number, id, resuming, resumed, w.m.Resume); err != nil {
				return err
			}
		}
	}
	w.watching.Wait()
	return nil
}
