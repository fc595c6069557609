package gate

import (
	"fmt"
	"math"
	"time"
)

// Trouble is what a failed call shows of the server. The zero Trouble is none.
type Trouble uint8

// The troubles, by how much they say.
const (
	NoTrouble   Trouble = iota
	Erring              // it responds with errors of its own, such as 500, or with what cannot be read
	Unavailable         // it, or a proxy before it, says that it takes no calls: 502, 503, 504
	Unreachable         // connections cannot be made, or break
	Silent              // there is no response in time
)

// String says what happens, as the end of "the server takes no calls: ".
func (t Trouble) String() string {
	switch t {
	case Erring:
		return "it responds with errors such as 500 only"
	case Unavailable:
		return "it responds with 502, 503 or 504 only"
	case Unreachable:
		return "connections fail"
	case Silent:
		return "there is no response in time"
	default:
		return "nothing is known"
	}
}

const (
	// leastRow and leastErring are how many calls in a row have to fail at least for an outage: with trouble that says
	// that the server takes no calls, and with errors of its own, which may be about the items.
	leastRow, leastErring = 3, 20
	// longestRow bounds what bad luck asks for.
	longestRow = 32
	// byChance is how improbable a row of failures has to be, given the share of calls that failed of late.
	byChance = 1e-4
	// realTries is how many probes have to fail for an outage to have been one, and not a few bad items.
	realTries = 2
	// unlucky is the share of calls that failed of late from which on a row of failures that cost nothing may be luck, since
	// they are quicker than what succeeds.
	unlucky = 0.1
	// luckMemory is how many calls that share remembers.
	luckMemory = 50
	// maxProbePause and maxBurningPause cap the pauses between two probes of an outage: of those that do no harm, and of
	// those that cost an item its attempt.
	maxProbePause, maxBurningPause = 2 * time.Second, 10 * time.Second
	// firstPatience bounds an outage before the first success ever: most likely the address is wrong. A server that
	// throttles, or only takes its time, is there.
	firstPatience = 30 * time.Second
)

// A Subject is what a call was made for, so that an item that fails again and again counts once.
type Subject struct {
	Of   any // what the item belongs to; must be comparable
	Item int
}

// row is calls to one host that failed one after the other.
type row struct {
	first    time.Time
	unsent   bool // nothing was sent in any of them
	written  bool // one of them was sent, and is no look-up
	distinct int  // subjects
	strong   int  // calls with more trouble than Erring, of other subjects where there are enough
	before   float64
	counted  map[Subject]struct{}
}

// downtime finds outages: times in which the server takes no calls, though it does not say how long. While there is one
// the gate is shut for runs, but for one probe at a time; calls of others pass, and tell. The laws hear nothing of it.
type downtime struct {
	rows  map[string]*row // by host
	luck  float64         // the share of calls that failed of late
	takes time.Duration   // the mean time of a call that succeeds
	share float64         // the same, before the outage under way
	host  string          // that does not answer
	kind  Trouble
	pause time.Duration
	tries int // probes that failed

	written bool // a call was sent, no look-up, and failed

	since time.Time // of the first failure since which no call was sent that succeeded; zero when there is none

	from, to time.Time // of the last outage, from the first failure to the first success; to is zero as long as it lasts
	total    time.Duration
	count    int64
}

// need is how many calls in a row have to fail for an outage.
func (d *downtime) need(concurrency int) int {
	n := max(leastRow, concurrency/4)
	if d.luck > 0 {
		n = max(n, min(longestRow, int(math.Ceil(math.Log(byChance)/math.Log(min(d.luck, 0.99))))))
	}
	return n
}

// written reports whether the call was sent and does more than to look.
func (s Signal) written() bool { return !s.Unsent && !s.Looked }

// writesFail reports whether the server is known to fail calls that do more than to look.
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

// succeeded notes n calls to a host that succeeded, the first of which was sent at that time; "" stands for every host.
func (d *downtime) succeeded(host string, n int, sent time.Time, took time.Duration) {
	d.takes += (took - d.takes) / 8
	if sent.After(d.since) {
		d.since = time.Time{}
	}
	for of, r := range d.rows {
		// A call that was sent before says nothing of connections that were refused later.
		if (host == "" || of == "" || of == host) && !(r.unsent && sent.Before(r.first)) {
			delete(d.rows, of)
		}
	}
	if d.luck > 0 {
		if d.luck *= math.Pow(1-1.0/luckMemory, float64(n)); d.luck < 1e-3 {
			d.luck = 0
		}
	}
}

// failed notes a call that failed, and reports whether that makes an outage.
func (d *downtime) failed(s Signal, concurrency int) bool {
	r := d.rows[s.Host]
	if r == nil || s.Between {
		if d.rows == nil {
			d.rows = map[string]*row{}
		}
		r = &row{first: s.At, unsent: true, before: d.luck, counted: map[Subject]struct{}{}}
		d.rows[s.Host] = r
	}
	r.unsent = r.unsent && s.Unsent
	r.written = r.written || s.written()
	need, erring := d.need(concurrency), max(leastErring, 2*concurrency)
	few := s.Left > 0 && s.Left < need
	if few { // more cannot fail
		need = max(leastRow, s.Left)
	}
	d.luck += (1 - d.luck) / luckMemory
	_, again := r.counted[s.Subject]
	if !again {
		r.counted[s.Subject] = struct{}{}
		r.distinct++
	}
	if s.Trouble > Erring && (!again || s.Each || few) {
		r.strong++
	}
	if r.unsent && d.luck > unlucky && s.At.Sub(r.first) < 2*d.takes { // a call that was sent as late may yet succeed
		return false
	}
	return r.strong >= need || r.distinct >= erring
}

// Down reports whether the gate is shut because the server takes no calls. It takes no lock. A nil gate never is.
func (g *Gate) Down() bool { return g != nil && g.isDown.Load() }

// Shut reports whether the gate is shut, but for a probe, because of a throttle or an outage. It takes no lock. A nil gate
// never is.
func (g *Gate) Shut() bool { return g != nil && g.isShut.Load() }

// Outage returns from when to when the last outage lasted: from the first call that failed on; until is zero while it
// lasts, and both are without one.
func (g *Gate) Outage() (from, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down.from, g.down.to
}

// Troubled returns since when every call was throttled or failed, zero when the last one was not; and how long a run that
// has that much patience waits for the server from then on.
func (g *Gate) Troubled(patience time.Duration) (since time.Time, limit time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.troubled, g.limit(patience)
}

// limit is how long a caller with that much patience waits for a server that takes nothing.
func (g *Gate) limit(patience time.Duration) time.Duration {
	if g.halfOpen && g.byOutage && !g.took && !g.reached {
		return min(patience, firstPatience)
	}
	return patience
}

// giveUp is when a waiter's patience ends if nothing changes, zero when it has no end.
func (g *Gate) giveUp(w *waiter) time.Time {
	if w.patience == forever || !g.halfOpen || g.troubled.IsZero() || !g.holds(w) {
		return time.Time{}
	}
	limit := g.limit(w.patience)
	if !g.byOutage {
		limit += limit / 10 // which the gate adds to pauses itself
	}
	return g.troubled.Add(limit)
}

// holds reports whether a closure is one for the waiter: an outage is none for calls outside of runs, nor for the
// requests of calls under way.
func (g *Gate) holds(w *waiter) bool { return !g.byOutage || w.slot && !w.outside }

// trouble learns from a call that failed.
func (g *Gate) trouble(s Signal, fresh bool, next *Setting) {
	if !fresh {
		return
	}
	if g.troubled.IsZero() {
		g.troubled = s.At
	}
	g.reached = g.reached || s.Trouble == Silent && !s.Unsent
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
		g.down.written = g.down.written || s.written()
		g.down.pause = min(g.down.pause*3/2, most)
		g.until = s.At.Add(g.down.pause + random(g.down.pause/10))
		g.version.Add(1)
	case g.byOutage:
	case g.halfOpen && s.Probe && s.Trouble > Erring: // after a throttle; a probe that fails is not followed by another at once
		g.down.from, g.down.written = s.At, s.written()
		g.beginOutage(s, next)
	case g.halfOpen:
	case g.down.failed(s, g.now.Concurrency):
		r := g.down.rows[s.Host]
		g.down.from, g.down.share, g.down.written = g.down.since, r.before, r.written
		g.beginOutage(s, next)
	}
}

// beginOutage shuts the gate for runs.
func (g *Gate) beginOutage(s Signal, next *Setting) {
	g.account(s.At)
	g.shutSince, g.cut, g.halfOpen, g.byOutage = s.At, s.At, true, true
	g.isDown.Store(true)
	g.down.host, g.down.kind, g.down.pause, g.down.tries, g.down.to = s.Host, s.Trouble, MinPause, 0, time.Time{}
	g.down.count++
	g.until = s.At.Add(MinPause)
	clear(g.down.rows)
	g.version.Add(1)
	g.recall()
	next.Why = "the server takes no calls: " + s.Trouble.String()
	if s.Detail != "" {
		next.Why += " (" + s.Detail + ")"
	}
	g.tellOutage(next.Why)
}

// endOutage opens what an outage has shut. recovered says that a call has succeeded: else the server has refused one, and
// the gate is shut for that.
func (g *Gate) endOutage(at time.Time, recovered bool, next *Setting) {
	if g.down.tries >= realTries && g.down.share < g.down.luck { // it was no bad luck
		g.down.luck = g.down.share
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

// tellOutage has the users of the gate hear of the begin or end of an outage.
func (g *Gate) tellOutage(why string) {
	g.adjusted = true
	g.outageNews = &why
}

// account adds the time since the gate was shut to what shut it.
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
