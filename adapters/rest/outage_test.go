package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/pages"
)

// outage is a server that takes no calls for a while.
type outage struct {
	*server
	began       time.Time
	from, until time.Duration
	refuses     bool // connections; otherwise everything is answered with a page of the proxy
}

// down starts a server that answers well, but for the time of the outage; until 0 means for ever.
func down(t *testing.T, from, until time.Duration, refuses bool, handler http.HandlerFunc) *outage {
	o := &outage{began: time.Now(), from: from, until: until, refuses: refuses}
	o.server = serve(t, func(w http.ResponseWriter, req *http.Request) {
		if o.now() && !refuses {
			time.Sleep(10 * time.Millisecond)
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html><body>502 Bad Gateway</body></html>")
			return
		}
		time.Sleep(40 * time.Millisecond)
		handler(w, req)
	})
	o.base.DisableKeepAlives = true // so that each request dials
	o.base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if o.now() && refuses {
			time.Sleep(time.Millisecond)
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return o.dial(ctx, network, address)
	}
	return o
}

func (o *outage) now() bool {
	at := time.Since(o.began)
	return at >= o.from && (o.until == 0 || at < o.until)
}

// kinds are the outages that these tests make.
var kinds = []struct {
	name    string
	refuses bool
}{{"refused", true}, {"502", false}}

// F61 and F62: a run through a Client waits until the server is back.
func TestF61OutageUnderAClient(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, from := range []time.Duration{0, 300 * time.Millisecond} {
			for _, shared := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s from %v, limiter shared %t", kind.name, from, shared), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						const n, lasts = 120, 10 * time.Second
						o := down(t, from, from+lasts, kind.refuses, good)
						limiter := windrow.NewLimiter()
						var opts []Option
						if shared {
							opts = append(opts, WithLimiter(limiter))
						}
						articles := articlesOf(o.client(t, opts...))
						created, _ := windrow.CreateMany(t.Context(), articles, make([]draft, n), windrow.WithLimiter(limiter))
						s := created.Stats()
						allowed := 0
						if !kind.refuses {
							allowed = 64 + 16 + 12
						}
						if s.Failed+s.NotAttempted > 0 || s.Unknown > allowed {
							t.Errorf("creates: %+v", s)
						}
						if took := time.Since(o.began); took > from+lasts+15*time.Second {
							t.Errorf("creates took %v", took)
						}
						o.began = time.Now()
						ids := make([]string, n)
						for i := range ids {
							ids[i] = fmt.Sprint(i)
						}
						read, err := windrow.GetMany(t.Context(), articles, ids, windrow.WithLimiter(limiter))
						if err != nil {
							t.Errorf("reads: %+v, %v", read.Stats(), err)
						}
						if took := time.Since(o.began); took > from+lasts+15*time.Second {
							t.Errorf("reads took %v", took)
						}
						for r := range created.All() {
							if kind.refuses && r.Attempts > 1 {
								t.Fatalf("item %d was charged %d attempts", r.Index, r.Attempts)
							}
						}
					})
				})
			}
		}
	}
}

// sdkError is how an SDK reports a response that it does not like.
type sdkError struct{ code int }

func (e *sdkError) Error() string   { return fmt.Sprint("sdk: ", e.code) }
func (e *sdkError) StatusCode() int { return e.code }

// sdkPut is a call of an SDK that knows nothing of windrow.
func sdkPut(ctx context.Context, c *http.Client, item int) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, fmt.Sprintf("http://cms.test/api/things/%d", item), strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, fmt.Errorf("sdk: %w", err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, fmt.Errorf("sdk: %w", err)
	}
	if res.StatusCode >= 400 {
		return 0, &sdkError{res.StatusCode}
	}
	return item, nil
}

// F61 and F62: the same under an SDK with a Transport.
func TestF61OutageUnderATransport(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, repeatable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, repeatable %t", kind.name, repeatable), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const n, from, until = 300, 300 * time.Millisecond, 10 * time.Second
					o := down(t, from, until, kind.refuses, good)
					limiter := windrow.NewLimiter()
					sdk := &http.Client{Transport: &Transport{Base: o.base, Limiter: limiter}}
					opts := []windrow.Option{windrow.WithLimiter(limiter)}
					if repeatable {
						opts = append(opts, windrow.Repeatable())
					}
					p := windrow.NewBatchProcessor(func(ctx context.Context, item int) (int, error) { return sdkPut(ctx, sdk, item) }, opts...)
					res, _ := p.Run(t.Context(), make([]int, n))
					s := res.Stats()
					allowed := 0
					if !kind.refuses && !repeatable {
						allowed = 64 + 16 + 12
					}
					if s.Failed+s.NotAttempted > 0 || s.Unknown > allowed {
						t.Errorf("%+v", s)
					}
					if took := time.Since(o.began); took > until+15*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// F61: a request that belongs to no run passes a gate that an outage has shut, and its success opens it for the runs.
func TestF61RequestsOfNoRunPassAndTell(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n, until = 200, 40 * time.Second
				o := down(t, 300*time.Millisecond, until, kind.refuses, good)
				limiter := windrow.NewLimiter()
				transport := &Transport{Base: o.base, Limiter: limiter}
				sdk := &http.Client{Transport: transport}
				p := windrow.NewBatchProcessor(func(ctx context.Context, item int) (int, error) { return sdkPut(ctx, sdk, item) },
					windrow.WithLimiter(limiter), windrow.Repeatable())
				ended := make(chan windrow.RunStats)
				go func() {
					res, _ := p.Run(t.Context(), make([]int, n))
					ended <- res.Stats()
				}()
				for _, at := range []time.Duration{5 * time.Second, 20 * time.Second, until + 20*time.Millisecond} {
					time.Sleep(at - time.Since(o.began))
					began := time.Now()
					_, err := sdkPut(t.Context(), sdk, -1)
					if took := time.Since(began); took > 200*time.Millisecond {
						t.Errorf("after %v a request of no run took %v: %v", at, took, err)
					}
					if (err == nil) != (at > until) {
						t.Errorf("after %v a request of no run ended with %v", at, err)
					}
				}
				opened := time.Now()
				s := <-ended
				if s.Succeeded != n {
					t.Errorf("%+v", s)
				}
				if took := time.Since(opened); took > 5*time.Second {
					t.Errorf("the run ended %v after a request of no run had succeeded", took)
				}
			})
		})
	}
}

// F63 under a Client: the run stops, says why, and sends nothing more.
func TestF63OutageUnderAClientThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, from := range []time.Duration{0, 300 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s from %v", kind.name, from), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := down(t, from, 0, kind.refuses, good)
					res, err := windrow.GetMany(t.Context(), articlesOf(o.client(t)), slicesOfIDs(500))
					most := 30 * time.Second
					if from > 0 {
						most = 5 * time.Minute
					}
					if took := time.Since(o.began) - from; took < most-time.Second || took > most+10*time.Second {
						t.Errorf("took %v, want %v", took, most)
					}
					bulk, ok := errors.AsType[*windrow.BulkError](err)
					if !ok || bulk.Cause == nil || kind.refuses && !errors.Is(bulk.Cause, syscall.ECONNREFUSED) {
						t.Errorf("stopped by %v", err)
					}
					if s := res.Stats(); s.NotAttempted < 300 || s.Requests > 500 {
						t.Errorf("%+v", s)
					}
				})
			})
		}
	}
}

func slicesOfIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	return ids
}

// F88: the token source fails while the network is out: its failure is no fatal one, and the items wait for it uncharged.
func TestF88TokenSourceWaitsWithTheOutage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
	}{
		{"refused", fmt.Errorf("asking for a token: %w", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})},
		{"no such server for now", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "login.test", IsTemporary: true}}},
		{"reset", &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}},
		{"502", &sdkError{502}},
		{"503", &sdkError{503}},
	} {
		for _, lasts := range []time.Duration{2 * time.Second, 20 * time.Second} {
			for _, verb := range verbs {
				t.Run(fmt.Sprintf("%s for %v/%s", test.name, lasts, verb.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						began := time.Now()
						source := func(context.Context) (string, error) {
							time.Sleep(5 * time.Millisecond)
							if time.Since(began) < lasts {
								return "", test.err
							}
							return "token", nil
						}
						got, err := verb.run(t.Context(), serve(t, good).client(t, WithTokenSource(source)))
						if got.State != succeeded || err != nil {
							t.Errorf("%+v, %v", got, err)
						}
						if took := time.Since(began); took > lasts+5*time.Second {
							t.Errorf("took %v", took)
						}
					})
				})
			}
		}
	}
}

// F88: a token that is refused for good is fatal as ever; one that never comes ends with the outage's limit.
func TestF88TokenSourceThatNeverComes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		err         error
		least, most time.Duration
		fatal       bool
	}{
		{"refused for good", &sdkError{401}, 0, time.Second, true},
		{"bad configuration", errors.New("no client id"), 0, time.Second, true},
		{"no connection", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, 30 * time.Second, 34 * time.Second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				source := func(context.Context) (string, error) { return "", test.err }
				res, err := windrow.GetMany(t.Context(), articlesOf(serve(t, good).client(t, WithTokenSource(source))), slicesOfIDs(50))
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("took %v", took)
				}
				if errors.Is(err, windrow.ErrFatal) != test.fatal || !errors.Is(err, test.err) {
					t.Errorf("stopped by %v", err)
				}
				if left := res.Stats().NotAttempted; !test.fatal && left != 50 {
					t.Errorf("%+v", res.Stats())
				}
			})
		})
	}
}

// F88: the pages of a list wait behind the gate as items do.
func TestF88PagesWait(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, from := range []time.Duration{0, 60 * time.Millisecond} {
			for _, lasts := range []time.Duration{2 * time.Second, 10 * time.Second, 20 * time.Second} {
				for _, parallel := range []int{1, 3} {
					t.Run(fmt.Sprintf("%s for %v from %v, %d at once", kind.name, lasts, from, parallel), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							var asked atomic.Int64
							o := down(t, from, from+lasts, kind.refuses, (&shelf{func(s *shelf, w http.ResponseWriter, q url.Values) {
								asked.Add(1)
								answer(w, 200, jsonObject{"items": s.cut(number(q, "offset"), 10), "total": shelved})
							}}).ServeHTTP)
							c, err := New("http://cms.test/v1/base/", WithHTTPClient(&http.Client{Transport: o.base}))
							if err != nil {
								t.Fatal(err)
							}
							got, err := drain(t.Context(), articlesOf(c).ByOffset(10, WithTotalField("total")), pages.Parallel(parallel))
							if err != nil {
								t.Error(err)
							}
							testkit.Check(t, "titles", titles(), got)
							if took := time.Since(o.began); took > from+lasts+12*time.Second {
								t.Errorf("took %v", took)
							}
						})
					})
				}
			}
		}
	}
}

// F63 and F88: a list whose server does not come back ends with an error that names it.
func TestF88PagesOfAServerThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, from := range []time.Duration{0, 60 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s from %v", kind.name, from), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := down(t, from, 0, kind.refuses, (&shelf{func(s *shelf, w http.ResponseWriter, q url.Values) {
						answer(w, 200, jsonObject{"items": s.cut(number(q, "offset"), 10), "total": shelved})
					}}).ServeHTTP)
					c, err := New("http://cms.test/v1/base/", WithHTTPClient(&http.Client{Transport: o.base}))
					if err != nil {
						t.Fatal(err)
					}
					_, err = drain(t.Context(), articlesOf(c).ByOffset(10, WithTotalField("total")), pages.Prefetch(0))
					if err == nil || kind.refuses && !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("the reading ended with %v", err)
					}
					if took := time.Since(o.began); took > 5*time.Minute+15*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}
