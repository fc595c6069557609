package engine

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestTable(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	table := NewTable(4)
	table.Put(2, Slot{State: Failed, Attempts: 3, Elapsed: time.Second}, Detail{Err: no, Kind: Validation, Resend: true})
	table.Put(0, Slot{State: Succeeded}, Detail{Warnings: []string{"w"}})
	want := []Detail{{Warnings: []string{"w"}}, {}, {Err: no, Kind: Validation, Resend: true}, {}}
	for i := range want {
		if diff := cmp.Diff(want[i], table.Detail(i), cmpopts.EquateErrors()); diff != "" {
			t.Errorf("item %d (-want +got):\n%s", i, diff)
		}
	}
	if s := *table.At(2); s.State != Failed || s.Attempts != 3 || s.Elapsed != time.Second {
		t.Errorf("slot %+v", s)
	}
	copied := table.Clone()
	copied.Put(2, Slot{State: Unknown}, Detail{})
	*copied.At(0) = Slot{State: Skipped}
	if table.At(2).State != Failed || table.At(0).State != Succeeded || table.Detail(2).Err != no {
		t.Error("a change of the copy changed the table")
	}
	if copied.At(2).State != Unknown || copied.Detail(2).Err != nil || copied.Detail(0).Warnings != nil {
		t.Errorf("copy %+v, %+v", *copied.At(2), copied.Detail(2))
	}
	*table.At(2) = Slot{State: Succeeded} // an outcome without a detail
	if d := table.Detail(2); d.Err != nil {
		t.Errorf("the detail of an earlier outcome: %+v", d)
	}
}

// A ring keeps the outcomes of the latest items, and no more details than slots.
func TestRing(t *testing.T) {
	t.Parallel()
	ring := NewRing(4)
	for i := range 11 {
		if i%2 == 0 {
			ring.Put(i, Slot{State: Failed, Attempts: Attempts(i)}, Detail{Warnings: make([]string, i)})
		} else {
			*ring.At(i) = Slot{State: Succeeded, Attempts: Attempts(i)}
		}
	}
	for i := 7; i < 11; i++ {
		s, d := ring.At(i), ring.Detail(i)
		wantState, wantWarnings := Succeeded, 0
		if i%2 == 0 {
			wantState, wantWarnings = Failed, i
		}
		if s.State != wantState || int(s.Attempts) != i || len(d.Warnings) != wantWarnings {
			t.Errorf("item %d: %+v, %d warnings", i, *s, len(d.Warnings))
		}
	}
	one := NewRing(1)
	for i := range 3 {
		one.Put(i, Slot{State: Failed}, Detail{Warnings: make([]string, i)})
		if n := len(one.Detail(i).Warnings); n != i || len(one.details) != 1 {
			t.Errorf("item %d: %d warnings, %d details", i, n, len(one.details))
		}
	}
	if len(ring.Slots) != 4 || len(ring.details) != 4 {
		t.Errorf("%d slots, %d details", len(ring.Slots), len(ring.details))
	}
}

func TestTableIsSharedSafely(t *testing.T) {
	t.Parallel()
	table := NewTable(100)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < 100; i += 4 {
				table.Put(i, Slot{State: Failed}, Detail{Warnings: make([]string, i)})
				if n := len(table.Detail(i).Warnings); n != i {
					t.Errorf("item %d has the detail of item %d", i, n)
				}
			}
		})
	}
	wg.Wait()
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]uint16{-1: 0, 0: 0, 1: 1, 65535: 65535, 65536: 65535, math.MaxInt: 65535} {
		if got := Attempts(n); got != want {
			t.Errorf("Attempts(%d) = %d, want %d", n, got, want)
		}
	}
	if got := Attempts(uint32(math.MaxUint32)); got != 65535 {
		t.Errorf("Attempts = %d", got)
	}
}
