package engine

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// job is an item that did not end with its first attempt.
type job struct {
	item     int
	charged  uint32          // attempts that count
	sent     bool            // there was an attempt, charged or not
	maybe    bool            // an attempt may have been applied, and nobody knows
	partly   bool            // that is so only since a chunk with it was refused
	lookUp   bool            // ask the server whether it was applied before sending it again
	lastWord bool            // it is not sent again, whatever looking it up says
	spent    bool            // its strategy allows no further attempt
	bound    bool            // it may have been applied as part of a chunk, which must not be sent again but as a whole
	looks    int             // how often looking it up failed
	delays   backoff.BackOff // made at the first failure
	last     Judgement       // of the last attempt
	err      error           // of the last attempt
	warnings []string        // of the last answer
	open     *Replay         // what the last attempt left for the next one
	began    time.Time       // when it was first sent
	ended    time.Time       // when the last answer came
	pause    time.Duration   // that is to be kept after it, before the item is sent again
	doubted  time.Time       // when the last attempt ended, look-ups apart; or when the run began, for one of an earlier run

	unsent     uint32    // charged attempts in a row in which nothing was sent
	unsentFrom time.Time // when the first of them failed

	troubled      bool  // an attempt showed trouble of the server
	ownTrouble    bool  // which was its own
	passedTrouble int64 // items that had succeeded when the last one did

	refusals    int           // how often it was throttled
	refusedFrom time.Time     // for the first time
	alone       int           // how often it was the only one
	overtaken   int           // throttles in a row since each of which others had passed
	refusedAs   int64         // the throttles of the run until the last one
	refusedIn   int64         // how often the gate had been seen to open by then
	passedThen  int64         // items that had succeeded by then
	hint        time.Duration // how long the server asked to wait
	ownWait     time.Duration // how long it waited by itself the last time
}

// jobFor returns the job of an item that is to be sent for the first time in this run. An earlier run may have applied
// it: its slot says so.
func (r *Run) jobFor(item int) *job {
	j := &job{item: item}
	if r.cfg.Table.At(item).State == Unknown {
		before := r.cfg.Table.Detail(item)
		t := r.traits(item)
		j.maybe, j.lookUp = true, r.mayLook() && (!t.Repeatable || t.WholeOnly)
		j.last, j.err, j.doubted = Judgement{Class: Ambiguous, Kind: before.Kind}, before.Err, r.began
	}
	return j
}

// unit is what is sent in one request: jobs that wait for their next attempt, or fresh items, of which jobs are made when
// they do not all succeed at once.
type unit struct {
	jobs   []*job
	fresh  []int
	at     time.Time // not before
	handle string    // what an attempt left for the next one; "" when it left nothing

	intended bool // somebody remembers that it is about to be sent

	bytes int  // of the fresh items; 0 when that is not known
	full  bool // no more of them go in
	tries int  // how often it failed as a probe since the gate was shut
	free  bool // it costs no token of the budget
	hasty bool // its delay is worth nothing once others have passed
	held  bool // it waits for others to pass only
	tight bool // what was learned of sizes kept others out
	trial bool // it is larger than what is known to pass
	part  bool // of a look-up that was too large: no other joins it
}

// size is how many items the unit has.
func (u *unit) size() int { return len(u.fresh) + len(u.jobs) }

// items returns the items of the unit, which nobody may change.
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

// makeJobs makes jobs of the fresh items of a unit, which was sent at that time, or was not.
func (r *Run) makeJobs(u *unit, sent time.Time) {
	for _, item := range u.fresh {
		j := r.jobFor(item)
		j.began = sent
		u.jobs = append(u.jobs, j)
	}
	u.fresh = nil
}

// whole reports whether the unit may be sent again as it is only, with all its jobs.
func (r *Run) whole(u *unit) bool {
	if u.looksUp() {
		return false
	}
	return r.cfg.Atomic || u.handle != "" || len(u.jobs) > 1 && u.jobs[0].bound
}

// unitHeap orders the units that wait by the time at which they may go.
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
