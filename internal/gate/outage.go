package gate

import (
	"fmt"
	"math"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

const (
	// leastRow is how many calls in a row must fail at least for an outage, and leastErring the same for failures of the kind
	// Erring, which the items may cause.
	leastRow, leastErring = 3, 20
	// longestRow caps the row that the recent share of failures asks for.
	longestRow = 32
	// maxChance is the probability below which a row of failures is no chance, given the recent share of failures.
	maxChance = 1e-4
	// minOutageProbes is how many probes must fail for an outage to be real, and not caused by a few bad items.
	minOutageProbes = 2
	// highFailureShare is the recent share of failures above which a row of unsent calls may be chance, since such calls fail
	// faster than others succeed.
	highFailureShare = 0.1
	// failureMemory is over how many calls the share of failures is averaged.
	failureMemory = 50
	// maxProbePause caps the pause between two probes of an outage, and maxBurningPause the same for probes that cost an item
	// its attempt.
	maxProbePause, maxBurningPause = 2 * time.Second, 10 * time.Second
	// firstPatience caps the wait in an outage before the first success ever: most likely the address is wrong. It does not
	// apply to a server that has throttled, or has taken a request and not responded in time.
	firstPatience = 30 * time.Second
)

// row is a row of calls to one host that failed one after the other.
type row struct {
	first       time.Time
	unsent      bool    // nothing was sent in any of the calls
	written     bool    // one of the calls was sent, and is no look-up
	distinct    int     // number of subjects
	severe      int     // calls with more trouble than Erring; repeated subjects count only if few are left
	shareBefore float64 // downtime.failureShare before the row
	counted     map[adapt.Subject]struct{}
}

// downtime detects outages: times in which the server takes no calls and does not say for how long. In an outage the gate
// lets through one probe of a run at a time; calls outside of runs may leave. The laws learn nothing from outages.
type downtime struct {
	rows         map[string]*row // by host
	failureShare float64         // recent share of calls that failed
	meanLatency  time.Duration   // recent mean time of calls that succeed
	shareBefore  float64         // failureShare before the outage
	host         string          // the host that does not respond; "" when unknown
	kind         adapt.Trouble   // of the failure that began the outage
	pause        time.Duration   // between two probes
	tries        int             // probes that failed

	written bool // in the outage, a call that was sent and is no look-up failed

	since time.Time // first failure after which no call was sent that succeeded; zero: none

	from, to time.Time     // the last outage, from its first failure to the first success; to is zero while it lasts
	total    time.Duration // of all outages that have ended
	count    int64         // of outages
}

// need returns how many calls in a row must fail for an outage.
func (d *downtime) need(concurrency int) int {
	n := max(leastRow, concurrency/4)
	if d.failureShare > 0 {
		n = max(n, min(longestRow, int(math.Ceil(math.Log(maxChance)/math.Log(min(d.failureShare, 0.99))))))
	}
	return n
}

// written reports whether the call was sent and is no look-up.
func written(s adapt.Signal) bool { return !s.Unsent && !s.Looked }

// writesFail reports whether calls other than look-ups are known to fail.
func (d *downtime) writesFail(byOutage bool) bool {
	if byOutage {
		return d.written
	}
	for _, r := range d.rows {
		if r.written {
			return true
		}
	}
	return false
}

// succeeded notes n calls to a host that succeeded, the first of them sent at that time; "" stands for every host.
func (d *downtime) succeeded(host string, n int, sent time.Time, took time.Duration) {
	d.meanLatency += (took - d.meanLatency) / 8
	if sent.After(d.since) {
		d.since = time.Time{}
	}
	for of, r := range d.rows {
		// A call that was sent earlier says nothing about connections that were refused later.
		if (host == "" || of == "" || of == host) && !(r.unsent && sent.Before(r.first)) {
			delete(d.rows, of)
		}
	}
	if d.failureShare > 0 {
		if d.failureShare *= math.Pow(1-1.0/failureMemory, float64(n)); d.failureShare < 1e-3 {
			d.failureShare = 0
		}
	}
}

// failed notes a call that failed, and reports whether an outage begins.
func (d *downtime) failed(s adapt.Signal, concurrency int) bool {
	r := d.rows[s.Host]
	if r == nil || s.Between {
		if d.rows == nil {
			d.rows = map[string]*row{}
		}
		r = &row{first: s.At, unsent: true, shareBefore: d.failureShare, counted: map[adapt.Subject]struct{}{}}
		d.rows[s.Host] = r
	}
	r.unsent = r.unsent && s.Unsent
	r.written = r.written || written(s)
	need, erring := d.need(concurrency), max(leastErring, 2*concurrency)
	few := s.Left > 0 && s.Left < need
	if few { // no more than Left can fail
		need = max(leastRow, s.Left)
	}
	d.failureShare += (1 - d.failureShare) / failureMemory
	_, again := r.counted[s.Subject]
	if !again {
		r.counted[s.Subject] = struct{}{}
		r.distinct++
	}
	if s.Trouble > adapt.Erring && (!again || s.Each || few) {
		r.severe++
	}
	if r.unsent && d.failureShare > highFailureShare && s.At.Sub(r.first) < 2*d.meanLatency { // a call sent since r.first may still succeed
		return false
	}
	return r.severe >= need || r.distinct >= erring
}

// Down reports whether an outage has shut the gate. It takes no lock. A nil gate is never down.
func (g *Gate) Down() bool { return g != nil && g.isDown.Load() }

// Shut reports whether a throttle or an outage has shut the gate for all calls except a probe. It takes no lock. A nil gate
// is never shut.
func (g *Gate) Shut() bool { return g != nil && g.isShut.Load() }

// Outage returns when the last outage began, with its first failed call, and ended. until is zero while it lasts; both are
// zero when there was none.
func (g *Gate) Outage() (from, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down.from, g.down.to
}

// Troubled returns since when every call has been throttled or has failed, zero when the last one succeeded; and how long a
// run with that patience waits for the server from then on.
func (g *Gate) Troubled(patience time.Duration) (since time.Time, limit time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.troubled, g.limit(patience)
}

// limit returns how long a caller with that patience waits for a server that takes no calls.
func (g *Gate) limit(patience time.Duration) time.Duration {
	if g.halfOpen && g.byOutage && !g.took && !g.reached {
		return min(patience, firstPatience)
	}
	return patience
}

// giveUp returns when a waiter's patience ends if no call succeeds, zero when it has no end.
func (g *Gate) giveUp(w *waiter) time.Time {
	if w.patience == forever || !g.halfOpen || g.troubled.IsZero() || !g.holds(w) {
		return time.Time{}
	}
	limit := g.limit(w.patience)
	if !g.byOutage {
		limit += limit / 10 // the jitter that the gate adds to pauses
	}
	return g.troubled.Add(limit)
}

// holds reports whether the shut gate holds the waiter. An outage does not apply to calls outside of runs, nor to
// further requests of calls that are in flight.
func (g *Gate) holds(w *waiter) bool { return !g.byOutage || w.slot && !w.outside }

// trouble learns from a call that failed.
func (g *Gate) trouble(s adapt.Signal, fresh bool, next *adapt.Setting) {
	if !fresh {
		return
	}
	if g.troubled.IsZero() {
		g.troubled = s.At
	}
	g.reached = g.reached || s.Trouble == adapt.Silent && !s.Unsent
	if g.down.since.IsZero() {
		g.down.since = s.At
	}
	switch {
	case g.byOutage && s.Probe:
		most := maxProbePause
		if s.Burns {
			most = maxBurningPause
		}
		g.down.tries++
		g.down.written = g.down.written || written(s)
		g.down.pause = min(g.down.pause*3/2, most)
		g.until = s.At.Add(g.down.pause + random(g.down.pause/10))
		g.version.Add(1)
	case g.byOutage:
	case g.halfOpen && s.Probe && s.Trouble > adapt.Erring: // shut by a throttle: a probe that fails this way begins an outage, so the next one waits
		g.down.from, g.down.written = s.At, written(s)
		g.beginOutage(s, next)
	case g.halfOpen:
	case g.down.failed(s, g.now.Concurrency):
		r := g.down.rows[s.Host]
		g.down.from, g.down.shareBefore, g.down.written = g.down.since, r.shareBefore, r.written
		g.beginOutage(s, next)
	}
}

// beginOutage shuts the gate for runs.
func (g *Gate) beginOutage(s adapt.Signal, next *adapt.Setting) {
	g.account(s.At)
	g.shutSince, g.cut, g.halfOpen, g.byOutage = s.At, s.At, true, true
	g.isDown.Store(true)
	g.down.host, g.down.kind, g.down.pause, g.down.tries, g.down.to = s.Host, s.Trouble, adapt.MinPause, 0, time.Time{}
	g.down.count++
	g.until = s.At.Add(adapt.MinPause)
	clear(g.down.rows)
	g.version.Add(1)
	g.recall()
	next.Why = "the server takes no calls: " + s.Trouble.String()
	if s.Detail != "" {
		next.Why += " (" + s.Detail + ")"
	}
	g.tellOutage(next.Why)
}

// endOutage ends an outage. recovered says that a call has succeeded; otherwise a call was throttled, and the gate stays
// shut for that.
func (g *Gate) endOutage(at time.Time, recovered bool, next *adapt.Setting) {
	if g.down.tries >= minOutageProbes && g.down.shareBefore < g.down.failureShare { // the outage was real, so its failures do not count in the share
		g.down.failureShare = g.down.shareBefore
	}
	g.account(at)
	g.byOutage, g.down.to = false, at
	g.isDown.Store(false)
	clear(g.down.rows)
	lasted := at.Sub(g.down.from).Round(time.Millisecond)
	if recovered {
		g.until = at
		g.open(at)
		next.Why = fmt.Sprintf("the server takes calls again, after %v", lasted)
	} else {
		next.Why = fmt.Sprintf("the server responds again, after %v, and throttles", lasted)
	}
	g.tellOutage(next.Why)
}

// tellOutage makes [Gate.news] report the beginning or end of an outage.
func (g *Gate) tellOutage(why string) {
	g.adjusted = true
	g.outageNews = &why
}

// account adds the duration of the shut period to the total of its cause, an outage or throttles.
func (g *Gate) account(at time.Time) {
	if g.shutSince.IsZero() {
		return
	}
	if g.byOutage {
		g.down.total += at.Sub(g.shutSince)
	} else {
		g.shutFor += at.Sub(g.shutSince)
	}
	g.shutSince = time.Time{}
}
