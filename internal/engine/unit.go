package engine

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// job is an item that did not end with its first attempt, or that an earlier run may have applied.
type job struct {
	item           int
	charged        uint32          // attempts that count against MaxAttempts
	sent           bool            // at least one attempt was made, charged or not
	maybeApplied   bool            // an attempt may have been applied
	maybeByRefusal bool            // maybeApplied is set only because its chunk was refused
	lookUp         bool            // its next request looks up whether it was applied
	noResend       bool            // it is not sent again, whatever its look-up shows
	exhausted      bool            // it may not be sent again
	bound          bool            // it may have been applied as part of a chunk, which may be sent again only as a whole
	failedLookUps  int             // look-ups of it that failed
	delays         backoff.BackOff // made at the first failure
	last           Judgement       // of the last attempt
	err            error           // of the last attempt
	warnings       []string        // from the last response
	open           *Replay         // the request that the last attempt left for the next one; nil for none
	began          time.Time       // when it was first sent
	ended          time.Time       // when the last response came
	pause          time.Duration   // minimum time after the last attempt, before the item is sent again
	doubted        time.Time       // when the last attempt, look-ups excluded, ended; for an attempt of an earlier run, when this run began

	unsent     uint32    // charged attempts in a row in which nothing was sent
	unsentFrom time.Time // when the first of these failed

	troubled      bool  // an attempt failed with a adapt.Trouble
	ownTrouble    bool  // the trouble is likely to be caused by the item itself
	passedTrouble int64 // items that had succeeded when the last such attempt failed

	refusals       int           // how often it was throttled
	refusedFrom    time.Time     // when it was first throttled
	aloneThrottles int           // throttles that concerned the unit alone
	overtaken      int           // consecutive throttles before each of which others passed
	refusedAs      int64         // throttles of the run, up to the item's last one
	refusedIn      int64         // openings of the gate seen by then
	passedThen     int64         // items that had succeeded by then
	hint           time.Duration // how long the server asked to wait
	ownWait        time.Duration // how long it waited after its last own throttle
}

// jobFor returns the job of an item that is to be sent for the first time in this run. A slot in the state Unknown says
// that an earlier run may have applied the item.
func (r *Run) jobFor(item int) *job {
	j := &job{item: item}
	if r.cfg.Table.At(item).State == Unknown {
		before := r.cfg.Table.Detail(item)
		t := r.traits(item)
		j.maybeApplied, j.lookUp = true, r.mayLook() && (!t.Repeatable || t.WholeOnly)
		j.last, j.err, j.doubted = Judgement{Class: Ambiguous, Kind: before.Kind}, before.Err, r.began
	}
	return j
}

// unit is the content of one request: jobs that wait for their next attempt, or fresh items, which become jobs when they
// do not all succeed at once.
type unit struct {
	jobs   []*job
	fresh  []int
	at     time.Time // not sent before then
	handle string    // what an attempt left for the next one; "" for none

	intended bool // intents for its items are stored

	bytes          int  // bytes of the fresh items; 0: unknown
	full           bool // no more fresh items are added
	failedProbes   int  // probes of the current shut period that failed with it
	noToken        bool // it costs no token of the retry budget
	mayHasten      bool // its delay may be cut short once enough others have succeeded
	waitsForOthers bool // it waits only so that others go first
	tight          bool // the learned limits kept more items out
	trial          bool // it exceeds the learned limits, to test larger ones
	part           bool // part of a look-up that was too large; no other look-up joins it
}

// size is how many items the unit has.
func (u *unit) size() int { return len(u.fresh) + len(u.jobs) }

// items returns the items of the unit. The slice must not be changed.
func (u *unit) items() []int {
	if u.fresh != nil {
		return u.fresh
	}
	items := make([]int, len(u.jobs))
	for k, j := range u.jobs {
		items[k] = j.item
	}
	return items
}

// makeJobs turns the fresh items of a unit into jobs. sent is when the unit was sent, zero if it was not.
func (r *Run) makeJobs(u *unit, sent time.Time) {
	for _, item := range u.fresh {
		j := r.jobFor(item)
		j.began = sent
		u.jobs = append(u.jobs, j)
	}
	u.fresh = nil
}

// whole reports whether the unit may be sent again only with exactly its jobs.
func (r *Run) whole(u *unit) bool {
	if u.looksUp() {
		return false
	}
	return r.cfg.Atomic || u.handle != "" || len(u.jobs) > 1 && u.jobs[0].bound
}

// unitHeap orders delayed units by the time at which they may be sent.
type unitHeap []*unit

func (h unitHeap) Len() int { return len(h) }

func (h unitHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h unitHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *unitHeap) Push(x any) { *h = append(*h, x.(*unit)) }

func (h *unitHeap) Pop() any {
	old := *h
	u := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return u
}
