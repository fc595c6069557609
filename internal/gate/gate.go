// Package gate decides when a call may leave: how many at once, how fast, and not at all while the server
// throttles. It is the mechanics behind windrow's Limiter.
//
// Callers queue first in, first out. Only the head of the queue holds a reservation of the rate limiter, since
// cancelling many reservations leaves x/time/rate in debt. Nobody waits with the lock held.
package gate

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// MinPause is the shortest time the gate stays shut after a throttle, whatever the server asked for.
	MinPause = 100 * time.Millisecond
	// MaxPause caps the pauses that the gate chooses itself, when nobody knows how long they should be.
	MaxPause = 10 * time.Second

	// longOutage is after which time shut it no longer helps to wait ever longer.
	longOutage = time.Minute
	// maxJitter is the longest time by which a pause that is known is lengthened at random.
	maxJitter = 250 * time.Millisecond

	// minLooseWait is how long the answer to a probe is waited for of which nobody may tell the gate.
	minLooseWait = 10 * time.Second

	forever = time.Duration(1<<63 - 1)
	longest = 100 * 365 * 24 * time.Hour // a longer hint is taken for this one, so that no sum overflows
)

// A Gate lets calls through. Make one with [New].
type Gate struct {
	version atomic.Uint64 // changes whenever a leased permit has to come back
	easy    atomic.Bool   // an answer that somebody else counts teaches nothing: it is open, and keeps no rate
	isDown  atomic.Bool   // byOutage
	isShut  atomic.Bool   // halfOpen

	mu         sync.Mutex
	ceiling    Setting
	now        Setting
	controller Controller
	rate       *rate.Limiter
	users      int
	listeners  []*Listener
	arrivals   uint64

	ledger   ledger // of what was let through
	slow     bool   // calls take long enough for each to come to the gate
	onAdjust func() // called without the lock after a change that has a reason
	adjusted bool   // and is due

	outageNews *string // what the listeners are to hear; nil when that is nothing

	inFlight int
	urgent   []*waiter // requests that need no slot
	queue    []*waiter
	held     *rate.Reservation // of the head of the queue
	holder   *waiter
	timer    *time.Timer
	wakeAt   time.Time
	drained  chan struct{}

	paused    bool      // by hand
	resumeAt  time.Time // shut by hand until then
	until     time.Time // shut by a throttle or an outage until then
	cut       time.Time // when the gate was last shut by one
	halfOpen  bool      // shut, but for one probe, until a call sent after the cut is answered
	byOutage  bool      // and that is because the server takes no calls: see downtime
	down      downtime
	troubled  time.Time // since when all calls failed or were throttled; zero when the last one was not
	reached   bool      // one of them reached the server
	took      bool      // a call has succeeded, ever
	probing   bool
	loose     time.Time     // when a probe without a permit to give back was let through; zero when there is none
	looseWait time.Duration // how long its answer is waited for
	interval  time.Duration // the mean of the next pause that nobody knows the length of
	throttles int64         // how often it was shut by one
	shutFor   time.Duration // total time shut, but for a closure under way
	shutSince time.Time
}

// New returns a gate that starts with the setting and never passes the ceiling. A nil controller keeps the setting.
func New(start, ceiling Setting, c Controller) *Gate {
	g := &Gate{now: start, ceiling: ceiling, controller: c, rate: rate.NewLimiter(start.Rate, max(1, start.Burst)), interval: 2 * MinPause}
	return g
}

// Listener is a user of a gate who wants to know what the gate allows.
type Listener struct {
	// Raised is called, without the gate's lock, when more calls may be in flight than before.
	Raised func(ceiling int)
	// Outage is called, without the gate's lock, when an outage begins and when it ends; nil when it need not be.
	Outage func(down bool, why string)
}

// Attach registers a user of the gate, so that permits are leased only while there is one. l is nil for a user who does
// not listen. It returns how many calls may be in flight at most.
func (g *Gate) Attach(l *Listener) (ceiling int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users++; g.users == 1 { // what happened before it came does not count against its patience
		if g.reached = false; g.halfOpen {
			g.troubled = time.Now()
		} else {
			g.troubled = time.Time{}
		}
	}
	if l != nil {
		g.listeners = append(g.listeners, l)
	}
	g.version.Add(1)
	return g.ceiling.Concurrency
}

// Detach ends what [Gate.Attach] began.
func (g *Gate) Detach(l *Listener) {
	g.mu.Lock()
	g.users--
	g.listeners = slices.DeleteFunc(g.listeners, func(other *Listener) bool { return other == l })
	g.version.Add(1)
	g.mu.Unlock()
}
