package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// Rows B56 to B63 of the acceptance table: the retry strategies and the kinds of errors of the batch job API.

// delays runs one item whose first attempts fail, and returns how long it waited before each repetition.
func delays(t *testing.T, strategy windrow.Strategy) []time.Duration {
	t.Helper()
	f := newFake(t, func(*call) error { return windrow.Transient(errServer) })
	s := createVerb.run(t.Context(), f, ids(1), windrow.Retry(windrow.RetryPolicy{
		MaxAttempts: 7, Strategy: strategy, Budget: windrow.RetryBudget{Size: 100},
	}))
	if s.stats.Failed != 1 {
		t.Errorf("%+v, want one failure", s.stats)
	}
	var all []time.Duration
	for k := 1; k < len(f.calls); k++ {
		all = append(all, f.calls[k].at-f.calls[k-1].end)
	}
	return all
}

func TestB56_RetryImmediate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if diff := cmp.Diff(make([]time.Duration, 6), delays(t, windrow.Constant(0))); diff != "" {
			t.Errorf("delays (-want +got):\n%s", diff)
		}
	})
}

// The API calls it linear. It is a fixed delay.
func TestB57_RetryLinearIsConstant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		want := slices.Repeat([]time.Duration{3 * time.Second}, 6)
		if diff := cmp.Diff(want, delays(t, windrow.Constant(3*time.Second))); diff != "" {
			t.Errorf("delays (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(make([]time.Duration, 6), delays(t, windrow.Constant(-time.Second))); diff != "" {
			t.Errorf("delays below zero (-want +got):\n%s", diff)
		}
	})
}

// Increasing: each delay is drawn from up to twice the bound of the one before, until the limit.
func TestB58_RetryExponential(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		initial, limit time.Duration
		bounds         []time.Duration
	}{
		{"doubles up to the limit", time.Second, 10 * time.Second, []time.Duration{1e9, 2e9, 4e9, 8e9, 10e9, 10e9}},
		{"defaults", 0, 0, []time.Duration{5e8, 1e9, 2e9, 4e9, 8e9, 16e9}},
		{"a limit below the start", time.Minute, time.Second, []time.Duration{1e9, 1e9, 1e9, 1e9, 1e9, 1e9}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				longest := make([]time.Duration, len(tt.bounds))
				for range 100 {
					for k, d := range delays(t, windrow.Exponential(tt.initial, tt.limit)) {
						longest[k] = max(longest[k], d)
					}
				}
				for k, bound := range tt.bounds {
					// 100 draws from a range all fall below 9/10 of it once in 40,000 times.
					if longest[k] > bound || longest[k] < bound*9/10 {
						t.Errorf("delay %d: the longest of 100 is %v, want up to %v", k+1, longest[k], bound)
					}
				}
			})
		})
	}
}

// The caller's function is asked for each repetition, counted from 1 for each item. A negative answer ends it.
func TestB59_RetryCustom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fibonacci := windrow.Custom(func(n int) time.Duration {
			a, b := 0, 1
			for range n {
				a, b = b, a+b
			}
			return time.Duration(a) * time.Second
		})
		want := []time.Duration{1e9, 1e9, 2e9, 3e9, 5e9, 8e9}
		for range 2 { // the count belongs to the item, not to the strategy
			if diff := cmp.Diff(want, delays(t, fibonacci)); diff != "" {
				t.Errorf("delays (-want +got):\n%s", diff)
			}
		}
		twice := windrow.Custom(func(n int) time.Duration {
			if n > 2 {
				return -1
			}
			return 0
		})
		if got := delays(t, twice); len(got) != 2 {
			t.Errorf("%d repetitions, want the 2 that the function allows", len(got))
		}
	})
}

// timeoutError is an error that says it is a timeout, as errors of net do.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// B60 validation, B61 resource, B62 system, B63 timeout: what a person does about an error.
func TestB60_B61_B62_B63_ErrorKinds(t *testing.T) {
	t.Parallel()
	hang := errors.New("hang until the attempt's time is over")
	for _, tt := range []struct {
		name string
		err  error
		want windrow.ErrorKind
	}{
		{"B60 a bad request", &statusError{status: 400}, windrow.KindValidation},
		{"B60 an unprocessable entity", &statusError{status: 422}, windrow.KindValidation},
		{"B60 too large", &statusError{status: 413}, windrow.KindValidation},
		{"B60 too large, marked", windrow.TooLarge(io.ErrShortBuffer, 0), windrow.KindValidation},
		{"B61 not found", &statusError{status: 404}, windrow.KindResource},
		{"B61 gone", &statusError{status: 410}, windrow.KindResource},
		{"B61 a conflict", &statusError{status: 409}, windrow.KindResource},
		{"B61 forbidden", &statusError{status: 403}, windrow.KindResource},
		{"B61 unauthorized", &statusError{status: 401}, windrow.KindResource},
		{"B61 locked", &statusError{status: 423}, windrow.KindResource},
		{"B61 a client's not found", fmt.Errorf("get: %w", windrow.ErrNotFound), windrow.KindResource},
		{"B61 a client's already exists", fmt.Errorf("create: %w", windrow.ErrAlreadyExists), windrow.KindResource},
		{"B62 a server's error", &statusError{status: 500}, windrow.KindSystem},
		{"B62 a bad gateway", &statusError{status: 502}, windrow.KindSystem},
		{"B62 a refused connection", &net.OpError{Op: "dial", Err: os.ErrPermission}, windrow.KindSystem},
		{"B62 a broken connection", io.ErrUnexpectedEOF, windrow.KindSystem},
		{"B62 what nobody knows", errors.New("something"), windrow.KindSystem},
		{"B63 a gateway's timeout", &statusError{status: 504}, windrow.KindTimeout},
		{"B63 a request's timeout", &statusError{status: 408}, windrow.KindTimeout},
		{"B63 a network's timeout", &net.OpError{Op: "read", Err: timeoutError{}}, windrow.KindTimeout},
		{"B63 the attempt's timeout", hang, windrow.KindTimeout},
		{"a kind that the client names", windrow.Classified(errServer, windrow.Classification{Kind: windrow.KindTimeout}), windrow.KindTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					if tt.err == hang {
						<-c.ctx.Done()
						return c.ctx.Err()
					}
					return tt.err
				})
				res, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(1), windrow.AttemptTimeout(time.Minute),
					windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1}))
				checkAccounts(t, 1, res, err)
				if got := res.At(0).Kind; got != tt.want {
					t.Errorf("kind %v, want %v", got, tt.want)
				}
				if item, ok := errors.AsType[*windrow.ItemError](err); !ok || item.Kind != tt.want {
					t.Errorf("error %v, want an *ItemError of kind %v", err, tt.want)
				}
			})
		})
	}
	t.Run("B60 validation before the run", func(t *testing.T) {
		t.Parallel()
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { return 0, nil })
		p.Validate = func(int) error { return errServer }
		res, _ := p.Run(t.Context(), []int{1})
		if got := res.At(0).Kind; got != windrow.KindValidation {
			t.Errorf("kind %v, want %v", got, windrow.KindValidation)
		}
	})
	t.Run("B62 a panic", func(t *testing.T) {
		t.Parallel()
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { panic("no") })
		res, _ := p.Run(t.Context(), []int{1})
		if got := res.At(0).Kind; got != windrow.KindSystem {
			t.Errorf("kind %v, want %v", got, windrow.KindSystem)
		}
	})
	names := map[windrow.ErrorKind]string{
		windrow.KindValidation: "validation", windrow.KindResource: "resource", windrow.KindSystem: "system", windrow.KindTimeout: "timeout",
	}
	for kind, name := range names {
		if kind.String() != name {
			t.Errorf("%v, want %s", kind, name)
		}
	}
}
