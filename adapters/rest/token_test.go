package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// guard answers only requests with that token.
func guard(token string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		time.Sleep(time.Millisecond) // so that all connections are made before the first is free again
		if req.Header.Get("Authorization") != "Bearer "+token {
			status(http.StatusUnauthorized)(w, req)
			return
		}
		next(w, req)
	}
}

func noToken(context.Context) (string, error) { return "", nil }

// A source takes the place of a token that was given before, whatever that is; so constructors with an argument for the
// token can pass it on.
func TestTokenSourceInPlaceOfAToken(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "a\nb", "old"} {
		s := serve(t, guard("good", good))
		c := s.client(t, WithToken(token), WithTokenSource(func(context.Context) (string, error) { return "good", nil }))
		if _, err := articlesOf(c).Create(t.Context(), draft{}); err != nil {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// F16: credentials that are refused stop the run once; a thousand items do not fail one by one.
func TestF16RefusedCredentials(t *testing.T) {
	t.Parallel()
	calls := func(tokens ...string) (Option, *atomic.Int32) {
		var n atomic.Int32
		return WithTokenSource(func(context.Context) (string, error) {
			time.Sleep(time.Second) // so that the others have to wait
			i := int(n.Add(1)) - 1
			return tokens[min(i, len(tokens)-1)], nil
		}), &n
	}
	const workers = 8
	run := func(t *testing.T, opt Option) (*windrow.BulkResult[draft, article], *server, error) {
		s := serve(t, guard("good", good))
		res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t, opt)), make([]draft, 1000), windrow.Concurrency(workers))
		return res, s, err
	}
	stopped := func(t *testing.T, res *windrow.BulkResult[draft, article], err error, s *server, requests int) {
		t.Helper()
		if !errors.Is(err, windrow.ErrFatal) {
			t.Errorf("error %v does not match ErrFatal", err)
		}
		stats := res.Stats()
		if stats.Failed < 1 || stats.Failed > min(requests, workers+2) || stats.Failed+stats.NotAttempted != 1000 {
			t.Errorf("stats %+v", stats)
		}
		if n := len(s.requests()); n > requests {
			t.Errorf("%d requests, want at most %d", n, requests)
		}
	}
	t.Run("a token", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			res, s, err := run(t, WithToken("bad"))
			stopped(t, res, err, s, workers)
		})
	})
	t.Run("a source whose second token is good", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			source, asked := calls("old", "good")
			res, s, err := run(t, source)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "succeeded", 1000, res.Stats().Succeeded)
			testkit.Check(t, "source asked", int32(2), asked.Load())
			if n := len(s.requests()); n < 1001 || n > 1000+workers {
				t.Errorf("%d requests, want 1000 and at most one more for each of the %d workers", n, workers)
			}
			if n := s.dials.Load(); n > workers {
				t.Errorf("%d connections for %d workers", n, workers)
			}
			keys := map[string]int{} // those of a repeated request are the same
			for _, r := range s.requests() {
				keys[r.Key]++
			}
			testkit.Check(t, "keys", 1000, len(keys))
		})
	})
	t.Run("a source whose second token is bad", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			source, asked := calls("old", "bad")
			res, s, err := run(t, source)
			stopped(t, res, err, s, 2*workers)
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != http.StatusUnauthorized {
				t.Errorf("error %v holds no Error with status 401", err)
			}
			if n := asked.Load(); n > workers+1 {
				t.Errorf("the source was asked %d times", n)
			}
		})
	})
	t.Run("a source with but one token", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			source, _ := calls("bad")
			res, s, err := run(t, source)
			stopped(t, res, err, s, workers) // nothing is sent again with what was just refused
		})
	})
	t.Run("403", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, status(http.StatusForbidden))
			source, asked := calls("good")
			res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t, source)), make([]draft, 1000), windrow.Concurrency(workers))
			stopped(t, res, err, s, workers+2) // the third refused request stops the run, with what is in flight by then
			testkit.Check(t, "source asked", int32(1), asked.Load())
		})
	})
}

// What a source's error means depends on what it is. Nothing of the item was sent in any case.
func TestTokenSourceErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		want windrow.Class
	}{
		{"refused connection", syscall.ECONNREFUSED, windrow.ClassTransient},
		{"timeout", context.DeadlineExceeded, windrow.ClassTransient},
		{"busy", &Error{Status: 503}, windrow.ClassTransient},
		{"throttled", windrow.Throttled(errors.New("slow down"), time.Second), windrow.ClassThrottled},
		{"bad credentials", &Error{Status: 400}, windrow.ClassFatal},
		{"anything", errors.New("no such file"), windrow.ClassFatal},
		{"no token", nil, windrow.ClassFatal},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, good)
				_, err := articlesOf(s.client(t, WithTokenSource(func(context.Context) (string, error) { return "", test.err }))).Create(t.Context(), draft{"a"})
				testkit.Check(t, "class", test.want, windrow.Classify(err).Class)
				if test.err != nil && !errors.Is(err, test.err) {
					t.Errorf("error %v does not match %v", err, test.err)
				}
				testkit.Check(t, "requests", 0, len(s.requests()))
			})
		})
	}
}

// All who wait for the source have its answer, also when that is an error; those who come later ask anew.
func TestTokenSourceIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		tokens := newTokens(func(context.Context) (string, error) {
			asked++
			time.Sleep(time.Second)
			if asked == 1 {
				return "", errors.New("not yet")
			}
			return fmt.Sprintf("token %d", asked), nil
		})
		together := func(refused string) (got []string) {
			var mu sync.Mutex
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					token, err := tokens.get(t.Context(), refused)
					if err != nil {
						token = "error"
					}
					mu.Lock()
					got = append(got, token)
					mu.Unlock()
				})
			}
			group.Wait()
			return got
		}
		ten := func(s string) []string { return []string{s, s, s, s, s, s, s, s, s, s} }
		testkit.Check(t, "first", ten("error"), together(""))
		testkit.Check(t, "second", ten("token 2"), together(""))
		testkit.Check(t, "kept", ten("token 2"), together(""))
		testkit.Check(t, "refused", ten("token 3"), together("token 2"))
		testkit.Check(t, "refused long ago", ten("token 3"), together("token 2"))
		testkit.Check(t, "asked", 3, asked)
	})
}

// A source that panics does not keep the others waiting for ever.
func TestTokenSourcePanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		s := serve(t, good)
		res, _ := windrow.CreateMany(t.Context(), articlesOf(s.client(t, WithTokenSource(func(context.Context) (string, error) {
			if asked.Add(1) == 1 {
				panic("no token")
			}
			return "token", nil
		}))), make([]draft, 3), windrow.PreserveOrder())
		testkit.Check(t, "ends", []end{{failed, 1}, {succeeded, 1}, {succeeded, 1}}, ends(res))
	})
}

// A token that no header can hold is none.
func TestTokenSourceOfNoToken(t *testing.T) {
	t.Parallel()
	_, err := newTokens(func(context.Context) (string, error) { return "secret\nX: y", nil }).get(t.Context(), "")
	if windrow.Classify(err).Class != windrow.ClassFatal || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

// A caller whose context ends leaves, and does not take the others with it.
func TestTokenSourceAndContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Minute):
				return "token", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		get := func(patience time.Duration) func() error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			result := make(chan error, 1)
			go func() {
				defer cancel()
				_, err := tokens.get(ctx, "")
				result <- err
			}()
			synctest.Wait()
			return func() error { return <-result }
		}
		began := time.Now()
		asks, leaves, waits := get(10*time.Second), get(time.Second), get(time.Hour)
		if err := leaves(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := asks(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := waits(); err != nil || time.Since(began) != 70*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A create whose token did not come in time was not sent: it is no unknown.
func TestTokenSourceTimeoutInARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		s := serve(t, good)
		res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t, WithTokenSource(func(ctx context.Context) (string, error) {
			if asked.Add(1) == 1 {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return "token", nil
		}))), []draft{{"a"}}, again, windrow.AttemptTimeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ends", []end{{succeeded, 2}}, ends(res))
	})
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want string
		opts []Option
	}{
		{"", nil},
		{"Bearer t", []Option{WithToken("t")}},
		{"t", []Option{WithToken("t"), WithAuthScheme("")}},
		{"Token t", []Option{WithAuthScheme("Token"), WithToken("t")}},
		{"Basic x", []Option{WithHeader("authorization", "Basic x")}},
		{"Bearer t", []Option{WithHeader("Authorization", "Basic x"), WithToken("t")}},
		{"Bearer s", []Option{WithToken("t"), WithTokenSource(func(context.Context) (string, error) { return "s", nil })}},
		{"Bearer t", []Option{WithTokenSource(func(context.Context) (string, error) { return "s", nil }), WithToken("t")}},
	} {
		synctest.Test(t, func(t *testing.T) {
			got := ""
			s := serve(t, func(w http.ResponseWriter, req *http.Request) {
				got = req.Header.Get("Authorization")
				good(w, req)
			})
			if _, err := articlesOf(s.client(t, test.opts...)).Get(t.Context(), "1"); err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "Authorization", test.want, got)
		})
	}
}
