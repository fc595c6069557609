package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// call makes one request of an application, in whatever way.
type call func(ctx context.Context, method, path string) error

// statusOnly is the error of an SDK that tells the status and nothing else.
type statusOnly int

func (e statusOnly) Error() string   { return "the SDK was refused" }
func (e statusOnly) StatusCode() int { return int(e) }

// sdk returns a call of an SDK that knows nothing of windrow but its transport. failed makes its error of a status, and is
// asked about successes, too, with what is in the body.
func sdk(t *Transport, failed func(status int, body []byte) error) call {
	web := &http.Client{Transport: t}
	return func(ctx context.Context, method, path string) error {
		req, err := http.NewRequestWithContext(ctx, method, "http://cms.test"+path, strings.NewReader(`{}`))
		if err != nil {
			return err
		}
		res, err := web.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		return failed(res.StatusCode, body)
	}
}

func refusedBy(err func(status int) error) func(int, []byte) error {
	return func(status int, _ []byte) error {
		if status > 299 {
			return err(status)
		}
		return nil
	}
}

// callers are the ways in which an application may make its requests.
var callers = map[string]func(t *testing.T, s *server) call{
	"client": func(t *testing.T, s *server) call {
		c := s.client(t)
		return func(ctx context.Context, method, path string) error {
			var out map[string]any
			_, err := c.Do(ctx, Request{Method: method, Path: path, In: map[string]string{}}, &out)
			return err
		}
	},
	"SDK": func(_ *testing.T, s *server) call {
		return sdk(&Transport{Base: s.base}, refusedBy(func(int) error { return errors.New("the SDK was refused") }))
	},
	"SDK with a status": func(_ *testing.T, s *server) call {
		return sdk(&Transport{Base: s.base}, refusedBy(func(status int) error { return statusOnly(status) }))
	},
}

// ways run one call as a create that must not be repeated, and as a read, by Run, Stream and in a batch.
var ways = map[string]func(t *testing.T, send call) end{
	"create": func(t *testing.T, send call) end {
		res, _ := windrow.CreateMany(t.Context(), windrow.CreateFunc(func(ctx context.Context, _ int) (int, error) {
			return 0, send(ctx, http.MethodPost, "/a")
		}), []int{1})
		return ends(res)[0]
	},
	"get": func(t *testing.T, send call) end {
		res, _ := windrow.GetMany(t.Context(), windrow.GetFunc(func(ctx context.Context, _ int) (int, error) {
			return 0, send(ctx, http.MethodGet, "/a")
		}), []int{1})
		return ends(res)[0]
	},
	"delete": func(t *testing.T, send call) end {
		res, _ := windrow.DeleteMany(t.Context(), windrow.DeleteFunc(func(ctx context.Context, _ int) error {
			return send(ctx, http.MethodDelete, "/a")
		}), []int{1})
		return ends(res)[0]
	},
	"batch": func(t *testing.T, send call) end {
		p := windrow.NewCreateProcessor(windrow.CreateFunc(func(context.Context, int) (int, error) { return 0, errors.New("not in a batch") }))
		p.Batch = func(ctx context.Context, in []int) ([]windrow.Outcome[int], error) {
			return make([]windrow.Outcome[int], len(in)), send(ctx, http.MethodPost, "/batch")
		}
		res, _ := p.Run(t.Context(), []int{1, 2, 3})
		all := ends(res)
		if all[1] != all[0] || all[2] != all[0] {
			t.Errorf("items of one batch end differently: %v", all)
		}
		return all[0]
	},
	"stream": func(t *testing.T, send call) (last end) {
		p := windrow.NewCreateProcessor(windrow.CreateFunc(func(ctx context.Context, _ int) (int, error) {
			return 0, send(ctx, http.MethodPost, "/a")
		}))
		for r := range p.Stream(t.Context(), windrow.FromSlice([]int{1})).All() {
			last = end{r.State, r.Attempts}
		}
		return last
	},
}

// F68: a throttle that is no 429 is one when the response itself says so: for the client and for a transport under any SDK,
// whatever its errors tell; in single calls, batches and streams. It costs no attempt, and is waited for as long as the
// server says.
func TestF68ThrottlesInOtherClothes(t *testing.T) {
	t.Parallel()
	in := func(seconds int) string {
		return strconv.FormatInt(time.Now().Add(time.Duration(seconds)*time.Second).Unix(), 10)
	}
	for name, refuse := range map[string]func(w http.ResponseWriter){
		"403 with Retry-After": func(w http.ResponseWriter) { status(403, "Retry-After", "60")(w, nil) },
		"409 with Retry-After": func(w http.ResponseWriter) { status(409, "Retry-After", "60")(w, nil) },
		"423 with Retry-After": func(w http.ResponseWriter) { status(423, "Retry-After", "60")(w, nil) },
		"403, nothing remains, as at GitHub": func(w http.ResponseWriter) {
			status(403, "X-Ratelimit-Limit", "5000", "X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", in(60))(w, nil)
		},
		"403, nothing remains, by the draft": func(w http.ResponseWriter) {
			status(403, "Ratelimit", `"default";r=0;t=60`, "Ratelimit-Policy", `"default";q=100;w=3600`)(w, nil)
		},
	} {
		for caller, connect := range callers {
			for way, run := range ways {
				t.Run(name+"/"+caller+"/"+way, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						time.Sleep(30 * 365 * 24 * time.Hour) // bubbles begin in a year whose seconds are no epoch's
						s := serve(t, each(func(w http.ResponseWriter, _ *http.Request) { refuse(w) }, func(w http.ResponseWriter, _ *http.Request) {
							answer(w, http.StatusOK, map[string]string{"id": "1"})
						}))
						began := time.Now()
						testkit.Check(t, "end", end{succeeded, 1}, run(t, connect(t, s)))
						testkit.Check(t, "requests", 2, len(s.requests()))
						within(t, time.Since(began), 59*time.Second, 68*time.Second)
					})
				})
			}
		}
	}
}

// F68: what the response does not say is not believed.
func TestF68RefusalsStayRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refuse http.HandlerFunc
		create end
	}{
		"401 with Retry-After":               {status(401, "Retry-After", "60"), end{failed, 1}},
		"403":                                {status(403), end{failed, 1}},
		"403, something remains":             {status(403, "X-Ratelimit-Remaining", "7", "X-Ratelimit-Reset", "60"), end{failed, 1}},
		"403, nothing remains, no end":       {status(403, "X-Ratelimit-Remaining", "0"), end{failed, 1}},
		"403, nothing remains, end is past":  {status(403, "X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", "1000000001"), end{failed, 1}},
		"404 with Retry-After":               {status(404, "Retry-After", "60"), end{failed, 1}},
		"409":                                {status(409), end{failed, 1}},
		"422 with Retry-After":               {status(422, "Retry-After", "60"), end{failed, 1}},
		"423":                                {status(423), end{failed, 1}},
		"404, nothing remains, end is ahead": {status(404, "X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", "60"), end{failed, 1}},
	} {
		for caller, connect := range callers {
			t.Run(name+"/"+caller, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := serve(t, each(test.refuse, good))
					testkit.Check(t, "end", test.create, ways["create"](t, connect(t, s)))
					testkit.Check(t, "requests", 1, len(s.requests()))
				})
			})
		}
	}
}

// F68: outside a run the limiter shuts for everybody, too.
func TestF68ThrottlesOutsideARun(t *testing.T) {
	t.Parallel()
	for _, code := range []int{403, 409, 423} {
		for _, client := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				limiter := &windrow.Limiter{}
				s := serve(t, each(status(code, "Retry-After", "60"), good))
				if client {
					if _, err := articlesOf(s.client(t, WithLimiter(limiter))).Create(t.Context(), draft{"a"}); windrow.Classify(err).Class != windrow.ClassThrottled ||
						errors.Is(err, windrow.ErrAlreadyExists) {
						t.Errorf("error %v", err)
					}
				} else {
					req, _ := request(t.Context(), http.MethodPost, "http://cms.test/")
					_, _ = (&Transport{Limiter: limiter, Base: s.base}).RoundTrip(req)
				}
				within(t, time.Until(limiter.Stats().PausedUntil), 60*time.Second, 66*time.Second)
			})
		}
	}
}

// quota is a server that takes so many requests in each window, and refuses the others in its own way.
type quota struct {
	limit  int
	window time.Duration
	refuse func(w http.ResponseWriter, left time.Duration)

	mu      sync.Mutex
	began   time.Time
	current int
	used    int
	refused int
}

func (q *quota) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	q.mu.Lock()
	if q.began.IsZero() {
		q.began = time.Now()
	}
	into := time.Since(q.began)
	if k := int(into / q.window); k != q.current {
		q.current, q.used = k, 0
	}
	full := q.used >= q.limit
	if q.used++; full {
		q.refused++
	}
	q.mu.Unlock()
	if full {
		q.refuse(w, q.window-into%q.window)
		return
	}
	answer(w, http.StatusOK, map[string]any{"ok": true, "id": "1"})
}

// inSeconds writes a duration in whole seconds, rounded up.
func inSeconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// throttledBody is what the body of an answer says of a throttle.
func throttledBody(body []byte) error {
	var said struct {
		Error string  `json:"error"`
		After float64 `json:"retry_after"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error != "ratelimited" {
		return nil
	}
	return windrow.Throttled(errors.New("rate limited"), time.Duration(said.After*float64(time.Second)))
}

// F70: a throttle that only the client sees costs what a 429 costs, in refused requests and in time: the transport does not
// open what the run shuts.
func TestF70ThrottlesThatOnlyTheClientSees(t *testing.T) {
	t.Parallel()
	plain := func(w http.ResponseWriter, left time.Duration) { status(429, "Retry-After", inSeconds(left))(w, nil) }
	inBody := func(w http.ResponseWriter, left time.Duration) {
		seconds, _ := strconv.Atoi(inSeconds(left))
		answer(w, http.StatusOK, map[string]any{"ok": false, "error": "ratelimited", "retry_after": seconds})
	}
	byClient := func(_ *testing.T, s *server) call {
		return sdk(&Transport{Base: s.base}, func(status int, body []byte) error {
			if status == 429 {
				return statusOnly(status)
			}
			return throttledBody(body)
		})
	}
	measure := func(t *testing.T, refuse func(http.ResponseWriter, time.Duration), connect func(*testing.T, *server) call, opts ...windrow.Option) (refused int, took time.Duration) {
		const items = 200
		synctest.Test(t, func(t *testing.T) {
			q := &quota{limit: 20, window: 10 * time.Second, refuse: refuse}
			send := connect(t, serve(t, q.ServeHTTP))
			began := time.Now()
			res, err := windrow.CreateMany(t.Context(), windrow.CreateFunc(func(ctx context.Context, _ int) (int, error) {
				return 0, send(ctx, http.MethodPost, "/a")
			}), make([]int, items), append([]windrow.Option{windrow.Concurrency(8)}, opts...)...)
			if err != nil {
				t.Error(err)
			}
			for r := range res.All() {
				if r.State != succeeded || r.Attempts != 1 {
					t.Fatalf("item %d: %v after %d attempts", r.Index, r.State, r.Attempts)
				}
			}
			refused, took = q.refused, time.Since(began)
		})
		return refused, took
	}
	wantRefused, wantTook := measure(t, plain, byClient)
	for name, test := range map[string]struct {
		connect func(*testing.T, *server) call
		opts    []windrow.Option
	}{
		"the function says so": {connect: byClient},
		"the run's classifier says so": {connect: func(_ *testing.T, s *server) call {
			return sdk(&Transport{Base: s.base}, func(_ int, body []byte) error {
				if throttledBody(body) != nil {
					return fmt.Errorf("refused: %s", body)
				}
				return nil
			})
		}, opts: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Classify: func(err error) windrow.Classification {
			if text, ok := strings.CutPrefix(err.Error(), "refused: "); ok {
				return windrow.Classification{Class: windrow.ClassThrottled, After: windrow.Classify(throttledBody([]byte(text))).After}
			}
			return windrow.Classify(err)
		}})}},
		"the client's classifier says so": {connect: func(t *testing.T, s *server) call {
			c := s.client(t, WithClassifier(func(e *Error) error { return throttledBody(e.Body) }))
			return func(ctx context.Context, method, path string) error {
				var out map[string]any
				_, err := c.Do(ctx, Request{Method: method, Path: path, In: map[string]string{}}, &out)
				return err
			}
		}},
		"the transport's classifier says so": {connect: func(_ *testing.T, s *server) call {
			return sdk(&Transport{Base: s.base, Classify: func(res *http.Response) error {
				body, _ := io.ReadAll(res.Body)
				return throttledBody(body)
			}}, func(_ int, body []byte) error {
				if throttledBody(body) != nil {
					return errors.New("the SDK says nothing of use")
				}
				return nil
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused, took := measure(t, inBody, test.connect, test.opts...)
			t.Logf("429: %d refused in %v; in the body: %d in %v", wantRefused, wantTook, refused, took)
			if refused > wantRefused*3/2+8 || took > wantTook*5/4+time.Second {
				t.Errorf("%d refused in %v; a 429 costs %d in %v", refused, took, wantRefused, wantTook)
			}
		})
	}
}

// F70: the probe's answer has the status of a success, and its body says that the server throttles: the gate stays shut.
func TestF70TheTransportDoesNotOpen(t *testing.T) {
	t.Parallel()
	throttledIn := func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"ok": false, "error": "ratelimited"})
	}
	classifier := WithClassifier(func(e *Error) error { return throttledBody(e.Body) })
	// In a run nothing leaves beside the probe.
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		began := time.Now()
		s := serve(t, func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			at = append(at, time.Since(began))
			mu.Unlock()
			if time.Since(began) < time.Minute {
				throttledIn(w, req)
			} else {
				good(w, req)
			}
		})
		limiter := windrow.NewLimiter(windrow.Concurrency(16))
		res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t, WithLimiter(limiter), classifier)), make([]draft, 16), windrow.WithLimiter(limiter))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "succeeded", 16, len(slices.Collect(res.Succeeded())))
		for i, this := range at {
			if i > 16 && i < len(at)-16 && this-at[i-1] < 50*time.Millisecond {
				t.Errorf("request %d left %v after the one before it, while the gate is shut", i, this-at[i-1])
			}
		}
	})
	// Outside one neither.
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Concurrency(16))
		s := serve(t, each(status(429), throttledIn, throttledIn, good))
		articles := articlesOf(s.client(t, WithLimiter(limiter), classifier))
		for want := 1; want <= 3; want++ {
			_, err := articles.Create(t.Context(), draft{"a"})
			stats := limiter.Stats()
			if windrow.Classify(err).Class != windrow.ClassThrottled || !stats.Probing || stats.Throttled != want {
				t.Errorf("%d: error %v, limiter %+v", want, err, stats)
			}
		}
		if _, err := articles.Create(t.Context(), draft{"a"}); err != nil || limiter.Stats().Probing {
			t.Errorf("error %v, limiter %+v", err, limiter.Stats())
		}
	})
}

// F70: a throttle of one item in the answer to a batch is judged by the classifier that the caller has set.
func TestF70ThrottledItemsOfABatch(t *testing.T) {
	t.Parallel()
	errBusy := errors.New("the item was throttled")
	for name, classify := range map[string]windrow.Classifier{
		"by the client": nil,
		"by the run": func(err error) windrow.Classification {
			if errors.Is(err, errBusy) {
				return windrow.Classification{Class: windrow.ClassThrottled, After: time.Minute}
			}
			return windrow.Classify(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusMultiStatus, map[string]string{}) })
				send := sdk(&Transport{Base: s.base}, refusedBy(func(status int) error { return statusOnly(status) }))
				first := true
				p := windrow.NewCreateProcessor(windrow.CreateFunc(func(context.Context, int) (int, error) { return 0, errors.New("not in a batch") }),
					windrow.Retry(windrow.RetryPolicy{Classify: classify}))
				p.Capabilities = windrow.Capabilities{BatchOfOne: true}
				p.Batch = func(ctx context.Context, in []int) ([]windrow.Outcome[int], error) {
					out := make([]windrow.Outcome[int], len(in))
					if err := send(ctx, http.MethodPost, "/batch"); err != nil {
						return nil, err
					}
					if first {
						first = false
						for k := range out {
							if out[k].Err = errBusy; classify == nil {
								out[k].Err = windrow.Throttled(errBusy, time.Minute)
							}
						}
					}
					return out, nil
				}
				began := time.Now()
				res, err := p.Run(t.Context(), []int{1, 2, 3, 4})
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "ends", []end{{succeeded, 1}, {succeeded, 1}, {succeeded, 1}, {succeeded, 1}}, ends(res))
				testkit.Check(t, "requests", 2, len(s.requests()))
				within(t, time.Since(began), time.Minute, 66*time.Second)
			})
		})
	}
}
