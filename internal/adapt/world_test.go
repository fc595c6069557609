package adapt_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
)

// A world is the laws, a gate that obeys them and a server, in simulated time and without a goroutine: the same each
// time it is run. The pauses of its gate are not random.
type world struct {
	law     *adapt.Laws
	ceiling adapt.Setting
	set     adapt.Setting
	server  model
	random  *rand.Rand

	now           time.Time
	flying        flights
	granted       int64
	refused       int64 // as far as the gate knows
	tokens        float64
	filled        time.Time
	waitedForRate bool // the next call waits for its token
	cut           time.Time
	until         time.Time
	halfOpen      bool
	probing       bool
	pauses        int // without a hint, in this blackout

	answered, throttled int
	why                 []string // each reason once
}

// A flight is a call on its way.
type flight struct {
	lands    time.Time
	signal   adapt.Signal
	probe    bool
	throttle bool
}

type flights []*flight

func (f flights) Len() int           { return len(f) }
func (f flights) Less(i, j int) bool { return f[i].lands.Before(f[j].lands) }
func (f flights) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)        { *f = append(*f, x.(*flight)) }
func (f *flights) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// A model is a server. It answers a call that arrives now, with so many in flight, itself included.
type model interface {
	answer(now time.Time, inFlight int) (refused bool, hint time.Duration, quotas []adapt.Quota)
}

func newWorld(server model, concurrency int) *world {
	start := adapt.Setting{Concurrency: 4, Rate: rate.Inf, Burst: 1}
	return &world{
		law: adapt.New(), ceiling: adapt.Setting{Concurrency: concurrency, Rate: rate.Inf, Burst: 1}, set: start,
		server: server, random: rand.New(rand.NewPCG(1, 2)), now: start0, filled: start0, tokens: 1,
	}
}

// maxPause caps the pauses that the gate of a world chooses itself.
const maxPause = 10 * time.Second

// start0 is when worlds begin.
var start0 = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// run lets the world go on for that long, with always more to do.
func (w *world) run(span time.Duration) {
	for end := w.now.Add(span); ; {
		wait := w.depart()
		next := w.now.Add(wait)
		if len(w.flying) > 0 && (wait < 0 || w.flying[0].lands.Before(next)) {
			next = w.flying[0].lands
		}
		if next.After(end) {
			w.now = end
			return
		}
		w.now = next
		for len(w.flying) > 0 && !w.flying[0].lands.After(w.now) {
			w.land(heap.Pop(&w.flying).(*flight))
		}
	}
}

// depart lets the calls through that may go, and returns how long it is until the next may; negative when only an
// answer helps.
func (w *world) depart() (wait time.Duration) {
	for {
		switch hold := w.set.Hold; {
		case w.until.After(w.now):
			return w.until.Sub(w.now)
		case w.halfOpen && w.probing, len(w.flying) >= w.set.Concurrency:
			return -1
		case hold.Until.After(w.now) && w.granted+1 > hold.After:
			return hold.Until.Sub(w.now)
		}
		if limit := float64(w.set.Rate); !math.IsInf(limit, 1) {
			w.tokens = min(float64(w.set.Burst), w.tokens+limit*w.now.Sub(w.filled).Seconds())
			w.filled = w.now
			if w.tokens < 1-1e-6 {
				w.waitedForRate = true
				return time.Duration(math.Ceil((1 - w.tokens) / limit * 1e9))
			}
			w.tokens--
		}
		w.send()
	}
}

func (w *world) send() {
	w.granted++
	inFlight := len(w.flying) + 1
	refused, hint, quotas := w.server.answer(w.now, inFlight)
	takes := 0.12 * math.Exp(0.35*w.random.NormFloat64())
	if s, ok := w.server.(*slotsModel); ok {
		takes *= s.slowdown(inFlight)
	}
	if refused {
		takes = 0.03
	}
	f := &flight{lands: w.now.Add(time.Duration(takes * 1e9)), probe: w.halfOpen, throttle: refused}
	f.signal = adapt.Signal{
		Sent: w.now, At: f.lands, Throttled: refused, Hint: hint, Quotas: quotas, Latency: f.lands.Sub(w.now),
		Level: inFlight, WaitedForRate: w.waitedForRate, Index: w.granted,
	}
	if !refused {
		f.signal.Answered = 1
	}
	w.probing, w.waitedForRate = w.halfOpen, false
	heap.Push(&w.flying, f)
}

// land is the answer to a call: what the gate makes of it, and what it tells the laws.
func (w *world) land(f *flight) {
	s := f.signal
	s.InFlight = len(w.flying) + 1
	if f.throttle {
		w.throttled++
		w.refused++
	} else {
		w.answered++
	}
	s.Granted, s.Accepted, s.Shut = w.granted, w.granted-w.refused, w.halfOpen
	fresh := w.cut.IsZero() || s.Sent.After(w.cut)
	s.NewEpoch = f.throttle && fresh
	s.Opened = !f.throttle && fresh && w.halfOpen
	if f.probe {
		w.probing = false
	}
	before := w.set.Why
	w.set = w.law.Adjust(w.set, w.ceiling, s)
	w.set.Concurrency = max(1, min(w.set.Concurrency, w.ceiling.Concurrency))
	if w.set.Why != before {
		w.why = append(w.why, w.set.Why)
	}
	switch {
	case s.Throttled && (fresh || w.halfOpen):
		if pause := w.pause(s, fresh); w.now.Add(pause).After(w.until) {
			w.until = w.now.Add(pause)
		}
		if fresh {
			w.cut, w.halfOpen = w.now, true
		}
	case s.Opened:
		w.halfOpen, w.pauses = false, 0
	}
}

func (w *world) pause(s adapt.Signal, fresh bool) time.Duration {
	growing := time.Duration(0.2e9 * math.Pow(1.5, float64(w.pauses)))
	switch {
	case s.Hint > 0:
		return s.Hint * 21 / 20
	case !fresh:
		return 0
	case w.set.Reopen.After(w.now):
		return max(adapt.MinPause, w.set.Reopen.Sub(w.now))
	case w.set.Pause > 0 && !w.halfOpen:
		return max(adapt.MinPause, w.set.Pause) * 21 / 20
	}
	w.pauses++
	return max(adapt.MinPause, min(growing, maxPause), w.set.Pause)
}

// bucketModel is a token bucket. With headers it tells of its tokens.
type bucketModel struct {
	perSecond, burst float64
	counts, headers  bool
	shifts           map[time.Duration]float64 // the rate from some time on

	tokens float64
	filled time.Time
}

func (b *bucketModel) answer(now time.Time, _ int) (bool, time.Duration, []adapt.Quota) {
	if b.filled.IsZero() {
		b.filled, b.tokens = start0, b.burst
	}
	for after, perSecond := range b.shifts {
		if !now.Before(start0.Add(after)) {
			b.perSecond = perSecond
			delete(b.shifts, after)
		}
	}
	b.tokens = min(b.burst, b.tokens+b.perSecond*now.Sub(b.filled).Seconds())
	b.filled = now
	refused := b.tokens+1e-9 < 1
	if !refused || b.counts {
		b.tokens = max(b.tokens-1, -b.burst)
	}
	if !b.headers {
		return refused, 0, nil
	}
	var hint time.Duration
	if refused {
		hint = wholeSeconds((1 - b.tokens) / b.perSecond)
	}
	return refused, hint, []adapt.Quota{{
		Limit: int64(b.burst), Remaining: int64(max(0, b.tokens+1e-9)), RemainingKnown: true,
		Reset: wholeSeconds((b.burst - b.tokens) / b.perSecond), ResetUnit: time.Second,
	}}
}

// windowModel is a fixed window. With headers it tells what remains; rare says that it tells of the reset on a refusal only.
type windowModel struct {
	limit         int
	period        time.Duration
	offset        time.Duration // how much of the first window is over
	headers, rare bool
	others        float64 // units a second that another client uses
	fewer         func(now time.Time) int

	number int
	used   int
}

func (m *windowModel) answer(now time.Time, _ int) (bool, time.Duration, []adapt.Quota) {
	into := now.Sub(start0) + m.offset
	if n := int(into / m.period); n != m.number {
		m.number, m.used = n, 0
	}
	left := m.period - into%m.period
	limit := m.limit
	if m.fewer != nil {
		limit = m.fewer(now)
	}
	used := m.used + int(m.others*(m.period-left).Seconds())
	refused := used >= limit
	if !refused {
		m.used++
		used++
	}
	if !m.headers {
		return refused, 0, nil
	}
	q := adapt.Quota{Limit: int64(limit), Remaining: int64(max(0, limit-used)), RemainingKnown: true}
	var hint time.Duration
	if refused {
		hint = wholeSeconds(left.Seconds())
	}
	if refused || !m.rare {
		q.Reset, q.ResetUnit = wholeSeconds(left.Seconds()), time.Second
	}
	return refused, hint, []adapt.Quota{q}
}

// slotsModel refuses above so many in flight; soft queues them.
type slotsModel struct {
	slots int
	soft  bool
	hint  time.Duration
}

func (m *slotsModel) answer(_ time.Time, inFlight int) (bool, time.Duration, []adapt.Quota) {
	if m.soft || inFlight <= m.slots {
		return false, 0, nil
	}
	return true, m.hint, nil
}

func (m *slotsModel) slowdown(inFlight int) float64 {
	if m.soft {
		return max(1, float64(inFlight)/float64(m.slots))
	}
	return 1 + 0.05*float64(inFlight-1)
}

func wholeSeconds(s float64) time.Duration {
	return max(time.Second, time.Duration(math.Ceil(s))*time.Second)
}

// turningModel is one server until some time, and another one from then on.
type turningModel struct {
	first, second model
	after         time.Duration
}

func (m *turningModel) answer(now time.Time, inFlight int) (bool, time.Duration, []adapt.Quota) {
	if now.Sub(start0) < m.after {
		return m.first.answer(now, inFlight)
	}
	return m.second.answer(now, inFlight)
}
