package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/child"
)

// The storms: what might make a stream pile up items, or what it keeps of them.
const (
	allFail      = "every item fails"
	slowConsumer = "a slow consumer"
	throttled    = "a server that throttles every other call"
)

var storms = []string{allFail, slowConsumer, throttled}

// storm is the memory that two streams of different lengths take in a storm.
type storm struct {
	Name     string `json:"name"`
	Items    int    `json:"items"`       // of the long one
	Short    int64  `json:"short_bytes"` // largest resident set for a tenth of the items
	Long     int64  `json:"long_bytes"`
	InStream int64  `json:"in_stream"` // items that were pulled and not handed over, at most
}

// stormTask is the argument of the part.
type stormTask struct {
	Storm string `json:"storm"`
	Items int    `json:"items"`
}

// stormSample is what one process has measured.
type stormSample struct {
	InStream int64 `json:"in_stream"`
	Peak     int64 `json:"-"`
}

// measureStorm measures both lengths in turns, and takes the medians.
func measureStorm(ctx context.Context, name string, items, rounds int) (storm, error) {
	lengths := []int{items / 10, items}
	samples := make([][]stormSample, len(lengths))
	for range rounds {
		for i, length := range lengths {
			argument, err := json.Marshal(stormTask{name, length})
			if err != nil {
				return storm{}, err
			}
			var got stormSample
			if got.Peak, err = child.Run(ctx, "storm", string(argument), &got); err != nil {
				return storm{}, err
			}
			samples[i] = append(samples[i], got)
		}
	}
	peak := func(s stormSample) int64 { return s.Peak }
	st := storm{Name: name, Items: items, Short: median(samples[0], peak), Long: median(samples[1], peak)}
	for _, s := range slices.Concat(samples...) {
		st.InStream = max(st.InStream, s.InStream)
	}
	return st, nil
}

// stormOnce is the part that makes one storm. It is made in virtual time, in which waiting takes none.
func stormOnce(_ context.Context, argument string) (any, error) {
	var t stormTask
	if err := json.Unmarshal([]byte(argument), &t); err != nil {
		return nil, err
	}
	var got stormSample
	var err error
	// Virtual time needs a testing.T, and there is no way to one but a test, which ends the program when it returns: so
	// it does not return.
	blown := make(chan struct{})
	testing.Init()
	flag.Parse()
	go testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: t.Storm,
		F: func(test *testing.T) {
			synctest.Test(test, func(*testing.T) { got.InStream, err = blow(t.Storm, t.Items) })
			close(blown)
			select {}
		},
	}}, nil, nil)
	<-blown
	return got, err
}

// blow streams the items through the storm, and returns how many were in the stream at most.
func blow(name string, items int) (inStream int64, err error) {
	do, consume, failed := call, func() {}, failures(items)
	switch name {
	case allFail:
		failed = items
		do = func(_ context.Context, in int) (int, error) { return 0, fmt.Errorf("item %d: %w", in, errRefused) }
	case slowConsumer:
		consume = func() { time.Sleep(time.Millisecond) }
	case throttled:
		do = new(stingy).call
	default:
		return 0, fmt.Errorf("no storm is called %q", name)
	}
	var pulled, handed, most atomic.Int64
	p := windrow.NewBatchProcessor(do, windrow.Concurrency(concurrency), windrow.Repeatable(),
		windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: time.Hour}))
	results := p.Stream(context.Background(), numbers(items, func(int) { most.Store(max(most.Load(), pulled.Add(1)-handed.Load())) }))
	for _, err := range results.All() {
		handed.Add(1)
		if stop, ok := errors.AsType[*windrow.StopError](err); ok {
			return 0, stop
		}
		consume()
	}
	return most.Load(), checkCounts(results.Stats(), items, failed)
}

// stingy is a server that refuses every other call as one too many, and says nothing about when to come back.
type stingy struct{ calls atomic.Int64 }

func (s *stingy) call(ctx context.Context, in int) (int, error) {
	if s.calls.Add(1)%2 == 0 {
		return 0, windrow.Throttled(errRefused, 0)
	}
	return call(ctx, in)
}
