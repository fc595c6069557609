// Package gate decides when a call may leave: how many at once, how fast, and none while the server throttles or is down.
// It implements windrow's Limiter. How many at once and how fast, it asks its [Controller].
//
// Callers queue first in, first out. Only the head of the queue holds a reservation of the rate limiter, since cancelling
// many reservations leaves x/time/rate in debt. No caller waits with the lock held.
package gate

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
)

const (
	// MaxPause caps the mean of the pauses that the gate chooses itself, when neither the server nor the controller
	// names one. A single pause is at most half as long again.
	MaxPause = 10 * time.Second

	// longOutage is how long the gate must be shut for pauses to stop growing and be random instead.
	longOutage = time.Minute
	// maxJitter caps the random part that is added to a pause chosen by the controller.
	maxJitter = 250 * time.Millisecond

	// minWaitProbeTimeout is how long the gate waits at least for the response to a probe let through by [Gate.Wait], whose
	// end it may never hear of.
	minWaitProbeTimeout = 10 * time.Second

	forever = time.Duration(1<<63 - 1)
	longest = 100 * 365 * 24 * time.Hour // caps hints, so that no sum overflows
)

// A Gate lets calls through. Make one with [New].
type Gate struct {
	version     atomic.Uint64 // changes whenever leases end
	skipOutside atomic.Bool   // open and unlimited, so accepted signals with Outside are dropped
	isDown      atomic.Bool   // copy of byOutage
	isShut      atomic.Bool   // copy of halfOpen

	mu         sync.Mutex
	ceiling    adapt.Setting
	now        adapt.Setting
	controller Controller // nil: the setting stays
	heeds      bool       // [Controller.HeedsOutside]; true without a controller
	rate       *rate.Limiter
	users      int
	listeners  []*Listener
	arrivals   uint64

	ledger   ledger // calls that were let through
	slow     bool   // calls are so slow that leases are not worth while
	onAdjust func() // called without the lock when the setting's reason has changed
	adjusted bool   // onAdjust is due

	outageNews *string // the reason to pass to the listeners; nil for none

	inFlight int
	urgent   []*waiter // waiters that need no slot
	queue    []*waiter
	held     *rate.Reservation // the reservation of holder
	holder   *waiter
	timer    *time.Timer
	wakeAt   time.Time
	drained  chan struct{}

	paused           bool      // by [Gate.Pause]
	resumeAt         time.Time // shut until then by [Gate.PauseUntil]
	until            time.Time // shut until then by a throttle or an outage
	cut              time.Time // when a throttle or an outage last shut the gate
	halfOpen         bool      // only one probe at a time may leave, until a call sent after cut succeeds
	byOutage         bool      // halfOpen because of an outage: see downtime
	down             downtime
	troubled         time.Time // since when all calls have failed or were throttled; zero when the last one succeeded
	reached          bool      // one of these calls reached the server
	took             bool      // a call has ever succeeded
	probing          bool
	waitProbeAt      time.Time     // when [Gate.Wait] let a probe through that is under way; zero: none
	waitProbeTimeout time.Duration // how long the gate waits for the response to it
	interval         time.Duration // mean of the next pause that the gate chooses itself
	throttles        int64         // how often a throttle shut the gate
	shutFor          time.Duration // total time shut by throttles, without the shut period under way
	shutSince        time.Time     // when the shut period under way began; zero: none
}

// New returns a gate that starts with the setting and never passes the ceiling. A nil controller keeps the setting.
func New(start, ceiling adapt.Setting, c Controller) *Gate {
	return &Gate{
		now: start, ceiling: ceiling, controller: c, heeds: c == nil || c.HeedsOutside(),
		rate: rate.NewLimiter(start.Rate, max(1, start.Burst)), interval: 2 * adapt.MinPause,
	}
}

// Listener receives changes of a gate.
type Listener struct {
	// Raised is called, without the gate's lock, when more calls may be in flight than before.
	Raised func(ceiling int)
	// Outage is called, without the gate's lock, when an outage begins and when it ends; nil when it need not be.
	Outage func(down bool, why string)
}

// Attach registers a user of the gate. Permits are leased only while there is exactly one user. l may be nil. Attach
// returns how many calls may be in flight at most.
func (g *Gate) Attach(l *Listener) (ceiling int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users++; g.users == 1 { // failures before the user came do not count against its patience
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
