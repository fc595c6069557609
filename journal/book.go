package journal

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/windrow-go/windrow"
)

// book holds, for each key, where its last record is in the file.
type book struct {
	index  *index
	counts [windrow.Unknown + 1]int // keys in each state
	hash   func(string) uint32
	near   place // result of the last fetch, kept so that the compiler does not drop the reads
	read   func(offset int64) (record, error)
}

var (
	errLost  = errors.New("it refers to a record before it that is not there")
	errTwice = errors.New("it refers to no earlier record of its key, and there is one")
)

// note enters the record at offset.
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

// move repoints a key from its last record at before (0: none) to `to`, after a check that this is right. others are earlier
// keys of the same record.
func (b *book) move(key string, before int64, to ref, others []string) error {
	hash := b.hash(key)
	if before == 0 {
		if err := b.isNew(key, hash, to, others); err != nil {
			return err
		}
	}
	return b.apply(change{hash, before, to})
}

// change repoints a key with a hash from its last record at before (0: none) to `to`.
type change struct {
	hash   uint32
	before int64
	to     ref
}

// apply applies a change.
func (b *book) apply(c change) error {
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

// applyAll applies changes while other goroutines may search.
func (b *book) applyAll(changes []change) error {
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	for _, c := range changes {
		if err := b.apply(c); err != nil {
			return err
		}
	}
	return nil
}

// distinct returns the length of a prefix of changes whose keys are certain to differ.
func distinct(changes []change) int {
	var seen [16]uint64 // a bit set of hashes; several hashes may share a bit
	for i, c := range changes {
		word, bit := &seen[c.hash>>6%16], uint64(1)<<(c.hash%64)
		if *word&bit != 0 {
			return i
		}
		*word |= bit
	}
	return len(changes)
}

// isNew returns an error if a key has a record before `to`, or is one of the others.
func (b *book) isNew(key string, hash uint32, to ref, others []string) error {
	var few [4]ref
	for _, ref := range b.index.appendTo(few[:0], hash) {
		if ref == to { // added for one of the others, with the same hash
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

// last returns the offset of the last record of a key; 0 when there is none.
func (b *book) last(key string, hash uint32) (int64, error) {
	var few [4]ref
	refs := b.index.appendTo(few[:0], hash)
	if len(refs) == 0 {
		return 0, nil
	}
	_, at, err := b.lastOf(key, refs)
	return at, err
}

// lastOf returns the last record of a key among refs, which share its hash. Of the records that name the key it takes the
// last in the file: an intent also names keys that have ended since.
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

// open returns the offsets of the records that say that keys are Unknown, sorted and without repetitions.
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

// intentOf returns the intent that led to an Unknown record: the offset of the intent, and that of its last repetition with
// a handle. They are 0 when there is none.
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
		offset = r.previous // this record ended the key as Unknown: go back to its intent
	}
	return 0, 0, nil
}

// unfinished yields the intents of the records that open returned, in the order in which they were made, with made set to
// their offset.
func (b *book) unfinished(offsets []int64) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		latest := map[int64]int64{} // by offset of the intent: its last repetition
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

// isLast reports whether the record at offset, which names a key, is the last record of the key.
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
