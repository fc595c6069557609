package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/windrow-go/windrow/jobs"
)

// mostLife is how long a life lasts in which the event that ends it does not come.
const mostLife = time.Second

// trigger kills the program at an event.
type trigger struct {
	mu    sync.Mutex
	event string
	after int           // how often the event is still to pass before the kill
	delay time.Duration // from the event to the kill
	kill  chan struct{} // nil when nothing is to be killed
	fired string
	timer *time.Timer
}

// arm sets when the program is killed.
func (t *trigger) arm(event string, random *rand.Rand) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	kill := make(chan struct{})
	t.event, t.kill, t.fired, t.after = event, kill, "", 1
	switch event {
	case "write":
		t.after = 1 + random.IntN(150)
	case "list":
		t.after = 1 + random.IntN(3)
	case ended, submitted, submitting:
		t.after = 1 + random.IntN(2)
	default:
		t.after = 1 + random.IntN(3)
	}
	t.delay = 0 // the program waits for the response: the call is not even begun, or has just returned
	if random.IntN(2) == 0 {
		t.delay = time.Duration(random.IntN(3000)) * time.Microsecond
	}
	life := mostLife
	if event == "" {
		life = time.Duration(30+random.IntN(600)) * time.Millisecond
	}
	t.timer = time.AfterFunc(life, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.fire("")
	})
	return kill
}

// fire kills the program. The lock is held.
func (t *trigger) fire(event string) {
	if t.kill != nil {
		close(t.kill)
		t.kill, t.fired = nil, event
	}
}

// disarm returns at which event the program was killed.
func (t *trigger) disarm() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.kill = nil
	return t.fired
}

// passed notes an event. It does not return when the program is killed right there.
func (t *trigger) passed(event string) {
	t.mu.Lock()
	hit := t.kill != nil && t.event == event
	if hit {
		t.after--
		hit = t.after == 0
	}
	delay := t.delay
	t.mu.Unlock()
	switch {
	case !hit:
	case delay == 0:
		t.mu.Lock()
		t.fire(event)
		t.mu.Unlock()
		time.Sleep(20 * time.Millisecond) // until it is dead
	default:
		time.AfterFunc(delay, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.fire(event)
		})
	}
}

// history is what the program has said of a job.
type history struct {
	submitted bool   // Submit has returned
	state     string // that the job must have, if it has not ended: paused or cancelling; "" when it may be any
	over      string // state in which it has ended; "" before
	cancelled bool   // Cancel was called
	ordered   bool   // Cancel has returned, and the job was to be cancelled
	pauses    int    // that have returned
}

// told is what the program has said.
type told struct {
	said      sync.Mutex
	histories map[int]*history
	wrong     []string
}

func (t *told) history(number int) *history {
	t.said.Lock()
	defer t.said.Unlock()
	return t.of(number)
}

// of returns what was said of a job. The lock is held.
func (t *told) of(number int) *history {
	if t.histories == nil {
		t.histories = map[int]*history{}
	}
	if t.histories[number] == nil {
		t.histories[number] = &history{}
	}
	return t.histories[number]
}

// note serves a note of the program.
func (c *crash) note(w http.ResponseWriter, r *http.Request) {
	var n note
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.learn(n)
	c.passed(n.What)
	w.WriteHeader(http.StatusOK)
}

var final = []string{string(jobs.Completed), string(jobs.Failed), string(jobs.Cancelled)}

// learn keeps what a note says, and compares what was found with what was said before.
func (t *told) learn(n note) {
	t.said.Lock()
	defer t.said.Unlock()
	if n.Job < 0 {
		return
	}
	h := t.of(n.Job)
	bad := func(format string, args ...any) {
		t.wrong = append(t.wrong, fmt.Sprintf("job %d: ", n.Job)+fmt.Sprintf(format, args...))
	}
	switch n.What {
	case found:
		over := slices.Contains(final, n.State)
		switch {
		case h.over != "" && n.State != h.over:
			bad("it was %s, and is %s after a kill", h.over, n.State)
		case h.state == paused && n.State != string(jobs.Paused) && !over:
			bad("it was paused, and is %s after a kill", n.State)
		case h.state == cancelling && n.State != cancelling && n.State != string(jobs.Cancelled) && n.State != string(jobs.Completed):
			bad("it was being cancelled, and is %s after a kill", n.State)
		}
		h.submitted = true
		if over {
			h.over = n.State
		}
	case submitted:
		h.submitted = true
	case pausing, resuming:
		if h.state == paused {
			h.state = ""
		}
	case paused:
		if n.Error == "" && n.State == string(jobs.Paused) {
			h.state = paused
			h.pauses++
		}
	case cancelling:
		h.cancelled = true
		if h.state == paused {
			h.state = ""
		}
	case cancelled:
		if n.Error == "" && (n.State == cancelling || n.State == string(jobs.Cancelled)) {
			h.state, h.ordered = cancelling, true
		}
	case ended:
		if h.over != "" && h.over != n.State {
			bad("it ended as %s, and then as %s", h.over, n.State)
		}
		h.over = n.State
	}
}
