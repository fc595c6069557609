package engine

import (
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/windrow-go/windrow/internal/adapt"
)

// Delivery is what the transport knows about an attempt's requests that change something.
type Delivery uint32

// The deliveries.
const (
	Unrecorded Delivery = iota // no transport keeps a record
	NotSent                    // no request that could have changed something was sent, or all were refused
	Answered                   // such a request was sent, and all have a response
	Sent                       // such a request was sent and has no response
)

// Attempt is one call of the caller's function, and the context that the function is given. An Attempt is never reused,
// since the function may keep its context. For fast calls memory costs most, so an Attempt is a single byte: its index
// behind the block that it was allocated with. Data that only transports and chunks need is in a record, made on demand.
type Attempt struct{ place uint8 }

// block is the shared data of the attempts of a span, which follow it in one allocation.
type block struct {
	run     *Run
	first   int                    // position of the first attempt's item
	lone    bool                   // there is only one attempt, and first is its item, not a position
	records atomic.Pointer[record] // the records made so far, as a list
}

type (
	// spanBlock is a block with the attempts of a span.
	spanBlock struct {
		block
		attempts [maxSpan]Attempt
	}
	// loneBlock is a block with a single attempt.
	loneBlock struct {
		block
		attempts [1]Attempt
	}
)

// attempts are the attempts behind one block.
type attempts []Attempt

// newAttempts returns n attempts, at most maxSpan, for the items from position first on.
func (r *Run) newAttempts(first, n int) attempts {
	if n == 1 {
		return (&loneBlock{block: block{run: r, first: first}}).attempts[:]
	}
	return (&spanBlock{block: block{run: r, first: first}}).attempts[:n]
}

// at returns the k-th attempt.
func (s attempts) at(k int) *Attempt {
	a := &s[k]
	a.place = uint8(k)
	return a
}

// newAttempt returns a single attempt.
func (r *Run) newAttempt(item int, number uint32) *Attempt {
	a := r.newAttempts(item, 1).at(0)
	a.block().lone = true
	a.write().number = number
	return a
}

// conclude calls [record.conclude] for the records of a span's attempts that succeeded.
func (s attempts) conclude(as adapt.Signal) {
	for r := s[0].block().records.Load(); r != nil; r = r.next {
		r.conclude(as)
	}
}

// block computes the address of the attempt's block, which precedes it in memory, so an attempt needs no pointer.
func (a *Attempt) block() *block {
	before := unsafe.Sizeof(block{}) + uintptr(a.place)*unsafe.Sizeof(*a)
	return (*block)(unsafe.Add(unsafe.Pointer(a), -int(before)))
}

func (a *Attempt) run() *Run { return a.block().run }

// record is what became known during an attempt.
type record struct {
	responses

	place    uint8                  // place of its attempt
	next     *record                // record of another attempt of the block
	number   uint32                 // of the attempt, from 1; 0 stands for 1
	items    []int                  // the members of a chunk; set before the call, nil for a single item
	engaged  atomic.Bool            // a transport keeps the record
	open     atomic.Int32           // requests that change something, sent and without a response
	applied  atomic.Int32           // how many of those had a response other than a refusal
	status   atomic.Int32           // HTTP status of the last response; 0 when there is none
	lastToo  atomic.Bool            // the last response is counted in applied
	used     atomic.Int64           // quota units used so far
	expired  atomic.Bool            // the attempt's own timeout ended it
	intended atomic.Bool            // intents for its items are stored
	alone    atomic.Bool            // a throttle of it may concern its item alone
	probe    atomic.Bool            // it is the probe of a shut gate
	target   atomic.Pointer[string] // target of the first request with an idempotency key
	handle   atomic.Pointer[string] // what the attempt leaves for the next one
	prepaid  atomic.Int64           // quota units paid in addition to the attempt's own
	giveUp   time.Time              // of a probe: when it is cut short; set before the call; zero: never
}

// noRecord is read in place of a record that was never made. It is never written.
var noRecord record

type attemptKey struct{}

// AttemptFrom returns the attempt that ctx belongs to, nil outside one.
func AttemptFrom(ctx context.Context) *Attempt {
	a, _ := ctx.Value(attemptKey{}).(*Attempt)
	return a
}

// Deadline implements [context.Context].
func (a *Attempt) Deadline() (time.Time, bool) { return a.run().ctx.Deadline() }

// Done implements [context.Context].
func (a *Attempt) Done() <-chan struct{} { return a.run().ctx.Done() }

// Err implements [context.Context].
func (a *Attempt) Err() error { return a.run().ctx.Err() }

// Value implements [context.Context].
func (a *Attempt) Value(key any) any {
	if key == (attemptKey{}) {
		return a
	}
	return a.run().ctx.Value(key)
}

// recordIn returns the attempt's record in a list, nil when there is none.
func (a *Attempt) recordIn(list *record) *record {
	for ; list != nil; list = list.next {
		if list.place == a.place {
			return list
		}
	}
	return nil
}

// read returns the record for reading: [noRecord] when there is none.
func (a *Attempt) read() *record {
	if r := a.recordIn(a.block().records.Load()); r != nil {
		return r
	}
	return &noRecord
}

// write returns the record for writing, and makes it when there is none.
func (a *Attempt) write() *record {
	b := a.block()
	for {
		list := b.records.Load()
		if r := a.recordIn(list); r != nil {
			return r
		}
		if r := (&record{place: a.place, next: list}); b.records.CompareAndSwap(list, r) {
			return r
		}
	}
}

// Owner returns [Config.Owner].
func (a *Attempt) Owner() any { return a.run().cfg.Owner }

// Item returns the index of the item, of the first one in a chunk.
func (a *Attempt) Item() int {
	b := a.block()
	if b.lone {
		return b.first
	}
	return b.run.item(b.first + int(a.place))
}

// Items returns the indexes of a chunk, nil for a single item.
func (a *Attempt) Items() []int { return a.read().items }

// Number counts the charged attempts of the item, this one included, from 1.
func (a *Attempt) Number() int { return int(max(1, a.read().number)) }

// Patience returns how long the run waits while the server throttles.
func (a *Attempt) Patience() time.Duration { return a.run().cfg.Policy.MaxThrottleWait }

// UseCredit uses up to cost of the quota units that were paid for the attempt, and returns how many remain to be paid.
func (a *Attempt) UseCredit(cost int) (unpaid int) {
	r := a.write()
	used := int(r.used.Add(int64(cost)))
	return min(cost, max(0, used-int(r.prepaid.Load())-a.run().cost(max(1, len(r.items)))))
}

// Prepay notes that quota units were paid for one more request of the attempt.
func (a *Attempt) Prepay(cost int) { a.write().prepaid.Add(int64(cost)) }

// Handle returns what this attempt, or the one before it, left for the next one; "" for nothing.
func (a *Attempt) Handle() string {
	if h := a.read().handle.Load(); h != nil {
		return *h
	}
	return ""
}

// SetHandle leaves a handle for the next attempt of exactly the same items.
func (a *Attempt) SetHandle(handle string) { a.write().handle.Store(&handle) }

// FirstTarget reports whether target equals the first target passed to it.
func (a *Attempt) FirstTarget(target string) bool {
	r := a.write()
	return r.target.CompareAndSwap(nil, &target) || *r.target.Load() == target
}

// Expired reports whether the attempt's own timeout ended it.
func (a *Attempt) Expired() bool { return a.read().expired.Load() }

// Intended reports whether [Hooks.Intend] has stored intents for exactly these items.
func (a *Attempt) Intended() bool { return a.read().intended.Load() }

// Probe reports whether the attempt is the probe of a shut gate.
func (a *Attempt) Probe() bool { return a.read().probe.Load() }

// Alone reports whether a throttle may concern the item alone. Then the run decides whether the gate is told.
func (a *Attempt) Alone() bool { return a.read().alone.Load() }

// Subject returns the subject by which the gate knows the attempt's item.
func (a *Attempt) Subject() adapt.Subject { return a.run().subject(a.Item()) }

// Engage notes that a transport keeps the record of this attempt.
func (a *Attempt) Engage() { a.write().engaged.Store(true) }

// Sending notes that a request that changes something is being sent.
func (a *Attempt) Sending() { a.write().open.Add(1) }

// Answer notes that the response to a request has come. changes tells whether [Attempt.Sending] was called for it.
func (a *Attempt) Answer(status int, changes bool) {
	r := a.write()
	r.status.Store(int32(status))
	if r.told.Load() != nil {
		r.told.Store(nil)
	}
	applied := changes && (status < 400 || status >= 500) // a 4xx is a refusal: nothing was changed
	r.lastToo.Store(applied)
	if applied {
		r.applied.Add(1)
	}
	if changes {
		r.open.Add(-1)
	}
}

// responses is what transports tell about the responses to the requests of an attempt.
type responses struct {
	told   atomic.Pointer[any]                // what the last response means
	untold atomic.Pointer[func(adapt.Signal)] // tells the gate what the last response taught
}

// Tell stores what the last response means, in a type of the caller's.
func (a *Attempt) Tell(meaning any) { a.write().told.Store(&meaning) }

// Told returns what [Attempt.Tell] stored for the last response, nil for nothing.
func (a *Attempt) Told() any {
	if m := a.read().told.Load(); m != nil {
		return *m
	}
	return nil
}

// Keep stores tell until the attempt goes on or ends, since only then it is known what the response meant. tell is called
// with the run's own judgement, an accepted call or a throttle.
func (a *Attempt) Keep(tell func(adapt.Signal)) { a.write().untold.Store(&tell) }

// GoOn concludes the last response as a good one, since the attempt makes another request.
func (a *Attempt) GoOn() { a.read().conclude(adapt.Signal{Answered: 1}) }

// conclude calls the function that [Attempt.Keep] stored, unless the signal says nothing.
func (r *record) conclude(s adapt.Signal) {
	if r.untold.Load() == nil {
		return
	}
	if tell := r.untold.Swap(nil); tell != nil && (s.Throttled || s.Answered > 0) {
		(*tell)(s)
	}
}

// Beside reports whether a request other than the one whose response came last may have changed something.
func (a *Attempt) Beside() bool {
	r := a.read()
	last := int32(0)
	if r.lastToo.Load() {
		last = 1
	}
	return r.open.Load() > 0 || r.applied.Load() > last
}

// Delivery returns what the transport recorded.
func (a *Attempt) Delivery() Delivery {
	r := a.read()
	switch {
	case r.open.Load() > 0:
		return Sent
	case r.applied.Load() > 0:
		return Answered
	case r.engaged.Load():
		return NotSent
	default:
		return Unrecorded
	}
}

// Status returns the HTTP status of the last response, 0 when there is none.
func (a *Attempt) Status() int { return int(a.read().status.Load()) }
