package upload_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/journal"
	"github.com/windrow-go/windrow/upload"
)

// forgetful is a journal whose process is killed before it has noted how the last files ended.
type forgetful struct {
	windrow.Journal
	left int // it notes no more than so many
}

func (f *forgetful) Record(entries ...windrow.JournalEntry) error {
	if f.left -= len(entries); f.left < 0 {
		return nil
	}
	return f.Journal.Record(entries...)
}

// After a kill the same journal lets an upload go on: files that have ended are Skipped with their ids, those that were
// begun are looked up, and are Unknown where nobody can look, and none is sent twice.
func TestUploadsGoOnWithAJournal(t *testing.T) {
	t.Parallel()
	for _, finds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			var client upload.Client[asset] = s
			if finds {
				client = finding{s}
			}
			path := filepath.Join(t.TempDir(), "journal")
			process := func(notes int, names ...string) (*windrow.BulkResult[*upload.Task, asset], error) {
				j, err := journal.Open(path, "gallery")
				if err != nil {
					t.Fatal(err)
				}
				defer j.Close()
				u := upload.New(client, windrow.Concurrency(1), windrow.WithJournal(&forgetful{j, notes}))
				u.ResultID = func(a asset) string { return a.ID }
				if finds {
					u.SkipExisting = upload.SameMD5
				}
				u.Add(files(names...)...)
				return u.Process(context.Background())
			}
			if _, err := process(3, "a", "b", "c", "d", "e"); err != nil {
				t.Fatal(err)
			}
			res, err := process(100, "a", "b", "c", "d", "e", "f")
			checkInvariant(t, 6, res)
			begun := windrow.Succeeded
			if !finds {
				begun = windrow.Unknown
				if !errors.Is(err, upload.ErrLost) {
					t.Errorf("error %v, want one that matches ErrLost", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			for i, want := range []windrow.State{windrow.Skipped, windrow.Skipped, windrow.Skipped, begun, begun, windrow.Succeeded} {
				r := res.At(i)
				if r.State != want || want == windrow.Skipped && (r.Reason != windrow.ReasonDoneBefore || r.ID == "") {
					t.Errorf("finds %t: %s ended as %v (%v), id %q, want %v", finds, r.Input.Name, r.State, r.Reason, r.ID, want)
				}
			}
			if len(s.assets) != 6 {
				t.Errorf("finds %t: %d files on the server, want 6", finds, len(s.assets))
			}
		})
	}
}
