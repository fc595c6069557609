package windrow_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// host is a server that carries out calls, except those that its fault fails. Items are numbers.
type host struct {
	t     testing.TB
	began time.Time
	// fault says how a call fails, with nil that it is carried out.
	fault func(v hostCall) *hostFailure
	// lookUp says how a look-up fails, with nil that it finds what was applied.
	lookUp func(v hostCall) *hostFailure

	mu       sync.Mutex
	sent     map[int]int // attempts by item
	applied  map[int]int
	lookUps  int
	calls    []hostCall
	inFlight int
	most     int // calls in flight at once
	last     time.Duration
}

// hostCall is a call, as the host sees it when it begins.
type hostCall struct {
	items  []int
	nth    int           // of the calls for the first item, from 1
	number int           // of all calls, from 0
	at     time.Duration // since the host was made
	flying int           // calls in flight with it
}

func (v hostCall) item() int { return v.items[0] }

// hostFailure is how a call fails.
type hostFailure struct {
	err     error
	takes   time.Duration
	sent    bool // the request left
	applied bool // and was carried out, which the error does not say
	says    string
}

// dialRefused is the error of net/http when nothing listens at the address.
func dialRefused() error {
	return &url.Error{Op: "Post", URL: "http://api.example/items", Err: &net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}}
}

var (
	refusedDial = hostFailure{err: dialRefused(), takes: time.Millisecond, says: "connection refused"}
	noRoute     = hostFailure{takes: time.Millisecond, says: "no route to host", err: &url.Error{Op: "Get", URL: "http://api.example", Err: &net.OpError{
		Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH),
	}}}
	nameServerDown = hostFailure{takes: 5 * time.Millisecond, says: "server misbehaving", err: &url.Error{Op: "Get", URL: "http://api.example", Err: &net.OpError{
		Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "api.example", IsTemporary: true},
	}}}
	resetRead = hostFailure{takes: 5 * time.Millisecond, sent: true, says: "connection reset", err: &url.Error{Op: "Post", URL: "http://api.example/items", Err: &net.OpError{
		Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET),
	}}}
	timedOut = hostFailure{takes: 300 * time.Millisecond, sent: true, says: "timeout", err: &url.Error{
		Op: "Post", URL: "http://api.example/items", Err: &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded},
	}}
)

// answered is a response with a status.
func answered(code int) hostFailure {
	return hostFailure{err: &statusError{status: code}, takes: 20 * time.Millisecond, sent: true, says: strconv.Itoa(code)}
}

// after is the hostFailure with a Retry-After.
func (m hostFailure) after(d time.Duration) hostFailure {
	e, _ := errors.AsType[*statusError](m.err)
	m.err = &statusError{e.status, d}
	return m
}

// between fails all calls that begin in a stretch of time; until 0 means for ever.
func between(from, until time.Duration, m hostFailure) func(hostCall) *hostFailure {
	return func(v hostCall) *hostFailure {
		if v.at >= from && (until == 0 || v.at < until) {
			return &m
		}
		return nil
	}
}

func newHost(t testing.TB, fault func(hostCall) *hostFailure) *host {
	return &host{t: t, began: time.Now(), fault: fault, sent: map[int]int{}, applied: map[int]int{}}
}

// call is a request for one item or several. It takes 40 to 80 ms.
func (h *host) call(ctx context.Context, items ...int) error {
	h.mu.Lock()
	h.inFlight++
	h.most = max(h.most, h.inFlight)
	for _, item := range items {
		h.sent[item]++
	}
	v := hostCall{items: items, nth: h.sent[items[0]], number: len(h.calls), at: time.Since(h.began), flying: h.inFlight}
	h.calls = append(h.calls, v)
	var m *hostFailure
	if h.fault != nil {
		m = h.fault(v)
	}
	h.mu.Unlock()
	takes := time.Duration(40+items[0]*7%41) * time.Millisecond
	if m != nil {
		takes = m.takes
	}
	timer := time.NewTimer(takes)
	defer timer.Stop()
	err := error(nil)
	select {
	case <-timer.C:
	case <-ctx.Done():
		if err = ctx.Err(); m != nil && !m.sent {
			err = &net.OpError{Op: "dial", Net: "tcp", Err: m.err} // it was still connecting
		}
		err = &url.Error{Op: "Post", URL: "http://api.example/items", Err: err}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight--
	if err != nil {
		return err
	}
	if m == nil || m.applied {
		for _, item := range items {
			h.applied[item]++
		}
	}
	if m != nil {
		return m.err
	}
	h.last = time.Since(h.began)
	return nil
}

func (h *host) do(ctx context.Context, item int) (int, error) { return item, h.call(ctx, item) }

func (h *host) many(ctx context.Context, items []int) ([]windrow.Outcome[int], error) {
	if err := h.call(ctx, items...); err != nil {
		return nil, err
	}
	out := make([]windrow.Outcome[int], len(items))
	for k, item := range items {
		out[k].Value = item
	}
	return out, nil
}

// find is a reconciler.
func (h *host) find(_ context.Context, item int) (int, bool, error) {
	time.Sleep(20 * time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lookUps++
	if h.lookUp != nil {
		if m := h.lookUp(hostCall{items: []int{item}, at: time.Since(h.began)}); m != nil {
			return 0, false, m.err
		}
	}
	return item, h.applied[item] > 0, nil
}

// since counts the calls that began in a stretch of time, and the most that were in flight at the start of one of them.
func (h *host) since(from, until time.Duration) (calls, flying int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.calls {
		if v.at >= from && (until == 0 || v.at < until) {
			calls++
			flying = max(flying, v.flying)
		}
	}
	return calls, flying
}

// triedBefore counts the items that were sent so many times, or more, before then.
func (h *host) triedBefore(until time.Duration, times int) (n int) {
	for _, v := range h.calls {
		if v.nth == times && v.at < until {
			n++
		}
	}
	return n
}

// doubled counts the items that were applied more than once.
func (h *host) doubled() (n int) {
	for _, times := range h.applied {
		if times > 1 {
			n++
		}
	}
	return n
}

// runMode says how a run is made.
type runMode struct {
	name   string
	stream bool
	batch  int // items in a request; 0 means single calls
	opts   []windrow.Option
}

var (
	byRun     = runMode{name: "Run"}
	byStream  = runMode{name: "Stream", stream: true}
	inOrder   = runMode{name: "PreserveOrder", opts: []windrow.Option{windrow.PreserveOrder()}}
	byBatches = runMode{name: "batches", batch: 10}
	byStreamB = runMode{name: "batches, Stream", batch: 10, stream: true, opts: []windrow.Option{windrow.Linger(time.Millisecond)}} // full chunks
)

// hostVerb is an operation on the items of a host.
type hostVerb struct {
	name       string
	repeatable bool
	read       bool
	start      func(h *host, m runMode, opts []windrow.Option) hostRun
}

// hostRun runs a verb in a mode, and runs again what came of it.
type hostRun struct {
	run   func(ctx context.Context, items int) summary
	rerun func(ctx context.Context) summary
}

var (
	creates = hostVerb{name: "create", start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewCreateProcessor(windrow.CreateFunc(h.do), opts...)
		if m.batch > 0 {
			p.Batch = h.many
		}
		return hostRunOf(h, p, m, func(i int) int { return i })
	}}
	keyedCreates = hostVerb{name: "create with keys", repeatable: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewCreateProcessor(windrow.CreateFunc(h.do), opts...)
		p.Key, p.Capabilities.IdempotencyKeys = strconv.Itoa, true
		if m.batch > 0 {
			p.Batch = h.many
		}
		return hostRunOf(h, p, m, func(i int) int { return i })
	}}
	lookedUpCreates = hostVerb{name: "create with look-ups", start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewCreateProcessor(windrow.CreateFunc(h.do), opts...)
		p.Reconcile = h.find
		if m.batch > 0 {
			p.Batch = h.many
		}
		return hostRunOf(h, p, m, func(i int) int { return i })
	}}
	functionCalls = hostVerb{name: "do", start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewBatchProcessor(h.do, opts...)
		if m.batch > 0 {
			p.Batch = h.many
		}
		return hostRunOf(h, p, m, func(i int) int { return i })
	}}
	updatesOf = hostVerb{name: "update", repeatable: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewUpdateProcessor(windrow.UpdateFunc(func(ctx context.Context, id, _ int) (int, error) { return h.do(ctx, id) }), opts...)
		if m.batch > 0 {
			p.Batch = func(ctx context.Context, in []windrow.Update[int, int]) ([]windrow.Outcome[int], error) {
				items := make([]int, len(in))
				for k := range in {
					items[k] = in[k].ID
				}
				return h.many(ctx, items)
			}
		}
		return hostRunOf(h, p, m, func(i int) windrow.Update[int, int] { return windrow.Update[int, int]{ID: i} })
	}}
	upserts = hostVerb{name: "upsert", repeatable: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewUpsertProcessor(windrow.UpsertFunc(h.do), opts...)
		if m.batch > 0 {
			p.Batch = h.many
		}
		return hostRunOf(h, p, m, func(i int) int { return i })
	}}
	deletes = hostVerb{name: "delete", repeatable: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewDeleteProcessor(windrow.DeleteFunc(func(ctx context.Context, id int) error { return h.call(ctx, id) }), opts...)
		if m.batch > 0 {
			p.Batch = func(ctx context.Context, ids []int) ([]windrow.Outcome[struct{}], error) {
				out, err := h.many(ctx, ids)
				return make([]windrow.Outcome[struct{}], len(out)), err
			}
		}
		return hostRunOf(h, p, m, func(i int) int { return i })
	}}
	gets = hostVerb{name: "get", repeatable: true, read: true, start: func(h *host, m runMode, opts []windrow.Option) hostRun {
		p := windrow.NewGetProcessor(windrow.GetFunc(h.do), opts...)
		if m.batch > 0 {
			p.Batch = h.many
		}
		return hostRunOf(h, p, m, func(i int) int { return i })
	}}
	allVerbs = []hostVerb{creates, keyedCreates, functionCalls, updatesOf, upserts, deletes, gets}
)

// on prepares the verb for a host.
func (v hostVerb) on(h *host, m runMode, opts ...windrow.Option) hostRun {
	all := append(m.opts[:len(m.opts):len(m.opts)], opts...)
	if m.batch > 0 {
		all = append(all, windrow.BatchSize(m.batch))
	}
	return v.start(h, m, all)
}

// floor is how long the hostVerb takes when nothing is wrong. It must not be called in a bubble.
func (v hostVerb) floor(t *testing.T, items int, m runMode, opts ...windrow.Option) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, nil)
		s := v.on(h, m, opts...).run(t.Context(), items)
		if s.stats.Succeeded != items {
			t.Fatalf("%s: %d of %d succeed when nothing is wrong; %v", v.name, s.stats.Succeeded, items, s.err)
		}
		took = time.Since(h.began)
	})
	return took
}

func hostRunOf[In, Out any](h *host, p *windrow.BatchProcessor[In, Out], m runMode, input func(int) In) hostRun {
	var last *windrow.BulkResult[In, Out]
	return hostRun{
		run: func(ctx context.Context, items int) summary {
			in := make([]In, items)
			for i := range in {
				in[i] = input(i)
			}
			if m.stream {
				return streamedOn(p, ctx, in)
			}
			res, err := p.Run(ctx, in)
			last = res
			return summarize(h.t, res.Len(), res, err)
		},
		rerun: func(ctx context.Context) summary {
			res, err := p.Rerun(ctx, last)
			last = res
			return summarize(h.t, res.Len(), res, err)
		},
	}
}

// streamedOn is the summary of a stream. What was not pulled is NotAttempted.
func streamedOn[In, Out any](p *windrow.BatchProcessor[In, Out], ctx context.Context, in []In) (s summary) {
	stream := p.Stream(ctx, windrow.FromSlice(in))
	for r, err := range stream.All() {
		if stop, ok := errors.AsType[*windrow.StopError](err); ok {
			s.cause, s.err = stop.Cause, err
			continue
		}
		s.add(r.State, r.Attempts, r.Err)
	}
	s.stats = stream.Stats()
	for range len(in) - len(s.states) {
		s.add(windrow.NotAttempted, 0, windrow.ErrNotAttempted)
		s.stats.NotAttempted++
		s.stats.Total++
	}
	return s
}

func (s *summary) add(state windrow.State, attempts int, err error) {
	s.states = append(s.states, state)
	s.attempts = append(s.attempts, attempts)
	s.errs = append(s.errs, err)
}

// count counts the items in a state.
func (s summary) count(state windrow.State) (n int) {
	for _, other := range s.states {
		if other == state {
			n++
		}
	}
	return n
}

// chargedMore counts the items that were charged more than so many attempts.
func (s summary) chargedMore(than int) (n int) {
	for _, attempts := range s.attempts {
		if attempts > than {
			n++
		}
	}
	return n
}
