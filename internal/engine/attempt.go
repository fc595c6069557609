package engine

import (
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/windrow-go/windrow/internal/gate"
)

// Delivery is what the transport knows of an attempt's requests that change something.
type Delivery uint32

// The deliveries.
const (
	Unrecorded Delivery = iota // no transport keeps a record
	NotSent                    // nothing that could have changed something left, or all of it was refused
	Answered                   // something left and was answered, and nothing is open
	Sent                       // something left and is not answered
)

// Attempt is one call of the caller's function, and the context that the function is given. There is one for each call,
// never used again, since the function may keep its context. For fast calls its memory is what costs most, so that it
// takes a single byte: its place behind the block that it was allocated with. What only transports and chunks need is in a
// record, made when it is needed.
type Attempt struct{ place uint8 }

// block is what the attempts of a span have in common. They follow it in one allocation.
type block struct {
	run     *Run
	first   int                    // position of the item of the first attempt
	lone    bool                   // there is one attempt only, and first is its item
	records atomic.Pointer[record] // those that were needed so far, as a list
}

type (
	// spanBlock is a block with the attempts of a span.
	spanBlock struct {
		block
		attempts [maxSpan]Attempt
	}
	// loneBlock is a block with a single one.
	loneBlock struct {
		block
		attempts [1]Attempt
	}
)

// attempts are those that follow one block.
type attempts []Attempt

// newAttempts returns n attempts, at most maxSpan, the first of which is for the item at that position.
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

// newAttempt returns an attempt of its own.
func (r *Run) newAttempt(item int, number uint32) *Attempt {
	a := r.newAttempts(item, 1).at(0)
	a.block().lone = true
	a.write().number = number
	return a
}

// conclude tells what the attempts of a span that succeeded have kept.
func (s attempts) conclude(as gate.Signal) {
	for r := s[0].block().records.Load(); r != nil; r = r.next {
		r.conclude(as)
	}
}

// block finds the block that the attempt follows: every attempt does, so that it needs no pointer to it.
func (a *Attempt) block() *block {
	before := unsafe.Sizeof(block{}) + uintptr(a.place)*unsafe.Sizeof(*a)
	return (*block)(unsafe.Add(unsafe.Pointer(a), -int(before)))
}

func (a *Attempt) run() *Run { return a.block().run }

// record is what became known during an attempt.
type record struct {
	answers

	place    uint8                  // of its attempt
	next     *record                // of another attempt of the block
	number   uint32                 // of the attempt, from 1; 0 stands for 1
	items    []int                  // the members of a chunk; set before the call, nil for a single item
	engaged  atomic.Bool            // a transport keeps the record
	open     atomic.Int32           // requests that change something, sent and not answered
	applied  atomic.Int32           // how many of those were answered by something else than a refusal
	status   atomic.Int32           // HTTP status of the last answer; 0 when there is none
	lastToo  atomic.Bool            // the last answer is one of applied
	used     atomic.Int64           // of the quota units that were paid with the attempt
	expired  atomic.Bool            // its own timeout ended it
	intended atomic.Bool            // somebody remembers that it was about to be sent
	alone    atomic.Bool            // a throttle of it may be its item's own matter
	probe    atomic.Bool            // it tries whether a shut gate may open
	target   atomic.Pointer[string] // of the first request with an idempotency key
	handle   atomic.Pointer[string] // what the next attempt is to find
	prepaid  atomic.Int64           // quota units that were paid beside those of the attempt
	giveUp   time.Time              // of a probe: when it is cut short; set before the call, zero when it is not
}

// noRecord is read in place of a record that was never made. Nobody writes to it.
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

// recordIn finds the attempt's record in a list, nil when there is none.
func (a *Attempt) recordIn(list *record) *record {
	for ; list != nil; list = list.next {
		if list.place == a.place {
			return list
		}
	}
	return nil
}

// read returns the record to look at.
func (a *Attempt) read() *record {
	if r := a.recordIn(a.block().records.Load()); r != nil {
		return r
	}
	return &noRecord
}

// write returns the record to change.
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

// Owner returns what the configuration of the run carries for its attempts.
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

// Patience returns how long the run waits for a server that throttles.
func (a *Attempt) Patience() time.Duration { return a.run().cfg.Policy.MaxThrottleWait }

// UseCredit takes up to cost of the quota units that were paid with the attempt, and returns what is still to be paid.
func (a *Attempt) UseCredit(cost int) (unpaid int) {
	r := a.write()
	used := int(r.used.Add(int64(cost)))
	return min(cost, max(0, used-int(r.prepaid.Load())-a.run().cost(max(1, len(r.items)))))
}

// Prepay says that quota units were paid for one more request of the attempt.
func (a *Attempt) Prepay(cost int) { a.write().prepaid.Add(int64(cost)) }

// Handle returns what this attempt, or the one before it, left for the next one; "" when that is nothing.
func (a *Attempt) Handle() string {
	if h := a.read().handle.Load(); h != nil {
		return *h
	}
	return ""
}

// SetHandle leaves something for the next attempt of exactly the same items.
func (a *Attempt) SetHandle(handle string) { a.write().handle.Store(&handle) }

// FirstTarget reports whether target is the first one that was asked for, or the same as the first.
func (a *Attempt) FirstTarget(target string) bool {
	r := a.write()
	return r.target.CompareAndSwap(nil, &target) || *r.target.Load() == target
}

// Expired reports whether the attempt's own timeout ended it.
func (a *Attempt) Expired() bool { return a.read().expired.Load() }

// Intended reports whether [Hooks.Intend] was called for exactly these items.
func (a *Attempt) Intended() bool { return a.read().intended.Load() }

// Probe reports whether the attempt is the one that tries whether a shut gate may open.
func (a *Attempt) Probe() bool { return a.read().probe.Load() }

// Alone reports whether a throttle may be the item's own matter: the run judges, and tells.
func (a *Attempt) Alone() bool { return a.read().alone.Load() }

// Subject is what the attempt is made for.
func (a *Attempt) Subject() gate.Subject { return a.run().subject(a.Item()) }

// Engage says that a transport keeps the record of this attempt.
func (a *Attempt) Engage() { a.write().engaged.Store(true) }

// Sending says that a request that changes something leaves now.
func (a *Attempt) Sending() { a.write().open.Add(1) }

// Answer says that the answer to a request has come. changes tells whether [Attempt.Sending] was called for it.
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

// answers is what transports tell of the answers to the requests of an attempt.
type answers struct {
	told   atomic.Pointer[any]               // what the last one means
	untold atomic.Pointer[func(gate.Signal)] // tells what the last one taught
}

// Tell says what the last answer means, in the caller's words.
func (a *Attempt) Tell(meaning any) { a.write().told.Store(&meaning) }

// Told returns what [Attempt.Tell] said of the last answer, nil when it said nothing.
func (a *Attempt) Told() any {
	if m := a.read().told.Load(); m != nil {
		return *m
	}
	return nil
}

// Keep keeps what an answer teaches, to be told when the attempt goes on or has ended: only what is done with it shows
// whether it is what it looks like. tell is given the run's own judgement then, an answer or a throttle.
func (a *Attempt) Keep(tell func(gate.Signal)) { a.write().untold.Store(&tell) }

// GoOn tells what was kept: the attempt makes another request, so that the last answer was a good one.
func (a *Attempt) GoOn() { a.read().conclude(gate.Signal{Answered: 1}) }

// conclude tells what was kept, unless the judgement is that it taught nothing.
func (r *record) conclude(s gate.Signal) {
	if r.untold.Load() == nil {
		return
	}
	if tell := r.untold.Swap(nil); tell != nil && (s.Throttled || s.Answered > 0) {
		(*tell)(s)
	}
}

// Beside reports whether something may have been changed by a request beside the one whose answer came last.
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

// Status returns the HTTP status of the last answer, 0 when there is none.
func (a *Attempt) Status() int { return int(a.read().status.Load()) }
