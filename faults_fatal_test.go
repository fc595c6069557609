package windrow_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// F16: credentials that are refused stop the run once, not item by item.
func TestF16Unauthorized(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		status  int
		from    int // the first item that is refused
		want    windrow.State
		stopped bool
	}{
		{"401 at once", 401, 0, windrow.Failed, true},
		{"401 later", 401, 3, windrow.Failed, true},
		{"407", 407, 0, windrow.Failed, true},
		{"403 before any success", 403, 0, windrow.Failed, true},
		{"403 of one item", 403, 3, windrow.Failed, false},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bulk %v", test.name, bulk), func(t *testing.T) {
				t.Parallel()
				refuse := func(c *call) error {
					if i := slices.Index(ids(1000), c.id()); i == test.from || i > test.from && test.stopped {
						return &statusError{status: test.status}
					}
					return nil
				}
				f := newFake(t, refuse)
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					if err := refuse(c); err != nil {
						return nil, err
					}
					return outcomes(c.ids), nil
				}
				run := updateVerb.run
				if bulk {
					run = updateVerb.runBulk
				}
				s := run(t.Context(), f, ids(1000), windrow.Concurrency(1), windrow.BatchSize(3))
				if s.states[test.from] != test.want {
					t.Errorf("item %d is %v, want %v", test.from, s.states[test.from], test.want)
				}
				if errors.Is(s.cause, windrow.ErrFatal) != test.stopped {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				if test.stopped {
					most := 3 // a 401 stops at once; a 403 with the third request, of which each has 3 items in bulk
					if test.status == 403 && bulk {
						most = 9
					}
					if s.stats.Failed > most || s.stats.NotAttempted < 990 {
						t.Errorf("%d failed, %d were not attempted", s.stats.Failed, s.stats.NotAttempted)
					}
					if !errors.Is(s.err, s.errs[test.from]) || !strings.Contains(s.err.Error(), fmt.Sprint(test.status)) {
						t.Errorf("the error does not say why: %v", s.err)
					}
				} else if s.stats.Succeeded < 997 {
					t.Errorf("%d succeeded", s.stats.Succeeded)
				}
			})
		}
	}
}

// F16: the items of one answer: a 403 beside a success is that item's own, wherever it stands.
func TestF16ForbiddenBesideASuccess(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		out := outcomes(c.ids)
		if c.id() == "i0" {
			out[0] = windrow.Outcome[string]{Err: &statusError{status: 403}}
		}
		return out, nil
	}
	s := updateVerb.runBulk(t.Context(), f, ids(9), windrow.Concurrency(1), windrow.BatchSize(3))
	want := repeat(9, windrow.Succeeded)
	want[0] = windrow.Failed
	if diff := cmp.Diff(want, s.states); diff != "" {
		t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
	}
}

// F25: a name that cannot be resolved now is tried again; one that does not exist ends the run.
func TestF25NameResolution(t *testing.T) {
	t.Parallel()
	lookup := func(e *net.DNSError) error {
		return &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Net: "tcp", Err: e}}
	}
	for _, test := range []struct {
		name    string
		err     error
		times   int
		want    windrow.State
		stopped bool
	}{
		{"name server fails once", lookup(&net.DNSError{IsTemporary: true, Name: "api.example"}), 1, windrow.Succeeded, false},
		{"name server fails for long", lookup(&net.DNSError{IsTemporary: true, Name: "api.example"}), 7, windrow.Succeeded, false},
		{"name server fails always", lookup(&net.DNSError{IsTemporary: true, Name: "api.example"}), 999, windrow.NotAttempted, true},
		{"not found once", lookup(&net.DNSError{IsNotFound: true, Name: "api.example"}), 1, windrow.Succeeded, false},
		{"not found always", lookup(&net.DNSError{IsNotFound: true, Name: "api.example"}), 99, windrow.Failed, true},
	} {
		for _, policy := range []windrow.RetryPolicy{
			{MaxAttempts: 3, Strategy: windrow.Constant(time.Second)},
			{Strategy: windrow.Custom(func(n int) time.Duration { return time.Duration(2-n)*time.Second + time.Second/2 })},
		} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						if c.id() == "i0" && c.nth <= test.times {
							return test.err
						}
						return nil
					})
					s := createVerb.run(t.Context(), f, ids(1), windrow.Retry(policy))
					if s.states[0] != test.want {
						t.Errorf("the item is %v, want %v", s.states[0], test.want)
					}
					why := windrow.ErrFatal
					if test.want == windrow.NotAttempted {
						why = windrow.ErrOutage
					}
					if errors.Is(s.cause, why) != test.stopped {
						t.Errorf("the run was stopped by %v", s.cause)
					}
				})
			})
		}
	}
}

// F26: a bad certificate or address ends the run at its first call.
func TestF26BadConfiguration(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&url.Error{Op: "Post", Err: errors.New("http: server gave HTTP response to HTTPS client")},
		&url.Error{Op: "Post", Err: errors.New(`unsupported protocol scheme "htp"`)},
	} {
		f := newFake(t, func(c *call) error {
			c.attempt.Engage()
			return err
		})
		s := createVerb.run(t.Context(), f, ids(100), windrow.Concurrency(1))
		if len(f.calls) != 1 || !errors.Is(s.cause, windrow.ErrFatal) || !errors.Is(s.cause, err) {
			t.Errorf("%v: %d calls; stopped by %v", err, len(f.calls), s.cause)
		}
		if s.stats.Failed != 1 || s.stats.NotAttempted != 99 {
			t.Errorf("%v: %+v", err, s.stats)
		}
	}
}
