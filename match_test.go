package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// row is a result as servers give it that name items by their id.
type row struct{ id, value string }

func readRow(r row) (string, windrow.Outcome[string]) {
	if r.value == "bad" {
		return r.id, windrow.Outcome[string]{Err: errServer}
	}
	return r.id, windrow.Outcome[string]{Value: r.value}
}

// F19, F20, P-5: results that come with ids.
func TestF19_F20_P5_MatchByID(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		rows   []row
		absent error
		want   []string // the values; "!" for the server's error, "?" for one that nobody knows, "0" for one that is not there
		err    string
	}{
		{name: "in order", rows: []row{{"a", "1"}, {"b", "2"}, {"c", "3"}}, want: []string{"1", "2", "3"}},
		{name: "shuffled", rows: []row{{"c", "3"}, {"a", "1"}, {"b", "bad"}}, want: []string{"1", "!", "3"}},
		{name: "short", rows: []row{{"c", "3"}}, want: []string{"?", "?", "3"}},
		{name: "short, of a read", rows: []row{{"c", "3"}}, absent: windrow.ErrNotFound, want: []string{"0", "0", "3"}},
		{name: "empty", want: []string{"?", "?", "?"}},
		{name: "twice", rows: []row{{"a", "1"}, {"a", "2"}, {"c", "3"}}, err: "more results for an id than there are items with it"},
		{name: "foreign", rows: []row{{"a", "1"}, {"b", "2"}, {"z", "3"}}, err: "a result for an id that no item has"},
		{name: "long", rows: []row{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}, err: "a result for an id that no item has"},
	} {
		out, err := clients.MatchByID([]string{"a", "b", "c"}, tt.rows, tt.absent, readRow)
		if tt.err != "" {
			if !errors.Is(err, windrow.ErrProtocol) || !strings.Contains(err.Error(), tt.err) || out != nil {
				t.Errorf("%s: %v, error %v", tt.name, out, err)
			}
			continue
		}
		var got []string
		for _, o := range out {
			switch {
			case o.Err == nil:
				got = append(got, o.Value)
			case errors.Is(o.Err, errServer):
				got = append(got, "!")
			case errors.Is(o.Err, windrow.ErrNotFound):
				got = append(got, "0")
			case windrow.Classify(o.Err).Class == windrow.ClassAmbiguous:
				got = append(got, "?")
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: (-want +got):\n%s error %v", tt.name, diff, err)
		}
	}
	if _, err := clients.MatchByID([]string{"a", "a"}, make([]row, 3), nil, readRow); !errors.Is(err, windrow.ErrProtocol) {
		t.Errorf("two items with one id: %v", err)
	}
}

// An answer that cannot be matched leaves a whole chunk Unknown, also where sending it again would be harmless: the next
// answer could not be trusted either.
func TestF20_ProtocolErrors(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{createVerb, updateVerb, getVerb} {
		f := newFake(t, nil)
		answers(f, refusal{err: fmt.Errorf("the adapter: %w", windrow.ErrProtocol)})
		s := v.runBulk(t.Context(), f, ids(3))
		want := windrow.Unknown
		if v.name == "get" {
			want = windrow.Failed
		}
		if diff := cmp.Diff(repeat(3, want), s.states); diff != "" || len(f.calls) != 1 || !errors.Is(s.err, windrow.ErrProtocol) {
			t.Errorf("%s: states (-want +got):\n%s %d calls, error %v", v.name, diff, len(f.calls), s.err)
		}
		f = newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids[1:]), nil }
		if s := v.runBulk(t.Context(), f, ids(3)); !errors.Is(s.err, windrow.ErrProtocol) || s.states[0] != want {
			t.Errorf("%s, short: %v, error %v", v.name, s.states, s.err)
		}
	}
}

// Counts only: exactly those that failed are found out, and each gets its own error.
func TestCountsOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name            string
		there           []string // of the records, those that cannot be deleted
		good, bad       int      // what the server counts
		look            error
		want            windrow.RunStats
		looks, requests int
	}{
		{name: "all good", good: 10, want: windrow.RunStats{Total: 10, Succeeded: 10}, requests: 1},
		{name: "two bad", there: []string{"i3", "i7"}, good: 8, bad: 2, want: windrow.RunStats{Total: 10, Succeeded: 8, Failed: 2}, looks: 1, requests: 3},
		{name: "said to be bad, and gone", good: 9, bad: 1, want: windrow.RunStats{Total: 10, Succeeded: 10}, looks: 1, requests: 1},
		{name: "too few counted", good: 9, want: windrow.RunStats{Total: 10, Succeeded: 10}, looks: 1, requests: 1},
		{name: "no way to look", there: []string{"i3"}, good: 9, bad: 1, look: errServer, want: windrow.RunStats{Total: 10, Succeeded: 9, Failed: 1}, looks: 1, requests: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					if slices.Contains(tt.there, c.id()) {
						return fmt.Errorf("%s is in use: %w", c.id(), errServer)
					}
					return nil
				})
				looks := 0
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					n, good, bad := len(c.ids), tt.good, tt.bad
					if c.nth > 1 { // after the look-up that failed
						good, bad = n-len(tt.there), len(tt.there)
					}
					return clients.MatchByCount[string](n, good, bad, func() ([]bool, error) {
						looks++
						if tt.look != nil && looks == 1 {
							return nil, tt.look
						}
						gone := make([]bool, n)
						for k, id := range c.ids {
							gone[k] = !slices.Contains(tt.there, id)
						}
						return gone, nil
					})
				}
				s := deleteVerb.runBulk(t.Context(), f, ids(10), fastRetries)
				got := windrow.RunStats{Total: s.stats.Total, Succeeded: s.stats.Succeeded, Failed: s.stats.Failed, Unknown: s.stats.Unknown}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for i, id := range ids(10) {
					if bad := slices.Contains(tt.there, id); bad != (s.states[i] == windrow.Failed) || bad && !strings.Contains(s.errs[i].Error(), id+" is in use") {
						t.Errorf("%s: %v, %v", id, s.states[i], s.errs[i])
					}
				}
				if tt.look == nil && (looks != tt.looks || len(f.calls) != tt.requests) {
					t.Errorf("%d look-ups and %d requests, want %d and %d", looks, len(f.calls), tt.looks, tt.requests)
				}
			})
		})
	}
	out, _ := clients.MatchByCount[string](3, 2, 1, func() ([]bool, error) { return []bool{true}, nil })
	for _, o := range out {
		if !errors.Is(o.Err, windrow.ErrProtocol) {
			t.Errorf("a look-up that is too short: %v", o.Err)
		}
	}
}

// asked returns when a job was asked for, since the start.
type asked struct {
	start time.Time
	at    []time.Duration
}

func (a *asked) note() int {
	a.at = append(a.at, time.Since(a.start))
	return len(a.at)
}

// A job is asked for less and less often, and never more often than the server wants; what says nothing of the job is
// passed over.
func TestPoll(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, tt := range []struct {
		name    string
		policy  clients.PollPolicy
		answers []error // the last one for ever
		want    []time.Duration
		class   windrow.Class // of the error, if it ends with one
		pending bool
	}{
		{name: "doubling", answers: []error{clients.Pending(0), clients.Pending(0), clients.Pending(0), clients.Pending(0), clients.Pending(0), clients.Pending(0), nil},
			want: []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 25 * s, 35 * s}},
		{name: "own steps", policy: clients.PollPolicy{First: 4 * s, Longest: 5 * s}, answers: []error{clients.Pending(0), clients.Pending(0), clients.Pending(0), nil},
			want: []time.Duration{0, 4 * s, 9 * s, 14 * s}},
		{name: "hints", answers: []error{clients.Pending(7 * s), clients.Pending(0), nil}, want: []time.Duration{0, 7 * s, 9 * s}},
		{name: "throttled, lost, unsent", answers: []error{windrow.Throttled(errServer, 20*s), windrow.Ambiguous(errServer), windrow.Transient(errServer), &statusError{status: 502}, nil},
			want: []time.Duration{0, 20 * s, 22 * s, 26 * s, 34 * s}},
		{name: "refused", answers: []error{clients.Pending(0), errServer}, want: []time.Duration{0, s}, class: windrow.ClassPermanent},
		{name: "credentials", answers: []error{clients.Pending(0), &statusError{status: 401}}, want: []time.Duration{0, s}, class: windrow.ClassAmbiguous},
		{name: "never ends", policy: clients.PollPolicy{Deadline: 20 * s}, answers: []error{clients.Pending(0)}, want: []time.Duration{0, s, 3 * s, 7 * s, 15 * s}, class: windrow.ClassAmbiguous, pending: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &asked{start: time.Now()}
				out, err := clients.Poll(t.Context(), tt.policy, func(context.Context) (string, error) {
					n := min(a.note(), len(tt.answers))
					return "done", tt.answers[n-1]
				})
				if diff := cmp.Diff(tt.want, a.at); diff != "" {
					t.Errorf("asked at (-want +got):\n%s", diff)
				}
				if good := tt.answers[len(tt.answers)-1] == nil; good != (err == nil) || good != (out == "done") {
					t.Errorf("%q, error %v", out, err)
				}
				if err != nil && (windrow.Classify(err).Class != tt.class || errors.Is(err, clients.ErrPending) != tt.pending) {
					t.Errorf("class %v of %v", windrow.Classify(err).Class, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*s)
		defer cancel()
		start := time.Now()
		_, err := clients.Poll(ctx, clients.PollPolicy{}, func(context.Context) (int, error) { return 0, clients.Pending(0) })
		if !errors.Is(err, context.DeadlineExceeded) || windrow.Classify(err).Class != windrow.ClassAmbiguous || time.Since(start) != 24*s {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// F22: a job that does not end in time leaves its items Unknown, with its name: it is waited for once, never submitted
// twice.
func TestF22_JobThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	policy := clients.PollPolicy{Deadline: 10 * time.Second}
	for _, tt := range []struct {
		name    string
		verb    verb
		ends    time.Duration // when the job does
		result  error
		state   windrow.State
		submits int
	}{
		{"in time", createVerb, 5 * time.Second, nil, windrow.Succeeded, 1},
		{"too late", createVerb, 15 * time.Second, nil, windrow.Unknown, 1},
		{"too late", deleteVerb, 15 * time.Second, nil, windrow.Unknown, 1},
		{"never", createVerb, time.Hour, nil, windrow.Unknown, 1},
		{"never", deleteVerb, time.Hour, nil, windrow.Unknown, 1},
		{"never", getVerb, time.Hour, nil, windrow.Failed, 1},
		{"badly", allOrNothing, 5 * time.Second, errServer, windrow.Failed, 1},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s/bulk %t", tt.verb.name, tt.name, bulk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var submits atomic.Int64 // the halves of a chunk are sent side by side
					start := time.Now()
					job := func(ctx context.Context) error {
						_, err := clients.SubmitAndPoll(ctx, policy, func(context.Context) (string, error) {
							submits.Add(1)
							return "job-1", nil
						}, func(_ context.Context, handle string) (int, error) {
							if handle != "job-1" {
								t.Errorf("asked for %q", handle)
							}
							if time.Since(start) < tt.ends {
								return 0, clients.Pending(0)
							}
							return 1, tt.result
						})
						return err
					}
					f := newFake(t, func(c *call) error { return job(c.ctx) })
					f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), job(c.ctx) }
					run, items := tt.verb.run, ids(1)
					if bulk {
						run, items = tt.verb.runBulk, ids(2)
					}
					s := run(t.Context(), f, items, fastRetries)
					if bulk && tt.result != nil { // each alone, since the job was refused as a whole
						tt.submits = 3
					}
					if diff := cmp.Diff(repeat(len(items), tt.state), s.states); diff != "" || int(submits.Load()) != tt.submits {
						t.Errorf("states (-want +got):\n%s %d submits, want %d", diff, submits.Load(), tt.submits)
					}
					took, late := time.Since(start), tt.ends > policy.Deadline
					if took > policy.Deadline {
						t.Errorf("it took %v, with a deadline of %v", took, policy.Deadline)
					}
					if job, ok := errors.AsType[*clients.JobError](s.err); late != ok || ok && (job.Handle != "job-1" || !strings.Contains(s.err.Error(), `the end of the job "job-1" is not known`)) {
						t.Errorf("error %v", s.err)
					}
				})
			})
		}
	}
}

// F22: a Rerun goes on asking for the jobs whose end is not known, each with exactly its items, although these may not be
// sent twice.
func TestF22_RerunGoesOnWithTheJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var asked []string
		p := windrow.NewBatchProcessor[int, int](nil, windrow.Concurrency(1))
		p.Capabilities.MaxItems = 3
		p.Batch = func(ctx context.Context, items []int) ([]windrow.Outcome[int], error) {
			call := fmt.Sprint(items)
			defer func() { asked = append(asked, call) }()
			return clients.SubmitAndPoll(ctx, clients.PollPolicy{Deadline: 10 * time.Second}, func(context.Context) (string, error) {
				call += " submitted"
				return fmt.Sprint("job of ", items[0]), nil
			}, func(_ context.Context, handle string) ([]windrow.Outcome[int], error) {
				if handle != fmt.Sprint("job of ", items[0]) {
					t.Errorf("%v: asked for %q", items, handle)
				}
				if time.Since(start) < time.Duration(items[0])*time.Minute { // the first one ends at once
					return nil, clients.Pending(0)
				}
				return make([]windrow.Outcome[int], len(items)), nil
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		res, err := p.Run(ctx, []int{0, 10, 20, 1, 2, 30, 4, 5}) // the last job is waited for when the run ends
		checkAccounts(t, 8, res, err)
		states := func() (all string) {
			for r := range res.All() {
				all += r.State.String()[:1]
			}
			return all
		}
		first := states()
		time.Sleep(time.Minute)
		res, err = p.Rerun(t.Context(), res)
		checkAccounts(t, 8, res, err)
		second := states()
		time.Sleep(10 * time.Minute)
		res, err = p.Rerun(t.Context(), res)
		checkAccounts(t, 8, res, err)
		if diff := cmp.Diff([]string{"sssuuuuu", "ssssssuu", "ssssssss"}, []string{first, second, states()}); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		want := []string{"[0 10 20] submitted", "[1 2 30] submitted", "[4 5] submitted", "[1 2 30]", "[4 5]", "[4 5]"}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// Questions for a job count against the limit, as everything else does.
func TestPollsCountAgainstTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Rate(1, 8*time.Second), windrow.Burst(1), windrow.Concurrency(8))
		start := time.Now()
		var at []time.Duration
		f := newFake(t, func(c *call) error {
			_, err := clients.SubmitAndPoll(c.ctx, clients.PollPolicy{}, func(context.Context) (string, error) {
				at = append(at, time.Since(start))
				return "j", nil
			}, func(ctx context.Context, _ string) (int, error) {
				if err := limiter.Wait(ctx, 1); err != nil { // as a transport does; it costs nothing twice
					return 0, err
				}
				if at = append(at, time.Since(start)); len(at) < 4 {
					return 0, clients.Pending(0)
				}
				return 0, nil
			})
			return err
		})
		if s := createVerb.run(t.Context(), f, ids(1), windrow.WithLimiter(limiter)); s.err != nil {
			t.Fatal(s.err)
		}
		// The attempt has paid for one request, the submit or the first question, whichever a transport sees first.
		const s = time.Second
		if diff := cmp.Diff([]time.Duration{0, 0, 8 * s, 16 * s}, at); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// trier is a client whose server can try requests.
type trier struct {
	bulkClient
	tried [][]string
	fail  error
}

func (c *trier) DryRun(_ context.Context, ids []string) ([]error, error) {
	c.tried = append(c.tried, slices.Clone(ids))
	if c.fail != nil {
		err := c.fail
		c.fail = nil
		return nil, err
	}
	errs := make([]error, len(ids))
	for k, id := range ids {
		if id == "i1" {
			errs[k] = errServer
		}
	}
	return errs, nil
}

// C17, C-n1, P-16: a dry run asks only a server whose own dry run was seen to change nothing, and never calls what writes.
func TestC17_DryRunOnTheServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		verified bool
		fail     error
		want     []windrow.State
		tried    [][]string
	}{
		{"not verified", false, nil, repeat(3, windrow.Skipped), nil},
		{"verified", true, nil, []windrow.State{windrow.Skipped, windrow.Failed, windrow.Skipped}, [][]string{{"i0", "i1"}, {"i2"}}},
		{"lost", true, windrow.Ambiguous(errServer), []windrow.State{windrow.Skipped, windrow.Failed, windrow.Skipped}, [][]string{{"i0", "i1"}, {"i2"}, {"i0", "i1"}}},
	} {
		for _, kind := range []string{"run", "stream"} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*call) error { t.Error("a dry run has written"); return nil })
				f.batch = func(*call) ([]windrow.Outcome[string], error) { t.Error("a dry run has written"); return nil, nil }
				c := &trier{bulkClient: bulkClient{client{f, windrow.Capabilities{MaxItems: 2, VerifiedDryRun: tt.verified}}}, fail: tt.fail}
				p := windrow.NewCreateProcessor[string, string](c, windrow.DryRun(), windrow.Concurrency(1), fastRetries)
				got := make([]windrow.State, 3)
				var errs error
				if kind == "run" {
					res, err := p.Run(t.Context(), ids(3))
					checkAccounts(t, 3, res, err)
					for r := range res.All() {
						got[r.Index] = r.State
					}
					errs = err
				} else {
					for r, err := range p.Stream(t.Context(), windrow.FromSlice(ids(3))).All() {
						got[r.Index] = r.State
						errs = errors.Join(errs, err)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" || errors.Is(errs, errServer) != tt.verified {
					t.Errorf("%s, %s: states (-want +got):\n%s error %v", tt.name, kind, diff, errs)
				}
				if diff := cmp.Diff(tt.tried, c.tried); diff != "" && kind == "run" {
					t.Errorf("%s: tried (-want +got):\n%s", tt.name, diff)
				}
			})
		}
	}
}

// absentReader is a client of a server whose answers leave out what does not exist. Its transport keeps a record.
type absentReader struct{ requests int }

func (c *absentReader) Get(ctx context.Context, id string) (string, error) {
	out, err := c.GetBatch(ctx, []string{id})
	return out[0].Value, errors.Join(err, out[0].Err)
}

func (c *absentReader) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[string], error) {
	a, _ := clients.AttemptFrom(ctx)
	a.Engage()
	c.requests++
	a.Answered(200, false)
	return clients.MatchByID(ids, ids[:len(ids)-1], windrow.ErrNotFound, func(id string) (string, windrow.Outcome[string]) {
		return id, windrow.Outcome[string]{Value: id}
	})
}

// What the client says does not exist is not asked for again, although the answer to the request was a success.
func TestMatchByIDAbsentIsTheLastWord(t *testing.T) {
	t.Parallel()
	c := &absentReader{}
	res, err := windrow.GetMany(t.Context(), c, ids(3))
	checkAccounts(t, 3, res, err)
	if r := res.At(2); r.State != windrow.Failed || !errors.Is(r.Err, windrow.ErrNotFound) || r.Kind != windrow.KindResource || c.requests != 1 {
		t.Errorf("%v, %v, %v after %d requests", r.State, r.Kind, r.Err, c.requests)
	}
}
