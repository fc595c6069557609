package windrow_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// A Control stops a run without cutting a call short: what is in flight finishes and counts, and the rest is left as
// NotAttempted, to be sent by a later run.
func ExampleControl() {
	var control windrow.Control
	sent := 0
	p := windrow.NewBatchProcessor(func(_ context.Context, title string) (string, error) {
		if sent++; sent == 3 {
			control.Stop(errors.New("the office closes")) // usually from another goroutine: a signal, a button
		}
		return "id-" + title, nil
	}, windrow.WithControl(&control), windrow.Concurrency(1))

	res, err := p.Run(context.Background(), []string{"tea", "rice", "salt", "oats", "figs"})
	s := res.Stats()
	fmt.Println(s.Succeeded, "succeeded,", s.NotAttempted, "not attempted")
	fmt.Println("stopped:", errors.Is(err, windrow.ErrStopped))
	// Output:
	// 3 succeeded, 2 not attempted
	// stopped: true
}

// Pause holds a run, and no other user of its limiter; its bounds can be moved while it works.
func ExampleControl_Pause() {
	ctx := context.Background()
	var control windrow.Control
	control.Pause()
	done := make(chan error)
	go func() {
		_, err := windrow.CreateMany(ctx, NewArticles(), []Draft{{"salt", "On salt"}}, windrow.WithControl(&control))
		done <- err
	}()
	_ = control.SetConcurrency(2)
	fmt.Println("paused:", control.Paused())
	control.Resume()
	fmt.Println("error:", <-done)
	// Output:
	// paused: true
	// error: <nil>
}
