package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"
)

// forever is the end of a fault that has none.
const forever = time.Duration(1<<63 - 1)

// A fault is a stretch of time in which the server takes no calls.
type fault struct {
	from, until time.Duration // since the start of the run
	fail        failure
	kills       bool // calls in flight when it begins lose their responses
}

// A failure is how a call ends that the server did not carry out.
type failure struct {
	err       error
	min, more time.Duration // how long it takes: min, and up to more beside
	sent      bool          // the request left: a client cannot tell that it was not applied
}

// refused is a dial that the other side refuses, as net/http returns it.
func refused() failure {
	return failure{min: 200 * time.Microsecond, more: time.Millisecond, err: &url.Error{
		Op: "Post", URL: "http://api.example/items", Err: &net.OpError{
			Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
		},
	}}
}

// reset is a connection that ends before the response.
func reset() failure {
	return failure{min: time.Millisecond, more: 5 * time.Millisecond, sent: true, err: &url.Error{
		Op: "Post", URL: "http://api.example/items", Err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
	}}
}

// status is a response with a status of 400 or more.
func status(code int) failure {
	return failure{min: 20 * time.Millisecond, more: 20 * time.Millisecond, sent: true, err: &statusError{code: code}}
}

// timeout is a call that takes so long, and has no response.
func timeout(after time.Duration) failure {
	return failure{min: after, sent: true, err: &url.Error{
		Op: "Post", URL: "http://api.example/items", Err: fmt.Errorf("reading the response: %w", os.ErrDeadlineExceeded),
	}}
}

// statusError is an error with an HTTP status, as SDKs have it.
type statusError struct {
	code  int
	after time.Duration
}

func (e *statusError) Error() string             { return fmt.Sprint("the server answers ", e.code) }
func (e *statusError) StatusCode() int           { return e.code }
func (e *statusError) RetryAfter() time.Duration { return e.after }

// A world is a server, and what it sees of a run. Its latency depends on the seed, the item and the attempt alone, so that
// a run without faults is the floor of one with faults.
type world struct {
	seed   uint64
	began  time.Time
	faults []fault
	// judge, when it is set, decides about a call outside the faults.
	judge func(item, nth int, at time.Duration) *failure

	mu       sync.Mutex
	sent     []int // attempts by item
	applied  []int
	requests int
	inFlight int
	most     int           // calls in flight at once
	cut      int           // calls in flight when the first fault began
	during   int           // calls that began during a fault
	crowd    int           // calls in flight at once, of those that began a second or more after a fault did
	late     int           // of these, those in flight
	after    int           // calls that began so long after
	last     time.Duration // when the last success ended
}

func newWorld(seed uint64, items int, faults ...fault) *world {
	return &world{seed: seed, began: time.Now(), faults: faults, sent: make([]int, items), applied: make([]int, items)}
}

// call carries out a request for the items of a chunk, or fails.
func (w *world) call(ctx context.Context, items ...int) error {
	began, draw, f, late := w.enter(items)
	latency := 20*time.Millisecond + time.Duration(draw*draw*float64(100*time.Millisecond))
	if f != nil {
		latency = f.min + time.Duration(draw*float64(f.more))
	}
	err := sleep(ctx, latency)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	w.late -= late
	now := time.Since(w.began)
	for k, x := range w.faults {
		if began < x.from && now >= x.from && f == nil {
			if k == 0 {
				w.cut++
			}
			switch {
			case x.kills && x.fail.sent:
				return x.fail.err
			case x.kills:
				return reset().err
			}
		}
	}
	switch {
	case err != nil:
		return err
	case f != nil:
		return f.err
	}
	for _, item := range items {
		w.applied[item]++
	}
	w.last = now
	return nil
}

// enter notes a call that begins, and returns how it fails, if it does.
func (w *world) enter(items []int) (began time.Duration, draw float64, f *failure, late int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	began = time.Since(w.began)
	w.requests++
	w.inFlight++
	w.most = max(w.most, w.inFlight)
	for _, item := range items {
		w.sent[item]++
	}
	nth := w.sent[items[0]]
	draw = random(w.seed, uint64(items[0]), uint64(nth))
	for _, x := range w.faults {
		if began < x.from || began >= x.until {
			continue
		}
		w.during++
		if began >= x.from+time.Second {
			w.late++
			w.after++
			late = 1
			w.crowd = max(w.crowd, w.late)
		}
		return began, draw, &x.fail, late
	}
	if w.judge != nil {
		f = w.judge(items[0], nth, began)
	}
	return began, draw, f, 0
}

// sleep waits, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// random draws a number in [0, 1) from a seed: the same from the same.
func random(seed ...uint64) float64 {
	var h uint64 = 0x9e3779b97f4a7c15
	for _, s := range seed {
		h ^= s + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return float64(h>>11) / (1 << 53)
}
