package journal

import (
	"iter"
	"sync"
	"sync/atomic"

	"github.com/windrow-go/windrow"
)

// ref says where the last record of a key is, and what state it tells: so the index alone can count, and find what has
// not ended. The zero ref is no record: the header is where it would be.
type ref uint64

// maxSize is how many bytes a file may have: a ref in the index can tell no offset behind them.
const maxSize = 1 << (refBits - 3)

func refTo(offset int64, state windrow.State) ref { return ref(offset)<<3 | ref(state) }

func (r ref) offset() int64        { return int64(r >> 3) }
func (r ref) state() windrow.State { return windrow.State(r & 7) }

// index finds the records of a key by a hash of it. It holds 9 bytes for each of its places, of which it fills between
// 53 % and 80 %: at most 17 bytes a key, and what the allocator adds. It does not hold the keys: keys with one hash have
// a place each, and who looks for one compares it with what is in the file.
//
// It is many small tables, so that none grows for long, and they do not all need twice the space while they do.
type index struct {
	// mu is held by those who change the index while others search. Who keeps it from being changed in another way need
	// not hold it for a search.
	mu     sync.Mutex
	any    atomic.Bool // there is something: who only searches for what is not there need not wait
	tables [256]table
}

// table is a hash table with open addressing. Nothing is ever removed from it. A search reads the tags, which are close
// together, and a place only where its tag is right: most look for what is not there, and each line of memory that they
// touch is far from the last one.
type table struct {
	tags   []uint8 // the last 8 bits of the hash; zero where the place is free
	places []place
	used   int
}

// place is a ref, and above it the 16 bits of its hash that neither its tag nor its table tells.
type place uint64

const refBits = 48

func placeFor(hash uint32, r ref) place { return place(hash>>8)<<refBits | place(r) }

func (p place) ref() ref { return ref(p & (1<<refBits - 1)) }

// is reports whether the place is one of the hash. Its tag is.
func (p place) is(hash uint32) bool { return p>>refBits == place(uint16(hash>>8)) }

// hash returns what is known of the hash of a place with a tag: all but the bits that chose the table.
func (p place) hash(tag uint8) uint32 { return uint32(p>>refBits)<<8 | uint32(tag) }

// kept is the hash as the tables have it: no tag is zero.
func kept(hash uint32) uint32 {
	if uint8(hash) == 0 {
		hash++
	}
	return hash
}

// smallest is how many places a table starts with.
const smallest = 8

// of returns the table for a hash, which its first 8 bits choose.
func (x *index) of(hash uint32) *table { return &x.tables[hash>>24] }

// home returns the place where the search for a hash begins. The 24 bits that did not choose the table choose it.
func (t *table) home(hash uint32) int {
	return int(uint64(hash<<8) * uint64(len(t.tags)) >> 32)
}

// after returns the place after i.
func (t *table) after(i int) int {
	if i++; i < len(t.tags) {
		return i
	}
	return 0
}

// fetch reads the places where the searches for what is to change begin. They are far from each other in memory: to read
// many, one right after the other, takes little longer than one of them, as nothing waits for what was read.
func (x *index) fetch(changes []change) (near place) {
	for _, c := range changes {
		if t := x.of(c.hash); len(t.tags) > 0 {
			i := t.home(kept(c.hash))
			near ^= t.places[i] ^ place(t.tags[i])
		}
	}
	return near
}

// add notes a record of a key that has none.
func (x *index) add(hash uint32, r ref) {
	hash = kept(hash)
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

// those yields the places of the hash.
func (x *index) those(hash uint32) iter.Seq[*place] {
	return func(yield func(*place) bool) {
		hash = kept(hash)
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

// replace puts r into the place of the key with that hash whose last record is at offset, and returns what was there.
// Where keys of one request have the same hash it is any of them: their places are alike.
func (x *index) replace(hash uint32, offset int64, r ref) (old ref, ok bool) {
	for p := range x.those(hash) {
		if old = p.ref(); old.offset() == offset {
			*p = placeFor(kept(hash), r)
			return old, true
		}
	}
	return 0, false
}

// appendTo appends what is known of the keys with that hash.
func (x *index) appendTo(refs []ref, hash uint32) []ref {
	for p := range x.those(hash) {
		refs = append(refs, p.ref())
	}
	return refs
}

// find is appendTo while others may change the index.
func (x *index) find(refs []ref, hash uint32) []ref {
	if !x.any.Load() {
		return refs
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.appendTo(refs, hash)
}

// all yields what is known, in no order.
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
