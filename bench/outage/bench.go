package main

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bench measures cases with one seed.
type bench struct {
	seed uint64

	mu     sync.Mutex
	floors map[string]*floor
}

// A floor is how long a job takes when nothing is wrong.
type floor struct {
	once sync.Once
	took time.Duration
}

func newBench(seed uint64) *bench { return &bench{seed: seed, floors: map[string]*floor{}} }

// floor measures a job undisturbed, once. It must not be called in a bubble.
func (b *bench) floor(t *testing.T, j job) time.Duration {
	b.mu.Lock()
	f := b.floors[j.String()]
	if f == nil {
		f = &floor{}
		b.floors[j.String()] = f
	}
	b.mu.Unlock()
	f.once.Do(func() {
		f.took = b.bubble(t, j, nil, nil).elapsed
	})
	return f.took
}

// bubble runs a job in virtual time against a server with faults. set changes the server before the run, and look sees it
// after the run.
func (b *bench) bubble(t *testing.T, j job, set, look func(w *world), faults ...fault) (end ending) {
	synctest.Test(t, func(*testing.T) {
		w := newWorld(b.seed, j.items, faults...)
		if set != nil {
			set(w)
		}
		end = j.do(w)
		if look != nil {
			look(w)
		}
	})
	return end
}

// span words a duration, such as "0.3 s".
func span(d time.Duration) string {
	if d == forever {
		return "for ever"
	}
	return fmt.Sprintf("%v s", d.Seconds())
}

// evidence is how many failures in a row may pass before the calls stop, of so many at once.
func evidence(most int) int { return max(3, most/4) }

// probesIn is how many calls may try in the time from the second second of an outage on: their pauses double up to 10 s
// when each may burn what it tries with and to 2 s otherwise, and are drawn at random from the half upwards.
func probesIn(outage time.Duration, repeatable bool) int {
	longest := 10.0
	if repeatable {
		longest = 2
	}
	after := (outage - time.Second).Seconds()
	if after <= 0 {
		return 0
	}
	return int(math.Ceil(min(2*math.Log2(after+1), 8) + max(0, after-longest)/(longest/2)))
}
