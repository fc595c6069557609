package engine

import "github.com/windrow-go/windrow/internal/gate"

// finish ends a job.
func (r *Run) finish(j *job, s State, reason Reason) {
	if j.last.Class == Ambiguous && (s == Unknown || s == Failed) {
		if r.ctx.Err() != nil {
			r.stop(gate.Ended(r.ctx))
		}
		if r.stopped.Load() {
			r.interrupted.Add(1)
		}
	}
	refused := (j.last.Class == Permanent || j.last.Class == TooLarge) && !j.last.Final
	r.write(j, s, reason, s == Failed && !refused)
	r.conclude(j.item, j.item+1)
	r.tally(s, 1)
}

// abandon ends a job that is left over when the run is stopped.
func (r *Run) abandon(j *job) {
	switch {
	case !j.sent: // fresh, or left by an earlier run: its slot is right already
		return
	case j.last.BeforeSuccess && !j.maybeApplied: // its chunk was refused with 403, as all requests were
		r.write(j, Failed, NoReason, true)
	case !j.maybeApplied:
		r.write(j, NotAttempted, NoReason, false)
		return
	case r.cfg.Traits.Read:
		r.write(j, Failed, NoReason, true)
	default:
		r.write(j, Unknown, NoReason, false)
	}
	r.counts[r.cfg.Table.At(j.item).State].Add(1)
	r.settled(j.item, j.item+1)
	r.final(j.item, j.item+1)
}

// write fills the job's slot. resend says that the item failed without having been refused.
func (r *Run) write(j *job, s State, reason Reason, resend bool) {
	slot := Slot{State: s, Reason: reason, Attempts: Attempts(j.charged), Elapsed: j.ended.Sub(j.began)}
	switch {
	case s != Succeeded && s != Skipped:
		d := Detail{Err: j.err, Kind: j.last.Kind, Resend: resend, Warnings: j.warnings}
		if s == Unknown {
			d.Open = j.open
		}
		r.cfg.Table.Put(j.item, slot, d)
	case len(j.warnings) > 0:
		r.cfg.Table.Put(j.item, slot, Detail{Warnings: j.warnings})
	default:
		*r.cfg.Table.At(j.item) = slot
	}
}

// mustConclude reports whether hooks, followers, twins or keys need to hear that items have ended.
func (r *Run) mustConclude() bool {
	return r.cfg.Hooks.Final != nil || r.cfg.Hooks.Settled != nil || r.cfg.Follower != nil || r.cfg.Twin != nil || r.live != nil
}

// conclude calls the hooks for the items from lo to hi-1, which have ended, and releases what waits for them.
func (r *Run) conclude(lo, hi int) {
	r.remember(lo, hi)
	r.letFollow(lo, hi)
	r.leave(lo, hi)
}

// remember calls Settled for the items from lo to hi-1, and ends their twins.
func (r *Run) remember(lo, hi int) {
	r.settled(lo, hi)
	if r.cfg.Twin != nil {
		for item := lo; item < hi; item++ {
			r.endTwins(item)
		}
	}
}

// leave releases the keys of the items from lo to hi-1, and calls Final for them.
func (r *Run) leave(lo, hi int) {
	if r.live != nil {
		r.release(lo, hi)
	}
	r.final(lo, hi)
}

// letFollow releases the followers of the items from lo to hi-1.
func (r *Run) letFollow(lo, hi int) {
	if r.cfg.Follower == nil || r.cfg.InOrder {
		return
	}
	for item := lo; item < hi; item++ {
		if next, ok := r.after(item); ok {
			r.follow(next)
		}
	}
}

// endTwins ends the twins of an item that has ended.
func (r *Run) endTwins(item int) {
	for next, ok := r.cfg.Twin[item]; ok; next, ok = r.cfg.Twin[next] {
		r.cfg.Table.Copy(item, next)
		r.cfg.Copy(item, next)
		r.settled(next, next+1)
		r.letFollow(next, next+1)
		r.batchGrew(1)
		r.endShared(next)
	}
}

// endShared calls Final for an item that ended as another one, and counts it.
func (r *Run) endShared(item int) {
	state := r.cfg.Table.At(item).State // after Final its slot may be reused
	r.final(item, item+1)
	r.tally(state, 1)
}

// concludeAll concludes the items of a chunk, in spans of consecutive ones. It holds assembling, so that their followers
// are released together and can share a chunk.
func (r *Run) concludeAll(items []int) {
	inSpans(items, r.remember)
	if r.cfg.Follower != nil {
		r.assembling.Lock()
		inSpans(items, r.letFollow)
		r.assembling.Unlock()
	}
	inSpans(items, r.leave)
}

// inSpans calls f for each span of consecutive items.
func inSpans(items []int, f func(lo, hi int)) {
	for k := 0; k < len(items); {
		lo, hi := items[k], items[k]+1
		for k++; k < len(items) && items[k] == hi; k++ {
			hi++
		}
		f(lo, hi)
	}
}

// settled calls the Settled hook.
func (r *Run) settled(lo, hi int) {
	if r.cfg.Hooks.Settled != nil {
		r.cfg.Hooks.Settled(lo, hi)
	}
}

// final calls the Final hook.
func (r *Run) final(lo, hi int) {
	if r.cfg.Hooks.Final != nil {
		r.cfg.Hooks.Final(lo, hi)
	}
}

// tally counts items that ended in a state, and stops the run when too many failed.
func (r *Run) tally(s State, n int) {
	r.counts[s].Add(int64(n))
	if s == Failed || s == Unknown {
		r.checkFailures()
	}
	if s == Succeeded && r.retryTokens.PerSuccess > 0 && r.tokensShort.Load() {
		r.spendEarned()
	}
	r.countEnded(n)
}

// tallyUnsent is [Run.tally] for an item of a stream that ended before it was sent. It counts for MaxFailures, but not
// for MaxFailureRate, and it is not a canary item.
func (r *Run) tallyUnsent(s State) {
	r.unsent[s].Add(1)
	if s == Failed || s == Unknown {
		r.checkFailures()
	}
	if r.canary.Load() {
		r.mu.Lock()
		r.canaryEnd++
		r.mu.Unlock()
	}
	r.countEnded(1)
}

// countEnded counts items that ended in any state.
func (r *Run) countEnded(n int) {
	if r.cfg.BatchDelay > 0 || r.canary.Load() {
		r.batchEnded(n)
	}
	if r.ended.Add(int64(n)) == r.total.Load() {
		r.over()
	}
}

// checkFailures stops the run when too many items failed.
func (r *Run) checkFailures() {
	failed := r.counts[Failed].Load() + r.counts[Unknown].Load() // of the items that were sent
	if failed > 0 && r.canary.Load() {
		r.stop(&FailuresError{Failed: int(failed), Canary: r.cfg.Canary})
		return
	}
	ended := failed + r.counts[Succeeded].Load() + r.counts[Skipped].Load()
	before := int64(r.cfg.FailedBefore) + r.unsent[Failed].Load() + r.unsent[Unknown].Load()
	many := r.cfg.MaxFailures >= 0 && failed+before > int64(r.cfg.MaxFailures)
	often := r.cfg.MaxFailureRate >= 0 && ended > 0 && ended >= int64(r.cfg.MinFailureRate) && float64(failed) > r.cfg.MaxFailureRate*float64(ended)
	if many || often {
		r.stop(&FailuresError{Failed: int(failed + before), Ended: int(ended + before)})
	}
}
