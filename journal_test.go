package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// memory is a journal that a test can look into, and copy at any moment: what a killed program leaves.
type memory struct {
	mu      sync.Mutex
	op      windrow.OpKind
	begun   bool
	entries map[string]windrow.JournalEntry
	intents []windrow.JournalIntent
	log     []string
	scope   string // "" for one that is older than scopes
	fail    string // the method that fails
	synced  int
}

func newMemory() *memory { return &memory{entries: map[string]windrow.JournalEntry{}} }

var errJournal = errors.New("disk full")

// note notes a call and returns its error. The lock is held.
func (m *memory) note(method, format string, args ...any) error {
	m.log = append(m.log, method+" "+fmt.Sprintf(format, args...))
	if m.fail == method {
		return errJournal
	}
	return nil
}

func (m *memory) Begin(op windrow.OpKind) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begun && m.op != op {
		return fmt.Errorf("it is of %v, not of %v", m.op, op)
	}
	m.op, m.begun = op, true
	return m.note("Begin", "%v", op)
}

func (m *memory) Scope() string { return m.scope }

func (m *memory) Find(key string) (windrow.JournalEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[key]
	e.Key = key
	if m.fail == "Find" {
		return e, errJournal
	}
	return e, nil
}

func (m *memory) Unfinished() iter.Seq2[windrow.JournalIntent, error] {
	m.mu.Lock()
	intents := slices.Clone(m.intents)
	m.mu.Unlock()
	return func(yield func(windrow.JournalIntent, error) bool) {
		for _, intent := range intents {
			if !slices.ContainsFunc(intent.Keys, func(key string) bool { return m.entries[key].State == windrow.Unknown }) {
				continue
			}
			if !yield(intent, nil) {
				return
			}
		}
		if m.fail == "Unfinished" {
			yield(windrow.JournalIntent{}, errJournal)
		}
	}
}

func (m *memory) Intend(_ context.Context, intent windrow.JournalIntent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.note("Intend", "%s", strings.Join(intent.Keys, " ")); err != nil {
		return err
	}
	for _, key := range intent.Keys {
		m.entries[key] = windrow.JournalEntry{State: windrow.Unknown}
	}
	intent.Keys = slices.Clone(intent.Keys)
	m.intents = append(m.intents, intent)
	return nil
}

func (m *memory) Save(_ context.Context, key, handle string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.note("Save", "%s", handle); err != nil {
		return err
	}
	for i := range m.intents {
		if m.intents[i].IdempotencyKey == key {
			m.intents[i].Handle = handle
			return nil
		}
	}
	return errors.New("no intent has this key")
}

func (m *memory) Record(entries ...windrow.JournalEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		if err := m.note("Record", "%s %v", e.Key, e.State); err != nil {
			return err
		}
		m.entries[e.Key] = e
	}
	return nil
}

func (m *memory) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced++
	return m.note("Sync", "")
}

// copy is the journal as another program finds it.
func (m *memory) copy() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{op: m.op, begun: m.begun, scope: m.scope, entries: maps.Clone(m.entries), intents: slices.Clone(m.intents)}
}

func byItself(id string) string { return id }

// journaled is a processor of creates that keeps a journal.
func journaled(f *fake, j windrow.Journal, caps windrow.Capabilities, bulk bool, opts ...windrow.Option) *windrow.BatchProcessor[string, string] {
	var c windrow.Creator[string, string] = client{f, caps}
	if bulk {
		c = bulkClient{client{f, caps}}
	} else {
		opts = append(opts, windrow.SingleCalls)
	}
	p := windrow.NewCreateProcessor(c, append(opts, windrow.WithJournal(j))...)
	p.Key, p.ResultID = byItself, func(value string) string { return strings.TrimPrefix(value, "value of ") + "!" }
	return p
}

// results runs the processor, as a run or as a stream.
func results(t *testing.T, p *windrow.BatchProcessor[string, string], stream bool, in []string) ([]windrow.Result[string, string], error) {
	t.Helper()
	if !stream {
		res, err := p.Run(t.Context(), in)
		checkAccounts(t, len(in), res, err)
		return slices.Collect(res.All()), err
	}
	var all []windrow.Result[string, string]
	var cause error
	for r, err := range p.Stream(t.Context(), windrow.FromSlice(in)).All() {
		if stop, ok := errors.AsType[*windrow.StopError](err); ok {
			cause = stop
			continue
		}
		all = append(all, r)
		if cause == nil && err != nil {
			cause = err
		}
	}
	return all, cause
}

func statesOf(all []windrow.Result[string, string]) (states []windrow.State) {
	for _, r := range all {
		states = append(states, r.State)
	}
	return states
}

// What is done is not done again, in whatever order it comes; what failed and what is new is sent.
func TestJournalSkipsWhatIsDone(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		for _, bulk := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				j := newMemory()
				f := newFake(t, func(c *call) error {
					if c.id() == "i2" {
						return errServer
					}
					return nil
				})
				f.batch = refusing("i2")
				all, err := results(t, journaled(f, j, windrow.Capabilities{Atomicity: windrow.AtomicityAll}, bulk), stream, ids(4))
				const ok, bad, skip = windrow.Succeeded, windrow.Failed, windrow.Skipped
				if diff := cmp.Diff([]windrow.State{ok, ok, bad, ok}, statesOf(all)); diff != "" || err == nil || all[0].ID != "i0!" {
					t.Errorf("stream %t, bulk %t: first run (-want +got):\n%s id %q, error %v", stream, bulk, diff, all[0].ID, err)
				}
				if j.synced != 1 {
					t.Errorf("stream %t, bulk %t: %d syncs at the end", stream, bulk, j.synced)
				}
				f = newFake(t, nil)
				in := []string{"new", "i3", "i2", "i1", "i0"}
				all, err = results(t, journaled(f, j.copy(), windrow.Capabilities{}, bulk), stream, in)
				if diff := cmp.Diff([]windrow.State{ok, skip, ok, skip, skip}, statesOf(all)); diff != "" || err != nil {
					t.Errorf("stream %t, bulk %t: second run (-want +got):\n%s error %v", stream, bulk, diff, err)
				}
				for k, want := range []string{"new!", "i3!", "i2!", "i1!", "i0!"} {
					if all[k].ID != want || all[k].State == skip && all[k].Reason != windrow.ReasonDoneBefore {
						t.Errorf("stream %t, bulk %t: item %d: id %q, reason %v", stream, bulk, k, all[k].ID, all[k].Reason)
					}
				}
				sent := slices.Sorted(slices.Values(slices.Concat(f.requests()...)))
				if diff := cmp.Diff([]string{"i2", "new"}, sent); diff != "" {
					t.Errorf("stream %t, bulk %t: sent (-want +got):\n%s", stream, bulk, diff)
				}
			})
		}
	}
}

// F58: a program that is killed between sending and writing down the answer.
func TestF58_BegunAndNotEnded(t *testing.T) {
	t.Parallel()
	const ok, lose = windrow.Succeeded, windrow.Unknown
	for _, tt := range []struct {
		name   string
		caps   windrow.Capabilities
		look   func(string) (bool, error)
		bulk   bool
		want   []windrow.State // of i0, i1, i2
		again  [][]string      // sent by the second run
		intent bool            // there was one
	}{
		{"not repeatable", windrow.Capabilities{}, nil, false, []windrow.State{lose, ok, ok}, [][]string{{"i1"}, {"i2"}}, true},
		{"with keys", windrow.Capabilities{IdempotencyKeys: true}, nil, false, []windrow.State{ok, ok, ok}, [][]string{{"i0"}, {"i1"}, {"i2"}}, true},
		{"with ids of the caller's", windrow.Capabilities{ClientIDs: true}, nil, false, []windrow.State{ok, ok, ok}, [][]string{{"i0"}, {"i1"}, {"i2"}}, true},
		{"found", windrow.Capabilities{}, func(string) (bool, error) { return true, nil }, false, []windrow.State{ok, ok, ok}, [][]string{{"i1"}, {"i2"}}, true},
		{"looked up, and not there", windrow.Capabilities{}, func(string) (bool, error) { return false, nil }, false, []windrow.State{ok, ok, ok}, [][]string{{"i0"}, {"i1"}, {"i2"}}, true},
		{"a chunk", windrow.Capabilities{MaxItems: 2}, nil, true, []windrow.State{lose, lose, ok}, [][]string{{"i2"}}, true},
		{"a chunk with a key", windrow.Capabilities{MaxItems: 2, IdempotencyKeys: true}, nil, true, []windrow.State{ok, ok, ok}, [][]string{{"i0", "i1"}, {"i2"}}, true},
		{"a chunk with ids of the caller's", windrow.Capabilities{MaxItems: 2, ClientIDs: true}, nil, true, []windrow.State{ok, ok, ok}, [][]string{{"i0", "i1"}, {"i2"}}, true},
		{"a chunk, found", windrow.Capabilities{MaxItems: 2}, func(string) (bool, error) { return true, nil }, true, []windrow.State{ok, ok, ok}, [][]string{{"i2"}}, true},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream %t", tt.name, stream), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opts := []windrow.Option{windrow.Concurrency(1)}
					if stream {
						opts = append(opts, windrow.Linger(time.Second)) // so that chunks are full
					}
					j := newMemory()
					var left *memory
					var key string
					f := newFake(t, func(c *call) error {
						if left == nil { // the server has it, and here the program is killed
							left, key = j.copy(), c.attempt.IdempotencyKey()
						}
						return nil
					})
					f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), f.script(c) }
					if _, err := results(t, journaled(f, j, tt.caps, tt.bulk, opts...), stream, ids(3)); err != nil {
						t.Fatal(err)
					}
					if left.entries["i0"].State == windrow.Unknown != tt.intent {
						t.Fatalf("when it was sent the journal had %+v", left.entries)
					}
					want := slices.Clone(tt.want)
					again := slices.Clone(tt.again)
					if stream && tt.name == "a chunk with a key" { // its members may be anywhere in the stream
						want, again = []windrow.State{lose, lose, ok}, [][]string{{"i2"}}
					}
					f = newFake(t, nil)
					f.lookUp = tt.look
					var keyAgain string
					f.script = func(c *call) error {
						if c.id() == "i0" {
							keyAgain = c.attempt.IdempotencyKey()
						}
						return nil
					}
					f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), f.script(c) }
					p := journaled(f, left, tt.caps, tt.bulk, opts...)
					if tt.look != nil {
						p.Reconcile = f.find
					}
					all, err := results(t, p, stream, ids(3))
					if diff := cmp.Diff(want, statesOf(all)); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					if lost := slices.Contains(want, lose); lost != (err != nil) || lost && !errors.Is(err, windrow.ErrBegun) {
						t.Errorf("error %v", err)
					}
					sent := f.requests()
					slices.SortFunc(sent, func(a, b []string) int { return slices.Compare(a, b) })
					if diff := cmp.Diff(again, sent); diff != "" {
						t.Errorf("sent again (-want +got):\n%s", diff)
					}
					if keyAgain != "" && keyAgain != key && tt.caps.IdempotencyKeys {
						t.Errorf("the idempotency key was %q and is %q", key, keyAgain)
					}
					for _, r := range all {
						if e := left.entries[r.Key]; e.State != r.State {
							t.Errorf("%s is %v, and the journal says %v", r.Key, r.State, e.State)
						}
					}
				})
			})
		}
	}
}

// A chunk that was begun is replayed with the same members in the same order, wherever they stand in the input now; when
// one of them is missing it cannot be.
func TestJournalReplaysChunks(t *testing.T) {
	t.Parallel()
	caps := windrow.Capabilities{MaxItems: 3, IdempotencyKeys: true}
	for _, tt := range []struct {
		name string
		in   []string
		want [][]string
		lost int
	}{
		{"reordered and grown", []string{"x", "i2", "y", "i0", "i1", "z"}, [][]string{{"i0", "i1", "i2"}, {"x", "y", "z"}}, 0},
		{"one is missing", []string{"i0", "x", "i2"}, [][]string{{"x"}}, 2},
	} {
		j := newMemory()
		var left *memory
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			left = j.copy()
			return outcomes(c.ids), nil
		}
		if _, err := results(t, journaled(f, j, caps, true), false, ids(3)); err != nil {
			t.Fatal(err)
		}
		key := f.calls[0].attempt.IdempotencyKey()
		f = newFake(t, nil)
		all, _ := results(t, journaled(f, left, caps, true, windrow.Concurrency(1)), false, tt.in)
		if diff := cmp.Diff(tt.want, f.requests()); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", tt.name, diff)
		}
		lost := 0
		for _, r := range all {
			if r.State == windrow.Unknown {
				lost++
			}
		}
		if lost != tt.lost {
			t.Errorf("%s: %d are Unknown, want %d", tt.name, lost, tt.lost)
		}
		if tt.lost == 0 && f.calls[0].attempt.IdempotencyKey() != key {
			t.Errorf("%s: the key has changed", tt.name)
		}
	}
}

// A single item of a client with batches was begun under a key of its own. In a batch, where it would stand when more
// items have come, it would have another: it is sent alone again.
func TestJournalReplaysASingleItemOfABatchClient(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		caps := windrow.Capabilities{MaxItems: 2, IdempotencyKeys: true}
		j := newMemory()
		var left *memory
		f := newFake(t, func(*call) error { left = j.copy(); return nil })
		if _, err := results(t, journaled(f, j, caps, true), stream, ids(1)); err != nil {
			t.Fatal(err)
		}
		key := f.calls[0].attempt.IdempotencyKey()
		f = newFake(t, nil)
		all, _ := results(t, journaled(f, left, caps, true, windrow.Concurrency(1)), stream, ids(3))
		if stream { // which cannot hold back the others for it
			if diff := cmp.Diff([]windrow.State{windrow.Unknown, windrow.Succeeded, windrow.Succeeded}, statesOf(all)); diff != "" {
				t.Errorf("stream: states (-want +got):\n%s", diff)
			}
			continue
		}
		if diff := cmp.Diff([][]string{{"i0"}, {"i1", "i2"}}, f.requests()); diff != "" || f.calls[0].attempt.IdempotencyKey() != key {
			t.Errorf("requests (-want +got):\n%s the key was %q and is %q", diff, key, f.calls[0].attempt.IdempotencyKey())
		}
	}
}

// A job that the server had begun is asked for, not submitted again.
func TestJournalKeepsHandles(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"create", "delete"} {
		for _, bulk := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				j := newMemory()
				var left *memory
				submits := 0
				job := func(ctx context.Context) error {
					_, err := clients.SubmitAndPoll(ctx, clients.PollPolicy{}, func(context.Context) (string, error) {
						submits++
						return "job-9", nil
					}, func(context.Context, string) (int, error) {
						left = j.copy()
						return 1, nil
					})
					return err
				}
				run := func(j *memory) error {
					f := newFake(t, func(c *call) error { return job(c.ctx) })
					f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), job(c.ctx) }
					if v == "create" {
						_, err := results(t, journaled(f, j, windrow.Capabilities{}, bulk), false, ids(2)[:1+bit(bulk)])
						return err
					}
					var c windrow.Deleter[string] = client{fake: f}
					if bulk {
						c = bulkClient{client{fake: f}}
					}
					res, err := windrow.DeleteMany(t.Context(), c, ids(2)[:1+bit(bulk)], windrow.WithJournal(j))
					checkAccounts(t, 1+bit(bulk), res, err)
					return err
				}
				if err := run(j); err != nil {
					t.Fatal(err)
				}
				if err := run(left); err != nil || submits != 1 {
					t.Errorf("%s, bulk %t: %d submits, error %v", v, bulk, submits, err)
				}
			})
		}
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// F54: when the journal fails nothing more is sent, and what is known is returned.
func TestF54_JournalThatFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fail  string
		calls int // at most
		ok    int // at least
	}{
		{"Begin", 0, 0}, {"Find", 0, 0}, {"Unfinished", 0, 0}, {"Intend", 0, 0}, {"Record", 1, 1}, {"Sync", 5, 5},
	} {
		for _, stream := range []bool{false, true} {
			if stream && tt.fail == "Unfinished" { // a stream does not ask for it
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				j := newMemory()
				j.entries["i4"] = windrow.JournalEntry{State: windrow.Unknown}
				j.fail = tt.fail
				f := newFake(t, nil)
				p := journaled(f, j, windrow.Capabilities{}, false, windrow.Concurrency(1))
				p.Reconcile = func(context.Context, string) (string, bool, error) { return "", false, nil }
				all, err := results(t, p, stream, ids(5))
				if !errors.Is(err, errJournal) || !strings.Contains(err.Error(), "the journal: disk full") {
					t.Errorf("%s, stream %t: error %v", tt.fail, stream, err)
				}
				ok := 0
				for _, r := range all {
					ok += bit(r.State == windrow.Succeeded)
				}
				if len(f.calls) > tt.calls || ok < tt.ok {
					t.Errorf("%s, stream %t: %d calls, %d succeeded", tt.fail, stream, len(f.calls), ok)
				}
			})
		}
	}
}

// What the journal cannot be kept with is said before anything is sent.
func TestJournalNeedsKeys(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	_, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(2), windrow.WithJournal(newMemory()))
	if _, ok := errors.AsType[*windrow.OptionError](err); !ok || !strings.Contains(err.Error(), "WithJournal needs a Key") {
		t.Errorf("no Key: %v", err)
	}
	_, err = windrow.CreateMany(t.Context(), client{fake: f}, ids(2), windrow.WithJournal(nil))
	if _, ok := errors.AsType[*windrow.OptionError](err); !ok {
		t.Errorf("no journal: %v", err)
	}
	_, err = windrow.UpdateMany(t.Context(), client{fake: f}, updates([]string{"a", "b", "a"}), windrow.WithJournal(newMemory()))
	if dup, ok := errors.AsType[*windrow.DuplicateKeyError](err); !ok || dup.Keys[0].Key != "a" {
		t.Errorf("one id twice: %v", err)
	}
	if len(f.calls) > 0 {
		t.Errorf("%d calls", len(f.calls))
	}
	for _, stream := range []bool{false, true} {
		all, err := results(t, journaled(f, newMemory(), windrow.Capabilities{}, false), stream, []string{"", "x"})
		if all[0].State != windrow.Failed || all[0].Kind != windrow.KindValidation || all[1].State != windrow.Succeeded || !strings.Contains(err.Error(), "has no key") {
			t.Errorf("stream %t: an item without a key: %v, %v", stream, statesOf(all), err)
		}
	}
	if _, err := results(t, journaled(f, &memory{begun: true, op: windrow.OpDelete}, windrow.Capabilities{}, false), false, ids(1)); err == nil || !strings.Contains(err.Error(), "the journal: it is of delete, not of create") {
		t.Errorf("another operation's journal: %v", err)
	}
}

// Two items of a stream with one key: the second is not sent, whenever it comes. While the first is under way it is an
// error, as in a run; afterwards the journal knows the key.
func TestJournalOfAStreamWithOneKeyTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*call) error { time.Sleep(time.Second); return nil })
		p := journaled(f, newMemory(), windrow.Capabilities{}, false)
		source := func(yield func(string, error) bool) {
			for k, id := range []string{"a", "a", "b", "a"} {
				if k == 3 {
					time.Sleep(time.Minute)
				}
				if !yield(id, nil) {
					return
				}
			}
		}
		var got []string
		for r, err := range p.Stream(t.Context(), source).All() {
			got = append(got, fmt.Sprint(r.State, " ", r.Reason))
			if twice, ok := errors.AsType[*windrow.DuplicateKeyError](err); ok != (r.Index == 1) || ok && !namesTwo(twice, "a", 0, 1) {
				t.Errorf("item %d: %v", r.Index, err)
			}
		}
		want := []string{"succeeded ", "failed ", "succeeded ", "skipped done_before"}
		if diff := cmp.Diff(want, got); diff != "" || len(f.calls) != 2 {
			t.Errorf("(-want +got):\n%s %d calls", diff, len(f.calls))
		}
	})
}

// F57: changed content under an old key is caught, where it would be taken for done; what failed may be corrected.
func TestF57_ChangedContent(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		j := newMemory()
		f := newFake(t, func(c *call) error {
			if strings.HasPrefix(c.id(), "b") {
				return errServer
			}
			return nil
		})
		p := func() *windrow.BatchProcessor[string, string] {
			p := journaled(f, j, windrow.Capabilities{}, false)
			p.Key = func(in string) string { return in[:1] }
			p.Fingerprint = func(in string) string { return in[1:] }
			return p
		}
		if _, err := results(t, p(), stream, []string{"a1", "b1", "c1"}); err == nil {
			t.Fatal("b1 did not fail")
		}
		f.script = nil
		all, err := results(t, p(), stream, []string{"a2", "b2", "c1"})
		const ok, bad, skip = windrow.Succeeded, windrow.Failed, windrow.Skipped
		if diff := cmp.Diff([]windrow.State{bad, ok, skip}, statesOf(all)); diff != "" || !errors.Is(err, windrow.ErrContentChanged) {
			t.Errorf("stream %t: states (-want +got):\n%s error %v", stream, diff, err)
		}
	}
}

// What was begun, and is proved not to have been applied, is not begun for the next run.
func TestJournalForgetsWhatWasNotApplied(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			j := newMemory()
			ctx, cancel := context.WithCancel(t.Context())
			f := newFake(t, func(*call) error { return windrow.Transient(errServer) })
			p := journaled(f, j, windrow.Capabilities{}, false, windrow.Concurrency(1),
				windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Minute)}))
			time.AfterFunc(time.Second, cancel)
			if stream {
				for range p.Stream(ctx, windrow.FromSlice(ids(3))).All() {
				}
			} else {
				_, _ = p.Run(ctx, ids(3))
			}
			for _, id := range ids(3) {
				if s := j.entries[id].State; s != windrow.NotAttempted {
					t.Errorf("stream %t: %s is %v in the journal", stream, id, s)
				}
			}
			if j.synced != 1 {
				t.Errorf("stream %t: %d syncs", stream, j.synced)
			}
		})
	}
}

// Before anything leaves that must not be sent twice, the journal has it; and what may be sent twice costs no intent.
func TestIntentsComeFirst(t *testing.T) {
	t.Parallel()
	j := newMemory()
	f := newFake(t, func(c *call) error {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.log = append(j.log, "send "+c.id())
		return nil
	})
	if _, err := results(t, journaled(f, j, windrow.Capabilities{}, false, windrow.PreserveOrder()), false, ids(2)); err != nil {
		t.Fatal(err)
	}
	want := []string{"Begin create", "Intend i0", "send i0", "Record i0 succeeded", "Intend i1", "send i1", "Record i1 succeeded", "Sync "}
	if diff := cmp.Diff(want, j.log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	j = newMemory()
	if _, err := windrow.UpdateMany(t.Context(), client{fake: f}, updates(ids(2)), windrow.WithJournal(j), windrow.PreserveOrder()); err != nil {
		t.Fatal(err)
	}
	want = []string{"Begin update", "send i0", "Record i0 succeeded", "send i1", "Record i1 succeeded", "Sync "}
	if diff := cmp.Diff(want, j.log); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
}

// A dry run takes no notice of the journal.
func TestDryRunAndJournal(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		j := newMemory()
		all, err := results(t, journaled(newFake(t, nil), j, windrow.Capabilities{}, false, windrow.DryRun()), stream, ids(2))
		if err != nil || len(j.log) > 0 || all[0].Reason != windrow.ReasonDryRun || all[0].ID != "" {
			t.Errorf("stream %t: %q, %v, error %v", stream, j.log, all, err)
		}
	}
}

// The ids of a result are part of its JSON form.
func TestIDsInJSON(t *testing.T) {
	t.Parallel()
	j := newMemory()
	j.entries["i0"] = windrow.JournalEntry{State: windrow.Succeeded, ID: "seven"}
	res, err := journaled(newFake(t, nil), j, windrow.Capabilities{}, false).Run(t.Context(), ids(2))
	if err != nil {
		t.Fatal(err)
	}
	text, err := res.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var back windrow.BulkResult[string, string]
	if err := back.UnmarshalJSON(text); err != nil || back.At(0).ID != "seven" || back.At(1).ID != "i1!" {
		t.Errorf("%q and %q, error %v", back.At(0).ID, back.At(1).ID, err)
	}
}

// The journal of an interrupted run and Rerun go together: nothing is sent twice.
func TestRerunWithJournal(t *testing.T) {
	t.Parallel()
	j := newMemory()
	f := newFake(t, func(c *call) error {
		if c.id() == "i1" && c.nth == 1 {
			return windrow.Fatal(errServer)
		}
		return nil
	})
	p := journaled(f, j, windrow.Capabilities{}, false, windrow.PreserveOrder())
	res, err := p.Run(t.Context(), ids(4))
	if !errors.Is(err, windrow.ErrFatal) {
		t.Fatal(err)
	}
	res, err = p.Rerun(t.Context(), res)
	checkAccounts(t, 4, res, err)
	if err != nil || res.Stats().Succeeded != 4 || len(f.calls) != 5 {
		t.Errorf("%+v, %d calls, error %v", res.Stats(), len(f.calls), err)
	}
}

// What the journal said of an item in an earlier run, a Rerun keeps.
func TestRerunKeepsTheIDs(t *testing.T) {
	t.Parallel()
	j := newMemory()
	if _, err := journaled(newFake(t, nil), j, windrow.Capabilities{}, false).Run(t.Context(), ids(1)); err != nil {
		t.Fatal(err)
	}
	f := newFake(t, func(c *call) error {
		if c.attempt.Number == 1 {
			return errServer
		}
		return nil
	})
	p := journaled(f, j, windrow.Capabilities{}, false)
	res, err := p.Run(t.Context(), ids(2))
	if err == nil {
		t.Fatal("item 1 did not fail")
	}
	want := res.At(0).ID
	if res, _ = p.Rerun(t.Context(), res); want == "" || res.At(0).ID != want {
		t.Errorf("the id was %q and is %q", want, res.At(0).ID)
	}
}

// The place of an item in a stream was that of others: nothing of theirs may show in it.
func TestStreamForgetsWhatWasThere(t *testing.T) {
	t.Parallel()
	for _, order := range []windrow.Option{windrow.Options(), windrow.Unordered()} {
		f, j, in := newFake(t, nil), newMemory(), ids(300)
		pass := func(in []string) {
			p := journaled(f, j, windrow.Capabilities{}, false, windrow.Window(1), order)
			for r, err := range p.Stream(t.Context(), windrow.FromSlice(in)).All() {
				if err != nil {
					t.Fatal(err)
				}
				if want := map[bool]string{true: "", false: valueOf(r.Input)}[r.Reason == windrow.ReasonDoneBefore]; r.Value != want {
					t.Fatalf("item %d, %v: the value is %q, want %q", r.Index, r.State, r.Value, want)
				}
			}
		}
		pass(in[150:])
		pass(in)
	}
}
