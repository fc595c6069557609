package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
)

// The error of a run unwraps to that of each item that did not make it, and to what stopped the run.
func ExampleBulkError() {
	ctx := context.Background()
	_, err := windrow.CreateMany(ctx, NewArticles(), []Draft{{"tea", "On tea"}, {"rice", ""}, {"salt", ""}})

	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
		fmt.Println("stopped by:", bulk.Cause)
		for _, item := range bulk.Items() {
			fmt.Printf("item %d is %v: a %v error\n", item.Index, item.State, item.Kind)
		}
	}
	if api, ok := errors.AsType[*APIError](err); ok { // the client's own errors are there, too
		fmt.Println("the API says:", api.Message)
	}
	// Output:
	// stopped by: <nil>
	// item 1 is failed: a validation error
	// item 2 is failed: a validation error
	// the API says: the title is missing
}

// Errors of fields say which field it is: nobody has to look for a word in a text.
func ExampleFieldErrors() {
	ctx := context.Background()
	p := windrow.NewCreateProcessor(NewArticles())
	p.Validate = func(d Draft) error {
		var errs []error
		if strings.ContainsAny(d.Slug, " /") {
			errs = append(errs, &windrow.FieldError{Field: "slug", Code: "format", Message: "must not hold spaces or slashes"})
		}
		if d.Title == "" {
			errs = append(errs, &windrow.FieldError{Field: "title", Code: "required", Message: "is missing"})
		}
		return errors.Join(errs...)
	}
	res, _ := p.Run(ctx, []Draft{{"black tea", ""}, {"rice", "On rice"}})

	for r := range res.Failed() {
		for _, field := range windrow.FieldErrors(r.Err) {
			fmt.Println(r.Index, field.Field, field.Code)
		}
	}
	// Output:
	// 0 slug format
	// 0 title required
}

// Three attempts at most. What lies between them is drawn from a range that doubles each time: here from a millisecond,
// up to two seconds.
func ExampleRetry() {
	ctx := context.Background()
	articles := NewArticles()
	articles.busy = 2

	res, err := windrow.UpsertMany(ctx, articles, []Draft{{"tea", "On tea"}}, windrow.Retry(windrow.RetryPolicy{
		MaxAttempts: 3,
		Strategy:    windrow.Exponential(time.Millisecond, 2*time.Second),
	}))
	fmt.Println(res.At(0).State, "after", res.At(0).Attempts, "attempts,", err)
	// Output:
	// succeeded after 3 attempts, <nil>
}

// A create whose answer was lost may have been carried out. It is not sent again unless the client makes that
// harmless: its outcome is Unknown.
func ExampleState() {
	ctx := context.Background()
	lost := windrow.CreateFunc(func(context.Context, Draft) (Article, error) {
		return Article{}, fmt.Errorf("reading the answer: %w", context.DeadlineExceeded)
	})
	_, err := windrow.CreateMany(ctx, lost, []Draft{{"tea", "On tea"}})
	fmt.Println(err)
	// Output:
	// windrow: of 1 items 1 unknown; first: item 0 may have been applied: reading the answer: context deadline exceeded
}

// A client marks errors that look like something else. Here an API says "quota" with the status 403.
func ExampleThrottled() {
	ctx := context.Background()
	quota := &APIError{403, "quota used up"}
	calls := 0
	create := windrow.CreateFunc(func(_ context.Context, d Draft) (Article, error) {
		if calls++; calls == 1 {
			return Article{}, windrow.Throttled(quota, 100*time.Millisecond)
		}
		return Article{Title: d.Title}, nil
	})
	res, err := windrow.CreateMany(ctx, create, []Draft{{"tea", "On tea"}})
	fmt.Println(res.At(0).State, err)
	fmt.Println(res.Stats().Throttled, "throttled,", res.At(0).Attempts, "attempt charged")
	// Output:
	// succeeded <nil>
	// 1 throttled, 1 attempt charged
}
