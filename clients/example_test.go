package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// A server that answers in any order, with the ids of the items.
func ExampleMatchByID() {
	type answer struct {
		ID    string
		Error string
	}
	got := []answer{{ID: "c"}, {ID: "a", Error: "locked"}} // nothing about b
	outcomes, err := clients.MatchByID([]string{"a", "b", "c"}, got, nil, func(a answer) (string, windrow.Outcome[bool]) {
		if a.Error != "" {
			return a.ID, windrow.Outcome[bool]{Err: errors.New(a.Error)}
		}
		return a.ID, windrow.Outcome[bool]{Value: true}
	})
	for _, o := range outcomes {
		fmt.Println(o.Value, o.Err)
	}
	fmt.Println(err)
	// Output:
	// false locked
	// false windrow: the response has no result for this item
	// true <nil>
	// <nil>
}

// An endpoint that deletes many records in a job of which only the counts are known.
func ExampleSubmitAndPoll() {
	there := map[string]bool{"b": true} // what the job will leave
	asked := 0
	deleteBatch := func(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
		type counts struct{ succeeded, failed int }
		got, err := clients.SubmitAndPoll(ctx, clients.PollPolicy{First: time.Millisecond},
			func(context.Context) (string, error) { return "job-4235", nil },
			func(_ context.Context, job string) (counts, error) {
				if asked++; asked < 3 {
					return counts{}, clients.Pending(0)
				}
				fmt.Println(job, "has ended")
				return counts{2, 1}, nil
			})
		if err != nil {
			return nil, err
		}
		return clients.MatchByCount[struct{}](len(ids), got.succeeded, got.failed, func() ([]bool, error) {
			gone := make([]bool, len(ids))
			for i, id := range ids {
				gone[i] = !there[id]
			}
			return gone, nil
		})
	}
	p := windrow.NewDeleteProcessor(windrow.DeleteFunc(func(_ context.Context, id string) error {
		return fmt.Errorf("%s is in use", id) // alone, it says why
	}))
	p.Batch = deleteBatch
	_, err := p.Run(context.Background(), []string{"a", "b", "c"})
	fmt.Println(err)
	// Output:
	// job-4235 has ended
	// windrow: of 3 items 1 failed; first: item 1 (key "b") failed: b is in use
}

// A client whose API knows idempotency keys sends the one of the attempt: it is the same for every attempt of an item,
// so that a create whose answer was lost may be sent again. Without a scope those of the next run are others.
func ExampleAttempt_IdempotencyKey() {
	ctx := context.Background()
	answers := 0
	create := func(ctx context.Context, d Draft) (Article, error) {
		attempt, _ := clients.AttemptFrom(ctx)
		fmt.Printf("attempt %d with Idempotency-Key: %s\n", attempt.Number, attempt.IdempotencyKey())
		if answers++; answers == 1 {
			return Article{}, io.ErrUnexpectedEOF // the answer breaks off
		}
		return Article{ID: "1", Title: d.Title}, nil
	}
	p := windrow.NewCreateProcessor(windrow.CreateFunc(create), windrow.IdempotencyScope("import of 6 May"),
		windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0)}))
	p.Key = func(d Draft) string { return d.Slug }
	p.Capabilities.IdempotencyKeys = true

	res, err := p.Run(ctx, []Draft{{"tea", "On tea"}})
	fmt.Println(res.At(0).State, err)
	// Output:
	// attempt 1 with Idempotency-Key: 8d98567f-6515-8378-8995-53fbd966231f
	// attempt 2 with Idempotency-Key: 8d98567f-6515-8378-8995-53fbd966231f
	// succeeded <nil>
}

// Draft is what is sent, and Article what comes back.
type (
	Draft   struct{ Slug, Title string }
	Article struct{ ID, Title string }
)
