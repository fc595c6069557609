package clients_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// Ledger is an API that has a search: bookings can be looked up by their reference, several at once.
type Ledger struct {
	booked map[string]int
	lost   bool // the next answer
}

// Create books a reference.
func (l *Ledger) Create(_ context.Context, ref string) (int, error) {
	l.booked[ref]++
	if l.lost {
		l.lost = false
		return 0, windrow.Ambiguous(errors.New("connection reset by peer"))
	}
	return l.booked[ref], nil
}

// ReconcileBatch looks up what was booked.
func (l *Ledger) ReconcileBatch(_ context.Context, refs []string) ([]windrow.Outcome[int], error) {
	out := make([]windrow.Outcome[int], len(refs))
	for k, ref := range refs {
		if n, ok := l.booked[ref]; ok {
			out[k].Value = n
		} else {
			out[k].Err = windrow.ErrNotFound
		}
	}
	return out, nil
}

// A client that can look up what it made has no item end as Unknown: one whose answer was lost is looked up, with others
// in one request.
func ExampleBatchReconciler() {
	ledger := &Ledger{booked: map[string]int{}, lost: true}
	res, err := windrow.CreateMany(context.Background(), ledger, []string{"A-1", "A-2"}, windrow.Concurrency(1))
	fmt.Println(res.Values(), err)
	// Output: [1 1] <nil>
}
