package engine

import (
	"sync"
	"sync/atomic"
)

// What a refusal teaches concerns its chunk, which is divided. Others are made smaller when there is evidence that they
// would be refused, too: chunks are larger than the server takes in the number of their items or in their bytes, and it
// is found out in which. What was learned grows back with successes.

const (
	// growAfter is after how many chunks that were cut short a larger one is tried. It doubles with each that is refused.
	growAfter, growAtMost = 16, 1024
	// enoughEvidence is how often a whole chunk has to be throttled and a part of it has to pass in the next window.
	enoughEvidence = 3
)

// Sizes is what requests have taught about how large they may be. Runs with the same client and the same limits may
// share one, also at the same time. The zero value knows nothing.
type Sizes struct {
	measuring atomic.Bool // a chunk was too large: from now on its bytes matter

	mu    sync.Mutex
	items bound
	bytes bound
	named int     // the number of items that the server names; 0 when it names none
	doubt measure // the smallest chunk that was refused and of which it is not known whether it had too many items or bytes
	trial bool    // a larger chunk is on its way

	passes int // how often a part passed in the window after the whole was throttled
	whole  int // items of the smallest of these wholes
	part   int // items of the smallest of these parts
}

// measure is how large a chunk is. The bytes are 0 when they are not known.
type measure struct{ items, bytes int }

// bound is what is known of one of the two measures. The zero value knows nothing.
type bound struct {
	limit int // what chunks are kept to; 0: nothing is known
	good  int // the largest that passed
	wins  int // chunks that were kept to the limit and passed, since it was changed or a larger one was tried
	need  int // how many of them let a larger one be tried
}

// lower sets the limit below what was refused: between that and the largest that passed, or else at half of it.
func (b *bound) lower(refused int) {
	limit := refused / 2
	if b.good >= refused {
		b.good = 0 // the server takes less than it did
	}
	if b.good > 0 {
		limit = b.good + (refused-b.good)/2
	}
	if limit = max(1, limit); b.limit == 0 || limit < b.limit {
		b.limit, b.wins = limit, 0
	}
}

// raise has the limit grow to what has passed.
func (b *bound) raise(passed int) {
	b.good = max(b.good, passed)
	if b.limit > 0 && passed > b.limit {
		b.limit, b.wins, b.need = passed, 0, growAfter
	}
}

// next is the next larger limit to be tried, 0 when it is not time for it.
func (b *bound) next() int {
	if b.limit == 0 || b.wins < max(b.need, growAfter) {
		return 0
	}
	return b.limit + max(1, b.limit/4)
}

// failed notes that the larger limit was not taken.
func (b *bound) failed() {
	b.wins, b.need = 0, min(growAtMost, 2*max(b.need, growAfter))
}

// limits are what a chunk is to be kept to. The zero value is no limit.
type limits struct {
	items, bytes int  // 0: no limit
	either       bool // it is enough to keep to one of the two, since it is not known which one the server has
}

// allow reports whether a chunk of that size keeps to the limits. One of a single item always does.
func (l limits) allow(m measure) bool {
	few, small := l.items == 0 || m.items <= l.items, l.bytes == 0 || m.bytes <= l.bytes
	if l.either {
		return m.items <= 1 || few || small && m.bytes > 0
	}
	return m.items <= 1 || few && small
}

// limits returns what chunks are to be kept to.
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

// larger returns limits that are a little larger, if it is time to try whether such a chunk passes. Whoever gets them tells
// [Sizes.passed], [Sizes.tooLarge] or [Sizes.endTrial] what came of it.
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

// passed says that the server took a chunk, one of at most that many items, and whether it was kept to the limits or was
// to try larger ones.
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

// tooLarge says that the server refused a chunk for its size, and how many items it named as the most, 0 for none.
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
	case byItems && byBytes: // it takes less than it did
		s.items.good, s.bytes.good, s.doubt = 0, 0, m
	case byItems:
		s.items.lower(m.items)
	case byBytes:
		s.bytes.lower(m.bytes)
	case s.doubt.items == 0:
		s.doubt = m
	case m.items < s.doubt.items || m.bytes < s.doubt.bytes: // it was the part of another, or might have been
		s.doubt = m
		s.items.lower(m.items)
		s.bytes.lower(m.bytes)
	}
}

// endTrial says that nothing is known of a larger chunk, or that the server did not take it.
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

// passedInstead is how many items passed in the window after a chunk of no more than so many was throttled, 0 when that was
// not seen of late.
func (s *Sizes) passedInstead(items int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passes == 0 || items < s.whole || items <= s.part {
		return 0
	}
	return s.part
}

// partPassed says that a whole chunk was throttled as the first request of a window, and a part of one passed in the next.
func (s *Sizes) partPassed(whole, part int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passes == 0 || whole < s.whole {
		s.whole = whole
	}
	if s.passes == 0 || part < s.part {
		s.part = part
	}
	if s.passes++; s.passes < enoughEvidence {
		return
	}
	if s.items.limit == 0 || s.part < s.items.limit {
		s.items.limit, s.items.wins = max(1, s.part), 0
	}
	s.passes, s.whole, s.part = 0, 0, 0
}
