package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// timed runs creates against a server whose first answer is the one given, through a shared limiter, and returns how
// they ended and how long it took.
func timed(t *testing.T, items int, first http.HandlerFunc, opts ...Option) (*windrow.BulkResult[draft, article], time.Duration, *server, error) {
	t.Helper()
	s := serve(t, each(first, good))
	limiter := windrow.NewLimiter(windrow.Concurrency(1))
	c := s.client(t, append([]Option{WithLimiter(limiter)}, opts...)...)
	began := time.Now()
	res, err := windrow.CreateMany(t.Context(), articlesOf(c), make([]draft, items), windrow.WithLimiter(limiter))
	return res, time.Since(began), s, err
}

// within checks that a duration lies between two others.
func within(t *testing.T, got, from, to time.Duration) {
	t.Helper()
	if got < from || got > to {
		t.Errorf("took %v, want %v to %v", got, from, to)
	}
}

// F9: a 429 with Retry-After shuts the gate for all, and costs no attempt. The jitter, at most a tenth, comes on top.
func TestF9RetryAfterSeconds(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				res, took, s, err := timed(t, 3, status(code, "Retry-After", "120"))
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "ends", []end{{succeeded, 1}, {succeeded, 1}, {succeeded, 1}}, ends(res))
				testkit.Check(t, "requests", 4, len(s.requests()))
				within(t, took, 120*time.Second, 132*time.Second)
			})
		})
	}
}

// F10: a time that has passed, and 0, mean the least pause, not none.
func TestF10RetryAfterInThePast(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"Fri, 31 Dec 1999 23:59:59 GMT", "0", "1"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
				synctest.Test(t, func(t *testing.T) {
					res, took, _, err := timed(t, 1, status(code, "Retry-After", value))
					if err != nil {
						t.Fatal(err)
					}
					testkit.Check(t, "ends", []end{{succeeded, 1}}, ends(res))
					if value == "1" {
						within(t, took, time.Second, 1100*time.Millisecond)
					} else {
						within(t, took, 100*time.Millisecond, 110*time.Millisecond)
					}
				})
			}
		})
	}
}

// F11: what is too long ends the run with an error that says so; what cannot be understood says nothing.
func TestF11RetryAfterOutOfRange(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"99999999999999999999", "86400", "Fri, 31 Dec 9999 23:59:59 GMT", "1795304437000"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				res, took, s, err := timed(t, 3, status(http.StatusTooManyRequests, "Retry-After", value))
				if !errors.Is(err, windrow.ErrThrottled) || !strings.Contains(err.Error(), "MaxThrottleWait") {
					t.Errorf("error %v", err)
				}
				testkit.Check(t, "ends", []end{{}, {}, {}}, ends(res))
				testkit.Check(t, "requests", 1, len(s.requests()))
				within(t, took, 0, 0)
			})
		})
	}
	for _, value := range []string{"-1", "", "soon", "1e3", "0x10"} {
		t.Run("garbage "+value, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				res, took, _, err := timed(t, 1, status(http.StatusTooManyRequests, "Retry-After", value))
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "ends", []end{{succeeded, 1}}, ends(res))
				within(t, took, 100*time.Millisecond, 300*time.Millisecond) // the gate's own first pause
			})
		})
	}
}

// F12: the clock here is 26 years late. (In the bubble it is the year 2000.)
func TestF12ClockSkew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		res, took, _, err := timed(t, 1, status(http.StatusTooManyRequests,
			"Date", "Sat, 21 Nov 2026 23:40:00 GMT", "Retry-After", "Sat, 21 Nov 2026 23:40:37 GMT"))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ends", []end{{succeeded, 1}}, ends(res))
		within(t, took, 37*time.Second, 41*time.Second)
	})
}

// F14: a 503 without a header says nothing of whether it was carried out.
func TestF14UnavailableWithoutAHeader(t *testing.T) {
	t.Parallel()
	for _, code := range []int{500, 502, 503, 504} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			eachVerb(t, [5]end{{unknown, 1}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}}, recovering(status(code)))
		})
	}
}

// F21: the page of a proxy comes in place of an answer.
func TestF21HTMLInPlaceOfAnAnswer(t *testing.T) {
	t.Parallel()
	page := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{kind}
			_, _ = io.WriteString(w, body)
		}
	}
	for _, test := range []struct{ name, kind, body string }{
		{"HTML", "text/html; charset=utf-8", "<!doctype html><p>Sign in"},
		{"XHTML", "application/xhtml+xml", "<html/>"},
		{"an error", "application/json", ` { "error": {"code": "OOPS"}, "success": false, "id": null}`},
		{"errors", "application/json", `{"errors":[{"message":"no"}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			start := recovering(page(test.kind, test.body))
			eachVerb(t, [5]end{{unknown, 1}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}}, start)
		})
	}
	// What is neither HTML nor JSON is no record; but a delete does not ask for one.
	for _, kind := range []string{"text/plain", "application/octet-stream", "text/plain; charset", "json"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			start := recovering(page(kind, `{"id":"1"}`))
			eachVerb(t, [5]end{{unknown, 1}, {succeeded, 2}, {succeeded, 2}, {succeeded, 1}, {succeeded, 2}}, start)
		})
	}
	t.Run("long", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, err := articlesOf(serve(t, page("text/html", strings.Repeat("<", 2*maxErrorBody))).client(t)).Get(t.Context(), "1")
			e, _ := errors.AsType[*Error](err)
			if e == nil || len(e.Body) != maxErrorBody || !errors.Is(err, ErrContentType) {
				t.Errorf("error %v", err)
			}
		})
	})
	// These are records.
	for _, test := range []struct{ kind, body string }{
		{"application/json", `{"id":"1"}`},
		{"application/vnd.api+json; ext=x", `{"id":"1"}`},
		{"text/json", `{"id":"1"}`},
		{"Application/JSON;charset=UTF-8;", `{"id":"1"}`},
		{"application/json; charset=utf-8; charset=utf-8", `{"id":"1"}`},
		{"", `{"id":"1"}`},
		{"application/json", `{"error":null,"id":"1"}`},
		{"application/json", `{"errors":[],"id":"1"}`},
		{"application/json", `{"error":"as a field of the record","id":"1"}`},
	} {
		t.Run(test.kind+" "+test.body, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got, err := articlesOf(serve(t, page(test.kind, test.body)).client(t)).Get(t.Context(), "1")
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "record", article{ID: "1"}, got)
			})
		})
	}
}

// F26: a certificate that is refused, and a URL that none can send to, will not get better: the run stops at once.
func TestF26CertificateOrScheme(t *testing.T) {
	t.Parallel()
	t.Run("certificate", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, good)
			s.base.DialTLSContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
			}
			c, err := New("https://cms.test", WithHTTPClient(&http.Client{Transport: s.base}))
			if err != nil {
				t.Fatal(err)
			}
			res, err := windrow.CreateMany(t.Context(), articlesOf(c), make([]draft, 100), again, windrow.PreserveOrder())
			if !errors.Is(err, windrow.ErrFatal) {
				t.Errorf("error %v does not match ErrFatal", err)
			}
			testkit.Check(t, "first", end{failed, 1}, ends(res)[0])
			testkit.Check(t, "not attempted", 99, res.Stats().NotAttempted)
		})
	})
	t.Run("scheme", func(t *testing.T) {
		t.Parallel()
		if _, err := New("ftp://cms.test"); err == nil {
			t.Error("New took a URL with the scheme ftp")
		}
		sdk := &http.Client{Transport: &Transport{}}
		res, err := windrow.NewBatchProcessor(func(ctx context.Context, url string) (struct{}, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
			if err == nil {
				_, err = sdk.Do(req)
			}
			return struct{}{}, err
		}, again, windrow.PreserveOrder()).Run(t.Context(), []string{"ftp://cms.test", "ftp://cms.test"})
		if !errors.Is(err, windrow.ErrFatal) {
			t.Errorf("error %v does not match ErrFatal", err)
		}
		testkit.Check(t, "ends", []end{{failed, 1}, {}}, ends(res))
	})
}

// F27: an answer without end, and one that is small only while it is packed. A read ends there; a write was carried
// out, and what came of it is lost.
func TestF27HugeAnswer(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(`{"id":"`))
	_, _ = z.Write(bytes.Repeat([]byte("0"), 2<<20))
	_ = z.Close()
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for block := bytes.Repeat([]byte(" "), 64<<10); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	for name, handler := range map[string]http.HandlerFunc{"bomb": bomb, "endless": endless} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachVerb(t, [5]end{{unknown, 1}, {unknown, 3}, {unknown, 3}, {succeeded, 1}, {failed, 1}}, func(t *testing.T) *Client {
				return serve(t, handler).client(t, WithMaxBody(100<<10))
			})
			synctest.Test(t, func(t *testing.T) {
				_, err := articlesOf(serve(t, handler).client(t, WithMaxBody(100<<10))).Get(t.Context(), "1")
				if !errors.Is(err, ErrResponseTooLong) {
					t.Errorf("error %v does not match ErrResponseTooLong", err)
				}
				testkit.Check(t, "class", windrow.ClassPermanent, windrow.Classify(err).Class)
			})
		})
	}
	// Nobody reads it to its end, and the server does not wait for that.
	t.Run("cut", func(t *testing.T) {
		t.Parallel()
		for _, code := range []int{200, 400} {
			synctest.Test(t, func(t *testing.T) {
				ended := false
				s := serve(t, func(w http.ResponseWriter, req *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(code)
					endless(w, req)
					ended = true
				})
				if _, err := articlesOf(s.client(t, WithMaxBody(1<<10))).Get(t.Context(), "1"); err == nil {
					t.Error("no error")
				}
				synctest.Wait()
				testkit.Check(t, "the server's call has ended", true, ended)
			})
		}
	})
	// A refusal is one, however long: only the beginning is kept.
	t.Run("refusal", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, err := articlesOf(serve(t, func(w http.ResponseWriter, req *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				endless(w, req)
			}).client(t)).Get(t.Context(), "1")
			e, _ := errors.AsType[*Error](err)
			if e == nil || e.Status != http.StatusNotFound || len(e.Body) != maxErrorBody {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("exactly as long", func(t *testing.T) {
		t.Parallel()
		for n, want := range map[int64]bool{10: true, 9: false} {
			synctest.Test(t, func(t *testing.T) {
				_, err := articlesOf(serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, `{"id":"1"}`)
				}).client(t, WithMaxBody(n))).Get(t.Context(), "1")
				testkit.Check(t, "fits", want, err == nil)
			})
		}
	})
}

// F42: each attempt has a body of its own, and the key of the first.
func TestF42BodyOfEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, each(status(500), hangUp, status(429), good))
		res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t), withKeys), []draft{{"a"}}, again)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ends", []end{{succeeded, 3}}, ends(res))
		first := s.requests()[0]
		if first.Key == "" {
			t.Error("no key was sent")
		}
		testkit.Check(t, "first", seen{"POST", "/api/articles", `{"title":"a"}`, first.Key}, first)
		if diff := cmp.Diff([]seen{first, first, first, first}, s.requests()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
