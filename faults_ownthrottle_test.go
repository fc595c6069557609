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

// always fails the calls that carry one of the items, for ever.
func always(f hostFailure, bad ...int) func(hostCall) *hostFailure {
	return func(c hostCall) *hostFailure {
		for _, item := range bad {
			if slices.Contains(c.items, item) {
				return &f
			}
		}
		return nil
	}
}

// spaced returns k numbers from 0 on.
func spaced(k, apart int) (all []int) {
	for i := range k {
		all = append(all, i*apart)
	}
	return all
}

// checkOwn checks that some items ended NotAttempted, and the others Succeeded in time.
func (h *host) checkOwn(s summary, bad []int, within time.Duration) {
	h.t.Helper()
	for k, state := range s.states {
		if want := map[bool]windrow.State{true: windrow.NotAttempted, false: windrow.Succeeded}[slices.Contains(bad, k)]; state != want {
			h.t.Errorf("item %d is %v, not %v: %+v, stopped by %v", k, state, want, s.stats, s.cause)
			break
		}
	}
	if h.last > within {
		h.t.Errorf("the others finished after %v, not within %v", h.last, within)
	}
	if took := time.Since(h.began); took > h.last+6*time.Minute {
		h.t.Errorf("the run took %v, the others %v", took, h.last)
	}
}

// F67: what a server refuses of some records, where a transport sees it first, teaches nothing of what it takes of the
// others. Each that is met for the first time shuts the gate once, for as long as the server asks.
func TestF67RecordsThrottledForEver(t *testing.T) {
	t.Parallel()
	const items = 999
	for _, v := range overHTTP(t) {
		for _, m := range []runMode{byRun, byStream} {
			floor := v.floor(t, items, m)
			for _, f := range []hostFailure{answered(429).after(time.Second), answered(503).after(time.Second), answered(429)} {
				for _, k := range []int{1, 2, 3, 5, 10} {
					for _, apart := range []int{1, 90} {
						if thin() || k == 1 && apart > 1 {
							continue
						}
						t.Run(fmt.Sprintf("%s/%s/%v/%d, %d apart", v.name, m.name, f.err, k, apart), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								bad := spaced(k, apart)
								h := newHost(t, always(f, bad...))
								s := v.on(h, m).run(t.Context(), items)
								h.checkOwn(s, bad, floor*115/100+time.Duration(k)*1300*time.Millisecond+2*time.Second)
							})
						})
					}
				}
			}
		}
	}
}

// F67: all that left at once is refused, for a moment at the start. It says nothing of how many may be in flight.
func TestF67RefusedAtTheStart(t *testing.T) {
	t.Parallel()
	const items, most = 5_000, 64
	for _, v := range append(overHTTP(t)[1:], creates, upserts, gets) {
		floor := v.floor(t, items, byRun, windrow.Concurrency(most))
		for _, f := range []hostFailure{answered(429).after(time.Second), answered(503).after(time.Second), answered(429)} {
			if thin() {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", v.name, f.err), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost(t, between(0, 300*time.Millisecond, f))
					s := v.on(h, byRun, windrow.Concurrency(most)).run(t.Context(), items)
					if s.count(windrow.Succeeded) != items {
						t.Errorf("%+v, stopped by %v", s.stats, s.cause)
					}
					if took := time.Since(h.began); took > floor*115/100+2500*time.Millisecond {
						t.Errorf("took %v, undisturbed %v", took, floor)
					}
				})
			})
		}
	}
}
