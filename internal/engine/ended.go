package engine

// anybodyWaits reports whether there may be somebody to tell that items have ended.
func (r *Run) anybodyWaits() bool {
	return r.cfg.Hooks.Final != nil || r.cfg.Hooks.Settled != nil || r.cfg.Follower != nil || r.live != nil
}

// announce tells those who wait for an item that it has ended.
func (r *Run) announce(item int) {
	if next, ok := r.cfg.Follower[item]; ok && !r.cfg.InOrder {
		r.follow(next)
	}
	if r.live != nil {
		r.release(item)
	}
	if r.cfg.Hooks.Final != nil {
		r.cfg.Hooks.Final(item, item+1)
	}
}

// announceAll tells those who wait for the fresh items at the positions from lo to hi-1 that these have ended.
func (r *Run) announceAll(lo, hi int) {
	if r.cfg.Order == nil && r.cfg.Follower == nil && r.live == nil {
		r.settled(lo, hi)
		if r.cfg.Hooks.Final != nil {
			r.cfg.Hooks.Final(lo, hi)
		}
		return
	}
	for pos := lo; pos < hi; pos++ {
		item := r.item(pos)
		r.settled(item, item+1)
		r.announce(item)
	}
}

// settled tells who remembers how items ended.
func (r *Run) settled(lo, hi int) {
	if r.cfg.Hooks.Settled != nil {
		r.cfg.Hooks.Settled(lo, hi)
	}
}

// tally counts items that ended, and stops the run when too many failed.
func (r *Run) tally(s State, n int) {
	r.counts[s].Add(int64(n))
	if s == Failed || s == Unknown {
		r.checkFailures()
	}
	if s == Succeeded && r.purse.PerSuccess > 0 && r.poor.Load() {
		r.earned()
	}
	if r.cfg.BatchDelay > 0 || r.canary.Load() {
		r.batchEnded(n)
	}
	if r.ended.Add(int64(n)) == r.total.Load() {
		r.over()
	}
}

func (r *Run) checkFailures() {
	failed := r.counts[Failed].Load() + r.counts[Unknown].Load()
	if failed > 0 && r.canary.Load() {
		r.stop(&FailuresError{Failed: int(failed), Canary: r.cfg.Canary})
		return
	}
	ended := failed + r.counts[Succeeded].Load() + r.counts[Skipped].Load()
	many := r.cfg.MaxFailures >= 0 && failed+int64(r.cfg.FailedBefore) > int64(r.cfg.MaxFailures)
	often := r.cfg.MaxFailureRate >= 0 && ended > 0 && ended >= int64(r.cfg.MinFailureRate) && float64(failed) > r.cfg.MaxFailureRate*float64(ended)
	if many || often {
		before := int64(r.cfg.FailedBefore)
		r.stop(&FailuresError{Failed: int(failed + before), Ended: int(ended + before)})
	}
}
