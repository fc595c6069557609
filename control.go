package windrow

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
)

// ErrStopped is matched by the Cause of a run that [Control.Stop] stopped.
var ErrStopped = errors.New("windrow: stopped by its Control")

// A Control steers runs and streams while they work: those that were given it by [WithControl], and no other user of
// their limiter. Its bounds apply to all of them together, look-ups included; the requests that a call itself makes,
// such as those that poll a job on the server, are part of that call.
//
// The zero Control is ready to use, and bounds nothing. All methods may be called from many goroutines and at any time,
// also before a run begins and after it has ended. A Control must not be copied after first use.
type Control struct {
	once sync.Once
	gate *gate.Gate

	mu    sync.Mutex
	cause error // of Stop; nil before
	runs  map[*engine.Run]bool
}

// WithControl gives a run or a stream the Control by which it is paused, slowed down and stopped. Without it a run ends
// by its context, which cuts the calls in flight short, or by itself.
func WithControl(c *Control) Option {
	return option("WithControl", c != nil, "nil", "must be a Control", func(o *options) { o.control = c })
}

func (c *Control) start() *gate.Gate {
	c.once.Do(func() {
		free := adapt.Setting{Concurrency: maxConcurrency, Rate: rate.Inf, Burst: 1}
		c.gate = gate.New(free, free, nil)
	})
	return c.gate
}

// Pause lets no further call begin until [Control.Resume]. Calls in flight finish, and Pause does not wait for them.
// Time spent paused counts toward [RetryPolicy.MaxThrottleWait] while the server throttles or is down.
func (c *Control) Pause() { c.start().Pause() }

// Resume ends [Control.Pause].
func (c *Control) Resume() { c.start().Resume() }

// Paused reports whether [Control.Pause] was called last, and not [Control.Resume].
func (c *Control) Paused() bool { return c.start().Paused() }

// SetConcurrency bounds how many calls may be in flight at once, from 1 to 100,000; 0 removes the bound. It is a
// further ceiling beside that of the limiter. Calls in flight are not cut when it falls. The error is an [OptionError].
func (c *Control) SetConcurrency(n int) error {
	if n < 0 || n > maxConcurrency {
		return &OptionError{Option: "Control.SetConcurrency", Value: n, Problem: concurrencyProblem + ", or 0 for no bound"}
	}
	if n == 0 {
		n = maxConcurrency
	}
	c.start().Set(func(ceiling *adapt.Setting) { ceiling.Concurrency = n })
	return nil
}

// SetRate bounds how many calls may begin in each period; n 0 removes the bound. It is a further ceiling beside the
// rate of the limiter, and counts calls, whatever their Cost. The error is an [OptionError].
func (c *Control) SetRate(n int, per time.Duration) error {
	limit, err := changedRate("Control.SetRate", n, per)
	if err == nil {
		c.start().Set(func(ceiling *adapt.Setting) { ceiling.Rate, ceiling.Burst = limit, usualBurst(limit, 1) })
	}
	return err
}

// Stop ends the runs: no further call begins, calls in flight finish with contexts that have not ended, and their
// outcomes count. Items that were not sent are NotAttempted; one that was sent, without a response or a look-up that
// tells its end, is Unknown. The Cause of the runs' errors matches [ErrStopped] and cause, which may be nil. Stop does
// not wait: Run returns when the calls have. Runs that begin later end at once. Only the first Stop counts.
func (c *Control) Stop(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	if c.cause = ErrStopped; cause != nil {
		c.cause = &stopError{cause}
	}
	for r := range c.runs {
		r.Stop(c.cause)
	}
}

// attach makes the control steer a run until detach is called.
func (c *Control) attach(r *engine.Run) (detach func()) {
	g := c.start()
	g.Attach(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[*engine.Run]bool{}
	}
	if c.runs[r] = true; c.cause != nil {
		r.Stop(c.cause)
	}
	return func() {
		g.Detach(nil)
		c.mu.Lock()
		delete(c.runs, r)
		c.mu.Unlock()
	}
}

// stopError is the cause of a run that was stopped for a reason.
type stopError struct{ cause error }

func (e *stopError) Error() string { return ErrStopped.Error() + ": " + e.cause.Error() }

func (e *stopError) Unwrap() []error { return []error{ErrStopped, e.cause} }
