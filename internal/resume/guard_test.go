package resume

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faulty is a journal that panics, or fails, or does neither.
type faulty struct {
	panics bool
	err    error
}

func (f faulty) do() error {
	if f.panics {
		panic("boom")
	}
	return f.err
}

func (f faulty) Find(key string) (Entry, error) { return Entry{Key: key, ID: "7"}, f.do() }
func (f faulty) Unfinished() iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		if !yield(Intent{Keys: []string{"a"}}, nil) {
			return
		}
		if err := f.do(); err != nil {
			yield(Intent{}, err)
			return
		}
		yield(Intent{Keys: []string{"b"}}, nil)
	}
}
func (f faulty) Intend(context.Context, Intent) error       { return f.do() }
func (f faulty) Save(context.Context, string, string) error { return f.do() }
func (f faulty) Record([]Entry) error                       { return f.do() }
func (f faulty) Sync() error                                { return f.do() }

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		journal faulty
		want    string
		id      string
		keys    []string // that are unfinished
	}{
		{faulty{}, "<nil>", "7", []string{"a", "b"}},
		{faulty{err: errTest}, "of a test", "7", []string{"a"}},
		{faulty{panics: true}, "lost: boom", "", []string{"a"}},
	} {
		j := Guard(test.journal, func(value any, stack []byte) error {
			if len(stack) == 0 {
				t.Error("a panic without a stack")
			}
			return fmt.Errorf("lost: %v", value)
		})
		entry, err := j.Find("k")
		if entry.ID != test.id {
			t.Errorf("%s: found %q", test.want, entry.ID)
		}
		var keys []string
		var last error
		for intent, err := range j.Unfinished() {
			keys, last = append(keys, intent.Keys...), err
		}
		if diff := cmp.Diff(test.keys, keys); diff != "" {
			t.Errorf("%s: unfinished (-want +got):\n%s", test.want, diff)
		}
		for name, err := range map[string]error{
			"Find": err, "Unfinished": last, "Intend": j.Intend(t.Context(), Intent{}), "Save": j.Save(t.Context(), "", ""),
			"Record": j.Record(nil), "Sync": j.Sync(),
		} {
			if got := fmt.Sprint(err); got != test.want {
				t.Errorf("%s: %s, want %s", name, got, test.want)
			}
		}
	}
}

// Who wants no more gets no more, also of a journal that panics afterwards.
func TestGuardOfUnfinishedEnds(t *testing.T) {
	t.Parallel()
	j := Guard(cleanup{}, func(any, []byte) error { return errTest })
	n := 0
	for range j.Unfinished() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d intents, want 1", n)
	}
}

// cleanup is a journal that panics when it is done.
type cleanup struct{ faulty }

func (cleanup) Unfinished() iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		defer func() { panic("boom") }()
		yield(Intent{}, nil)
	}
}
