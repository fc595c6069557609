package windrow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
)

// Whatever uses one account shares one limiter: verbs, processors, and calls of one's own.
func ExampleLimiter() {
	ctx := context.Background()
	account := windrow.NewLimiter(windrow.Concurrency(5), windrow.Rate(1000, time.Second))
	articles := NewArticles("tea", "rice")

	var wg sync.WaitGroup
	wg.Go(func() {
		res, err := windrow.CreateMany(ctx, articles, []Draft{{"salt", "On salt"}, {"oats", "On oats"}}, windrow.WithLimiter(account))
		if err != nil {
			fmt.Println(err)
		}
		fmt.Println(len(res.Values()), "created")
	})
	wg.Go(func() {
		res, err := windrow.DeleteMany(ctx, articles, []string{"id-tea", "id-rice"}, windrow.WithLimiter(account))
		if err != nil {
			fmt.Println(err)
		}
		fmt.Println(len(res.Values()), "deleted")
	})
	wg.Wait()
	// Unordered output:
	// 2 created
	// 2 deleted
}

// Do makes one call within the limits that all others share. An error that says "too many requests" shuts the limiter
// for everybody until the time that the server names.
func ExampleLimiter_Do() {
	ctx := context.Background()
	var account windrow.Limiter // starts with 4 calls at once, and learns
	articles := NewArticles("tea")

	var article Article
	err := account.Do(ctx, 1, func(ctx context.Context) (err error) {
		article, err = articles.Get(ctx, "id-tea")
		return err
	})
	fmt.Println(article.Title, err)
	// Output:
	// The old tea <nil>
}

// A limiter can be watched and changed while it is used: by an operator, or by what a monitoring system says.
func ExampleLimiter_SetRate() {
	account := windrow.NewLimiter(windrow.Concurrency(8), windrow.Rate(600, time.Minute))
	fmt.Println(account.Stats().Rate, "a second")

	if err := account.SetRate(60, time.Minute); err != nil { // office hours
		fmt.Println(err)
	}
	fmt.Println(account.Stats().Rate, "a second")
	// Output:
	// 10 a second
	// 1 a second
}

// What a limiter has learned outlasts the program: the next one is not throttled to learn it again.
func ExampleStartFrom() {
	file := filepath.Join(os.TempDir(), "account.limits.json")
	defer os.Remove(file)
	save := func(account *windrow.Limiter) error { // at the end of a program
		text, err := json.Marshal(account.Stats().Learned)
		if err != nil {
			return err
		}
		return os.WriteFile(file, text, 0o600)
	}
	load := func() (learned windrow.Learned) { // at the start: without a file nothing is known
		text, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(text, &learned) != nil {
			return windrow.Learned{}
		}
		return learned
	}

	learned := windrow.Learned{Concurrency: 12, Rate: 20} // as a run leaves it
	if err := save(windrow.NewLimiter(windrow.StartFrom(learned))); err != nil {
		fmt.Println(err)
	}
	account := windrow.NewLimiter(windrow.StartFrom(load()))
	fmt.Println(account.Stats().Rate < 20) // it begins a little below
	fmt.Println(account.Stats().Learned == learned)
	// Output:
	// true
	// true
}

// A wait that cannot end in time is not begun.
func ExampleLimiter_deadline() {
	account := windrow.NewLimiter(windrow.Rate(1, time.Hour))
	call := func(context.Context) error { return nil }

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(account.Do(ctx, 1, call))

	err := account.Do(ctx, 1, call) // returns at once
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// <nil>
	// true
}
