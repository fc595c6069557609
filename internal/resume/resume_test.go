package resume

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/engine"
)

// memory is a journal of what an earlier run has begun and not ended.
type memory struct {
	faulty  // what is not asked for here
	intents []Intent
}

func (m memory) Find(key string) (Entry, error) {
	for _, intent := range m.intents {
		if slices.Contains(intent.Keys, key) {
			return Entry{Key: key, State: engine.Unknown}, nil
		}
	}
	return Entry{Key: key}, nil
}

func (m memory) Unfinished() iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		for _, intent := range m.intents {
			if !yield(intent, nil) {
				return
			}
		}
	}
}

// What was sent together goes on as it was only when all of it is in this run: the handle of a job, or an idempotency
// key, stands for all of its items. What does not is looked up where there is a way, and is left alone otherwise.
func TestOnlyAWholeRequestIsReplayed(t *testing.T) {
	t.Parallel()
	keysOf := func(items []int) string { return fmt.Sprint("idem ", items) }
	for _, test := range []struct {
		name    string
		keys    []string // of this run
		intent  Intent
		chunk   int
		mayLook bool
		replay  []engine.Replay
		settled []int
		pending string // also doubtful
	}{
		{name: "a job", keys: []string{"a", "b", "c", "x"}, intent: Intent{Keys: []string{"a", "b", "c"}, Handle: "job"}, chunk: 1,
			replay: []engine.Replay{{Items: []int{0, 1, 2}, Handle: "job"}}, pending: "...x"},
		{name: "a job, in another order", keys: []string{"c", "a", "x", "b"}, intent: Intent{Keys: []string{"a", "b", "c"}, Handle: "job"}, chunk: 1,
			replay: []engine.Replay{{Items: []int{1, 3, 0}, Handle: "job"}}, pending: "..x."},
		{name: "a job of which one is not here", keys: []string{"a", "c"}, intent: Intent{Keys: []string{"a", "b", "c"}, Handle: "job"}, chunk: 9,
			settled: []int{0, 1}, pending: ".."},
		{name: "a job of which one is not here, to be looked up", keys: []string{"a", "x", "c"}, intent: Intent{Keys: []string{"a", "b", "c"}, Handle: "job"}, chunk: 9, mayLook: true,
			pending: "xxx"},
		{name: "a request", keys: []string{"a", "b"}, intent: Intent{Keys: []string{"a", "b"}, IdempotencyKey: "idem [0 1]"}, chunk: 2,
			replay: []engine.Replay{{Items: []int{0, 1}}}, pending: ".."},
		{name: "a request that is too large by now", keys: []string{"a", "b"}, intent: Intent{Keys: []string{"a", "b"}, IdempotencyKey: "idem [0 1]"}, chunk: 1,
			settled: []int{0, 1}, pending: ".."},
		{name: "a request with another key by now", keys: []string{"a", "b"}, intent: Intent{Keys: []string{"a", "b"}, IdempotencyKey: "idem"}, chunk: 2,
			settled: []int{0, 1}, pending: ".."},
	} {
		r := &Resumption{
			Journal: memory{intents: []Intent{test.intent}}, Table: engine.NewTable(len(test.keys)),
			Key: func(item int) string { return test.keys[item] }, KeyFor: keysOf, ChunkItems: test.chunk, MayLook: test.mayLook,
			Traits: func(int) engine.Traits { return engine.Traits{Repeatable: true, WholeOnly: true} },
			Lost:   func(value any, _ []byte) error { return fmt.Errorf("lost: %v", value) },
		}
		pending := make([]bool, len(test.keys))
		for i := range pending {
			pending[i] = true
		}
		past, err := r.RecallAll(context.Background(), pending, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.replay, past.Replay); diff != "" {
			t.Errorf("%s: replayed (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(test.settled, past.Settled); diff != "" {
			t.Errorf("%s: settled (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(marks(test.pending), past.Pending); diff != "" {
			t.Errorf("%s: pending (-want +got):\n%s", test.name, diff)
		}
		doubtful := 0
		for i, key := range test.keys {
			if past.Doubtful[i] {
				doubtful++
				if key == "x" {
					t.Errorf("%s: an item that was never begun is in doubt", test.name)
				}
			}
		}
		if want := map[bool]int{true: 2}[test.mayLook]; doubtful != want {
			t.Errorf("%s: %d items are in doubt, want %d", test.name, doubtful, want)
		}
	}
}
