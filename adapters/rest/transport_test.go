package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/clients"
)

// roundTripper is a base made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// reply is what a base answers.
func reply(code int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: http.NoBody}
}

// request makes a request with a body that tells whether it was closed.
func request(ctx context.Context, method, url string, header ...string) (*http.Request, *body) {
	b := &body{Reader: strings.NewReader("body")}
	req, err := http.NewRequestWithContext(ctx, method, url, b)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = []string{header[i+1]}
	}
	return req, b
}

type body struct {
	io.Reader
	closed atomic.Bool
}

func (b *body) Close() error { b.closed.Store(true); return nil }

// inRun calls f as the function of a run with a key, once for each item, and returns the result. The items are created
// when they are not repeatable.
func inRun(t *testing.T, f func(ctx context.Context) error, opts ...windrow.Option) (*windrow.BulkResult[string, struct{}], error) {
	t.Helper()
	p := windrow.NewCreateProcessor(windrow.CreateFunc(windrow.NoOutput(func(ctx context.Context, _ string) error { return f(ctx) })), opts...)
	p.Key = func(in string) string { return in }
	return p.Run(t.Context(), []string{"key-1"})
}

func TestTransportKeys(t *testing.T) {
	t.Parallel()
	type sent struct{ Method, URL, Name, Key string }
	const url = "http://cms.test/articles"
	tests := []struct {
		name      string
		transport *Transport
		requests  [][]string // method, URL, header
		want      []sent     // a key of "other" is one that is not the item's
	}{
		{"POST", &Transport{}, [][]string{{"POST", url}}, []sent{{"POST", url, "idempotency-key", "key-1"}}},
		{"PATCH", &Transport{}, [][]string{{"PATCH", url}}, []sent{{"PATCH", url, "idempotency-key", "key-1"}}},
		{"methods that need none", &Transport{}, [][]string{{"GET", url}, {"PUT", url}, {"DELETE", url}, {"HEAD", url}}, []sent{
			{"GET", url, "", ""}, {"PUT", url, "", ""}, {"DELETE", url, "", ""}, {"HEAD", url, "", ""},
		}},
		{"quoted", &Transport{QuoteKey: true}, [][]string{{"POST", url}}, []sent{{"POST", url, "idempotency-key", `"key-1"`}}},
		{"another header", &Transport{KeyHeader: "X-Request-Token"}, [][]string{{"POST", url}}, []sent{{"POST", url, "x-request-token", "key-1"}}},
		{"no header", &Transport{KeyHeader: "-"}, [][]string{{"POST", url}}, []sent{{"POST", url, "", ""}}},
		{"set by the SDK", &Transport{}, [][]string{{"POST", url, "Idempotency-Key", "its own"}}, []sent{{"POST", url, "Idempotency-Key", "its own"}}},
		{"set in lower case", &Transport{}, [][]string{{"POST", url, "idempotency-key", "its own"}}, []sent{{"POST", url, "idempotency-key", "its own"}}},
		{"repeated by the SDK", &Transport{}, [][]string{{"POST", url}, {"POST", url}}, []sent{
			{"POST", url, "idempotency-key", "key-1"}, {"POST", url, "idempotency-key", "key-1"},
		}},
		{"to several targets", &Transport{}, [][]string{{"GET", url}, {"POST", url}, {"POST", url + "/1/publish"}, {"PATCH", url}, {"POST", url}}, []sent{
			{"GET", url, "", ""}, {"POST", url, "idempotency-key", "key-1"}, {"POST", url + "/1/publish", "idempotency-key", "other"},
			{"PATCH", url, "idempotency-key", "other"}, {"POST", url, "idempotency-key", "key-1"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []sent
			others := map[string]bool{}
			test.transport.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
				s := sent{Method: req.Method, URL: req.URL.String()}
				for name, values := range req.Header {
					s.Name, s.Key = name, values[0]
				}
				if a, _ := clients.AttemptFrom(req.Context()); strings.Trim(s.Key, `"`) == a.IdempotencyKey() {
					s.Key = strings.Replace(s.Key, a.IdempotencyKey(), "key-1", 1)
				} else if s.Key != "" && s.Key != "its own" {
					others[s.Key] = true
					s.Key = "other"
				}
				got = append(got, s)
				return reply(200), nil
			})
			if _, err := inRun(t, func(ctx context.Context) error {
				for _, r := range test.requests {
					req, _ := request(ctx, r[0], r[1], r[2:]...)
					before := len(req.Header)
					if _, err := test.transport.RoundTrip(req); err != nil {
						return err
					}
					testkit.Check(t, "header of the caller's request", before, len(req.Header))
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "sent", test.want, got)
			if test.name == "to several targets" {
				testkit.Check(t, "other keys", 2, len(others))
			}
		})
	}
}

func TestTransportSendsNoKeyOutsideARun(t *testing.T) {
	t.Parallel()
	transport := &Transport{Base: roundTripper(func(req *http.Request) (*http.Response, error) {
		testkit.Check(t, "header", http.Header{}, req.Header)
		return reply(200), nil
	})}
	req, _ := request(t.Context(), http.MethodPost, "http://cms.test")
	if _, err := transport.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
}

// A create whose error says nothing ends by what the transport has recorded.
func TestTransportRecordsWhetherTheRequestLeft(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	// trace tells the trace of a request what net/http would.
	trace := func(req *http.Request, hooks ...string) {
		trace := httptrace.ContextClientTrace(req.Context())
		if trace == nil {
			return
		}
		for _, hook := range hooks {
			switch hook {
			case "GetConn":
				trace.GetConn("cms.test:80")
			case "GotConn":
				trace.GotConn(httptrace.GotConnInfo{})
			case "WroteHeaders":
				trace.WroteHeaders()
			}
		}
	}
	type step struct {
		hooks  []string
		method string
		status int // 0: no answer
		after  string
	}
	connected := []string{"GetConn", "GotConn"}
	written := []string{"GetConn", "GotConn", "WroteHeaders"}
	for _, test := range []struct {
		name  string
		steps []step
		err   error
		want  end
	}{
		{"no connection", []step{{hooks: []string{"GetConn"}}}, context.DeadlineExceeded, end{failed, 2}},
		{"nothing written", []step{{hooks: connected}}, context.DeadlineExceeded, end{failed, 2}},
		{"written", []step{{hooks: written}}, context.DeadlineExceeded, end{unknown, 1}},
		{"written, opaque error", []step{{hooks: written}}, broken, end{unknown, 1}},
		{"written twice", []step{{hooks: []string{"GetConn", "GotConn", "WroteHeaders", "WroteHeaders"}, status: 400}}, broken, end{failed, 1}},
		{"the base tells nothing", []step{{}}, context.DeadlineExceeded, end{unknown, 1}},
		{"a read tells nothing", []step{{method: "GET"}}, context.DeadlineExceeded, end{failed, 2}},
		{"answered", []step{{hooks: written, status: 200}}, io.ErrUnexpectedEOF, end{unknown, 1}},
		{"answered, the base tells nothing", []step{{status: 200}}, io.ErrUnexpectedEOF, end{unknown, 1}},
		{"refused", []step{{hooks: written, status: 422}}, broken, end{failed, 1}},
		{"failed", []step{{hooks: written, status: 500}}, broken, end{unknown, 1}},
		{"applied, then not sent", []step{{hooks: written, status: 201}, {hooks: []string{"GetConn"}}}, context.DeadlineExceeded, end{unknown, 1}},
		{"refused, and the base tells nothing, then written", []step{{status: 422}, {hooks: written}}, context.DeadlineExceeded, end{unknown, 1}},
		{"refused, then written", []step{{hooks: written, status: 429}, {hooks: written}}, context.DeadlineExceeded, end{unknown, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				res, err := inRun(t, func(ctx context.Context) error {
					for _, s := range test.steps {
						transport := &Transport{Base: roundTripper(func(req *http.Request) (*http.Response, error) {
							trace(req, s.hooks...)
							if s.status == 0 {
								return nil, test.err
							}
							return reply(s.status, "Retry-After", s.after), nil
						})}
						method := s.method
						if method == "" {
							method = http.MethodPost
						}
						req, _ := request(ctx, method, "http://cms.test")
						_, _ = transport.RoundTrip(req)
					}
					return test.err
				}, twice)
				testkit.Check(t, "ends", []end{test.want}, ends(res))
				if !errors.Is(err, test.err) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
	// An SDK that hides what the server said: the recorded answer decides.
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			limiter := windrow.NewLimiter(windrow.Concurrency(1))
			answers := []*http.Response{reply(code, "Retry-After", "60"), reply(200)}
			transport := &Transport{Limiter: limiter, Base: roundTripper(func(req *http.Request) (*http.Response, error) {
				trace(req, written...)
				res := answers[0]
				answers = answers[1:]
				return res, nil
			})}
			began := time.Now()
			res, err := inRun(t, func(ctx context.Context) error {
				req, _ := request(ctx, http.MethodPost, "http://cms.test")
				if res, _ := transport.RoundTrip(req); res.StatusCode != 200 {
					return broken
				}
				return nil
			}, windrow.WithLimiter(limiter))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "ends", []end{{succeeded, 1}}, ends(res))
			within(t, time.Since(began), 60*time.Second, 66*time.Second)
		})
	}
}

// A connection that is never made is no unknown, although the attempt's time is up.
func TestTransportTimeoutWhileDialling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := NewBase(1)
		base.Proxy = nil
		base.DialContext = func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(10 * time.Second)
			return nil, &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}
		}
		defer time.Sleep(10 * time.Second) // net/http goes on dialling
		sdk := &http.Client{Transport: &Transport{Base: base}}
		res, _ := inRun(t, func(ctx context.Context) error {
			req, _ := request(ctx, http.MethodPost, "http://cms.test")
			_, err := sdk.Do(req)
			return err
		}, twice, windrow.AttemptTimeout(time.Second))
		testkit.Check(t, "ends", []end{{failed, 2}}, ends(res))
	})
}

// What net/http refuses to send did not leave.
func TestTransportRequestThatCannotBeSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sdk := &http.Client{Transport: &Transport{}}
		res, _ := inRun(t, func(ctx context.Context) error {
			req, _ := request(ctx, http.MethodPost, "http://cms.test", "bad name", "x")
			_, err := sdk.Do(req)
			return err
		}, again)
		testkit.Check(t, "state", failed, ends(res)[0].State)
	})
}

// On HTTP/2 a request may still leave when its context has ended and RoundTrip has returned.
func TestTransportCancelledWhileLeaving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := &Transport{Base: roundTripper(func(req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn("cms.test:443")
			trace.GotConn(httptrace.GotConnInfo{})
			<-req.Context().Done()
			return nil, req.Context().Err()
		})}
		res, _ := inRun(t, func(ctx context.Context) error {
			req, _ := request(ctx, http.MethodPost, "https://cms.test")
			_, err := transport.RoundTrip(req)
			return err
		}, again, windrow.AttemptTimeout(time.Second))
		testkit.Check(t, "ends", []end{{unknown, 1}}, ends(res))
	})
}

func TestTransportServesTheCallersTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, good)
		sdk := &http.Client{Transport: &Transport{Base: s.base}}
		wrote := 0
		if _, err := inRun(t, func(ctx context.Context) error {
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote++ }})
			req, _ := request(ctx, http.MethodPost, "http://cms.test")
			res, err := sdk.Do(req)
			if err == nil {
				err = res.Body.Close()
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "calls of the caller's trace", 1, wrote)
	})
}
