package plan_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/plan"
)

// What is nil, or a nil pointer in an interface, is refused before anything is asked, backed up or sent.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	type cancelled struct{ context.Context }
	var (
		noContext *cancelled
		noServer  *server
		noSource  iter.Seq2[article, error]
	)
	s := newServer(t, 3)
	updates, deletes := s.updates(t, withPrefix), deletion(t, s)
	asked := func() (bool, error) { t.Error("Confirm was asked"); return true, nil }
	updates.Confirm = func(context.Context, *plan.UpdatePlan[string, article]) (bool, error) { return asked() }
	deletes.Confirm = func(context.Context, *plan.DeletePlan[string, article]) (bool, error) { return asked() }
	again := s.updates(t, withPrefix)
	again.Current = noServer
	path := t.TempDir() + "/backup.json"
	if err := plan.BackupFile[article](path)(t.Context(), []article{{ID: "a"}}); err != nil {
		t.Fatal(err)
	}
	before := s.snapshot()
	for name, tt := range map[string]struct {
		got func() error
		is  error
	}{
		"Apply, client": {func() error {
			_, err := plan.ApplyUpdates[string, article, article](t.Context(), updates, noServer)
			return err
		}, windrow.ErrNilClient},
		"Apply, context": {func() error { _, err := plan.ApplyUpdates(noContext, updates, s); return err }, windrow.ErrNilContext},
		"Apply, plan":    {func() error { _, err := plan.ApplyUpdates[string, article, article](t.Context(), nil, s); return err }, nil},
		"Apply, Current": {func() error { _, err := plan.ApplyUpdates(t.Context(), again, s); return err }, windrow.ErrNilClient},
		"Updates, context": {func() error {
			_, err := plan.Updates(noContext, s.source(t.Context()), articleID, withPrefix)
			return err
		}, windrow.ErrNilContext},
		"Updates, source": {func() error { _, err := plan.Updates(t.Context(), noSource, articleID, withPrefix); return err }, nil},
		"Updates, id": {func() error {
			_, err := plan.Updates[string](t.Context(), s.source(t.Context()), nil, withPrefix)
			return err
		}, nil},
		"Updates, change": {func() error { _, err := plan.Updates(t.Context(), s.source(t.Context()), articleID, nil); return err }, nil},
		"Deletes, client": {func() error {
			_, err := plan.Deletes[string, article](t.Context(), noServer, []string{"a"})
			return err
		}, windrow.ErrNilClient},
		"Deletes, context":    {func() error { _, err := plan.Deletes[string, article](noContext, s, []string{"a"}); return err }, windrow.ErrNilContext},
		"DeletePlan, client":  {func() error { _, err := plan.ApplyDeletes(t.Context(), deletes, noServer); return err }, windrow.ErrNilClient},
		"DeletePlan, context": {func() error { _, err := plan.ApplyDeletes(noContext, deletes, s); return err }, windrow.ErrNilContext},
		"DeletePlan, plan": {func() error {
			_, err := plan.ApplyDeletes(t.Context(), (*plan.DeletePlan[string, article])(nil), s)
			return err
		}, nil},
		"Restore, client":       {func() error { _, err := plan.Restore[article, article](t.Context(), path, noServer); return err }, windrow.ErrNilClient},
		"Restore, context":      {func() error { _, err := plan.Restore(noContext, path, s); return err }, windrow.ErrNilContext},
		"RestoreUpsert, client": {func() error { _, err := plan.RestoreUpsert[article, article](t.Context(), path, noServer); return err }, windrow.ErrNilClient},
	} {
		err := tt.got()
		if _, panicked := errors.AsType[*windrow.PanicError](err); panicked || err == nil || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: error %v, want %v", name, err, tt.is)
		}
	}
	if !reflect.DeepEqual(before, s.snapshot()) {
		t.Error("records were written")
	}
}

// The options of a stream have no effect on a plan: they are refused before anything is read, asked or written.
func TestOptionsThatACallIgnores(t *testing.T) {
	t.Parallel()
	s := newServer(t, 3)
	updates, deletes := s.updates(t, withPrefix), deletion(t, s)
	for name, o := range map[string]windrow.Option{
		"Unordered": windrow.Unordered(), "Window": windrow.Window(7), "Linger": windrow.Linger(time.Second), "BatchSize": windrow.BatchSize(7),
	} {
		for call, run := range map[string]func() error{
			"Apply":            func() error { _, err := plan.ApplyUpdates(t.Context(), updates, s, o); return err },
			"Deletes":          func() error { _, err := plan.Deletes[string, article](t.Context(), s, []string{"a"}, o); return err },
			"DeletePlan.Apply": func() error { _, err := plan.ApplyDeletes(t.Context(), deletes, s, o); return err },
		} {
			if e, ok := errors.AsType[*windrow.OptionError](run()); !ok || e.Option != name || !strings.Contains(e.Problem, "leave it out") {
				t.Errorf("%s with %s: error %v", call, name, e)
			}
		}
	}
}
