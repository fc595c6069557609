package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

const (
	succeeded = windrow.Succeeded
	failed    = windrow.Failed
	unknown   = windrow.Unknown
)

// F1: the body breaks off after a 2xx. It was carried out, and nobody knows with what result. A delete needs none.
func TestF1BodyBreaksOff(t *testing.T) {
	t.Parallel()
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"1"`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	eachVerb(t, [5]end{{unknown, 1}, {succeeded, 2}, {succeeded, 2}, {succeeded, 1}, {succeeded, 2}}, recovering(half))
	t.Run("error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, err := articlesOf(serve(t, half).client(t)).Create(t.Context(), draft{"a"})
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error %v does not match io.ErrUnexpectedEOF", err)
			}
			testkit.Check(t, "text", "rest: POST /api/articles: status 201: the response broke off", err.Error())
			testkit.Check(t, "class", windrow.ClassAmbiguous, windrow.Classify(err).Class)
		})
	})
}

// F2: the connection ends after the request was sent.
func TestF2ConnectionEndsBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	eachVerb(t, [5]end{{unknown, 1}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}}, recovering(hangUp))
}

// F8: a delete whose answer was lost finds nothing when it is made again: it was the first that deleted.
func TestF8NotFoundOnARepeatedDelete(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		answers []http.HandlerFunc
		want    end
	}{
		{"repeated", []http.HandlerFunc{hangUp, status(http.StatusNotFound)}, end{succeeded, 2}},
		{"first", []http.HandlerFunc{status(http.StatusNotFound)}, end{windrow.Skipped, 1}},
		{"first that was sent", []http.HandlerFunc{status(http.StatusTooManyRequests), status(http.StatusGone)}, end{windrow.Skipped, 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			res, err := windrow.DeleteMany(t.Context(), articlesOf(serve(t, each(test.answers...)).client(t)), []string{"1"}, again)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, test.name, []end{test.want}, ends(res))
		})
	}
}

// F3: no connection was made, so nothing was sent, and anything may be sent again.
func TestF3RefusedConnection(t *testing.T) {
	t.Parallel()
	eachVerb(t, [5]end{{succeeded, 3}, {succeeded, 3}, {succeeded, 3}, {succeeded, 3}, {succeeded, 3}}, func(t *testing.T) *Client {
		s := serve(t, good)
		refuse(s, 2, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
		return s.client(t)
	})
}

// refuse makes the first n dials to a server fail.
func refuse(s *server, n int32, err error) {
	var dials atomic.Int32
	s.base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) <= n {
			time.Sleep(time.Millisecond) // so that the clock of the bubble goes on
			return nil, err
		}
		return s.dial(ctx, network, address)
	}
}

// cutConn ends after it has written some bytes.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.left])
	_ = c.Conn.Close()
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
}

// F4: the connection ends while the body is being written. The server may have taken it even so.
func TestF4ResetWhileWriting(t *testing.T) {
	t.Parallel()
	large := []draft{{strings.Repeat("x", 64<<10)}}
	for _, test := range []struct {
		name string
		opts []ResourceOption
		want end
	}{
		{"not repeatable", nil, end{unknown, 1}},
		{"repeatable", []ResourceOption{withKeys}, end{succeeded, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, good)
				s.wrap = func(c net.Conn) net.Conn {
					if s.dials.Load() > 1 {
						return c
					}
					return &cutConn{c, 8 << 10}
				}
				res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t), test.opts...), large, again)
				testkit.Check(t, "ends", []end{test.want}, ends(res))
				if test.want.State == unknown && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("error %v does not match ECONNRESET", err)
				}
			})
		})
	}
}

// F5: the server has closed a kept connection.
func TestF5StaleConnection(t *testing.T) {
	t.Parallel()
	two := []draft{{"a"}, {"b"}}
	// When nothing was written net/http connects again by itself, for which it needs the body once more.
	t.Run("nothing written", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, good)
			s.wrap = func(c net.Conn) net.Conn {
				if s.dials.Load() > 1 {
					return c
				}
				return &onceConn{Conn: c}
			}
			res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t)), two, windrow.PreserveOrder())
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "ends", []end{{succeeded, 1}, {succeeded, 1}}, ends(res))
			testkit.Check(t, "bodies", []string{`{"title":"a"}`, `{"title":"b"}`}, bodies(s))
			testkit.Check(t, "connections", 2, s.dials.Load())
		})
	})
	// When it was written only the run knows whether it may be sent again. That the request has an Idempotency-Key
	// does not tell: it is sent to every server, and some do not honour it.
	t.Run("written", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, each(good, hangUp, good))
			res, _ := windrow.CreateMany(t.Context(), articlesOf(s.client(t)), two, windrow.PreserveOrder(), again)
			testkit.Check(t, "ends", []end{{succeeded, 1}, {unknown, 1}}, ends(res))
			testkit.Check(t, "bodies", []string{`{"title":"a"}`, `{"title":"b"}`}, bodies(s))
			testkit.Check(t, "connections", 1, s.dials.Load())
		})
	})
}

// onceConn takes the bytes of one request; what is written later never gets anywhere.
type onceConn struct {
	net.Conn
	read atomic.Bool
}

func (c *onceConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Store(true)
	return n, err
}

func (c *onceConn) Write(p []byte) (int, error) {
	if c.read.Load() {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return c.Conn.Write(p)
}

func bodies(s *server) []string {
	var all []string
	for _, r := range s.requests() {
		all = append(all, r.Body)
	}
	return all
}

// slow answers well, but late.
func slow(w http.ResponseWriter, req *http.Request) {
	select {
	case <-time.After(time.Minute):
		good(w, req)
	case <-req.Context().Done():
	}
}

// F6: no answer in time to a create that must not be repeated. F24: the server hangs.
func TestF6TimeoutOfACreate(t *testing.T) {
	t.Parallel()
	eachVerb(t, [5]end{{unknown, 1}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}}, recovering(slow), windrow.AttemptTimeout(10*time.Second))
	t.Run("error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			res, err := windrow.CreateMany(t.Context(), articlesOf(serve(t, slow).client(t)), []draft{{"a"}}, windrow.AttemptTimeout(10*time.Second))
			if !errors.Is(err, windrow.ErrAttemptTimeout) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v is not ErrAttemptTimeout alone", err)
			}
			testkit.Check(t, "kind", windrow.KindTimeout, res.At(0).Kind)
			testkit.Check(t, "time", 10*time.Second, time.Since(began))
		})
	})
}

// F24: a body that drips in is bounded by the attempt's timeout, too.
func TestF24SlowBody(t *testing.T) {
	t.Parallel()
	drip := func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 60 {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Second)
		}
	}
	late := windrow.AttemptTimeout(10 * time.Second)
	eachVerb(t, [5]end{{unknown, 1}, {succeeded, 2}, {succeeded, 2}, {succeeded, 1}, {succeeded, 2}}, recovering(drip), late)
	t.Run("a whole run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			res, err := windrow.GetMany(ctx, articlesOf(serve(t, drip).client(t)), []string{"1", "2"}, again, late)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v does not match the caller's deadline", err)
			}
			testkit.Check(t, "states", []end{{failed, 2}, {failed, 2}}, ends(res))
		})
	})
}

// F25: a name that cannot be looked up may be known the next time; one that does not exist stops the run.
func TestF25NameResolution(t *testing.T) {
	t.Parallel()
	t.Run("temporary", func(t *testing.T) {
		eachVerb(t, [5]end{{succeeded, 2}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}, {succeeded, 2}}, func(t *testing.T) *Client {
			s := serve(t, good)
			refuse(s, 1, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "cms.test", IsTemporary: true}})
			return s.client(t)
		})
	})
	t.Run("no such name", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, good)
			refuse(s, 1000, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "cms.test", IsNotFound: true}})
			res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t)), make([]draft, 1000), again, windrow.Concurrency(2))
			if !errors.Is(err, windrow.ErrFatal) {
				t.Errorf("error %v does not match ErrFatal", err)
			}
			if n := res.Stats().NotAttempted; n < 990 {
				t.Errorf("%d items were not attempted, want nearly all", n)
			}
			testkit.Check(t, "maybe applied", 0, res.Stats().Unknown)
		})
	})
}
