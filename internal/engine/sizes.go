package engine

import (
	"sync"
	"sync/atomic"
)

// A chunk that is refused as too large is divided. Later chunks are made smaller when there is evidence that they would be
// refused too. The limit of the server is one of items or one of bytes; it is learned which. Learned limits grow back with
// successes.

const (
	// growAfter is how many chunks that the limit kept smaller must pass before a larger one is tried. It doubles with each
	// larger one that is refused, up to growAtMost.
	growAfter, growAtMost = 16, 1024
	// minPartsPassed is how often a whole chunk must be throttled, and a part of it pass in the next window, to lower the limit.
	minPartsPassed = 3
)

// Sizes are the limits on the size of a request, learned from requests. Runs with the same client and the same configured
// limits may share one, also concurrently. The zero value knows nothing.
type Sizes struct {
	measuring atomic.Bool // a chunk was too large, so from now on bytes are measured

	mu    sync.Mutex
	items bound
	bytes bound
	named int     // the lowest number of items that the server named as its limit; 0: none
	doubt measure // the smallest refused chunk that had either too many items or too many bytes; zero: none
	trial bool    // a larger chunk is under way

	passes int // how often a whole chunk was throttled and a part of it passed in the next window
	whole  int // items of the smallest such whole
	part   int // items of the smallest such part
}

// measure is the size of a chunk. bytes is 0 when unknown.
type measure struct{ items, bytes int }

// bound is what is known about the limit of items, or of bytes. The zero value knows nothing.
type bound struct {
	limit int // upper limit for chunks; 0: unknown
	good  int // the largest value that passed
	wins  int // chunks kept smaller by the limit that passed, since the limit was changed or a larger one was tried
	need  int // wins after which a larger limit is tried; at least growAfter
}

// lower sets the limit below a refused value: midway between it and the largest that passed, or else to half of it.
func (b *bound) lower(refused int) {
	limit := refused / 2
	if b.good >= refused {
		b.good = 0 // the server takes less than before
	}
	if b.good > 0 {
		limit = b.good + (refused-b.good)/2
	}
	if limit = max(1, limit); b.limit == 0 || limit < b.limit {
		b.limit, b.wins = limit, 0
	}
}

// raise raises the limit to a value that passed.
func (b *bound) raise(passed int) {
	b.good = max(b.good, passed)
	if b.limit > 0 && passed > b.limit {
		b.limit, b.wins, b.need = passed, 0, growAfter
	}
}

// next returns the larger limit to try next, 0 when it is too early.
func (b *bound) next() int {
	if b.limit == 0 || b.wins < max(b.need, growAfter) {
		return 0
	}
	return b.limit + max(1, b.limit/4)
}

// failed notes that a chunk of the larger limit was refused.
func (b *bound) failed() {
	b.wins, b.need = 0, min(growAtMost, 2*max(b.need, growAfter))
}

// limits are the upper limits for a chunk. The zero value is no limit.
type limits struct {
	items, bytes int  // 0: no limit
	either       bool // keeping to one of the two is enough, since it is unknown which one the server has
}

// allow reports whether a chunk of that size keeps to the limits. A chunk of one item always does.
func (l limits) allow(m measure) bool {
	few, small := l.items == 0 || m.items <= l.items, l.bytes == 0 || m.bytes <= l.bytes
	if l.either {
		return m.items <= 1 || few || small && m.bytes > 0
	}
	return m.items <= 1 || few && small
}

// limits returns the limits for chunks.
func (s *Sizes) limits() limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limitsLocked()
}

func (s *Sizes) limitsLocked() limits {
	l := limits{items: s.items.limit, bytes: s.bytes.limit}
	if s.doubt.items > 0 {
		l.either = true
		if l.items == 0 {
			l.items, l.bytes = s.doubt.items-1, max(1, s.doubt.bytes-1)
		}
	}
	if s.named > 0 && (l.items == 0 || s.named < l.items) {
		l = limits{items: s.named, bytes: s.bytes.limit}
	}
	return l
}

// larger returns slightly larger limits, if it is time to try whether such a chunk passes. The caller then calls
// [Sizes.passed], [Sizes.tooLarge] or [Sizes.endTrial] with the result.
func (s *Sizes) larger() (l limits, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items, bytes := s.items.next(), s.bytes.next()
	if s.trial || items == 0 && bytes == 0 {
		return limits{}, false
	}
	if l = s.limitsLocked(); items > 0 && (s.named == 0 || items <= s.named) {
		l.items = items
	}
	if bytes > 0 {
		l.bytes = bytes
	}
	s.trial = true
	return l, true
}

// passed notes that the server took a chunk. most is the configured limit of items; tight says that the learned limits kept
// the chunk smaller, trial that it was to try larger limits.
func (s *Sizes) passed(m measure, most int, tight, trial bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if trial {
		s.trial = false
	}
	if s.whole > 0 && m.items >= s.whole {
		s.passes, s.whole, s.part = 0, 0, 0
	}
	if d := s.doubt; d.items > 0 && (m.items >= d.items || m.bytes >= d.bytes) {
		s.doubt = measure{}
		s.items.limit, s.bytes.limit = 0, 0
		if m.items < d.items {
			s.items.lower(d.items)
		} else if m.bytes < d.bytes {
			s.bytes.good = max(s.bytes.good, m.bytes)
			s.bytes.lower(d.bytes)
		}
	}
	if tight && !trial {
		s.items.wins++
		s.bytes.wins++
	}
	s.items.raise(m.items)
	s.bytes.raise(m.bytes)
	if s.items.limit >= most {
		s.items.limit = 0
	}
}

// tooLarge notes that the server refused a chunk as too large. named is the limit of items that the response named, 0 for
// none.
func (s *Sizes) tooLarge(m measure, named int, trial bool) {
	s.measuring.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch byItems, byBytes := m.bytes == 0 || m.bytes <= s.bytes.good, m.bytes > 0 && m.items <= s.items.good; {
	case named > 0 && named < m.items:
		if s.named == 0 || named < s.named {
			s.named = named
		}
		s.endTrialLocked(trial, false)
	case trial:
		s.endTrialLocked(true, true)
	case byItems && byBytes: // the server takes less than before
		s.items.good, s.bytes.good, s.doubt = 0, 0, m
	case byItems:
		s.items.lower(m.items)
	case byBytes:
		s.bytes.lower(m.bytes)
	case s.doubt.items == 0:
		s.doubt = m
	case m.items < s.doubt.items || m.bytes < s.doubt.bytes: // smaller than the doubtful chunk, of which it may be a part
		s.doubt = m
		s.items.lower(m.items)
		s.bytes.lower(m.bytes)
	}
}

// endTrial ends the trial of a larger chunk, which the server refused if failed is true, and which proves nothing otherwise.
func (s *Sizes) endTrial(failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endTrialLocked(true, failed)
}

func (s *Sizes) endTrialLocked(trial, failed bool) {
	if !trial {
		return
	}
	s.trial = false
	if failed {
		s.items.failed()
		s.bytes.failed()
	}
}

// passedInstead returns how many items passed in the window after a chunk of at most so many items was throttled, 0 when
// that was not seen lately.
func (s *Sizes) passedInstead(items int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passes == 0 || items < s.whole || items <= s.part {
		return 0
	}
	return s.part
}

// partPassed notes that a whole chunk was throttled as the first request of a window, and a part of it passed in the next.
func (s *Sizes) partPassed(whole, part int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passes == 0 || whole < s.whole {
		s.whole = whole
	}
	if s.passes == 0 || part < s.part {
		s.part = part
	}
	if s.passes++; s.passes < minPartsPassed {
		return
	}
	if s.items.limit == 0 || s.part < s.items.limit {
		s.items.limit, s.items.wins = max(1, s.part), 0
	}
	s.passes, s.whole, s.part = 0, 0, 0
}
