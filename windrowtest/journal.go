package windrowtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
)

// TestJournal checks an implementation of [windrow.Journal] against the documentation of its methods.
//
// open returns the journal of that name, and creates it if there is none. It is called again with the same name to test a
// restart, after Close if the journal is an [io.Closer]. It is called from parallel tests, with a different name in each. tb
// is the test that uses the journal, for Fatal and Cleanup.
//
// It cannot check that durable records survive a power failure.
func TestJournal(t *testing.T, open func(tb testing.TB, name string) windrow.Journal) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*journalTest)
	}{
		{"Never begun", (*journalTest).neverBegun},
		{"How items end", (*journalTest).ends},
		{"What was said last holds", (*journalTest).lastHolds},
		{"Intents are unfinished until all keys have ended", (*journalTest).unfinished},
		{"Intents that need not be durable", (*journalTest).repeatable},
		{"An intent that is made again takes its keys along", (*journalTest).intendedAgain},
		{"Unknown is unfinished", (*journalTest).unknown},
		{"Handles", (*journalTest).handles},
		{"Handles of an earlier run", (*journalTest).handlesLater},
		{"Keys of all kinds", (*journalTest).keys},
		{"Another operation is refused", (*journalTest).operation},
		{"Its scope is its own", (*journalTest).scope},
		{"What cannot be recorded is refused", (*journalTest).refusals},
		{"A context that has ended", (*journalTest).cancelled},
		{"Slices are not kept", (*journalTest).slices},
		{"Unfinished can be left early", (*journalTest).leftEarly},
		{"Many at once", (*journalTest).concurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			j := &journalTest{TB: t, name: strings.ReplaceAll(test.name, " ", "-"), reopen: open}
			j.open()
			test.run(j)
			j.close()
		})
	}
}

// journalTest is a journal under test.
type journalTest struct {
	testing.TB
	name   string
	reopen func(tb testing.TB, name string) windrow.Journal
	windrow.Journal
}

func (j *journalTest) open() {
	j.Helper()
	if j.Journal = j.reopen(j, j.name); j.Journal == nil {
		j.Fatalf("open returned no journal")
	}
	j.begin(windrow.OpCreate)
}

func (j *journalTest) begin(op windrow.OpKind) {
	j.Helper()
	if err := j.Begin(op); err != nil {
		j.Fatalf("Begin(%v): %v", op, err)
	}
}

func (j *journalTest) close() {
	j.Helper()
	if c, ok := j.Journal.(io.Closer); ok {
		if err := c.Close(); err != nil {
			j.Fatalf("Close: %v", err)
		}
	}
}

// restart makes what was recorded durable and opens the journal again.
func (j *journalTest) restart() {
	j.Helper()
	if err := j.Sync(); err != nil {
		j.Fatalf("Sync: %v", err)
	}
	j.close()
	j.open()
}

// twice checks something now and after a restart.
func (j *journalTest) twice(check func()) {
	j.Helper()
	check()
	j.restart()
	check()
}

func (j *journalTest) intend(in windrow.JournalIntent) {
	j.Helper()
	if err := j.Intend(j.Context(), in); err != nil {
		j.Fatalf("Intend(%+v): %v", in, err)
	}
}

func (j *journalTest) record(entries ...windrow.JournalEntry) {
	j.Helper()
	if err := j.Record(entries...); err != nil {
		j.Fatalf("Record(%+v): %v", entries, err)
	}
}

// wantFind checks the entry of a key.
func (j *journalTest) wantFind(want windrow.JournalEntry) {
	j.Helper()
	if got, err := j.Find(want.Key); err != nil || !same(got, want) {
		j.Errorf("Find(%q) = %+v, %v; want %+v", want.Key, got, err, want)
	}
}

// same compares the fields that Find returns.
func same(a, b windrow.JournalEntry) bool {
	return a.Key == b.Key && a.State == b.State && a.Reason == b.Reason && a.ID == b.ID && a.Fingerprint == b.Fingerprint
}

// wantUnfinished checks which intents are unfinished.
func (j *journalTest) wantUnfinished(want ...windrow.JournalIntent) {
	j.Helper()
	var got []windrow.JournalIntent
	for in, err := range j.Unfinished() {
		if err != nil {
			j.Fatalf("Unfinished: %v", err)
		}
		in.Repeatable = false // Unfinished need not set it
		got = append(got, in)
	}
	if text, wanted := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); text != wanted {
		j.Errorf("Unfinished yields\n%s\nwant\n%s", text, wanted)
	}
}

func known(key string, state windrow.State) windrow.JournalEntry {
	return windrow.JournalEntry{Key: key, State: state}
}

func (j *journalTest) neverBegun() {
	j.twice(func() {
		j.wantFind(known("unused", windrow.NotAttempted))
		j.wantUnfinished()
	})
}

func (j *journalTest) ends() {
	all := []windrow.JournalEntry{
		{Key: "a", State: windrow.Succeeded, ID: "4711", Fingerprint: "f1"},
		{Key: "b", State: windrow.Succeeded},
		{Key: "c", State: windrow.Failed, Fingerprint: "f2"},
		{Key: "d", State: windrow.Skipped, Reason: windrow.ReasonUnchanged, ID: "12"},
		{Key: "e", State: windrow.Skipped, Reason: windrow.ReasonNotFound},
		{Key: "f", State: windrow.Unknown, Fingerprint: "f3"},
		{Key: "g", State: windrow.NotAttempted},
		{Key: "h", State: windrow.Failed, Kind: windrow.KindValidation, Err: errors.New("a name is missing"), Resend: true, Attempts: 3, Elapsed: time.Second, Warnings: []string{"dropped"}},
	}
	j.record(all[:3]...)
	j.record()
	for _, e := range all[3:] {
		j.record(e)
	}
	j.twice(func() {
		for _, e := range all {
			j.wantFind(e)
		}
		j.wantUnfinished()
	})
}

func (j *journalTest) lastHolds() {
	j.record(known("a", windrow.Failed), known("b", windrow.Succeeded))
	j.record(windrow.JournalEntry{Key: "a", State: windrow.Succeeded, ID: "7"})
	j.intend(windrow.JournalIntent{Keys: []string{"b"}, IdempotencyKey: "b2", Attempt: 1})
	j.record(known("c", windrow.Failed), known("c", windrow.Succeeded), known("c", windrow.NotAttempted))
	j.twice(func() {
		j.wantFind(windrow.JournalEntry{Key: "a", State: windrow.Succeeded, ID: "7"})
		j.wantFind(known("b", windrow.Unknown))
		j.wantFind(known("c", windrow.NotAttempted))
	})
	j.record(windrow.JournalEntry{Key: "b", State: windrow.Skipped, Reason: windrow.ReasonAlreadyExists})
	j.twice(func() {
		j.wantFind(windrow.JournalEntry{Key: "b", State: windrow.Skipped, Reason: windrow.ReasonAlreadyExists})
		j.wantUnfinished()
	})
}

func (j *journalTest) keys() {
	all := []string{
		"plain", "Grüße", "日本", "with space", `"quoted"`, `back\slash`, "line\nfeed", "tab\t", "\x00", "\x00ff", "null\x00byte", "\x7f", "\u2028", "\ufffd",
		"\xff", "\xfe", "half \xe6\x97", "<&>", "{}", strings.Repeat("long", 10_000),
	}
	var intents []windrow.JournalIntent
	for i, key := range all {
		in := windrow.JournalIntent{Keys: []string{key + "!", key}, IdempotencyKey: key, Attempt: 1, Handle: key}
		j.intend(in)
		j.record(windrow.JournalEntry{Key: key + "!", State: windrow.Succeeded, ID: key, Fingerprint: key})
		if i%2 == 0 {
			j.record(known(key, windrow.Failed))
		} else {
			intents = append(intents, in)
		}
	}
	j.twice(func() {
		for i, key := range all {
			j.wantFind(windrow.JournalEntry{Key: key + "!", State: windrow.Succeeded, ID: key, Fingerprint: key})
			j.wantFind(known(key, []windrow.State{windrow.Failed, windrow.Unknown}[i%2]))
		}
		j.wantUnfinished(intents...)
	})
}

func (j *journalTest) operation() {
	j.twice(func() {
		j.begin(windrow.OpCreate) // the next run of the same job
		for _, op := range []windrow.OpKind{windrow.OpDo, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete, windrow.OpGet} {
			if err := j.Begin(op); err == nil {
				j.Errorf("a journal of %v is begun with %v", windrow.OpCreate, op)
			}
		}
	})
}

func (j *journalTest) scope() {
	scope := j.Scope()
	j.twice(func() {
		if again := j.Scope(); again != scope {
			j.Errorf("Scope returns %q, and %q before", again, scope)
		}
	})
	other := &journalTest{TB: j.TB, name: j.name + "-of-another-job", reopen: j.reopen}
	other.open()
	defer other.close()
	if scope != "" && other.Scope() == scope {
		j.Errorf("two journals have the scope %q", scope)
	}
}

func (j *journalTest) refusals() {
	j.record(known("a", windrow.Succeeded))
	for _, in := range []windrow.JournalIntent{
		{Attempt: 1},
		{Keys: []string{""}, Attempt: 1},
		{Keys: []string{"x", ""}, Attempt: 1},
		{Keys: []string{"x", "y", "x"}, Attempt: 1},
	} {
		if err := j.Intend(j.Context(), in); err == nil {
			j.Errorf("Intend(%+v) succeeds", in)
		}
	}
	for _, e := range []windrow.JournalEntry{{State: windrow.Succeeded}, {Key: "x", State: 17}, {Key: "x", Reason: 99}} {
		if err := j.Record(known("x", windrow.Failed), e); err == nil {
			j.Errorf("Record(%+v) succeeds", e)
		}
	}
	j.twice(func() {
		j.wantFind(known("a", windrow.Succeeded))
		j.wantFind(known("x", windrow.NotAttempted))
		j.wantUnfinished()
	})
}

func (j *journalTest) cancelled() {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(j.Context())
	cancel(cause)
	if err := j.Intend(ctx, windrow.JournalIntent{Keys: []string{"a"}, IdempotencyKey: "a", Attempt: 1}); !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		j.Errorf("Intend with a context that has ended returns %v", err)
	}
	if err := j.Save(ctx, "a", "job"); !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		j.Errorf("Save with a context that has ended returns %v", err)
	}
	j.record(known("a", windrow.NotAttempted))
	j.twice(func() {
		j.wantFind(known("a", windrow.NotAttempted))
		j.wantUnfinished()
	})
}

func (j *journalTest) slices() {
	keys := []string{"a", "b"}
	j.intend(windrow.JournalIntent{Keys: keys, IdempotencyKey: "ab", Attempt: 1})
	keys[0] = "x"
	entries := []windrow.JournalEntry{known("c", windrow.Succeeded)}
	j.record(entries...)
	entries[0] = known("y", windrow.Failed)
	if err := j.Save(j.Context(), "ab", "job"); err != nil {
		j.Fatalf("Save: %v", err)
	}
	j.twice(func() {
		j.wantUnfinished(windrow.JournalIntent{Keys: []string{"a", "b"}, IdempotencyKey: "ab", Attempt: 1, Handle: "job"})
		j.wantFind(known("c", windrow.Succeeded))
		j.wantFind(known("x", windrow.NotAttempted))
		j.wantFind(known("y", windrow.NotAttempted))
	})
}
