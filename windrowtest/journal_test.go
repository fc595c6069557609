package windrowtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/windrowtest"
)

// memory is a journal in memory, as somebody would keep one in a database, with a defect if it has one.
type memory struct {
	defect string

	mu      sync.Mutex
	op      *windrow.OpKind
	entries map[string]windrow.JournalEntry
	intents []*memoryIntent
}

type memoryIntent struct {
	windrow.JournalIntent
	open map[string]bool
}

func (m *memory) is(defect string) bool { return m.defect == defect }

func (m *memory) Begin(op windrow.OpKind) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.op != nil && *m.op != op && !m.is("takes any operation") {
		return fmt.Errorf("it is a journal of %v", *m.op)
	}
	m.op = &op
	return nil
}

// Scope returns the address of the journal, which no other has while it is there.
func (m *memory) Scope() string {
	switch m.defect {
	case "has the scope of all":
		return "scope"
	case "draws a scope each time":
		return fmt.Sprintf("%p", new(int))
	case "is older than scopes":
		return ""
	}
	return fmt.Sprintf("%p", m)
}

func (m *memory) Find(key string) (windrow.JournalEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.is("folds keys") {
		key = strings.ToValidUTF8(key, "\ufffd")
	}
	if e, ok := m.entries[key]; ok {
		if m.is("forgets ids") {
			e.ID = ""
		}
		return e, nil
	}
	if m.is("finds no key") {
		return windrow.JournalEntry{}, nil
	}
	return windrow.JournalEntry{Key: key}, nil
}

func (m *memory) Unfinished() iter.Seq2[windrow.JournalIntent, error] {
	return func(yield func(windrow.JournalIntent, error) bool) {
		m.mu.Lock()
		intents := slices.Clone(m.intents)
		m.mu.Unlock()
		if m.is("yields the last first") {
			slices.Reverse(intents)
		}
		for _, in := range intents {
			in := in.JournalIntent
			if m.is("yields open keys only") {
				in.Keys = slices.DeleteFunc(slices.Clone(in.Keys), func(k string) bool { return m.entries[k].State != windrow.Unknown })
			}
			if !yield(in, nil) && !m.is("cannot be left") {
				return
			}
		}
	}
}

func (m *memory) Intend(ctx context.Context, in windrow.JournalIntent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil && !m.is("does not look at contexts") {
		return context.Cause(ctx)
	}
	seen := map[string]bool{}
	for _, key := range in.Keys {
		if key == "" || seen[key] {
			return errors.New("bad key")
		}
		seen[key] = true
	}
	if len(in.Keys) == 0 {
		return errors.New("no keys")
	}
	if !m.is("keeps the slices") {
		in.Keys = slices.Clone(in.Keys)
	}
	for _, key := range in.Keys {
		if !m.is("leaves keys behind") {
			m.settle(key)
		}
		m.entries[m.fold(key)] = windrow.JournalEntry{Key: key, State: windrow.Unknown}
	}
	m.intents = append(m.intents, &memoryIntent{in, seen})
	return nil
}

func (m *memory) fold(key string) string {
	if m.is("folds keys") {
		return strings.ToValidUTF8(key, "\ufffd")
	}
	return key
}

// settle takes a key out of its intent.
func (m *memory) settle(key string) {
	for _, in := range m.intents {
		delete(in.open, key)
	}
	m.intents = slices.DeleteFunc(m.intents, func(in *memoryIntent) bool { return len(in.open) == 0 })
}

func (m *memory) Save(ctx context.Context, idempotencyKey, handle string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, in := range slices.Backward(m.intents) {
		if in.IdempotencyKey == idempotencyKey && idempotencyKey != "" && handle != "" {
			if !m.is("forgets handles") {
				in.Handle = handle
			}
			return nil
		}
	}
	if m.is("saves anything") {
		return nil
	}
	return errors.New("no such intent")
}

func (m *memory) Record(entries ...windrow.JournalEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		if e.Key == "" || e.State > windrow.Unknown || e.Reason > windrow.ReasonDuplicate {
			return errors.New("bad entry")
		}
		if m.is("records the good half") {
			m.entries[m.fold(e.Key)] = e
		}
	}
	for _, e := range entries {
		if _, ended := m.entries[m.fold(e.Key)]; ended && m.is("keeps the first word") {
			continue
		}
		if m.entries[m.fold(e.Key)] = e; e.State != windrow.Unknown || m.is("takes unknown for an end") {
			m.settle(e.Key)
		}
	}
	return nil
}

func (m *memory) Sync() error { return nil }

// open returns what opens journals with a defect. What it opens again is the same, or all but.
func opener(defect string) func(testing.TB, string) windrow.Journal {
	var mu sync.Mutex
	kept := map[string]*memory{}
	return func(_ testing.TB, name string) windrow.Journal {
		mu.Lock()
		defer mu.Unlock()
		m := kept[name]
		if m == nil {
			m = &memory{defect: defect, entries: map[string]windrow.JournalEntry{}}
			kept[name] = m
		}
		switch defect {
		case "forgets everything":
			return &memory{defect: defect, entries: map[string]windrow.JournalEntry{}}
		case "forgets intents":
			return &memory{defect: defect, op: m.op, entries: maps.Clone(m.entries)}
		}
		return m
	}
}

func TestJournalOfAnotherKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"of today", "is older than scopes"} {
		t.Run(kind, func(t *testing.T) { windrowtest.TestJournal(t, opener(kind)) })
	}
}

// journalDefects are journals that are not as they should be, and a test that must fail for each.
var journalDefects = []struct{ defect, test string }{
	{"takes any operation", "Another_operation_is_refused"},
	{"has the scope of all", "Its_scope_is_its_own"},
	{"draws a scope each time", "Its_scope_is_its_own"},
	{"finds no key", "Never_begun"},
	{"forgets ids", "How_items_end"},
	{"keeps the first word", "What_was_said_last_holds"},
	{"yields the last first", "Intents_are_unfinished_until_all_keys_have_ended"},
	{"yields open keys only", "Intents_are_unfinished_until_all_keys_have_ended"},
	{"forgets everything", "How_items_end"},
	{"forgets intents", "Unknown_is_unfinished"},
	{"leaves keys behind", "An_intent_that_is_made_again_takes_its_keys_along"},
	{"takes unknown for an end", "Unknown_is_unfinished"},
	{"forgets handles", "Handles"},
	{"forgets handles", "Handles_of_an_earlier_run"},
	{"saves anything", "Handles"},
	{"folds keys", "Keys_of_all_kinds"},
	{"records the good half", "What_cannot_be_recorded_is_refused"},
	{"does not look at contexts", "A_context_that_has_ended"},
	{"keeps the slices", "Slices_are_not_kept"},
}

func TestJournalDefectsAreFound(t *testing.T) {
	t.Parallel()
	failed := reports(child(t, "^TestDefectiveJournals$"))
	for _, d := range journalDefects {
		if _, found := failed[fmt.Sprintf("TestDefectiveJournals/%s/%s", strings.ReplaceAll(d.defect, " ", "_"), d.test)]; !found {
			t.Errorf("a journal that %s passes %s", d.defect, d.test)
		}
	}
}

func TestDefectiveJournals(t *testing.T) {
	if os.Getenv(inChild) == "" {
		return // it is for a child of TestJournalDefectsAreFound
	}
	for _, d := range journalDefects {
		t.Run(d.defect, func(t *testing.T) { windrowtest.TestJournal(t, opener(d.defect)) })
	}
}
