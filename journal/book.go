package journal

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/windrow-go/windrow"
)

// book is what is known of the keys: where the last record of each is.
type book struct {
	index  *index
	counts [windrow.Unknown + 1]int // keys in each state
	hash   func(string) uint32
	near   place // what was fetched last, so that it is
	read   func(offset int64) (record, error)
}

var (
	errLost  = errors.New("the record before it, to which it refers, is not there")
	errTwice = errors.New("it refers to no record before it, and there is one")
)

// note takes a record that is at offset.
func (b *book) note(r *record, offset int64) error {
	if !r.intent {
		return b.move(r.key, r.previous, refTo(offset, r.state), nil)
	}
	for i, key := range r.keys {
		if before := r.beforeOf(i); before != notMoved {
			if err := b.move(key, before, refTo(offset, windrow.Unknown), r.keys[:i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// move makes to the last record of a key whose last record was at before, 0 for none, after a look whether that is so. It
// speaks of others, too.
func (b *book) move(key string, before int64, to ref, others []string) error {
	hash := b.hash(key)
	if before == 0 {
		if err := b.isNew(key, hash, to, others); err != nil {
			return err
		}
	}
	return b.make(change{hash, before, to})
}

// change says that the last record of a key with a hash, which was at before, 0 for none, is another.
type change struct {
	hash   uint32
	before int64
	to     ref
}

// make makes a change.
func (b *book) make(c change) error {
	if c.before != 0 {
		old, ok := b.index.replace(c.hash, c.before, c.to)
		if !ok {
			return errLost
		}
		b.counts[old.state()]--
	} else {
		b.index.add(c.hash, c.to)
	}
	b.counts[c.to.state()]++
	return nil
}

// makeAll makes changes while others may search.
func (b *book) makeAll(changes []change) error {
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	for _, c := range changes {
		if err := b.make(c); err != nil {
			return err
		}
	}
	return nil
}

// distinct returns how many of the changes from the first one on are sure to be of different keys.
func distinct(changes []change) int {
	var seen [16]uint64 // a bit for each hash, or for several
	for i, c := range changes {
		word, bit := &seen[c.hash>>6%16], uint64(1)<<(c.hash%64)
		if *word&bit != 0 {
			return i
		}
		*word |= bit
	}
	return len(changes)
}

// isNew returns an error if there is a record of a key before the one to which to refers, or if it is one of the others.
func (b *book) isNew(key string, hash uint32, to ref, others []string) error {
	var few [4]ref
	for _, ref := range b.index.appendTo(few[:0], hash) {
		if ref == to { // one of the others has the same hash
			if slices.Contains(others, key) {
				return errTwice
			}
			continue
		}
		r, err := b.read(ref.offset())
		if err != nil {
			return err
		}
		if r.says(key) {
			return errTwice
		}
	}
	return nil
}

// last returns where the last record of a key with that hash is; 0 when there is none.
func (b *book) last(key string, hash uint32) (int64, error) {
	var few [4]ref
	refs := b.index.appendTo(few[:0], hash)
	if len(refs) == 0 {
		return 0, nil
	}
	_, at, err := b.lastOf(key, refs)
	return at, err
}

// lastOf returns the last record of a key of those that its hash may mean. Of those that speak of the key it is the
// last in the file: an intent speaks of all its keys, also of those that have ended since.
func (b *book) lastOf(key string, refs []ref) (last record, at int64, err error) {
	for _, ref := range refs {
		if ref.offset() <= at {
			continue
		}
		r, err := b.read(ref.offset())
		if err != nil {
			return record{}, 0, err
		}
		if r.says(key) {
			last, at = r, ref.offset()
		}
	}
	return last, at, nil
}

// open returns where the records are that say that keys are Unknown, each once and in order.
func (b *book) open() []int64 {
	if b.counts[windrow.Unknown] == 0 {
		return nil
	}
	offsets := make([]int64, 0, b.counts[windrow.Unknown])
	for ref := range b.index.all() {
		if ref.state() == windrow.Unknown {
			offsets = append(offsets, ref.offset())
		}
	}
	slices.Sort(offsets)
	return slices.Compact(offsets)
}

// intentOf returns the intent to which a record belongs that says that a key is Unknown: where it was made, and where it
// is with its handle. They are 0 when it belongs to none.
func (b *book) intentOf(offset int64) (made, at int64, err error) {
	for offset != 0 {
		r, err := b.read(offset)
		switch {
		case err != nil:
			return 0, 0, err
		case r.intent:
			return cmp.Or(r.made, offset), offset, nil
		case r.state != windrow.Unknown:
			return 0, 0, nil
		}
		offset = r.previous // it ended as Unknown after that
	}
	return 0, 0, nil
}

// unfinished yields the intents of the records that open returned, in the order in which they were made, each with
// where that was.
func (b *book) unfinished(offsets []int64) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		latest := map[int64]int64{} // by where the intent was made
		for _, offset := range offsets {
			made, at, err := b.intentOf(offset)
			if err != nil {
				yield(record{}, err)
				return
			}
			if made != 0 {
				latest[made] = max(latest[made], at)
			}
		}
		for _, made := range slices.Sorted(maps.Keys(latest)) {
			r, err := b.read(latest[made])
			if r.made = made; !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// isLast reports whether the record at offset, which speaks of a key, is the last one that does.
func (b *book) isLast(key string, offset int64) (bool, error) {
	var few [4]ref
	refs := b.index.appendTo(few[:0], b.hash(key))
	switch {
	case !slices.ContainsFunc(refs, func(r ref) bool { return r.offset() == offset }):
		return false, nil
	case len(refs) == 1:
		return true, nil
	}
	_, at, err := b.lastOf(key, refs)
	return at == offset, err
}
