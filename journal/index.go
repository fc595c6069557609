package journal

import (
	"iter"

	"github.com/windrow-go/windrow"
)

// ref says where the last record of a key is, and what state it tells: so the index alone can count, and find what has
// not ended. The zero ref is no record: the header is where it would be.
type ref uint64

func refTo(offset int64, state windrow.State) ref { return ref(offset)<<3 | ref(state) }

func (r ref) offset() int64        { return int64(r >> 3) }
func (r ref) state() windrow.State { return windrow.State(r & 7) }

// index finds the records of a key by a hash of it. It holds 12 bytes for each of its places, of which it fills between
// 53 % and 80 %: at most 23 bytes a key, and what the allocator adds. It does not hold the keys: keys with one hash have
// a place each, and who looks for one compares it with what is in the file.
//
// It is many small tables, so that none grows for long, and they do not all need twice the space while they do.
type index struct {
	tables [256]table
}

// table is a hash table with open addressing. Nothing is ever removed from it. A search reads the hashes alone, which are
// close together: most look for what is not there, and each place in memory that they touch is far from the last one.
type table struct {
	hashes []uint32 // zero where the place is free
	refs   []ref
	used   int
}

// kept is the hash as the tables have it: none is zero.
func kept(hash uint32) uint32 { return max(1, hash) }

// smallest is how many places a table starts with.
const smallest = 8

// of returns the table for a hash, which its first 8 bits choose.
func (x *index) of(hash uint32) *table { return &x.tables[hash>>24] }

// home returns the place where the search for a hash begins. The 24 bits that did not choose the table choose it.
func (t *table) home(hash uint32) int {
	return int(uint64(hash<<8) * uint64(len(t.refs)) >> 32)
}

// after returns the place after i.
func (t *table) after(i int) int {
	if i++; i < len(t.refs) {
		return i
	}
	return 0
}

// fetch reads the place where the search for a hash begins. Places are far from each other in memory: to read those of
// many hashes first, one right after the other, takes little longer than one of them, as nothing waits for what was read.
func (x *index) fetch(hash uint32) ref {
	hash = kept(hash)
	t := x.of(hash)
	if len(t.refs) == 0 {
		return 0
	}
	i := t.home(hash)
	return t.refs[i] ^ ref(t.hashes[i])
}

// add notes a record of a key that has none.
func (x *index) add(hash uint32, r ref) {
	hash = kept(hash)
	t := x.of(hash)
	if (t.used+1)*5 > len(t.refs)*4 {
		t.grow()
	}
	t.put(hash, r)
}

func (t *table) put(hash uint32, r ref) {
	i := t.home(hash)
	for t.hashes[i] != 0 {
		i = t.after(i)
	}
	t.hashes[i], t.refs[i] = hash, r
	t.used++
}

func (t *table) grow() {
	n := max(smallest, len(t.refs)+len(t.refs)/2)
	old := *t
	*t = table{hashes: make([]uint32, n), refs: make([]ref, n)}
	for i, hash := range old.hashes {
		if hash != 0 {
			t.put(hash, old.refs[i])
		}
	}
}

// replace puts r into the place of the key with that hash whose last record is at offset, and returns what was there.
// Where keys of one request have the same hash it is any of them: their places are alike.
func (x *index) replace(hash uint32, offset int64, r ref) (old ref, ok bool) {
	hash = kept(hash)
	t := x.of(hash)
	if len(t.refs) == 0 {
		return 0, false
	}
	for i := t.home(hash); t.hashes[i] != 0; i = t.after(i) {
		if t.hashes[i] == hash && t.refs[i].offset() == offset {
			old, t.refs[i] = t.refs[i], r
			return old, true
		}
	}
	return 0, false
}

// appendTo appends what is known of the keys with that hash.
func (x *index) appendTo(refs []ref, hash uint32) []ref {
	hash = kept(hash)
	t := x.of(hash)
	if len(t.refs) == 0 {
		return refs
	}
	for i := t.home(hash); t.hashes[i] != 0; i = t.after(i) {
		if t.hashes[i] == hash {
			refs = append(refs, t.refs[i])
		}
	}
	return refs
}

// all yields what is known, in no order.
func (x *index) all() iter.Seq[ref] {
	return func(yield func(ref) bool) {
		for i := range x.tables {
			for _, r := range x.tables[i].refs {
				if r != 0 && !yield(r) {
					return
				}
			}
		}
	}
}
