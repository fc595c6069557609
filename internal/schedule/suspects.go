package schedule

import (
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync"

	"github.com/windrow-go/windrow/internal/parallel"
)

// inPart is about how many hashes a part has: that many fit into the cache of a processor.
const inPart = 1 << 12

// suspects returns the hash of each key, and the hashes that several keys have. Most runs have no equal keys. It compares
// only hashes with the same first bits, which takes less time and memory than a map of all keys.
func suspects(keys []string) (hashes []uint64, repeated map[uint64]bool) {
	seed := maphash.MakeSeed()
	hashes = make([]uint64, len(keys))
	parallel.For(len(keys), func() bool { return false }, func(i int) { hashes[i] = maphash.String(seed, keys[i]) }, nil)
	parts := partition(hashes, bits.Len(uint(len(hashes)/inPart)))
	repeated = map[uint64]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(parts))
	for first := range workers {
		wg.Go(func() {
			seen := make(map[uint64]struct{}, len(parts[first]))
			for part := first; part < len(parts); part += workers {
				for _, h := range parts[part] {
					if _, twice := seen[h]; twice {
						mu.Lock()
						repeated[h] = true
						mu.Unlock()
					}
					seen[h] = struct{}{}
				}
				clear(seen)
			}
		})
	}
	wg.Wait()
	return hashes, repeated
}

// partition returns the hashes in parts, of those that have the same first bits.
func partition(hashes []uint64, first int) [][]uint64 {
	shift := 64 - first
	sizes := make([]int, 1<<first)
	for _, h := range hashes {
		sizes[h>>shift]++
	}
	parts := make([][]uint64, len(sizes))
	all := make([]uint64, len(hashes))
	for part, n := range sizes {
		parts[part], all = all[:0:n], all[n:]
	}
	for _, h := range hashes {
		parts[h>>shift] = append(parts[h>>shift], h)
	}
	return parts
}
