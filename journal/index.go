package journal

import (
	"iter"
	"sync"
	"sync/atomic"

	"github.com/windrow-go/windrow"
)

// ref is the offset of a record and the state in it, so that the index alone can count states and find Unknown keys. The
// zero ref is no record: the header is at offset 0.
type ref uint64

// maxSize is how many bytes a file may have: a ref has no bits for a larger offset.
const maxSize = 1 << (refBits - 3)

func refTo(offset int64, state windrow.State) ref { return ref(offset)<<3 | ref(state) }

func (r ref) offset() int64        { return int64(r >> 3) }
func (r ref) state() windrow.State { return windrow.State(r & 7) }

// index finds the records of a key by its hash. It takes 9 bytes for each place, of which between 53 % and 80 % are used: at
// most 17 bytes a key, and the allocator's overhead. It does not hold the keys: keys with one hash have a place each, and
// the caller compares a key with the record in the file.
//
// It is split into many small tables, so that growing one is short, and does not need twice the space of all.
type index struct {
	// mu is held to change the index while other goroutines may search, and to search it. A search that holds the journal's
	// lock does not need it, since no change can happen.
	mu     sync.Mutex
	any    atomic.Bool // the index is not empty; a search of an empty one does not take mu
	tables [256]table
}

// table is a hash table with open addressing. Nothing is ever removed from it. A search reads the tags, which are adjacent,
// and a place only if its tag matches: most searches find nothing, and each place is a cache miss.
type table struct {
	tags   []uint8 // the last 8 bits of the hash; 0 if the place is free
	places []place
	used   int
}

// place is a ref, and above it the 16 bits of the hash that are neither in the tag nor in the number of the table.
type place uint64

const refBits = 48

func placeFor(hash uint32, r ref) place { return place(hash>>8)<<refBits | place(r) }

func (p place) ref() ref { return ref(p & (1<<refBits - 1)) }

// is reports whether the place belongs to the hash, given that its tag matches.
func (p place) is(hash uint32) bool { return p>>refBits == place(uint16(hash>>8)) }

// hash returns the stored bits of the hash of a place with a tag: all except those that chose the table.
func (p place) hash(tag uint8) uint32 { return uint32(p>>refBits)<<8 | uint32(tag) }

// tagged returns the hash as the tables store it: with a tag that is not 0.
func tagged(hash uint32) uint32 {
	if uint8(hash) == 0 {
		hash++
	}
	return hash
}

// smallest is how many places a table starts with.
const smallest = 8

// of returns the table for a hash, chosen by its first 8 bits.
func (x *index) of(hash uint32) *table { return &x.tables[hash>>24] }

// home returns the index at which the search for a hash begins, chosen by the 24 bits that did not choose the table.
func (t *table) home(hash uint32) int {
	return int(uint64(hash<<8) * uint64(len(t.tags)) >> 32)
}

// after returns the index after i, at the end 0.
func (t *table) after(i int) int {
	if i++; i < len(t.tags) {
		return i
	}
	return 0
}

// fetch reads the places at which the searches for changes begin, to bring them into the CPU cache. The reads are cache
// misses that do not depend on each other, so many take little longer than one.
func (x *index) fetch(changes []change) (near place) {
	for _, c := range changes {
		if t := x.of(c.hash); len(t.tags) > 0 {
			i := t.home(tagged(c.hash))
			near ^= t.places[i] ^ place(t.tags[i])
		}
	}
	return near
}

// add adds the first record of a key.
func (x *index) add(hash uint32, r ref) {
	hash = tagged(hash)
	t := x.of(hash)
	if t.used == 0 {
		x.any.Store(true)
	}
	if (t.used+1)*5 > len(t.tags)*4 {
		t.grow()
	}
	t.put(hash, r)
}

func (t *table) put(hash uint32, r ref) {
	i := t.home(hash)
	for t.tags[i] != 0 {
		i = t.after(i)
	}
	t.tags[i], t.places[i] = uint8(hash), placeFor(hash, r)
	t.used++
}

func (t *table) grow() {
	n := max(smallest, len(t.tags)+len(t.tags)/2)
	tags, places := t.tags, t.places
	t.tags, t.places, t.used = make([]uint8, n), make([]place, n), 0
	for i, tag := range tags {
		if tag != 0 {
			t.put(places[i].hash(tag), places[i].ref())
		}
	}
}

// those yields the places that match a hash.
func (x *index) those(hash uint32) iter.Seq[*place] {
	return func(yield func(*place) bool) {
		hash = tagged(hash)
		t := x.of(hash)
		if len(t.tags) == 0 {
			return
		}
		for i := t.home(hash); t.tags[i] != 0; i = t.after(i) {
			if t.tags[i] == uint8(hash) && t.places[i].is(hash) && !yield(&t.places[i]) {
				return
			}
		}
	}
}

// replace stores r for the key with that hash whose last record is at offset, and returns the ref that it replaces. If
// several keys of one intent have the same hash it takes any of them: their places are equal.
func (x *index) replace(hash uint32, offset int64, r ref) (old ref, ok bool) {
	for p := range x.those(hash) {
		if old = p.ref(); old.offset() == offset {
			*p = placeFor(tagged(hash), r)
			return old, true
		}
	}
	return 0, false
}

// appendTo appends the refs of the keys with that hash.
func (x *index) appendTo(refs []ref, hash uint32) []ref {
	for p := range x.those(hash) {
		refs = append(refs, p.ref())
	}
	return refs
}

// find is appendTo while other goroutines may change the index.
func (x *index) find(refs []ref, hash uint32) []ref {
	if !x.any.Load() {
		return refs
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.appendTo(refs, hash)
}

// all yields all refs, in no order.
func (x *index) all() iter.Seq[ref] {
	return func(yield func(ref) bool) {
		for i := range x.tables {
			for _, p := range x.tables[i].places {
				if p != 0 && !yield(p.ref()) {
					return
				}
			}
		}
	}
}
