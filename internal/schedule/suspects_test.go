package schedule

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The suspects are the hashes of the keys that are not alone, however many keys there are.
func TestSuspects(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, inPart - 1, inPart, 10 * inPart} {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		keys, times := make([]string, n), map[string]int{}
		for i := range keys {
			keys[i] = strconv.Itoa(r.IntN(4*n + 1))
			times[keys[i]]++
		}
		hashes, repeated := suspects(keys)
		for i, key := range keys {
			if got, want := repeated[hashes[i]], times[key] > 1; got != want {
				t.Fatalf("of %d keys %s is there %d times; suspect: %t", n, key, times[key], got)
			}
		}
	}
}

// A run of many items is scheduled as one of few: those of a small run are far apart in a large one, whose other items
// have keys of their own and are not to be sent.
func TestMakeOfMany(t *testing.T) {
	t.Parallel()
	const apart = inPart/2 + 1
	far := func(items []int) (all []int) {
		for _, i := range items {
			all = append(all, i*apart)
		}
		return all
	}
	for _, policy := range []Policy{Reject, First, Last, InOrder} {
		for _, letters := range []string{"abcdef", "abcabc", "ab.a.b", "aaaaaa", "abcdea"} {
			few := keys(letters)
			many, pending := make([]string, len(few)*apart), make([]bool, len(few)*apart)
			for i := range many {
				many[i] = strconv.Itoa(i)
			}
			all := make([]bool, len(few))
			for i, key := range few {
				many[i*apart], pending[i*apart], all[i] = key, true, true
			}
			want := Make(len(few), all, nil, few, policy, false)
			if want.Order == nil && !want.Rejected {
				want.Order = []int{0, 1, 2, 3, 4, 5}
			}
			if want.Rejected {
				want.Todo = len(many)
			}
			want.Order, want.Losers, want.Twice = far(want.Order), far(want.Losers), [2]int(far(want.Twice[:]))
			var follower map[int]int
			for i, next := range want.Follower {
				if follower == nil {
					follower = map[int]int{}
				}
				follower[i*apart] = next * apart
			}
			want.Follower = follower
			if diff := cmp.Diff(want, Make(len(many), pending, nil, many, policy, false)); diff != "" {
				t.Errorf("%v %s (-want +got):\n%s", policy, letters, diff)
			}
		}
	}
}

// BenchmarkMake schedules items all of whose keys differ.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{100, 1000, 100_000, 10_000_000} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = strconv.Itoa(i)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Make(n, nil, nil, keys, Reject, false)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
		})
	}
}
