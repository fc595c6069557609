package windrow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// hostTransport is a host behind HTTP: its transport sees the status of a response before the run does.
type hostTransport struct{ h *host }

// RoundTrip implements [http.RoundTripper].
func (w hostTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	items, method := []int(nil), req.Method
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(req.Body.Close(), json.Unmarshal(body, &items)); err != nil {
			return nil, err
		}
	} else {
		item, err := strconv.Atoi(req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:])
		if err != nil {
			return nil, err
		}
		items = []int{item}
	}
	status, header, answer := http.StatusOK, http.Header{"Content-Type": {"application/json"}}, []byte("[]")
	if err := w.h.call(req.Context(), items...); err != nil {
		failed, ok := errors.AsType[*statusError](err)
		if !ok {
			return nil, err
		}
		if status = failed.status; failed.after > 0 {
			header.Set("Retry-After", strconv.Itoa(int(math.Ceil(failed.after.Seconds()))))
		}
	} else if method == http.MethodDelete {
		status, answer = http.StatusNoContent, nil
	}
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: req,
		Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

// overHTTP are the verbs of a host behind HTTP.
func overHTTP(t testing.TB) []hostVerb {
	client := func(h *host) *rest.Client {
		c, err := rest.New("http://api.example", rest.WithHTTPClient(&http.Client{Transport: hostTransport{h}}))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ask := func(h *host, method string) func(ctx context.Context, items ...int) error {
		c := client(h)
		return func(ctx context.Context, items ...int) error {
			r := rest.Request{Method: method, Path: "/items", In: items}
			if method == http.MethodGet || method == http.MethodDelete {
				r.Path, r.In = "/items/"+strconv.Itoa(items[0]), nil
			}
			_, err := c.Do(ctx, r, nil)
			return err
		}
	}
	one := func(h *host, method string) func(ctx context.Context, item int) (int, error) {
		send := ask(h, method)
		return func(ctx context.Context, item int) (int, error) { return item, send(ctx, item) }
	}
	many := func(h *host, method string) func(ctx context.Context, items []int) ([]windrow.Outcome[int], error) {
		send := ask(h, method)
		return func(ctx context.Context, items []int) ([]windrow.Outcome[int], error) {
			return make([]windrow.Outcome[int], len(items)), send(ctx, items...)
		}
	}
	self := func(i int) int { return i }
	return []hostVerb{
		{name: "POST", start: func(h *host, m runMode, opts []windrow.Option) hostRun {
			p := windrow.NewCreateProcessor(windrow.CreateFunc(one(h, http.MethodPost)), opts...)
			if m.batch > 0 {
				p.Batch = many(h, http.MethodPost)
			}
			return hostRunOf(h, p, m, self)
		}},
		{name: "PUT", repeatable: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
			p := windrow.NewUpsertProcessor(windrow.UpsertFunc(one(h, http.MethodPut)), opts...)
			if m.batch > 0 {
				p.Batch = many(h, http.MethodPut)
			}
			return hostRunOf(h, p, m, self)
		}},
		{name: "DELETE", repeatable: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
			send := ask(h, http.MethodDelete)
			p := windrow.NewDeleteProcessor(windrow.DeleteFunc(func(ctx context.Context, id int) error { return send(ctx, id) }), opts...)
			return hostRunOf(h, p, m, self)
		}},
		{name: "GET", repeatable: true, read: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
			return hostRunOf(h, windrow.NewGetProcessor(windrow.GetFunc(one(h, http.MethodGet)), opts...), m, self)
		}},
	}
}

// F67: what a server refuses of one record, where a transport sees it first, teaches nothing of what it takes of the others.
// The gate is shut for it once, or twice, for what the server asks and up to a tenth more.
func TestF67OneRecordThrottledForEverOverHTTP(t *testing.T) {
	t.Parallel()
	const items = 999
	for _, v := range overHTTP(t) {
		for _, m := range []runMode{byRun, byStream} {
			floor := v.floor(t, items, m)
			for _, f := range []hostFailure{answered(429).after(time.Second), answered(503).after(time.Second), answered(429)} {
				for _, which := range []int{0, 500, items - 1} {
					if thin() {
						continue
					}
					e, _ := errors.AsType[*statusError](f.err)
					t.Run(fmt.Sprintf("%s/%s/%d/%d after %v", v.name, m.name, which, e.status, e.after), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, func(c hostCall) *hostFailure {
								if slices.Contains(c.items, which) {
									return &f
								}
								return nil
							})
							s := v.on(h, m).run(t.Context(), items)
							if s.count(windrow.Succeeded) != items-1 || s.states[which] != windrow.NotAttempted {
								t.Errorf("%+v, it is %v; stopped by %v", s.stats, s.states[which], s.cause)
							}
							h.mu.Lock()
							defer h.mu.Unlock()
							asked := max(e.after, time.Second)
							if within := floor*115/100 + 2*asked*11/10 + time.Second; h.last > within {
								t.Errorf("the others finished after %v, not within %v", h.last, within)
							}
							// It is waited for as long as a run waits, and its longest delay.
							if took := time.Since(h.began); took > h.last+6*time.Minute {
								t.Errorf("the run took %v, the others %v", took, h.last)
							}
						})
					})
				}
			}
		}
	}
}

// F67: all that left at once is refused, for a moment at the start. It says nothing of how many may be in flight.
func TestF67RefusedAtTheStart(t *testing.T) {
	t.Parallel()
	const items, most, refused = 5_000, 64, 300 * time.Millisecond
	for _, v := range append(overHTTP(t)[1:], creates, upserts, gets) {
		floor := v.floor(t, items, byRun, windrow.Concurrency(most))
		for _, f := range []hostFailure{answered(429).after(time.Second), answered(503).after(time.Second), answered(429)} {
			if thin() {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", v.name, f.err), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost(t, between(0, refused, f))
					s := v.on(h, byRun, windrow.Concurrency(most)).run(t.Context(), items)
					if s.count(windrow.Succeeded) != items {
						t.Errorf("%+v, stopped by %v", s.stats, s.cause)
					}
					// The moment, what the server asks for and up to a tenth more, and a second to get going again.
					if took := time.Since(h.began); took > floor*115/100+refused+time.Second*11/10+time.Second {
						t.Errorf("took %v, undisturbed %v", took, floor)
					}
				})
			})
		}
	}
}
