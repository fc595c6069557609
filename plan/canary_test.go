package plan_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/plan"
)

// A76: "Test with Small Batches: Validate logic before processing entire dataset".
func TestA76_CanaryOfUpdates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		bad    string
		lost   bool // the first answer to it, and no other
		canary int
		want   windrow.RunStats
	}{
		{"all good", "", false, 3, windrow.RunStats{Total: 20, Succeeded: 20}},
		{"bad canary", "a1", false, 3, windrow.RunStats{Total: 20, Succeeded: 1, Failed: 1, NotAttempted: 18}},
		{"last canary", "a2", false, 3, windrow.RunStats{Total: 20, Succeeded: 2, Failed: 1, NotAttempted: 17}},
		{"retried canary", "a2", true, 3, windrow.RunStats{Total: 20, Succeeded: 20}},
		{"bad later", "a7", false, 3, windrow.RunStats{Total: 20, Succeeded: 19, Failed: 1}},
		{"none", "a1", false, 0, windrow.RunStats{Total: 20, Succeeded: 19, Failed: 1}},
		{"all of it", "a1", false, 20, windrow.RunStats{Total: 20, Succeeded: 1, Failed: 1, NotAttempted: 18}},
	} {
		for _, batch := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, 20)
				failed := false
				s.fail = func(call string) error {
					if tt.bad == "" || call != "update "+tt.bad || tt.lost && failed {
						return nil
					}
					failed = true
					if tt.lost {
						return windrow.Ambiguous(errors.New("reset"))
					}
					return status(422)
				}
				p := s.updates(t, withPrefix)
				var opts []windrow.Option
				if tt.canary > 0 {
					opts = append(opts, windrow.Canary(tt.canary))
				}
				var client windrow.Updater[string, article, article] = s
				if batch {
					client = batchClient{s}
				}
				res, err := plan.ApplyUpdates(t.Context(), p, client, opts...)
				got := res.Stats()
				got = windrow.RunStats{Total: got.Total, Succeeded: got.Succeeded, Failed: got.Failed, Skipped: got.Skipped, NotAttempted: got.NotAttempted, Unknown: got.Unknown}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s, batch %t (-want +got):\n%s", tt.name, batch, diff)
				}
				if (err == nil) != (tt.want.Succeeded == 20) {
					t.Errorf("%s: error %v", tt.name, err)
				}
				for r := range res.All() {
					if r.Input.ID != fmt.Sprint("a", r.Index) || r.State == windrow.Succeeded && r.Value.ID != r.Input.ID {
						t.Errorf("%s: result %d is of %s, with the value of %q", tt.name, r.Index, r.Input.ID, r.Value.ID)
					}
				}
				calls := s.calls("update")
				if tt.canary == 3 && tt.bad == "" && !cmp.Equal(calls[:3], []string{"update a0", "update a1", "update a2"}) {
					t.Errorf("%s: calls %q", tt.name, calls)
				}
				if want := tt.want.Total - tt.want.NotAttempted; !tt.lost && len(calls) != want {
					t.Errorf("%s: %d calls, want %d", tt.name, len(calls), want)
				}
			})
		}
	}
}

func TestA76_CanaryOfDeletes(t *testing.T) {
	t.Parallel()
	for _, bad := range []bool{false, true} {
		s := newServer(t, 12)
		p, err := plan.Deletes(t.Context(), s, s.snapshotIDs())
		if err != nil {
			t.Fatal(err)
		}
		delete(s.records, "a0") // gone by itself: that is no failure
		s.fail = func(call string) error {
			if bad && call == "delete a1" {
				return status(409)
			}
			return nil
		}
		res, err := plan.ApplyDeletes(t.Context(), p, s, windrow.Canary(2))
		got := res.Stats()
		if bad && (err == nil || got.Failed != 1 || got.Skipped != 1 || got.NotAttempted != 10) {
			t.Errorf("stats %+v, error %v", got, err)
		}
		if !bad && (err != nil || got.Succeeded != 11 || got.Skipped != 1) {
			t.Errorf("stats %+v, error %v", got, err)
		}
	}
}

// An update of a record that is gone is a failure, also as the last of the canary.
func TestCanaryAndMissingRecords(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	p := s.updates(t, withPrefix)
	delete(s.records, "a1")
	res, err := plan.ApplyUpdates(t.Context(), p, s, windrow.Canary(2))
	if got := res.Stats(); got.Succeeded != 1 || got.Failed != 1 || got.NotAttempted != 3 || err == nil {
		t.Errorf("stats %+v, error %v", got, err)
	}
}

// A record that somebody else has changed is none that succeeds.
func TestCanaryAndChangedRecords(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	p := s.updates(t, withPrefix)
	p.Current, p.LeaveChanged = s, true
	meanwhile(s)
	res, err := plan.ApplyUpdates(t.Context(), p, s, windrow.Canary(2))
	if got := res.Stats(); got.Succeeded != 1 || got.Failed != 1 || got.NotAttempted != 3 || !errors.Is(err, plan.ErrChanged) {
		t.Errorf("stats %+v, error %v", got, err)
	}
	if calls := strings.Join(s.calls("update"), ", "); calls != "update a0" {
		t.Errorf("calls %s", calls)
	}
}

// The first records go one by one, so that a bad one is alone.
func TestCanaryGoesOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, 20)
		p := s.updates(t, withPrefix)
		start := time.Now()
		at := map[string]time.Duration{}
		client := windrow.UpdateFunc(func(ctx context.Context, id string, a article) (article, error) {
			s.mu.Lock()
			at[id] = time.Since(start)
			s.mu.Unlock()
			time.Sleep(time.Second)
			return s.Update(ctx, id, a)
		})
		if _, err := plan.ApplyUpdates(t.Context(), p, client, windrow.Concurrency(20), windrow.Canary(3)); err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			if id, want := fmt.Sprint("a", n), time.Duration(min(n, 3))*time.Second; at[id] != want {
				t.Errorf("%s was sent after %v, want %v", id, at[id], want)
			}
		}
	})
}
