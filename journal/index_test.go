package journal

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// The index knows what a map would, with hashes of any quality.
func TestIndex(t *testing.T) {
	t.Parallel()
	for _, hashes := range []uint32{1, 7, 1000, 1 << 31} {
		r := rand.New(rand.NewPCG(uint64(hashes), 1))
		var x index
		want := map[uint32][]ref{}
		check(t, "replace in an empty table", false, second(x.replace(0, 1, 2)))
		next := int64(1)
		for range 3000 {
			h := r.Uint32N(hashes)
			if hashes < 1000 {
				h |= h << 24 // several tables
			}
			to := refTo(next, windrow.State(r.IntN(5)))
			next++
			if refs := want[tagged(h)]; len(refs) > 0 && r.IntN(2) == 0 {
				i := r.IntN(len(refs))
				old, ok := x.replace(h, refs[i].offset(), to)
				if !ok || old != refs[i] {
					t.Fatalf("replace = %v, %v; want %v", old, ok, refs[i])
				}
				refs[i] = to
			} else {
				x.add(h, to)
				want[tagged(h)] = append(want[tagged(h)], to)
			}
			if _, ok := x.replace(h, next, to); ok {
				t.Fatal("what is not there was replaced")
			}
		}
		var all []ref
		for h, refs := range want {
			got := x.appendTo(nil, h)
			slices.Sort(got)
			all = append(all, refs...)
			slices.Sort(refs)
			check(t, "refs", refs, got)
		}
		slices.Sort(all)
		check(t, "all", all, slices.Sorted(x.all()))
		for range x.all() {
			break // can be left early
		}
		check(t, "refs of another hash", 0, len(x.appendTo(nil, 1<<31+17)))
	}
}

func second[A, B any](_ A, b B) B { return b }

// A place has an offset and a state.
func TestRef(t *testing.T) {
	t.Parallel()
	r := refTo(1<<45-5, unknown)
	check(t, "offset", int64(1<<45-5), r.offset())
	check(t, "state", unknown, r.state())
}

// Memory, however many keys there are: at most 17 bytes a key beyond what an empty index takes.
func TestIndexMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := new(index)
	most := 0.0
	for n := 1; n <= 600_000; n++ {
		x.add(r.Uint32(), refTo(int64(n), succeeded))
		if n > 100_000 && n%10_000 == 0 {
			places := 0
			for i := range x.tables {
				places += cap(x.tables[i].tags)
			}
			most = max(most, float64(places*9)/float64(n))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	far := 0
	for i := range x.tables {
		table := &x.tables[i]
		for at, tag := range table.tags {
			if tag != 0 {
				far += (at - table.home(table.places[at].hash(tag)) + len(table.tags)) % len(table.tags)
			}
		}
	}
	if mean := float64(far) / 600_000; mean > 4 {
		t.Errorf("a search looks at %.1f places", mean+1)
	}
	if most > 17 {
		t.Errorf("%.1f bytes a key", most)
	}
	if heap := float64(after.HeapAlloc-before.HeapAlloc) / 600_000; heap > 18 {
		t.Errorf("%.1f bytes a key on the heap", heap)
	}
	runtime.KeepAlive(x)
}

// BenchmarkIndex searches for 64 keys that are not there, one after the other, and with their places fetched before.
func BenchmarkIndex(b *testing.B) {
	for _, keys := range []int{1_000_000, 10_000_000} {
		r := rand.New(rand.NewPCG(1, 1))
		x := new(index)
		for n := range keys {
			x.add(r.Uint32(), refTo(int64(n+1), succeeded))
		}
		var changes [64]change
		var few [4]ref
		for _, fetched := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/fetched=%t", keys, fetched), func(b *testing.B) {
				var near place
				for b.Loop() {
					for i := range changes {
						changes[i].hash = r.Uint32()
					}
					if fetched {
						near ^= x.fetch(changes[:])
					}
					for _, c := range changes {
						x.appendTo(few[:0], c.hash)
					}
				}
				runtime.KeepAlive(near)
			})
		}
	}
}

// Keys with the same hash are told apart by what is in the file.
func TestKeysWithOneHash(t *testing.T) {
	t.Parallel()
	for _, hash := range []func(string) uint32{
		func(string) uint32 { return 0 },
		func(s string) uint32 { return uint32(len(s)) },
		func(s string) uint32 { return uint32(s[len(s)-1]) << 24 },
	} {
		d := new(disktest.Disk)
		for round := range 3 {
			j := begunWith(t, d, hash)
			r := rand.New(rand.NewPCG(uint64(round), 1))
			check(t, "a key that there is not", none, stateOf(t, j, "other"))
			must(t, j.Intend(t.Context(), intent("c1", "c2", "c3", "c4")))
			must(t, j.Record(entry("c2", succeeded)))
			must(t, j.Save(t.Context(), "idem c1", "job"))
			must(t, j.Record(entry("c3", failed)))
			must(t, j.Intend(t.Context(), intent("c4", "x")))
			want := map[string]windrow.State{"c1": unknown, "c2": succeeded, "c3": failed, "c4": unknown, "x": unknown, "other": none}
			for i := range 50 {
				k := fmt.Sprint("k", r.IntN(20))
				s := windrow.State(r.IntN(5))
				if s == unknown && i%2 == 0 {
					must(t, j.Intend(t.Context(), intent(k, k+"'")))
					want[k+"'"] = unknown
				} else {
					must(t, j.Record(entry(k, s)))
				}
				want[k] = s
			}
			verify := func(j *Journal) {
				t.Helper()
				check(t, "states", want, states(t, j, want))
				counts := [5]int{}
				for _, s := range want {
					counts[s]++
				}
				counts[none] = j.book.counts[none] // those that never were are not counted
				check(t, "counts", counts, j.book.counts)
			}
			if round > 0 { // there are others of the rounds before
				check(t, "states", want, states(t, j, want))
				must(t, j.Close())
				continue
			}
			verify(j)
			must(t, j.Close())
			j = begunWith(t, d, hash)
			verify(j)
			must(t, j.Close())
			inspected(t, d, hash, want)
		}
	}
}

// begunWith opens a journal with another hash.
func begunWith(t testing.TB, d *disktest.Disk, hash func(string) uint32) *Journal {
	t.Helper()
	f, err := d.Open(name)
	must(t, err)
	s, err := newSettings("import", []Option{on(d)})
	must(t, err)
	j, err := load(name, f, s, "import", hash)
	must(t, err)
	must(t, j.Begin(windrow.OpCreate))
	return j
}

// inspected compares what an inspection lists.
func inspected(t testing.TB, d *disktest.Disk, hash func(string) uint32, want map[string]windrow.State) {
	t.Helper()
	i, err := inspect(name, d, hash)
	must(t, err)
	got := map[string]windrow.State{}
	for e, err := range i.Entries() {
		must(t, err)
		if _, twice := got[e.Key]; twice {
			t.Errorf("%s is listed twice", e.Key)
		}
		got[e.Key] = e.State
	}
	delete(want, "other")
	check(t, "entries", want, got)
}
