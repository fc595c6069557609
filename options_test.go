package windrow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// refused checks that a run was refused before anything was sent: the result is there and says so, and the error
// tells why. It returns the text of the cause.
func refused[In, Out any](t *testing.T, inputs int, res *windrow.BulkResult[In, Out], err error) string {
	t.Helper()
	checkAccounts(t, inputs, res, err)
	if s := res.Stats(); s.NotAttempted != inputs || s.Requests != 0 {
		t.Errorf("%+v, want %d not attempted", s, inputs)
	}
	bulk, ok := errors.AsType[*windrow.BulkError](err)
	if !ok || bulk.Cause == nil {
		t.Fatalf("error %v, want a *BulkError with a Cause", err)
	}
	return bulk.Cause.Error()
}

// never is a client's function that must not be called.
func never(t *testing.T) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) {
		t.Error("the client was called")
		return "", nil
	}
}

type observer struct{ windrow.Observer }

func TestBadOptionsAreRefused(t *testing.T) {
	t.Parallel()
	cost5 := windrow.Capabilities{Cost: func(n int) int { return 5 * n }}
	for _, tt := range []struct {
		option string // what the error names
		opts   []windrow.Option
		can    windrow.Capabilities
		want   string
	}{
		{"Concurrency", []windrow.Option{windrow.Concurrency(0)}, windrow.Capabilities{}, "windrow: Concurrency (0) must be from 1 to 100,000"},
		{"Concurrency", []windrow.Option{windrow.Concurrency(-8)}, windrow.Capabilities{}, "windrow: Concurrency (-8) must be from 1 to 100,000"},
		{"Concurrency", []windrow.Option{windrow.Concurrency(math.MaxInt)}, windrow.Capabilities{}, "windrow: Concurrency (9223372036854775807) must be from 1 to 100,000"},
		{"Burst", []windrow.Option{windrow.Burst(-1)}, windrow.Capabilities{}, "windrow: Burst (-1) must be at least 1"},
		{"BatchSize", []windrow.Option{windrow.BatchSize(-1)}, windrow.Capabilities{}, "windrow: BatchSize (-1) must be at least 1"},
		{"Canary", []windrow.Option{windrow.Canary(0)}, windrow.Capabilities{}, "windrow: Canary (0) must be at least 1"},
		{"Canary", []windrow.Option{windrow.Canary(-1)}, windrow.Capabilities{}, "windrow: Canary (-1) must be at least 1"},
		{"SettlingTime", []windrow.Option{windrow.SettlingTime(-1)}, windrow.Capabilities{}, "windrow: SettlingTime (-1ns) must not be negative"},
		{"Window", []windrow.Option{windrow.Window(0)}, windrow.Capabilities{}, "windrow: Window (0) must be from 1 to 1,073,741,824"},
		{"Window", []windrow.Option{windrow.Window(-1)}, windrow.Capabilities{}, "windrow: Window (-1) must be from 1 to 1,073,741,824"},
		{"Window", []windrow.Option{windrow.Window(math.MaxInt)}, windrow.Capabilities{}, "windrow: Window (9223372036854775807) must be from 1 to 1,073,741,824"},
		{"Linger", []windrow.Option{windrow.Linger(-1)}, windrow.Capabilities{}, "windrow: Linger (-1ns) must not be negative"},
		{"MaxFailureRate", []windrow.Option{windrow.MaxFailureRate(math.Inf(1), 10)}, windrow.Capabilities{},
			"windrow: MaxFailureRate (+Inf, 10) must be a share from 0 to 1 (1 is 100 %) of at least 0 items"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{Budget: windrow.RetryBudget{Size: math.NaN()}})}, windrow.Capabilities{},
			"windrow: Retry: Budget.Size (NaN) must be at least 1"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{Budget: windrow.RetryBudget{Size: 1, PerSecond: math.NaN()}})}, windrow.Capabilities{},
			"windrow: Retry: Budget.PerSecond (NaN) must be 0 or more, and finite"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{Budget: windrow.RetryBudget{Size: 1, PerSuccess: math.NaN()}})}, windrow.Capabilities{},
			"windrow: Retry: Budget.PerSuccess (NaN) must be 0 or more, and finite"},
		{"Rate", []windrow.Option{windrow.Rate(-1, time.Second)}, windrow.Capabilities{}, "windrow: Rate (-1, 1s) must be at least 1 in a positive period"},
		{"Rate", []windrow.Option{windrow.Rate(0, time.Second)}, windrow.Capabilities{}, "windrow: Rate (0, 1s) must be at least 1 in a positive period"},
		{"Rate", []windrow.Option{windrow.Rate(10, 0)}, windrow.Capabilities{}, "windrow: Rate (10, 0s) must be at least 1 in a positive period"},
		{"Rate", []windrow.Option{windrow.Rate(10, -time.Minute)}, windrow.Capabilities{}, "windrow: Rate (10, -1m0s) must be at least 1 in a positive period"},
		{"Burst", []windrow.Option{windrow.Burst(0)}, windrow.Capabilities{}, "windrow: Burst (0) must be at least 1"},
		{"Burst", []windrow.Option{windrow.Rate(10, time.Second), windrow.Burst(4)}, cost5,
			"windrow: Burst (4) is below the cost of one request (Capabilities.Cost: 5): such a request could never leave; raise Burst or lower the cost"},
		{"Burst", []windrow.Option{windrow.Burst(4)}, cost5,
			"windrow: Burst (4) is below the cost of one request (Capabilities.Cost: 5): such a request could never leave; raise Burst or lower the cost"},
		{"BatchSize", []windrow.Option{windrow.BatchSize(0)}, windrow.Capabilities{}, "windrow: BatchSize (0) must be at least 1"},
		{"BatchDelay", []windrow.Option{windrow.BatchDelay(-time.Second)}, windrow.Capabilities{}, "windrow: BatchDelay (-1s) must not be negative"},
		{"AttemptTimeout", []windrow.Option{windrow.AttemptTimeout(0)}, windrow.Capabilities{}, "windrow: AttemptTimeout (0s) must be positive"},
		{"AttemptTimeout", []windrow.Option{windrow.AttemptTimeout(-1)}, windrow.Capabilities{}, "windrow: AttemptTimeout (-1ns) must be positive"},
		{"MaxFailures", []windrow.Option{windrow.MaxFailures(-1)}, windrow.Capabilities{}, "windrow: MaxFailures (-1) must not be negative"},
		{"MaxFailureRate", []windrow.Option{windrow.MaxFailureRate(1.5, 10)}, windrow.Capabilities{},
			"windrow: MaxFailureRate (1.5, 10) must be a share from 0 to 1 (1 is 100 %) of at least 0 items"},
		{"MaxFailureRate", []windrow.Option{windrow.MaxFailureRate(5, 10)}, windrow.Capabilities{},
			"windrow: MaxFailureRate (5, 10) must be a share from 0 to 1 (1 is 100 %) of at least 0 items"},
		{"MaxFailureRate", []windrow.Option{windrow.MaxFailureRate(-0.1, 10)}, windrow.Capabilities{},
			"windrow: MaxFailureRate (-0.1, 10) must be a share from 0 to 1 (1 is 100 %) of at least 0 items"},
		{"MaxFailureRate", []windrow.Option{windrow.MaxFailureRate(math.NaN(), 10)}, windrow.Capabilities{},
			"windrow: MaxFailureRate (NaN, 10) must be a share from 0 to 1 (1 is 100 %) of at least 0 items"},
		{"MaxFailureRate", []windrow.Option{windrow.MaxFailureRate(0.5, -1)}, windrow.Capabilities{},
			"windrow: MaxFailureRate (0.5, -1) must be a share from 0 to 1 (1 is 100 %) of at least 0 items"},
		{"Duplicates", []windrow.Option{windrow.Duplicates(99)}, windrow.Capabilities{}, "windrow: Duplicates (policy 99) must be RejectDuplicates, KeepFirst, KeepLast, KeepAllInOrder or FailDuplicates"},
		{"OnProgress", []windrow.Option{windrow.OnProgress(nil)}, windrow.Capabilities{}, "windrow: OnProgress (nil) must be a function"},
		{"WithLimiter", []windrow.Option{windrow.WithLimiter(nil)}, windrow.Capabilities{}, "windrow: WithLimiter (nil) must be a limiter"},
		{"WithLogger", []windrow.Option{windrow.WithLogger(nil)}, windrow.Capabilities{}, "windrow: WithLogger (nil) must be a logger"},
		{"WithObserver", []windrow.Option{windrow.WithObserver(nil)}, windrow.Capabilities{}, "windrow: WithObserver (nil) must be an observer"},
		{"WithObserver", []windrow.Option{windrow.WithObserver((*observer)(nil))}, windrow.Capabilities{}, "windrow: WithObserver (nil) must be an observer"},
		{"Rate", []windrow.Option{windrow.WithLimiter(new(windrow.Limiter)), windrow.Rate(10, time.Second)}, windrow.Capabilities{},
			"windrow: Rate is refused beside WithLimiter: set it on the limiter, for all who share it"},
		{"Burst", []windrow.Option{windrow.Burst(3), windrow.WithLimiter(new(windrow.Limiter))}, windrow.Capabilities{},
			"windrow: Burst is refused beside WithLimiter: set it on the limiter, for all who share it"},
		{"Concurrency", []windrow.Option{windrow.WithLimiter(windrow.NewLimiter(windrow.Concurrency(0)))}, windrow.Capabilities{},
			"windrow: Concurrency (0) must be from 1 to 100,000"},
		{"Burst", []windrow.Option{windrow.WithLimiter(windrow.NewLimiter(windrow.Burst(2)))}, cost5,
			"windrow: Burst (2) is below the cost of one request (Capabilities.Cost: 5): such a request could never leave; raise Burst or lower the cost"},
		{"Capabilities", nil, windrow.Capabilities{MaxItems: -1}, "windrow: Capabilities: MaxItems (-1) must not be negative"},
		{"Capabilities", nil, windrow.Capabilities{MaxReads: -1}, "windrow: Capabilities: MaxReads (-1) must not be negative"},
		{"Capabilities", nil, windrow.Capabilities{MaxBytes: -1}, "windrow: Capabilities: MaxBytes (-1) must not be negative"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{MaxAttempts: -1})}, windrow.Capabilities{},
			"windrow: Retry: MaxAttempts (-1) must be at least 1, or 0 for the default"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: -1})}, windrow.Capabilities{},
			"windrow: Retry: MaxThrottleWait (-1ns) must be positive, or 0 for the default"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{Budget: windrow.RetryBudget{PerSecond: 1}})}, windrow.Capabilities{},
			"windrow: Retry: Budget.Size (0) must be at least 1"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{Budget: windrow.RetryBudget{Size: 1, PerSecond: -1}})}, windrow.Capabilities{},
			"windrow: Retry: Budget.PerSecond (-1) must be 0 or more, and finite"},
		{"Retry", []windrow.Option{windrow.Retry(windrow.RetryPolicy{Budget: windrow.RetryBudget{Size: 1, PerSuccess: math.Inf(1)}})}, windrow.Capabilities{},
			"windrow: Retry: Budget.PerSuccess (+Inf) must be 0 or more, and finite"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			p := windrow.NewBatchProcessor(never(t), tt.opts...)
			p.Capabilities = tt.can
			res, err := p.Run(t.Context(), ids(3))
			if diff := cmp.Diff(tt.want, refused(t, 3, res, err)); diff != "" {
				t.Errorf("cause (-want +got):\n%s", diff)
			}
			if oe, ok := errors.AsType[*windrow.OptionError](err); !ok || oe.Option != tt.option {
				t.Errorf("error %v, want an *OptionError for %s", err, tt.option)
			}
		})
	}
}

// All that is wrong is said at once, on one line, and a stranger can read it.
func TestAllBadOptionsAreNamed(t *testing.T) {
	t.Parallel()
	p := windrow.NewCreateProcessor(windrow.CreateFunc(never(t)), windrow.Concurrency(0), windrow.Options(windrow.BatchSize(-1), windrow.AttemptTimeout(0)))
	var none context.Context
	_, err := p.Run(none, ids(2))
	want := "windrow: nothing was sent: Concurrency (0) must be from 1 to 100,000; BatchSize (-1) must be at least 1; " +
		"AttemptTimeout (0s) must be positive; the context is nil: pass context.Background() if there is no other; " +
		"of 2 items 2 not attempted"
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

// Later options override earlier ones, a nil one says nothing, and joined ones can be shared.
func TestOptionsAreJoined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := windrow.Options(nil, windrow.Concurrency(3), windrow.MaxFailures(0))
		f := newFake(t, func(c *call) error {
			time.Sleep(time.Second)
			if c.id() == "i0" || c.id() == "i1" {
				return errServer
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(20), shared, nil, windrow.Concurrency(5), windrow.MaxFailures(2))
		if f.most != 5 || s.stats.Succeeded != 18 || s.cause != nil {
			t.Errorf("%d at once, %+v: want 5, and two failures allowed", f.most, s.stats)
		}
		f = newFake(t, f.script)
		s = createVerb.run(t.Context(), f, ids(20), windrow.MaxFailures(2), shared)
		if f.most != 3 || s.stats.NotAttempted < 15 || !errors.Is(s.cause, windrow.ErrTooManyFailures) {
			t.Errorf("%d at once, %+v, cause %v: want 3, and stopped by the first two failures", f.most, s.stats, s.cause)
		}
	})
}

// What Validate refuses has failed before anything is sent.
func TestMaxFailuresCountsWhatValidateRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opt  windrow.Option
		want string
	}{
		{windrow.MaxFailures(0), "windrow: nothing was sent: too many failures: 2 of the 2 items that ended; of 4 items 2 failed, 2 not attempted; first: item 0 failed: the server's error"},
		{windrow.MaxFailures(1), "windrow: nothing was sent: too many failures: 2 of the 2 items that ended; of 4 items 2 failed, 2 not attempted; first: item 0 failed: the server's error"},
		{windrow.MaxFailures(2), "windrow: of 4 items 2 failed; first: item 0 failed: the server's error"},
		{windrow.MaxFailureRate(0.1, 0), "windrow: of 4 items 2 failed; first: item 0 failed: the server's error"}, // of those that were sent
	} {
		p := windrow.NewBatchProcessor(func(_ context.Context, in string) (string, error) { return in, nil }, tt.opt)
		p.Validate = func(in string) error {
			if in == "i0" || in == "i3" {
				return errServer
			}
			return nil
		}
		res, err := p.Run(t.Context(), ids(4))
		checkAccounts(t, 4, res, err)
		if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
	}
}

func TestANilContextIsRefused(t *testing.T) {
	t.Parallel()
	p := windrow.NewBatchProcessor(never(t), windrow.WithObserver(observer{}), windrow.WithLogger(slog.New(slog.DiscardHandler)))
	var none context.Context
	res, err := p.Run(none, ids(3))
	refused(t, 3, res, err)
	if !errors.Is(err, windrow.ErrNilContext) {
		t.Errorf("error %v, want one that matches %v", err, windrow.ErrNilContext)
	}
	res, err = p.Rerun(none, res)
	refused(t, 3, res, err)
}

func TestRerunOfNothingIsRefused(t *testing.T) {
	t.Parallel()
	p := windrow.NewBatchProcessor(never(t))
	for name, earlier := range map[string]*windrow.BulkResult[string, string]{"nil": nil, "zero": new(windrow.BulkResult[string, string])} {
		res, err := p.Rerun(t.Context(), earlier)
		if got, want := refused(t, 0, res, err), "windrow: Rerun (nil) needs the result of an earlier run"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A result of reads must not become a run of deletes.
func TestRerunOfAnotherOperationIsRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(*call) error { return windrow.Transient(errServer) })
	res, _ := windrow.GetMany(t.Context(), client{fake: f}, ids(2), fastRetries)
	data, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	back := new(windrow.BulkResult[string, struct{}])
	if err := json.Unmarshal(data, back); err != nil {
		t.Fatal(err)
	}
	p := windrow.NewDeleteProcessor[string](client{fake: newFake(t, func(*call) error { t.Error("deleted"); return nil })})
	after, err := p.Rerun(t.Context(), back)
	checkAccounts(t, 2, after, err)
	want := "windrow: Rerun (a result of get) needs a processor of the same operation, not of delete"
	if bulk, ok := errors.AsType[*windrow.BulkError](err); !ok || bulk.Cause == nil || bulk.Cause.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if after.Stats().Failed != 2 {
		t.Errorf("%+v, want the earlier outcomes", after.Stats())
	}
}

// A run whose context has ended sends nothing, and says that it was the context.
func TestAnEndedContextIsRefused(t *testing.T) {
	t.Parallel()
	why := errors.New("the operator said stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	res, err := windrow.CreateMany(ctx, windrow.CreateFunc(never(t)), ids(3))
	refused(t, 3, res, err)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("error %v, want one that matches %v and its cause", err, context.Canceled)
	}
}

// Beside a shared limiter, Concurrency is a lower ceiling for one processor; the limiter's own stays.
func TestConcurrencyBesideALimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(6))
		narrow, wide := newFake(t, slow(time.Second)), newFake(t, slow(time.Second))
		var wg sync.WaitGroup
		wg.Go(func() {
			createVerb.run(t.Context(), narrow, ids(10), windrow.WithLimiter(l), windrow.Concurrency(2))
		})
		synctest.Wait()
		wg.Go(func() { createVerb.run(t.Context(), wide, ids(40), windrow.WithLimiter(l), windrow.Concurrency(100)) })
		wg.Wait()
		if narrow.most != 2 || wide.most != 6 || l.Stats().Concurrency != 6 {
			t.Errorf("%d and %d at once, and the limiter at %d; want 2, 6 and 6", narrow.most, wide.most, l.Stats().Concurrency)
		}
	})
}

func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	in := []string{"a1", "b1", "a2", "c1", "a3", "b2"}
	letter := func(id string) string { return id[:1] }
	run := func(t *testing.T, opts ...windrow.Option) (*fake, *windrow.BulkResult[string, string], error) {
		f := newFake(t, slow(time.Second))
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, append(opts, windrow.Concurrency(10))...)
		p.Key = letter
		res, err := p.Run(t.Context(), in)
		return f, res, err
	}
	for name, opts := range map[string][]windrow.Option{
		"by default": nil, "by name": {windrow.Duplicates(windrow.RejectDuplicates)},
	} {
		t.Run("rejected "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, res, err := run(t, opts...)
				want := `windrow: items 0 and 2 have the same key "a": remove one, or choose with the option Duplicates`
				if diff := cmp.Diff(want, refused(t, 6, res, err)); diff != "" || len(f.calls) > 0 {
					t.Errorf("%d calls, cause (-want +got):\n%s", len(f.calls), diff)
				}
				twice, ok := errors.AsType[*windrow.DuplicateKeyError](err)
				if !ok || !errors.Is(err, windrow.ErrDuplicateKey) || !namesTwo(twice, "a", 0, 2) {
					t.Errorf("error %v, want a *DuplicateKeyError for items 0 and 2", err)
				}
			})
		})
	}
	for _, tt := range []struct {
		name   string
		policy windrow.DuplicatePolicy
		want   []string // the states of the items
		sent   []string // what is sent each second
	}{
		{"first", windrow.KeepFirst, []string{"succeeded", "succeeded", "duplicate", "succeeded", "duplicate", "duplicate"}, []string{"a1 b1 c1"}},
		{"last", windrow.KeepLast, []string{"duplicate", "duplicate", "duplicate", "succeeded", "succeeded", "succeeded"}, []string{"a3 b2 c1"}},
		{"all in order", windrow.KeepAllInOrder, []string{"succeeded", "succeeded", "succeeded", "succeeded", "succeeded", "succeeded"},
			[]string{"a1 b1 c1", "a2 b2", "a3"}},
	} {
		t.Run("keep "+tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, res, err := run(t, windrow.Duplicates(tt.policy))
				checkAccounts(t, 6, res, err)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for r := range res.All() {
					if r.State == windrow.Skipped {
						got = append(got, r.Reason.String())
					} else {
						got = append(got, r.State.String())
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				var sent []string
				for second := range len(tt.sent) {
					var at []string
					for _, c := range f.calls {
						if c.at == time.Duration(second)*time.Second {
							at = append(at, c.id())
						}
					}
					slices.Sort(at)
					sent = append(sent, strings.Join(at, " "))
				}
				if diff := cmp.Diff(tt.sent, sent); diff != "" {
					t.Errorf("sent, each second (-want +got):\n%s", diff)
				}
			})
		})
	}
	t.Run("an item that Validate refuses is nobody's duplicate", func(t *testing.T) {
		t.Parallel()
		p := windrow.NewBatchProcessor(func(_ context.Context, in string) (string, error) { return in, nil })
		p.Key = letter
		p.Validate = func(in string) error {
			if in == "a1" {
				return errServer
			}
			return nil
		}
		res, err := p.Run(t.Context(), []string{"a1", "a2"})
		checkAccounts(t, 2, res, err)
		if s := res.Stats(); s.Failed != 1 || s.Succeeded != 1 {
			t.Errorf("%+v, want one failed and one succeeded", s)
		}
	})
	t.Run("items without a key are nobody's duplicates", func(t *testing.T) {
		t.Parallel()
		for _, policy := range []windrow.DuplicatePolicy{windrow.RejectDuplicates, windrow.KeepFirst, windrow.KeepLast, windrow.KeepAllInOrder} {
			p := windrow.NewBatchProcessor(func(_ context.Context, in string) (string, error) { return in, nil }, windrow.Duplicates(policy))
			p.Key = func(string) string { return "" }
			res, err := p.Run(t.Context(), in)
			if checkAccounts(t, 6, res, err); res.Stats().Succeeded != 6 {
				t.Errorf("policy %v: %v", policy, err)
			}
		}
	})
}

// Updates, deletes and reads are named by their id. Without a Key, those of one id are kept in order, not refused; reads
// are sent once.
func TestIDsAreKeys(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{updateVerb, deleteVerb, getVerb} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, slow(time.Second))
				s := v.run(t.Context(), f, []string{"x", "y", "x", "x"})
				want := []string{"0s: 2", "1s: 1", "2s: 1"}
				if v.name == "get" {
					want = want[:1]
				}
				if diff := cmp.Diff(want, starts(f)); diff != "" || s.err != nil {
					t.Errorf("error %v, calls (-want +got):\n%s", s.err, diff)
				}
				f = newFake(t, func(*call) error { return errServer })
				if s = v.run(t.Context(), f, []string{"x"}); !strings.Contains(s.err.Error(), `item 0 (key "x") failed`) {
					t.Errorf("error %v, want one that names the id", s.err)
				}
				if s = v.run(t.Context(), f, []string{"x", "x"}, windrow.Duplicates(windrow.RejectDuplicates)); !errors.Is(s.err, windrow.ErrDuplicateKey) {
					t.Errorf("error %v, want one that matches %v", s.err, windrow.ErrDuplicateKey)
				}
			})
		})
	}
}

// A key that names the record, not the request, must not pass for the identity of the request: a server would take
// the second update of a record for a repetition of the first.
func TestIdempotencyKeysNameOneItem(t *testing.T) {
	t.Parallel()
	fruit := func(in string) string { return in[:1] }
	type run func(ctx context.Context, f *fake) error
	update := func(ctx context.Context, f *fake) error {
		return updateVerb.run(ctx, f, []string{"a1", "a1", "a2", "a3"}).err
	}
	create := func(opts ...windrow.Option) run {
		return func(ctx context.Context, f *fake) error {
			p := windrow.NewCreateProcessor[string, string](client{fake: f}, opts...)
			p.Key = fruit
			_, err := p.Run(ctx, []string{"a1", "a2", "a3", "b"})
			return err
		}
	}
	for name, run := range map[string]run{
		"updates of one record":          update,
		"creates that are kept in order": create(windrow.Duplicates(windrow.KeepAllInOrder)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			for range 2 { // and another run has others
				f := newFake(t, nil)
				if err := run(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				for _, c := range f.calls {
					key := c.attempt.IdempotencyKey()
					if seen[key] || key == "" {
						t.Errorf("the key %q of %s was there before", key, c.id())
					}
					seen[key] = true
				}
			}
		})
	}
	t.Run("a Key that is unique names the record", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, nil)
		p := windrow.NewCreateProcessor[string, string](client{fake: f})
		p.Key = func(in string) string { return in }
		if _, err := p.Run(t.Context(), []string{"slug", "two words"}); err != nil {
			t.Fatal(err)
		}
		for _, c := range f.calls {
			key := c.attempt.IdempotencyKey()
			name := c.attempt.RecordName()
			if (name == c.id()) != (c.id() == "slug") || strings.ContainsAny(name, ` "\`) || c.attempt.Key != c.id() || key == name {
				t.Errorf("the key of %q is %q, its name %q, and its idempotency key %q", c.id(), c.attempt.Key, name, key)
			}
		}
	})
}

func TestDryRunSendsNothing(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(*call) error { t.Error("the client was called"); return nil })
	p := windrow.NewCreateProcessor[string, string](bulkClient{client{fake: f}}, windrow.DryRun())
	p.Key = func(in string) string { return in }
	p.Validate = func(in string) error {
		if in == "i1" {
			return errServer
		}
		return nil
	}
	var told []string
	p.OnResult = func(r windrow.Result[string, string]) {
		told = append(told, fmt.Sprint(r.Index, " ", r.State, " ", r.Reason))
	}
	res, err := p.Run(t.Context(), ids(3))
	checkAccounts(t, 3, res, err)
	want := []string{"0 skipped dry_run", "1 failed ", "2 skipped dry_run"}
	var got []string
	for r := range res.All() {
		got = append(got, fmt.Sprint(r.Index, " ", r.State, " ", r.Reason))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	slices.Sort(told)
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	res, err = p.Run(t.Context(), []string{"a", "a"}) // keys are checked, too
	refused(t, 2, res, err)
}

func TestNoItems(t *testing.T) {
	t.Parallel()
	for _, in := range [][]string{nil, {}} {
		res, err := windrow.CreateMany(t.Context(), windrow.CreateFunc(never(t)), in)
		checkAccounts(t, 0, res, err)
		if err != nil || res.Len() != 0 || len(res.Values()) != 0 || len(slices.Collect(res.All())) != 0 {
			t.Errorf("error %v, %d results", err, res.Len())
		}
	}
}

// A hook without which nothing can be sent, and which panics, stops the run before anything is sent.
func TestHooksThatPanic(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(p *windrow.BatchProcessor[string, string])
		want string
	}{
		{"Key", func(p *windrow.BatchProcessor[string, string]) { p.Key = func(in string) string { panic(in) } },
			"windrow: nothing was sent: Key: the function panicked with a value of type string; of 2 items 2 not attempted"},
		{"Size", func(p *windrow.BatchProcessor[string, string]) { p.Size = func(in string) int { panic(in) } },
			"windrow: nothing was sent: Size: the function panicked with a value of type string; of 2 items 2 not attempted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			processor := func(opts ...windrow.Option) *windrow.BatchProcessor[string, string] {
				f := newFake(t, func(*call) error { t.Error("the client was called"); return nil })
				p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, windrow.Capabilities{MaxBytes: 1}}}, opts...)
				tt.set(p)
				return p
			}
			res, err := processor().Run(t.Context(), ids(2))
			refused(t, 2, res, err)
			if err.Error() != tt.want {
				t.Errorf("error %v\nwant  %s", err, tt.want)
			}
			if e, ok := errors.AsType[*windrow.PanicError](err); !ok || len(e.Stack) == 0 {
				t.Errorf("error %v, want a *PanicError with its stack", err)
			}
			defer func() {
				if _, ok := recover().(*windrow.PanicError); !ok {
					t.Error("the panic did not go on although PropagatePanics is set")
				}
			}()
			_, _ = processor(windrow.PropagatePanics()).Run(t.Context(), ids(2))
		})
	}
}

// Correct may give an item the key of another one. That one was sent: Rerun refuses to send a second.
func TestRerunRefusesAKeyThatWasSent(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	p := windrow.NewCreateProcessor(client{fake: f})
	p.Key = byItself
	p.Validate = func(in string) error {
		if in == "bad" {
			return errors.New("bad")
		}
		return nil
	}
	res, _ := p.Run(t.Context(), []string{"a", "bad", "b"})
	if !res.Correct(1, "a") {
		t.Fatal("not corrected")
	}
	again, err := p.Rerun(t.Context(), res)
	twice, ok := errors.AsType[*windrow.DuplicateKeyError](err)
	if !ok || !namesTwo(twice, "a", 0, 1) || len(f.calls) != 2 {
		t.Fatalf("error %v after %d calls", err, len(f.calls))
	}
	if !again.Correct(1, "c") {
		t.Fatal("not corrected")
	}
	if again, err = p.Rerun(t.Context(), again); err != nil || again.Stats().Succeeded != 3 || len(f.calls) != 3 {
		t.Errorf("error %v after %d calls, %+v", err, len(f.calls), again.Stats())
	}
}

// Ids that differ have different keys, also where fmt prints the same.
func TestIDsThatPrintAlike(t *testing.T) {
	t.Parallel()
	type id struct{ Org, Name string }
	var deleted []id
	remove := windrow.DeleteFunc(func(_ context.Context, id id) error { deleted = append(deleted, id); return nil })
	in := []id{{"a b", "c"}, {"a", "b c"}, {"a", "b c"}}
	res, err := windrow.DeleteMany(t.Context(), remove, in, windrow.Concurrency(1), windrow.Duplicates(windrow.KeepFirst))
	if err != nil || res.Stats().Succeeded != 2 {
		t.Errorf("error %v, %+v", err, res.Stats())
	}
	if diff := cmp.Diff(in[:2], deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}

// Options that a call would ignore are refused by it, by name, before anything is sent.
func TestOptionsThatACallIgnores(t *testing.T) {
	t.Parallel()
	const (
		noStream = " is for a stream, and this call makes none: leave it out, or use Stream of a processor"
		single   = "windrow: BatchSize (9) has no effect on single calls without BatchDelay: leave it out, or use a client with batches"
	)
	f := newFake(t, func(*call) error { t.Error("the client was called"); return nil })
	one, many := client{fake: f}, bulkClient{client{fake: f}}
	verbs := map[string]func(opts ...windrow.Option) error{
		"CreateMany": func(opts ...windrow.Option) error {
			_, err := windrow.CreateMany[string, string](t.Context(), one, ids(2), opts...)
			return err
		},
		"UpdateMany": func(opts ...windrow.Option) error {
			_, err := windrow.UpdateMany[string, string, string](t.Context(), one, updates(ids(2)), opts...)
			return err
		},
		"UpsertMany": func(opts ...windrow.Option) error {
			_, err := windrow.UpsertMany[string, string](t.Context(), one, ids(2), opts...)
			return err
		},
		"DeleteMany": func(opts ...windrow.Option) error {
			_, err := windrow.DeleteMany[string](t.Context(), one, ids(2), opts...)
			return err
		},
		"GetMany": func(opts ...windrow.Option) error {
			_, err := windrow.GetMany[string, string](t.Context(), one, ids(2), opts...)
			return err
		},
		"Run of a processor": func(opts ...windrow.Option) error {
			_, err := windrow.NewBatchProcessor(never(t), opts...).Run(t.Context(), ids(2))
			return err
		},
		"Stream": func(opts ...windrow.Option) (err error) {
			for _, err = range windrow.NewBatchProcessor(never(t), opts...).Stream(t.Context(), windrow.FromSlice(ids(2))).All() {
			}
			return err
		},
	}
	refused := func(t *testing.T, err error, text string) {
		t.Helper()
		if _, ok := errors.AsType[*windrow.OptionError](err); !ok || !strings.Contains("windrow: "+strings.ReplaceAll(err.Error(), "windrow: ", ""), strings.TrimPrefix(text, "windrow: ")) {
			t.Errorf("error %v\nwant  %s", err, text)
		}
	}
	for name, run := range verbs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "Run of a processor" && name != "Stream" {
				refused(t, run(windrow.Unordered()), "windrow: Unordered"+noStream)
				refused(t, run(windrow.Window(10)), "windrow: Window"+noStream)
				refused(t, run(windrow.Options(windrow.Linger(time.Second))), "windrow: Linger"+noStream)
			}
			refused(t, run(windrow.BatchSize(9)), single)
			refused(t, run(windrow.BatchSize(9), windrow.BatchDelay(0)), single)
		})
	}
	refused(t, verbs["Stream"](windrow.Linger(time.Second)), "windrow: Linger has no effect on single calls: leave it out, or use a client with batches")
	_, err := windrow.CreateMany[string, string](t.Context(), many, ids(2), windrow.Linger(time.Second), windrow.Window(3))
	refused(t, err, "Linger"+noStream+"; ")
	for name, o := range map[string]windrow.Option{
		"Rate": windrow.Rate(1, time.Second), "StartFrom": windrow.StartFrom(windrow.Learned{}), "Burst": windrow.Burst(1), "OnAdjust": windrow.OnAdjust(func(windrow.LimiterStats) {}),
	} {
		refused(t, verbs["CreateMany"](windrow.WithLimiter(new(windrow.Limiter)), o), "windrow: "+name+" is refused beside WithLimiter")
	}
	api, err := os.ReadFile("docs/api.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, root, _ := strings.Cut(string(api), "\npackage windrow\n")
	root, _, _ = strings.Cut(root, "\npackage ")
	for _, match := range regexp.MustCompile(`(?m)^func (\w+)[(\[].* Option$`).FindAllStringSubmatch(root, -1) {
		if name := match[1]; optionsByName()[name] == nil && name != "Options" {
			t.Errorf("the option %s is not tried here", name)
		}
	}
	for name, o := range optionsByName() {
		if !slices.Contains([]string{"Concurrency", "Rate", "Burst", "OnAdjust", "StartFrom"}, name) {
			refused(t, windrow.NewLimiter(o).Wait(t.Context(), 1), "windrow: "+name+" is not for a Limiter, which takes Concurrency, Rate, Burst, OnAdjust and StartFrom")
		}
	}
}

// optionsByName returns each option with a good value.
func optionsByName() map[string]windrow.Option {
	return map[string]windrow.Option{
		"Atomic": windrow.Atomic(), "AttemptTimeout": windrow.AttemptTimeout(1), "BatchDelay": windrow.BatchDelay(1), "BatchSize": windrow.BatchSize(1),
		"Burst": windrow.Burst(1), "Canary": windrow.Canary(1), "Concurrency": windrow.Concurrency(1), "DryRun": windrow.DryRun(),
		"Duplicates": windrow.Duplicates(windrow.KeepFirst), "IdempotencyScope": windrow.IdempotencyScope("a"), "Linger": windrow.Linger(1),
		"MaxFailureRate": windrow.MaxFailureRate(0.5, 1), "MaxFailures": windrow.MaxFailures(1), "OnAdjust": windrow.OnAdjust(func(windrow.LimiterStats) {}),
		"StartFrom": windrow.StartFrom(windrow.Learned{}), "OnProgress": windrow.OnProgress(func(windrow.Progress) {}), "PreserveOrder": windrow.PreserveOrder(), "PropagatePanics": windrow.PropagatePanics(),
		"Rate": windrow.Rate(1, 1), "Repeatable": windrow.Repeatable(), "Retry": windrow.Retry(windrow.RetryPolicy{}), "SettlingTime": windrow.SettlingTime(1),
		"Unordered": windrow.Unordered(), "Window": windrow.Window(1),
		"WithJournal": windrow.WithJournal(newMemory()), "WithControl": windrow.WithControl(new(windrow.Control)), "WithKey": windrow.WithKey(byItself), "WithLimiter": windrow.WithLimiter(new(windrow.Limiter)),
		"WithLogger": windrow.WithLogger(slog.New(slog.DiscardHandler)), "WithObserver": windrow.WithObserver(observer{}),
		"WithResultID": windrow.WithResultID(byItself),
	}
}

// What has an effect is taken: the options of a stream by a processor that may serve both, a size of batches beside a delay,
// and a Burst without a Rate, which holds for the rate that comes.
func TestOptionsThatACallHeeds(t *testing.T) {
	t.Parallel()
	upper := func(_ context.Context, in string) (string, error) { return strings.ToUpper(in), nil }
	p := windrow.NewBatchProcessor(upper, windrow.Unordered(), windrow.Window(3))
	if res, err := p.Run(t.Context(), ids(5)); err != nil {
		t.Errorf("Run: %v", err)
	} else if _, err := p.Rerun(t.Context(), res); err != nil {
		t.Errorf("Rerun: %v", err)
	}
	for _, err := range p.Stream(t.Context(), windrow.FromSlice(ids(5))).All() {
		if err != nil {
			t.Errorf("Stream: %v", err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if _, err := windrow.CreateMany(t.Context(), windrow.CreateFunc(upper), ids(6), windrow.BatchSize(2), windrow.BatchDelay(time.Second)); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("3 batches with a second between them took %v", took)
		}
	})
	l := windrow.NewLimiter(windrow.Burst(7))
	if err := l.SetRate(10, time.Second); err != nil || l.Stats().Burst != 7 {
		t.Errorf("error %v, and a burst of %d", err, l.Stats().Burst)
	}
}

// A verb with a journal is one call: the key of an item and the id of its result are named where it is made, and a function
// of other types is refused by name.
func TestKeyAndResultIDOfAVerb(t *testing.T) {
	t.Parallel()
	type draft struct{ Slug string }
	type article struct{ ID int }
	var sent atomic.Int64
	create := windrow.CreateFunc(func(_ context.Context, d draft) (article, error) { sent.Add(1); return article{len(d.Slug)}, nil })
	slug := windrow.WithKey(func(d draft) string { return d.Slug })
	id := windrow.WithResultID(func(a article) string { return fmt.Sprint("article ", a.ID) })
	j, in := newMemory(), []draft{{"one"}, {"three"}}
	for n, want := range []string{"one succeeded article 3, three succeeded article 5", "one skipped article 3, three skipped article 5"} {
		res, err := windrow.CreateMany(t.Context(), create, in, windrow.WithJournal(j), slug, id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for r := range res.All() {
			got = append(got, fmt.Sprint(r.Key, " ", r.State, " ", r.ID))
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" || sent.Load() != 2 {
			t.Errorf("run %d: %d sent (-want +got):\n%s", n, sent.Load(), diff)
		}
	}
	for want, opts := range map[string][]windrow.Option{
		"windrow: WithKey (func(int) string) must be a func(windrow_test.draft) string here":                   {windrow.WithKey(func(int) string { return "" })},
		"windrow: WithResultID (func(string) string) must be a func(windrow_test.article) string here":         {windrow.WithResultID(byItself)},
		"windrow: WithJournal needs a Key, by which the items are known again: give WithKey, or set the field": {windrow.WithJournal(j)},
	} {
		res, err := windrow.CreateMany(t.Context(), create, in, opts...)
		if diff := cmp.Diff(want, refused(t, 2, res, err)); diff != "" {
			t.Errorf("cause (-want +got):\n%s", diff)
		}
	}
	update := windrow.UpdateFunc(func(_ context.Context, id, data string) (string, error) { return data, nil })
	res, err := windrow.UpdateMany(t.Context(), update, updates(ids(1)), windrow.WithKey(func(u windrow.Update[string, string]) string { return "update of " + u.ID }))
	if err != nil || res.At(0).Key != "update of i0" {
		t.Errorf("an update: key %q, error %v", res.At(0).Key, err)
	}
	p := windrow.NewCreateProcessor(create, slug)
	p.Key = func(draft) string { return "the field" } // it is set later, and counts
	if res, err := p.Run(t.Context(), in[:1]); err != nil || res.At(0).Key != "the field" {
		t.Errorf("key %q, error %v", res.At(0).Key, err)
	}
}

// A huge value is no bound, or a wait without an end, where it is not refused: nothing overflows.
func TestHugeValuesAreTaken(t *testing.T) {
	t.Parallel()
	const most, ever = math.MaxInt, time.Duration(math.MaxInt64)
	retry := func(p windrow.RetryPolicy) windrow.Option { return windrow.Retry(p) }
	for name, tt := range map[string]struct {
		opt  windrow.Option
		once bool // the item that fails waits for its second attempt without an end
	}{
		"Concurrency": {windrow.Concurrency(100_000), false}, "Rate": {windrow.Rate(most, 1), false}, "slow Rate": {windrow.Rate(most, ever), false},
		"Burst": {windrow.Options(windrow.Burst(most), windrow.Rate(10, time.Second)), false}, "BatchSize": {windrow.Options(windrow.BatchSize(most), windrow.BatchDelay(1)), false},
		"AttemptTimeout": {windrow.AttemptTimeout(ever), false}, "MaxFailures": {windrow.MaxFailures(most), false}, "Canary": {windrow.Canary(most), false},
		"MaxFailureRate": {windrow.MaxFailureRate(1, most), false}, "MaxAttempts": {retry(windrow.RetryPolicy{MaxAttempts: most}), false},
		"MaxThrottleWait": {retry(windrow.RetryPolicy{MaxThrottleWait: ever}), false},
		"Budget":          {retry(windrow.RetryPolicy{Budget: windrow.RetryBudget{Size: math.MaxFloat64, PerSecond: math.MaxFloat64, PerSuccess: math.MaxFloat64}}), false},
		"Exponential":     {retry(windrow.RetryPolicy{Strategy: windrow.Exponential(ever, ever)}), true}, "Constant": {retry(windrow.RetryPolicy{Strategy: windrow.Constant(ever)}), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, stream := range []bool{false, true} {
				if stream && name == "Concurrency" && raceDetector {
					continue // it starts as many goroutines, which take gigabytes with the race detector
				}
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
					defer cancel()
					f := newFake(t, func(c *call) error {
						if c.nth == 1 && c.id() == "i3" {
							return windrow.Transient(errServer)
						}
						return nil
					})
					op := createVerb.start(createVerb, f, false, []windrow.Option{tt.opt})
					var states []windrow.State
					if stream {
						states, _ = op.stream(ctx, ids(30))
					} else {
						states = op.run(ctx, ids(30)).states
					}
					want := repeat(30, windrow.Succeeded)
					if tt.once {
						want[3] = windrow.NotAttempted
					}
					if diff := cmp.Diff(want, states); diff != "" {
						t.Errorf("stream %t (-want +got):\n%s", stream, diff)
					}
				})
			}
		})
	}
	p := windrow.NewBatchProcessor(never(t))
	p.Batch = func(context.Context, []string) ([]windrow.Outcome[string], error) {
		t.Error("a batch was sent")
		return nil, nil
	}
	p.Capabilities = windrow.Capabilities{MaxItems: most, Cost: func(n int) int { return n }}
	res, err := p.Run(t.Context(), ids(2))
	if text := refused(t, 2, res, err); !strings.HasPrefix(text, "windrow: Capabilities: MaxItems (9223372036854775807) must be at most 1,048,576 beside a Cost") {
		t.Error(text)
	}
	if err := new(windrow.Limiter).SetConcurrency(most); err == nil || err.Error() != "windrow: SetConcurrency (9223372036854775807) must be from 1 to 100,000" {
		t.Error(err)
	}
}
