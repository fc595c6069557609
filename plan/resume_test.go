package plan_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/journal"
	"github.com/windrow-go/windrow/plan"
)

// writes returns how often each record was written, and fails the test if one was written twice.
func (s *server) writes() map[string]int {
	count := map[string]int{}
	for _, call := range s.log {
		if verb, id, _ := strings.Cut(call, " "); verb == "update" || verb == "delete" {
			if count[id]++; count[id] > 1 {
				s.t.Errorf("%s more than once", call)
			}
		}
	}
	return count
}

// A plan whose run was stopped is read from its JSON form and applied again with the same journal: what is done is
// Skipped, and nothing is written twice.
func TestAPlanGoesOnWithItsJournal(t *testing.T) {
	t.Parallel()
	const records, before = 20, 8
	for name, apply := range map[string]func(ctx context.Context, s *server, stored []byte, opts ...windrow.Option) (windrow.RunStats, error){
		"updates": func(ctx context.Context, s *server, stored []byte, opts ...windrow.Option) (windrow.RunStats, error) {
			var p plan.UpdatePlan[string, article]
			if err := json.Unmarshal(stored, &p); err != nil {
				return windrow.RunStats{}, err
			}
			res, err := plan.ApplyUpdates(ctx, &p, s, opts...)
			return res.Stats(), err
		},
		"deletes": func(ctx context.Context, s *server, stored []byte, opts ...windrow.Option) (windrow.RunStats, error) {
			var p plan.DeletePlan[string, article]
			if err := json.Unmarshal(stored, &p); err != nil {
				return windrow.RunStats{}, err
			}
			res, err := plan.ApplyDeletes(ctx, &p, s, opts...)
			return res.Stats(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, records)
				var p any
				var err error
				if name == "updates" {
					p, err = plan.Updates(t.Context(), s.source(t.Context()), articleID, withPrefix)
				} else {
					var ids []string
					for id := range s.snapshot() {
						ids = append(ids, id)
					}
					slices.Sort(ids)
					p, err = plan.Deletes(t.Context(), s, ids)
				}
				if err != nil {
					t.Fatal(err)
				}
				stored, err := json.Marshal(p)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "journal")
				run := func(ctx context.Context) (windrow.RunStats, error) {
					j, err := journal.Open(path, name)
					if err != nil {
						t.Fatal(err)
					}
					defer j.Close()
					return apply(ctx, s, stored, windrow.WithJournal(j))
				}

				ctx, stop := context.WithCancel(t.Context())
				begun := 0
				s.fail = func(call string) error {
					if strings.HasPrefix(call, name[:len(name)-1]) {
						if begun++; begun == before {
							stop() // as a deploy does
						}
					}
					return nil
				}
				first, err := run(ctx)
				if err == nil || first.Succeeded < before || first.NotAttempted == 0 || first.Succeeded+first.NotAttempted != records {
					t.Fatalf("the run that is stopped: %+v, error %v", first, err)
				}
				s.fail = nil
				second, err := run(t.Context())
				if err != nil || second.Skipped != first.Succeeded || second.Succeeded != first.NotAttempted {
					t.Errorf("the run that goes on: %+v after %+v, error %v", second, first, err)
				}
				if n := len(s.writes()); n != records {
					t.Errorf("%d records were written, want all %d", n, records)
				}
				third, err := run(t.Context())
				if err != nil || third.Skipped != records || len(s.writes()) != records {
					t.Errorf("when all is done: %+v, error %v", third, err)
				}
			})
		})
	}
}
