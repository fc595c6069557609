package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/plan"
)

func TestA50_BackupFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "backup.json")
	records := []article{{ID: "a", Title: "A & B"}, {ID: "b", Version: 2}}
	if err := plan.BackupFile[article](path)(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "[\n  {\n    \"id\": \"a\",\n    \"title\": \"A \\u0026 B\"\n  },\n  {\n    \"id\": \"b\",\n    \"title\": \"\",\n    \"version\": 2\n  }\n]\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	back, err := plan.ReadBackup[article](path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(records, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}

	// It is never overwritten, and nothing else is left in the folder.
	if err := plan.BackupFile[article](path)(t.Context(), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v for a file that exists", err)
	}
	again, err := os.ReadFile(path)
	if err != nil || string(again) != string(text) {
		t.Errorf("the file was changed, error %v", err)
	}
	checkFolder(t, folder, "backup.json")
}

func checkFolder(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the folder (-want +got):\n%s", diff)
	}
}

func TestBackupFileFailsAsAWhole(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "backup.json")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := plan.BackupFile[article](path)(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after a cancel", err)
	}
	if err := plan.BackupFile[float64](path)(t.Context(), []float64{math.NaN()}); err == nil || strings.Contains(err.Error(), "NaN") {
		t.Errorf("error %v for a record without a JSON form", err)
	}
	if err := plan.BackupFile[int](filepath.Join(folder, "none", "backup.json"))(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v for a folder that does not exist", err)
	}
	long := filepath.Join(folder, strings.Repeat("x", 250)) // the temporary file's name would be too long
	if err := plan.BackupFile[int](long)(t.Context(), nil); err == nil {
		t.Error("no error for a name that is too long")
	}
	checkFolder(t, folder)
	if err := plan.BackupFile[int](path)(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if back, err := plan.ReadBackup[int](path); err != nil || len(back) != 0 {
		t.Errorf("%v, error %v from an empty backup", back, err)
	}
}

func TestReadBackup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "backup.json")
	for text, want := range map[string]string{
		`[{"n":12345678901234567890}]`: "",
		`[{"n":1}] [`:                  "decode " + path + ": there is more than one JSON value",
		`[{"n":1}`:                     "decode " + path + ": unexpected EOF",
		`null`:                         "decode " + path + ": there is no array of records",
		`[7]`:                          `decode ` + path + `: the field "" does not fit into map[string]interface {}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		records, err := plan.ReadBackup[map[string]any](path)
		if want != "" {
			if err == nil || err.Error() != "plan: read the backup: "+want {
				t.Errorf("%s: error %v, want %q", text, err, want)
			}
			continue
		}
		if err != nil || records[0]["n"] != json.Number("12345678901234567890") {
			t.Errorf("%s: %v, error %v", text, records, err)
		}
	}
}

// What a deletion took comes back as it was.
func TestRestore(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	before := s.snapshot()
	path := filepath.Join(t.TempDir(), "backup.json")
	p := deletion(t, s)
	p.Backup = plan.BackupFile[article](path)
	if _, err := plan.ApplyDeletes(t.Context(), p, s); err != nil {
		t.Fatal(err)
	}
	if len(s.snapshot()) != 2 {
		t.Fatalf("%d records are left", len(s.snapshot()))
	}
	s.add(article{ID: "a1", Title: "made anew"})
	res, err := plan.Restore(t.Context(), path, s)
	if err != nil || res.Stats().Succeeded != 2 || res.At(1).Reason != windrow.ReasonAlreadyExists {
		t.Errorf("stats %+v, error %v", res.Stats(), err)
	}
	if got := s.snapshot()["a1"].Title; got != "made anew" {
		t.Errorf("what was there is %q now", got)
	}
	if res, err := plan.RestoreUpsert(t.Context(), path, s); err != nil || res.Stats().Succeeded != 3 {
		t.Errorf("stats %+v, error %v", res.Stats(), err)
	}
	if diff := cmp.Diff(before, s.snapshot()); diff != "" {
		t.Errorf("restored records (-want +got):\n%s", diff)
	}
	s.readOnly = true
	if res, err := plan.Restore(t.Context(), path+"2", s); !errors.Is(err, fs.ErrNotExist) || res.Len() != 0 {
		t.Errorf("%d results, error %v without a file", res.Len(), err)
	}
}
