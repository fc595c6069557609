package windrow_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/idem"
)

// keeper is a server that honours idempotency keys: a request with a key that it knows is answered as before, and changes
// nothing.
type keeper struct {
	*fake
	mu      sync.Mutex
	applied map[string]int // by item
	known   map[string]bool
	keys    []string // of the calls, in their order
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{fake: newFake(t, nil), applied: map[string]int{}, known: map[string]bool{}}
	k.script = func(c *call) error { k.apply(c); return nil }
	k.batch = func(c *call) ([]windrow.Outcome[string], error) { k.apply(c); return outcomes(c.ids), nil }
	return k
}

func (k *keeper) apply(c *call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := c.attempt.IdempotencyKey()
	if k.keys = append(k.keys, key); k.known[key] {
		return
	}
	k.known[key] = true
	for _, id := range c.ids {
		k.applied[id]++
	}
}

// sent returns the keys of the calls since the last time, in an order of their own.
func (k *keeper) sent() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := k.keys
	k.keys = nil
	slices.Sort(keys)
	return keys
}

// processor returns one of single calls or batches of 2, with a unique Key.
func (k *keeper) processor(bulk bool, opts ...windrow.Option) *windrow.BatchProcessor[string, string] {
	can := windrow.Capabilities{MaxItems: 2, IdempotencyKeys: true}
	var c windrow.Creator[string, string] = client{k.fake, can}
	if bulk {
		c = bulkClient{client{k.fake, can}}
		opts = append(opts, windrow.Linger(time.Hour)) // chunks of a stream are full, however slow the machine is
	}
	p := windrow.NewCreateProcessor(c, append([]windrow.Option{windrow.Concurrency(1)}, opts...)...)
	p.Key = byItself
	return p
}

// start runs, or streams, an import of four items.
func start(t *testing.T, p *windrow.BatchProcessor[string, string], stream bool) {
	t.Helper()
	if !stream {
		if _, err := p.Run(t.Context(), ids(4)); err != nil {
			t.Error(err)
		}
		return
	}
	for _, err := range p.Stream(t.Context(), windrow.FromSlice(ids(4))).All() {
		if err != nil {
			t.Error(err)
		}
	}
}

// A second import of items with the same keys is another import: a server that honours idempotency keys must not take it
// for a repetition of the first. With a scope that the caller gave, it is one.
func TestIdempotencyKeysBelongToTheirRun(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			for name, tt := range map[string]struct {
				first, second windrow.Option
				times         int
			}{
				"no scope":       {nil, nil, 2},
				"one scope":      {windrow.IdempotencyScope("import"), windrow.IdempotencyScope("import"), 1},
				"two scopes":     {windrow.IdempotencyScope("import"), windrow.IdempotencyScope("import 2"), 2},
				"the first only": {windrow.IdempotencyScope("import"), nil, 2},
			} {
				k := newKeeper(t)
				start(t, k.processor(bulk, tt.first), stream)
				first := k.sent()
				start(t, k.processor(bulk, tt.second), stream)
				if second := k.sent(); slices.Equal(first, second) != (tt.times == 1) || len(slices.Compact(second)) != 4-2*bit(bulk) {
					t.Errorf("%s, bulk %t, stream %t: keys %q and %q", name, bulk, stream, first, second)
				}
				for _, id := range ids(4) {
					if k.applied[id] != tt.times {
						t.Errorf("%s, bulk %t, stream %t: %s was applied %d times, want %d", name, bulk, stream, id, k.applied[id], tt.times)
					}
				}
				for _, key := range first {
					if !idem.Fits(key) || strings.Contains(key, "import") {
						t.Errorf("%s: the key %q", name, key)
					}
				}
			}
		}
	}
}

// What an older result or journal does not say is a scope: what is sent again with it has the keys that were sent.
func TestIdempotencyKeysWithoutAScope(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/result.unscoped.json")
	if err != nil {
		t.Fatal(err)
	}
	var back windrow.BulkResult[string, string]
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	k := newKeeper(t)
	p := k.processor(false, windrow.IdempotencyScope("import"))
	p.Key = func(in string) string { return "key-" + in[:2] }
	if _, err := p.Rerun(t.Context(), &back); err != nil {
		t.Error(err)
	}
	want := []string{"key-i2", "key-i5", "key-i6", idem.Hash("create", "key-i1", "1")} // that was corrected
	slices.Sort(want)
	if diff := cmp.Diff(want, k.sent()); diff != "" {
		t.Errorf("the keys of an older result (-want +got):\n%s", diff)
	}

	for _, bulk := range []bool{false, true} {
		want := []string{"i0", "i1", "i2", "i3"}
		if bulk {
			want = []string{idem.Hash("create", "i0", "i1"), idem.Hash("create", "i2", "i3")}
			slices.Sort(want)
		}
		for _, stream := range []bool{false, true} {
			k := newKeeper(t)
			start(t, k.processor(bulk, windrow.WithJournal(newMemory())), stream)
			if diff := cmp.Diff(want, k.sent()); diff != "" {
				t.Errorf("the keys with an older journal, bulk %t, stream %t (-want +got):\n%s", bulk, stream, diff)
			}
		}
	}
}

// What goes on with a run sends its keys: a Rerun of its result, also of its JSON form, beside a journal, and by a
// processor with another scope.
func TestIdempotencyKeysOfARerun(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.script = func(c *call) error {
		k.apply(c)
		return windrow.Ambiguous(errReset)
	}
	once := windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1})
	for _, scope := range []windrow.Option{nil, windrow.IdempotencyScope("import")} {
		res, _ := k.processor(false, once, scope).Run(t.Context(), ids(4))
		first := k.sent()
		var back windrow.BulkResult[string, string]
		if err := json.Unmarshal([]byte(textOf(t, res)), &back); err != nil {
			t.Fatal(err)
		}
		for name, opt := range map[string]windrow.Option{
			"alone": nil, "another scope": windrow.IdempotencyScope("import 2"),
			"a journal": windrow.WithJournal(&memory{entries: map[string]windrow.JournalEntry{}, scope: "of a journal"}), "an older journal": windrow.WithJournal(newMemory()),
		} {
			for form, earlier := range map[string]*windrow.BulkResult[string, string]{"result": res, "JSON": &back} {
				again, err := k.processor(false, once, opt).Rerun(t.Context(), earlier)
				checkAccounts(t, 4, again, err)
				if diff := cmp.Diff(first, k.sent()); diff != "" {
					t.Errorf("%s, %s: keys (-first run +Rerun):\n%s", form, name, diff)
				}
			}
		}
	}
}

// A journal has a scope of its own, which a run that goes on with it has, too, and a run with another journal has not. A
// Rerun of a run that had sent nothing has that of its own journal.
func TestIdempotencyKeysOfAJournal(t *testing.T) {
	t.Parallel()
	scoped := func(scope string) *memory {
		return &memory{entries: map[string]windrow.JournalEntry{}, scope: scope}
	}
	for _, bulk := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			k := newKeeper(t)
			j := scoped("one")
			var left *memory // as a program leaves it that is killed in its last call
			run := k.batch
			k.batch = func(c *call) ([]windrow.Outcome[string], error) { left = j.copy(); return run(c) }
			k.script = func(c *call) error { left = j.copy(); k.apply(c); return nil }
			start(t, k.processor(bulk, windrow.WithJournal(j)), stream)
			first := k.sent()
			start(t, k.processor(bulk, windrow.WithJournal(left)), false)
			again := k.sent()
			if len(again) == 0 || slices.ContainsFunc(again, func(key string) bool { return !slices.Contains(first, key) }) {
				t.Errorf("bulk %t, stream %t: the keys are %q, and were %q", bulk, stream, again, first)
			}
			start(t, k.processor(bulk, windrow.WithJournal(scoped("two"))), stream)
			if other := k.sent(); slices.ContainsFunc(other, func(key string) bool { return slices.Contains(first, key) }) {
				t.Errorf("bulk %t, stream %t: the keys with another journal are %q, and were %q", bulk, stream, other, first)
			}
			for _, id := range ids(4) {
				if k.applied[id] != 2 {
					t.Errorf("bulk %t, stream %t: %s was applied %d times by two imports", bulk, stream, id, k.applied[id])
				}
			}
		}
	}
	k := newKeeper(t)
	refused := k.processor(false)
	refused.Do = nil
	res, err := refused.Run(t.Context(), ids(4))
	if err == nil {
		t.Fatal("a run without a function succeeds")
	}
	if _, err := k.processor(false, windrow.WithJournal(scoped("one"))).Rerun(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	rerun := k.sent()
	start(t, k.processor(false, windrow.WithJournal(scoped("one"))), false)
	if diff := cmp.Diff(rerun, k.sent()); diff != "" {
		t.Errorf("keys (-Rerun +run with the journal):\n%s", diff)
	}
}

func TestIdempotencyScopeIsRefused(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]windrow.Option{
		`windrow: IdempotencyScope ("") must not be empty`:                                            {windrow.IdempotencyScope("")},
		`windrow: IdempotencyScope is refused beside WithJournal: the journal has a scope of its own`: {windrow.IdempotencyScope("x"), windrow.WithJournal(newMemory())},
	} {
		k := newKeeper(t)
		_, err := k.processor(false, opts...).Run(t.Context(), ids(1))
		if bulk, ok := errors.AsType[*windrow.BulkError](err); !ok || bulk.Cause.Error() != want || len(k.sent()) > 0 {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
