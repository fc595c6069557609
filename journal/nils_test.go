package journal_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/journal"
)

// A journal that is nil, or that Open has not made, is refused before anything is sent. Options that are nil say nothing.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	var none *journal.Journal
	for want, j := range map[string]*journal.Journal{
		"windrow: WithJournal (nil) must be a journal":             none,
		"journal: the Journal is nil or empty: make one with Open": new(journal.Journal),
	} {
		create := windrow.CreateFunc(func(context.Context, string) (string, error) { t.Error("an item was sent"); return "", nil })
		_, err := windrow.CreateMany(t.Context(), create, []string{"a"}, windrow.WithJournal(j), windrow.WithKey(strings.Clone))
		if bulk, ok := errors.AsType[*windrow.BulkError](err); !ok || bulk.Cause == nil || !strings.HasSuffix(bulk.Cause.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		if err := j.Begin(windrow.OpCreate); err == nil || !strings.Contains(err.Error(), "make one with Open") {
			t.Errorf("Begin: %v", err)
		}
		if err := j.Close(); err == nil || !strings.Contains(err.Error(), "make one with Open") {
			t.Errorf("Close: %v", err)
		}
	}
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal"), "job", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
