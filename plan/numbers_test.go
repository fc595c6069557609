package plan_test

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/plan"
)

// Records without a type keep all digits of their numbers in a backup and in a plan that is stored, and are written with
// all of them.
func TestF77_NumbersInBackupsAndPlans(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	records := []object{
		{"id": "a", "n": int64(1<<53 + 1)},
		{"id": "b", "n": uint64(math.MaxUint64), "deep": []any{json.Number("0.10")}},
	}
	text := func(v any) string {
		t.Helper()
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	path := filepath.Join(t.TempDir(), "backup.json")
	if err := plan.BackupFile[object](path)(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	var wrote []string
	write := func(_ context.Context, in object) (struct{}, error) {
		wrote = append(wrote, text(in))
		return struct{}{}, nil
	}
	if _, err := plan.Restore(t.Context(), path, windrow.CreateFunc(write), windrow.PreserveOrder()); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.RestoreUpsert(t.Context(), path, windrow.UpsertFunc(write), windrow.PreserveOrder()); err != nil {
		t.Fatal(err)
	}

	id := func(o object) string { return o["id"].(string) }
	p, err := plan.Updates(t.Context(), windrow.FromSlice(records), id, func(o object) (object, error) {
		changed := object{"title": "new"}
		maps.Copy(changed, o)
		return changed, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var back plan.UpdatePlan[string, object]
	if err := json.Unmarshal([]byte(text(p)), &back); err != nil {
		t.Fatal(err)
	}
	for i, c := range back.Changes {
		if got, want := text(c.Original), text(records[i]); got != want {
			t.Errorf("original %d: %s, want %s", i, got, want)
		}
		wrote = append(wrote, text(c.Updated))
	}
	want := []string{
		`{"id":"a","n":9007199254740993}`, `{"deep":[0.10],"id":"b","n":18446744073709551615}`,
		`{"id":"a","n":9007199254740993}`, `{"deep":[0.10],"id":"b","n":18446744073709551615}`,
		`{"id":"a","n":9007199254740993,"title":"new"}`, `{"deep":[0.10],"id":"b","n":18446744073709551615,"title":"new"}`,
	}
	if len(wrote) != len(want) {
		t.Fatalf("%d records were written", len(wrote))
	}
	for i := range want {
		if wrote[i] != want[i] {
			t.Errorf("written: %s, want %s", wrote[i], want[i])
		}
	}
}
