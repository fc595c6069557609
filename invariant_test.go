package windrow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// The invariant, as a property of random runs: for every fault, option, verb and moment of cancelling,
// each input ends in exactly one state, and that state is true. A server keeps the ledger of what it really applied.
//
// A failure names its seed. WINDROW_SEED=n runs that one case again (the order of goroutines is still the
// scheduler's), and WINDROW_CASES=n runs so many.
func TestInvariant(t *testing.T) {
	t.Parallel()
	first, cases := uint64(1), 600
	if testing.Short() {
		cases = 100
	}
	if text := os.Getenv("WINDROW_CASES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		first, cases = rand.Uint64N(1<<40), n
	}
	if text := os.Getenv("WINDROW_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, cases = n, 1
	}
	for seed := first; seed < first+uint64(cases); seed++ {
		synctest.Test(t, func(t *testing.T) {
			c := newCase(t, seed)
			defer func() {
				if t.Failed() {
					t.Logf("WINDROW_SEED=%d: %s", seed, c)
				}
			}()
			c.run()
		})
		if t.Failed() {
			t.FailNow()
		}
	}
}

// thing is an input. Its number says who it is, and its key which record it is about.
type thing struct {
	N   int
	Key string
}

// made is what the server makes of a thing.
type made struct{ N int }

// fault is what goes wrong with a call.
type fault int

const (
	none        fault = iota
	unsent            // the connection was refused
	lost              // the answer was lost; whether it was applied is another draw
	late              // it takes longer than anybody waits, but ends with its context
	deaf              // it takes long, and ignores its context
	throttling        // 429
	unavailable       // 503
	blowing           // it panics
	exiting           // it ends its goroutine
	denied            // 401
	forbidden         // 403
	oversized         // 413
	miscounted        // a batch answer has another length
	faults
)

// script is what one case draws from its seed.
type script struct {
	seed       uint64
	items      int
	op         windrow.OpKind
	can        windrow.Capabilities
	repeatable bool // by option
	reconcile  bool
	batch      bool // there is a Batch
	single     bool // there is a Do
	atomic     bool // a bad item of a batch makes the server refuse all
	names      bool // and it names the item
	records    bool // a transport keeps the record
	keyed      bool // the processor has a Key
	shareKeys  int  // how many items have a key in common, 1 for none
	poison     float64
	invalid    float64
	missing    float64
	rate       float64 // of faults
	possible   []fault
	biggest    int // chunk that the server takes
	duplicates windrow.DuplicatePolicy
	inOrder    bool
	dry        bool
	ceiling    int
	attempts   int
	timeout    time.Duration // of an attempt
	cancelAt   time.Duration // 0: not cancelled
	deadline   time.Duration // 0: none
	cancelBy   int           // the call that cancels, from 1; 0: none
	options    []windrow.Option
	says       []string
}

// kase is a case under test: a script, the server's ledger, and what is known of the calls.
type kase struct {
	script
	t      *testing.T
	began  time.Time
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	healed   bool // nothing goes wrong any more
	applied  map[int]int
	forbade  map[int]bool      // it was answered 403, which is the end of it if others succeeded
	answers  map[string]answer // by idempotency key
	calls    []wire
	looks    int
	nth      map[string]int
	inFlight map[string]bool
	most     int
	flying   int
	told     map[int]windrow.State
	progress windrow.Progress
	ceased   time.Duration // when the context ended
}

// answer is what a server keeps of a request with an idempotency key.
type answer struct {
	items []int
	out   []windrow.Outcome[made]
}

// wire is a call as the server saw it.
type wire struct {
	items    []int
	from, to time.Duration
}

const (
	longest = 40 * time.Second // of the calls that ignore their context
)

// newCase makes the case of a seed.
func newCase(t *testing.T, seed uint64) *kase {
	c := &kase{
		t: t, began: time.Now(), applied: map[int]int{}, forbade: map[int]bool{}, answers: map[string]answer{}, nth: map[string]int{}, inFlight: map[string]bool{},
		told: map[int]windrow.State{},
	}
	c.script = draw(seed)
	c.options = append(c.options, windrow.OnProgress(c.onProgress))
	if !c.batch {
		c.options = append(c.options, windrow.SingleCalls)
	}
	return c
}

// draw makes the script of a seed.
func draw(seed uint64) script {
	r := rand.New(rand.NewPCG(seed, 0))
	coin := func(p float64) bool { return r.Float64() < p }
	s := script{seed: seed, items: r.IntN(45), op: windrow.OpKind(r.IntN(6)), records: coin(0.4), attempts: 1 + r.IntN(4), biggest: 1 + r.IntN(12), ceiling: 64}
	add := func(name string, o windrow.Option) {
		s.options = append(s.options, o)
		s.says = append(s.says, name)
	}
	s.repeatable = (s.op == windrow.OpDo || s.op == windrow.OpCreate) && coin(0.2)
	if s.repeatable {
		add("Repeatable", windrow.Repeatable())
	}
	if s.op == windrow.OpCreate {
		s.can.IdempotencyKeys, s.can.ClientIDs = coin(0.35), coin(0.25)
	}
	s.reconcile = coin(0.3)
	s.batch = coin(0.5)
	s.single = !s.batch || coin(0.7)
	s.atomic, s.names, s.can.OmitsTail = coin(0.4), coin(0.4), coin(0.3)
	if s.atomic {
		s.can.Atomicity = windrow.AtomicityAll
	}
	if s.batch && coin(0.6) {
		s.can.MaxItems = 1 + r.IntN(15)
	}
	if s.batch && coin(0.2) {
		s.can.MaxBytes = 1 + r.IntN(40)
	}
	if coin(0.2) {
		s.can.Cost = func(n int) int { return n }
	}
	s.keyed, s.shareKeys = coin(0.5), 1
	if coin(0.3) {
		s.shareKeys = 1 + r.IntN(4)
	}
	if s.keyed && s.shareKeys > 1 {
		s.duplicates = windrow.RejectDuplicates + windrow.DuplicatePolicy(r.IntN(4))
		add(fmt.Sprint("Duplicates ", s.duplicates), windrow.Duplicates(s.duplicates))
	}
	if coin(0.3) {
		s.poison = r.Float64() * 0.4
	}
	if coin(0.2) {
		s.invalid = r.Float64() * 0.3
	}
	s.missing = r.Float64() * 0.3
	if coin(0.85) {
		s.rate = r.Float64() * r.Float64()
	}
	for f := none + 1; f < faults; f++ {
		rare := f == denied || f == forbidden
		if coin(0.5) && (!rare || coin(0.3)) {
			s.possible = append(s.possible, f)
		}
	}
	if len(s.possible) == 0 {
		s.rate = 0
	}
	if coin(0.6) {
		s.ceiling = 1 + r.IntN(6)
		add(fmt.Sprint("Concurrency ", s.ceiling), windrow.Concurrency(s.ceiling))
	}
	if coin(0.2) {
		n := 1 + r.IntN(40)
		add(fmt.Sprint("Rate ", n), windrow.Rate(n, time.Second))
	}
	if coin(0.3) {
		n := 1 + r.IntN(8)
		add(fmt.Sprint("BatchSize ", n), windrow.BatchSize(n))
	}
	if coin(0.15) {
		add("BatchDelay", windrow.BatchDelay(time.Duration(r.IntN(3000))*time.Millisecond))
	}
	if s.inOrder = coin(0.15); s.inOrder {
		s.ceiling = 1
		add("PreserveOrder", windrow.PreserveOrder())
	}
	if coin(0.25) {
		n := r.IntN(6)
		switch r.IntN(3) {
		case 0:
			add("MaxFailures(0)", windrow.MaxFailures(0))
		case 1:
			add(fmt.Sprint("MaxFailures ", n), windrow.MaxFailures(n))
		default:
			add("MaxFailureRate", windrow.MaxFailureRate(r.Float64(), n))
		}
	}
	if coin(0.4) {
		s.timeout = time.Duration(1+r.IntN(5000)) * time.Millisecond
		add(fmt.Sprint("AttemptTimeout ", s.timeout), windrow.AttemptTimeout(s.timeout))
	}
	if s.dry = coin(0.03); s.dry {
		add("DryRun", windrow.DryRun())
	}
	policy := windrow.RetryPolicy{MaxAttempts: s.attempts}
	switch r.IntN(4) {
	case 0:
		policy.Strategy = windrow.Constant(0)
	case 1:
		policy.Strategy = windrow.Constant(time.Duration(r.IntN(5000)) * time.Millisecond)
	case 2:
		most := r.IntN(4)
		policy.Strategy = windrow.Custom(func(n int) time.Duration {
			if n > most {
				return -1
			}
			return time.Second
		})
	}
	if coin(0.3) {
		policy.MaxThrottleWait = time.Duration(1+r.IntN(60)) * time.Second
	}
	switch r.IntN(4) {
	case 0:
		policy.Budget = windrow.RetryBudget{Size: 1 + float64(r.IntN(4)), PerSecond: r.Float64() * 2, PerSuccess: r.Float64()}
	case 1:
		policy.Budget = windrow.RetryBudget{Size: math.Inf(1)}
	}
	add(fmt.Sprintf("Retry %d attempts, %v, %+v", policy.MaxAttempts, policy.MaxThrottleWait, policy.Budget), windrow.Retry(policy))
	switch r.IntN(6) {
	case 0:
		s.cancelAt = time.Duration(r.IntN(20_000)) * time.Millisecond
	case 1:
		s.deadline = time.Duration(1+r.IntN(20_000)) * time.Millisecond
	case 2:
		s.cancelBy = 1 + r.IntN(30)
	}
	return s
}

func (s *script) String() string {
	return fmt.Sprintf("%d items, %v, %+v, reconcile %v, batch %v, single %v, atomic %v, named %v, records %v, keyed %v, %d share a key, faults %.2f of %v, "+
		"poison %.2f, invalid %.2f, biggest %d, cancel at %v, deadline %v, cancel by call %d, options %v",
		s.items, s.op, s.can, s.reconcile, s.batch, s.single, s.atomic, s.names, s.records, s.keyed, s.shareKeys, s.rate, s.possible,
		s.poison, s.invalid, s.biggest, s.cancelAt, s.deadline, s.cancelBy, s.says)
}

// chance draws for an item: the same each time.
func (s *script) chance(what string, n int, p float64) bool {
	return p > 0 && s.rand(fmt.Sprint(what, n)).Float64() < p
}

// rand returns the source of what happens at a place.
func (s *script) rand(place string) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, b := range []byte(place) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(s.seed, h))
}

func (s *script) isPoison(n int) bool  { return s.chance("poison", n, s.poison) }
func (s *script) isInvalid(n int) bool { return s.chance("invalid", n, s.invalid) }
func (s *script) isMissing(n int) bool {
	return s.op == windrow.OpDelete && s.chance("missing", n, s.missing)
}

// harmless reports whether sending an item twice has the effect of sending it once, as the documentation says.
func (s *script) harmless() bool {
	switch s.op {
	case windrow.OpDo:
		return s.repeatable
	case windrow.OpCreate:
		return s.repeatable || s.can.IdempotencyKeys || s.can.ClientIDs
	}
	return true
}

// unsettled reports whether items may stay Unknown however often they are sent: they exist, and nobody knows whose they
// are.
func (s *script) unsettled() bool {
	return s.op == windrow.OpCreate && s.can.ClientIDs && !s.reconcile
}

// stuck reports whether an item that is refused for good stays Unknown however often it is sent: after a lost answer the
// refusal of a create or a delete may mean that it was carried out.
func (s *script) stuck(states []windrow.State) bool {
	for n, state := range states {
		if s.doubted(n, state) {
			return true
		}
	}
	return false
}

func (s *script) doubted(n int, state windrow.State) bool {
	meetsItself := s.op == windrow.OpCreate || s.op == windrow.OpDo || s.op == windrow.OpDelete
	return state == windrow.Unknown && s.isPoison(n) && meetsItself && !s.reconcile
}

// resends reports whether a rerun sends an Unknown item again.
func (s *script) resends() bool {
	keysOnly := s.op == windrow.OpCreate && s.can.IdempotencyKeys && !s.can.ClientIDs && !s.repeatable
	return s.reconcile || s.harmless() && (!keysOnly || !s.batch)
}

// things makes the inputs.
func (s *script) things() []thing {
	all := make([]thing, s.items)
	for i := range all {
		all[i] = thing{N: i, Key: fmt.Sprint("k", i/s.shareKeys)}
	}
	r := s.rand("order")
	r.Shuffle(len(all), func(i, j int) { all[i].Key, all[j].Key = all[j].Key, all[i].Key })
	return all
}

// begin notes a call, and checks what must hold when one begins. The function it returns notes its end.
func (c *kase) begin(ctx context.Context, in []thing) (r *rand.Rand, end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := wire{from: time.Since(c.began)}
	place := "call"
	for _, x := range in {
		w.items = append(w.items, x.N)
		place += fmt.Sprint(" ", x.N)
		if c.isInvalid(x.N) {
			c.t.Errorf("item %d is not valid, and was sent", x.N)
		}
		if c.dry {
			c.t.Errorf("item %d was sent in a dry run", x.N)
		}
		if c.serialized() && c.inFlight[x.Key] {
			c.t.Errorf("item %d was sent while another one with its key %s was in flight", x.N, x.Key)
		}
		c.inFlight[x.Key] = true
	}
	if len(in) > 1 && (c.can.MaxItems > 0 && len(in) > c.can.MaxItems || len(in) > 100) {
		c.t.Errorf("%d items in one request", len(in))
	}
	if a, ok := clients.AttemptFrom(ctx); !ok || a.Items != len(in) || a.Index != in[0].N || a.Op != c.op || a.Number < 1 || a.Number > c.attempts {
		c.t.Errorf("the attempt for %d items from %d is %+v", len(in), in[0].N, a)
	}
	c.nth[place]++
	place += fmt.Sprint(" #", c.nth[place])
	index := len(c.calls)
	c.calls = append(c.calls, w)
	if c.flying++; c.flying > c.most {
		c.most = c.flying
	}
	if len(c.calls) == c.cancelBy {
		c.stop(errors.New("a call has had enough"))
	}
	return c.rand(place), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flying--
		c.calls[index].to = time.Since(c.began)
		for _, x := range in {
			c.inFlight[x.Key] = false
		}
	}
}

// stop cancels the run. The lock is held.
func (c *kase) stop(cause error) {
	if c.cancel != nil {
		c.cancel(cause)
		c.ceased = time.Since(c.began)
	}
}

// serialized reports whether items with one key are kept apart.
func (s *script) serialized() bool {
	return s.keyed || s.op == windrow.OpUpdate
}

// fault draws what goes wrong.
func (c *kase) fault(r *rand.Rand, batch bool) fault {
	c.mu.Lock()
	healed := c.healed
	c.mu.Unlock()
	if healed || r.Float64() >= c.rate {
		return none
	}
	f := c.possible[r.IntN(len(c.possible))]
	if !batch && (f == oversized || f == miscounted) {
		return none
	}
	return f
}

// apply changes the record of an item, unless it is poison, and returns what the server says.
func (c *kase) apply(ctx context.Context, x thing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applyLocked(ctx, x, true)
}

func (c *kase) applyLocked(ctx context.Context, x thing, byKey bool) error {
	switch {
	case c.isPoison(x.N):
		return &statusError{status: 400}
	case c.op == windrow.OpGet:
		return nil
	case c.op == windrow.OpDelete && (c.isMissing(x.N) || c.applied[x.N] > 0):
		return &statusError{status: 404}
	}
	if byKey && c.op == windrow.OpCreate && c.can.IdempotencyKeys {
		a, _ := clients.AttemptFrom(ctx)
		before, known := c.answers[a.IdempotencyKey()]
		if known && !slices.Equal(before.items, []int{x.N}) {
			c.t.Errorf("items %v and %d have the idempotency key %s", before.items, x.N, a.IdempotencyKey())
		}
		if known {
			return nil
		}
		c.answers[a.IdempotencyKey()] = answer{items: []int{x.N}}
	}
	if c.op == windrow.OpCreate && c.can.ClientIDs && c.applied[x.N] > 0 {
		return &statusError{status: 409}
	}
	c.applied[x.N]++
	return nil
}

// call is a single call.
func (c *kase) call(ctx context.Context, x thing) (made, error) {
	r, end := c.begin(ctx, []thing{x})
	defer end()
	a, _ := clients.AttemptFrom(ctx)
	if c.records {
		a.Engage()
	}
	pause(ctx, time.Duration(r.IntN(1500))*time.Millisecond)
	f := c.fault(r, false)
	// What never reaches the server.
	switch f {
	case unsent:
		if c.records {
			return made{}, &url.Error{Op: "Post", Err: io.EOF} // whatever it looks like, nothing has left
		}
		return made{}, windrow.Transient(errServer)
	case blowing, exiting:
		if r.IntN(2) == 0 {
			blow(f)
		}
	}
	if c.records && c.op != windrow.OpGet {
		a.Sending()
	}
	answered := func(status int) {
		if c.records {
			a.Answered(status, c.op != windrow.OpGet)
		}
	}
	// What the server refuses.
	switch f {
	case throttling:
		answered(429)
		return made{}, &statusError{429, c.hint(r)}
	case denied:
		answered(401)
		return made{}, &statusError{status: 401}
	case forbidden:
		c.mu.Lock()
		c.forbade[x.N] = true
		c.mu.Unlock()
		answered(403)
		return made{}, &statusError{status: 403}
	}
	// What it may have applied although the answer is lost.
	if f != none && f != deaf && r.IntN(2) == 0 {
		_ = c.apply(ctx, x)
		blow(f)
		if f == late {
			pause(ctx, longest)
		}
		return made{}, c.lost(ctx, f, answered)
	}
	blow(f)
	switch f {
	case lost, unavailable:
		return made{}, c.lost(ctx, f, answered)
	case late:
		pause(ctx, longest)
		return made{}, c.lost(ctx, f, answered)
	case deaf:
		time.Sleep(time.Duration(r.Int64N(int64(longest))))
	}
	err := c.apply(ctx, x)
	if status, ok := errors.AsType[*statusError](err); ok {
		answered(status.status)
		return made{}, err
	}
	answered(200)
	return made{N: x.N}, nil
}

// hint draws how long the server asks to wait.
func (c *kase) hint(r *rand.Rand) time.Duration {
	return []time.Duration{0, 0, time.Second, 3 * time.Second, 2 * time.Minute}[r.IntN(5)]
}

// lost is the error of a call whose answer was lost.
func (c *kase) lost(ctx context.Context, f fault, answered func(int)) error {
	switch {
	case f == unavailable:
		answered(503)
		return &statusError{status: 503}
	case ctx.Err() != nil:
		return &url.Error{Op: "Post", Err: ctx.Err()}
	case c.records && f == lost:
		answered(200)
		return fmt.Errorf("decoding: %w", io.ErrUnexpectedEOF)
	default:
		return &url.Error{Op: "Post", Err: syscall.ECONNRESET}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// blow panics or ends the goroutine, if that is the fault.
func blow(f fault) {
	switch f {
	case blowing:
		panic("a fault")
	case exiting:
		runtime.Goexit()
	}
}

// many is a batch request.
func (c *kase) many(ctx context.Context, in []thing) ([]windrow.Outcome[made], error) {
	r, end := c.begin(ctx, in)
	defer end()
	in = slices.Clone(in)
	pause(ctx, time.Duration(r.IntN(1500))*time.Millisecond)
	f := c.fault(r, true)
	if len(in) > c.biggest && len(in) > 1 {
		f = oversized
	}
	switch f {
	case unsent:
		return nil, windrow.Transient(errServer)
	case throttling:
		return nil, windrow.Throttled(errServer, c.hint(r))
	case denied:
		return nil, windrow.Fatal(errServer)
	case oversized:
		if len(in) > 1 {
			return nil, windrow.TooLarge(errServer, r.IntN(2)*c.biggest)
		}
	case blowing, exiting:
		if r.IntN(2) == 0 {
			blow(f)
		}
	case deaf:
		time.Sleep(time.Duration(r.Int64N(int64(longest))))
	}
	if f == lost && r.IntN(2) == 0 {
		return nil, windrow.Ambiguous(errServer)
	}
	out, err := c.applyAll(ctx, in, r)
	switch f {
	case lost, unavailable:
		return nil, windrow.Ambiguous(errServer)
	case late:
		pause(ctx, longest)
		return nil, c.lost(ctx, f, func(int) {})
	case miscounted:
		if err == nil {
			n := len(in) + 1 + r.IntN(3)
			if !c.can.OmitsTail && r.IntN(2) == 0 { // else a short answer says that the rest was not attempted
				n = r.IntN(len(in))
			}
			return make([]windrow.Outcome[made], n), nil
		}
	}
	blow(f)
	return out, err
}

// applyAll is what the server does with a batch.
func (c *kase) applyAll(ctx context.Context, in []thing, r *rand.Rand) ([]windrow.Outcome[made], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, _ := clients.AttemptFrom(ctx)
	keyed := c.op == windrow.OpCreate && c.can.IdempotencyKeys
	items := make([]int, len(in))
	for k, x := range in {
		items[k] = x.N
	}
	if before, known := c.answers[a.IdempotencyKey()]; keyed && known {
		if !slices.Equal(before.items, items) {
			c.t.Errorf("chunks %v and %v have the idempotency key %s", before.items, items, a.IdempotencyKey())
		}
		for k := range before.out {
			if before.out[k].Err == nil {
				continue
			}
			before.out[k] = windrow.Outcome[made]{Value: made{in[k].N}}
			if c.applied[in[k].N] == 0 { // what had failed is tried again
				before.out[k].Err = c.applyLocked(ctx, in[k], false)
			}
		}
		return slices.Clone(before.out), nil
	}
	if c.atomic {
		for k, x := range in {
			exists := c.op == windrow.OpCreate && c.can.ClientIDs && c.applied[x.N] > 0
			if !exists && !c.isPoison(x.N) {
				continue
			}
			refusal := windrow.Classification{}
			if c.names {
				refusal.BadItem = k + 1
			}
			err := errServer
			if exists {
				err = windrow.ErrAlreadyExists
			}
			return nil, windrow.Classified(err, refusal)
		}
	}
	out := make([]windrow.Outcome[made], len(in))
	for k, x := range in {
		if !c.atomic && !c.healed && r.Float64() < c.rate/2 {
			switch r.IntN(4) {
			case 0:
				out[k].Err = windrow.Transient(errServer)
				continue
			case 1:
				out[k].Err = windrow.Throttled(errServer, time.Duration(r.IntN(2))*time.Second)
				continue
			case 2:
				out[k].Err = windrow.Ambiguous(errServer)
				if r.IntN(2) == 0 {
					continue
				}
			default:
				if c.can.OmitsTail && k > 0 {
					out = out[:k]
				}
			}
			if len(out) == k {
				break
			}
		}
		err := c.applyLocked(ctx, x, false)
		if out[k].Err == nil {
			out[k] = windrow.Outcome[made]{Value: made{x.N}, Err: err}
		}
	}
	if keyed {
		c.answers[a.IdempotencyKey()] = answer{items, slices.Clone(out)}
	}
	return out, nil
}

// find is a reconciler that tells the truth, when it tells anything.
func (c *kase) find(_ context.Context, x thing) (made, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	place := fmt.Sprint("look-up ", x.N)
	c.nth[place]++
	r := c.rand(fmt.Sprint(place, " #", c.nth[place]))
	if !c.healed && r.Float64() < c.rate {
		switch r.IntN(4) {
		case 0:
			return made{}, false, windrow.Transient(errServer)
		case 1:
			return made{}, false, windrow.Throttled(errServer, time.Second)
		case 2:
			return made{}, false, errServer
		default:
			panic("a fault of a look-up")
		}
	}
	return made{N: x.N}, c.applied[x.N] > 0, nil
}

// onProgress checks that progress only grows.
func (c *kase) onProgress(p windrow.Progress) {
	if p.Done < c.progress.Done || p.Failed < c.progress.Failed || p.Done != p.Succeeded+p.Skipped+p.Failed || p.Unknown > p.Failed || p.Done > p.Total || p.Total != c.items {
		c.t.Errorf("progress %+v after %+v", p, c.progress)
	}
	c.progress = p
}

// run runs the case with the processor of its verb.
func (c *kase) run() {
	single := func(ctx context.Context, x thing) (made, error) { return c.call(ctx, x) }
	same := func(x thing) thing { return x }
	number := func(m made) int { return m.N }
	switch c.op {
	case windrow.OpDo:
		runCase(c, windrow.NewBatchProcessor(single, c.options...), c.things(), same, func(m made) made { return m }, number)
	case windrow.OpCreate:
		runCase(c, windrow.NewCreateProcessor(windrow.CreateFunc(single), c.options...), c.things(), same, func(m made) made { return m }, number)
	case windrow.OpUpsert:
		runCase(c, windrow.NewUpsertProcessor(windrow.UpsertFunc(single), c.options...), c.things(), same, func(m made) made { return m }, number)
	case windrow.OpGet:
		runCase(c, windrow.NewGetProcessor(windrow.GetFunc(single), c.options...), c.things(), same, func(m made) made { return m }, number)
	case windrow.OpDelete:
		remove := windrow.DeleteFunc(func(ctx context.Context, x thing) error { _, err := single(ctx, x); return err })
		runCase(c, windrow.NewDeleteProcessor(remove, c.options...), c.things(), same, func(made) struct{} { return struct{}{} }, nil)
	case windrow.OpUpdate:
		update := windrow.UpdateFunc(func(ctx context.Context, _ string, x thing) (made, error) { return single(ctx, x) })
		var in []windrow.Update[string, thing]
		for _, x := range c.things() {
			in = append(in, windrow.Update[string, thing]{ID: x.Key, Data: x})
		}
		runCase(c, windrow.NewUpdateProcessor(update, c.options...), in, func(u windrow.Update[string, thing]) thing { return u.Data }, func(m made) made { return m }, number)
	}
}

// runCase runs a processor, and runs it again until nothing is left that may be sent again, and checks each result.
func runCase[In, Out any](c *kase, p *windrow.BatchProcessor[In, Out], in []In, thingOf func(In) thing, outOf func(made) Out, number func(Out) int) {
	t := c.t
	p.Capabilities = c.can
	if c.batch {
		p.Batch = func(ctx context.Context, in []In) ([]windrow.Outcome[Out], error) {
			var things []thing
			for _, x := range in {
				things = append(things, thingOf(x))
			}
			answers, err := c.many(ctx, things)
			var out []windrow.Outcome[Out]
			for _, a := range answers {
				out = append(out, windrow.Outcome[Out]{Value: outOf(a.Value), Err: a.Err})
			}
			return out, err
		}
	}
	if !c.single {
		p.Do = nil
	}
	if c.keyed {
		p.Key = func(x In) string { return thingOf(x).Key }
	}
	if c.invalid > 0 {
		p.Validate = func(x In) error {
			if c.isInvalid(thingOf(x).N) {
				return errServer
			}
			return nil
		}
	}
	if c.reconcile {
		p.Reconcile = func(ctx context.Context, x In) (Out, bool, error) {
			m, found, err := c.find(ctx, thingOf(x))
			return outOf(m), found, err
		}
	}
	p.OnResult = func(r windrow.Result[In, Out]) {
		if state, twice := c.told[r.Index]; twice {
			t.Errorf("OnResult was called twice for item %d: %v and %v", r.Index, state, r.State)
		}
		c.told[r.Index] = r.State
	}
	check := func(round int, res *windrow.BulkResult[In, Out], err error) []windrow.State {
		t.Helper()
		checkAccounts(t, len(in), res, err)
		var states []windrow.State
		for r := range res.All() {
			states = append(states, r.State)
			x := thingOf(r.Input)
			if want := thingOf(in[r.Index]); x != want {
				t.Errorf("item %d has the input %+v, want %+v", r.Index, x, want)
			}
			if r.State == windrow.Succeeded && number != nil && number(r.Value) != x.N {
				t.Errorf("item %d has the value of item %d", r.Index, number(r.Value))
			}
			c.checkTruth(x, r.State, r.Reason)
			if r.Attempts > round*c.attempts || r.Attempts > c.sent(x.N) {
				t.Errorf("item %d counts %d attempts of %d calls in round %d", r.Index, r.Attempts, c.sent(x.N), round)
			}
			if state, ok := c.told[r.Index]; ok && state != r.State {
				t.Errorf("OnResult said that item %d is %v, and it is %v", r.Index, state, r.State)
			}
		}
		if n := res.Stats().Requests; n != len(c.calls)+c.looks {
			t.Errorf("round %d: the stats count %d requests, there were %d calls and %d look-ups", round, n, len(c.calls), c.looks)
		}
		if c.most > c.ceiling {
			t.Errorf("round %d: %d calls at once, the ceiling is %d", round, c.most, c.ceiling)
		}
		if c.flying > 0 {
			t.Errorf("round %d: %d calls are still in flight", round, c.flying)
		}
		if p, s := c.progress, res.Stats(); round == 1 && p.Total == len(in) && len(in) > 0 &&
			(p.Succeeded != s.Succeeded || p.Skipped != s.Skipped || p.Failed != s.Failed+s.Unknown || p.Unknown != s.Unknown) {
			t.Errorf("round %d: the last progress is %+v, the result %+v", round, p, s)
		}
		return states
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	c.cancel = cancel
	if c.deadline > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, c.deadline)
		defer end()
		c.ceased = c.deadline
	}
	if c.cancelAt > 0 {
		time.AfterFunc(c.cancelAt, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.stop(errors.New("enough"))
		})
	}
	res, err := p.Run(ctx, in)
	c.mu.Lock()
	c.cancel = nil
	c.mu.Unlock()
	took := time.Since(c.began)
	if c.ceased > 0 && took > c.ceased+longest {
		t.Errorf("the context ended after %v, the run after %v", c.ceased, took)
	}
	states := check(1, res, err)
	if len(c.told) != len(in) {
		t.Errorf("OnResult was called for %d items of %d", len(c.told), len(in))
	}
	if c.inOrder {
		c.checkOrder()
	}
	last := 0 // calls before the last run
	for round := 2; !t.Failed(); round++ {
		time.Sleep(10 * time.Minute) // no pause of the limiter is left
		c.told, c.progress, c.healed = map[int]windrow.State{}, windrow.Progress{}, round > 3
		if c.chance("JSON", round, 0.3) {
			text, err := json.Marshal(res)
			if err != nil {
				t.Fatal(err)
			}
			res = new(windrow.BulkResult[In, Out])
			if err := json.Unmarshal(text, res); err != nil {
				t.Fatal(err)
			}
		}
		calls, before := len(c.calls)+c.looks, states
		last = len(c.calls)
		res, err = p.Rerun(t.Context(), res)
		states = check(round, res, err)
		if os.Getenv("WINDROW_DEBUG") != "" {
			t.Logf("round %d: %v %v %v", round, res.Stats(), err, slices.Collect(res.All(windrow.Failed, windrow.Unknown)))
		}
		if c.healed && (len(c.calls)+c.looks == calls || (c.unsettled() || c.stuck(states)) && slices.Equal(before, states)) {
			break
		}
		if round > 100 {
			t.Errorf("there is no end of rerunning: %v", states)
		}
	}
	if errors.Is(err, windrow.ErrDuplicateKey) || t.Failed() {
		return
	}
	for r := range res.All() {
		n := thingOf(r.Input).N
		sentLast := slices.ContainsFunc(c.calls[last:], func(w wire) bool { return slices.Contains(w.items, n) })
		if c.stuck(states) && (r.State == windrow.NotAttempted || r.State == windrow.Unknown && !sentLast) {
			continue // with MaxFailures(0) each run may stop at the same item, before it sends the others
		}
		c.checkEnd(thingOf(r.Input), r.State, r.Reason)
	}
}

// sent returns how many calls carried an item.
func (c *kase) sent(n int) int {
	count := 0
	for _, w := range c.calls {
		if slices.Contains(w.items, n) {
			count++
		}
	}
	return count
}

// checkTruth compares the state of an item with the ledger.
func (c *kase) checkTruth(x thing, state windrow.State, reason windrow.Reason) {
	t := c.t
	applied, sent := c.applied[x.N], c.sent(x.N)
	read := c.op == windrow.OpGet
	switch state {
	case windrow.Succeeded:
		if applied == 0 && !read && !c.isMissing(x.N) || read && sent == 0 {
			t.Errorf("item %d succeeded, and was never applied", x.N)
		}
	case windrow.Unknown:
		if sent == 0 || read {
			t.Errorf("item %d is unknown after %d calls", x.N, sent)
		}
	case windrow.Skipped:
		switch {
		case reason == windrow.ReasonNotFound && c.isMissing(x.N):
		case reason == windrow.ReasonDuplicate && sent == 0:
		case reason == windrow.ReasonDryRun && sent == 0 && c.dry:
		default:
			t.Errorf("item %d was skipped since %v, after %d calls", x.N, reason, sent)
		}
	}
	if state != windrow.Succeeded && state != windrow.Unknown && applied > 0 {
		t.Errorf("item %d is %v, and was applied", x.N, state)
	}
	once := c.op == windrow.OpCreate && !c.repeatable || c.op == windrow.OpDo && !c.repeatable
	if once && applied > 1 {
		t.Errorf("item %d was applied %d times", x.N, applied)
	}
}

// checkEnd checks what an item ended as when nothing goes wrong any more and nothing is left to be sent again.
func (c *kase) checkEnd(x thing, state windrow.State, reason windrow.Reason) {
	t := c.t
	switch {
	case state == windrow.Skipped && reason != windrow.ReasonNotFound: // a duplicate, or a dry run
	case c.isInvalid(x.N):
		if state != windrow.Failed {
			t.Errorf("item %d is not valid, and ended as %v", x.N, state)
		}
	case state == windrow.Unknown && !c.resends():
	case state != windrow.Succeeded && c.unsettled(): // with MaxFailures(0) each run may stop at the same item
	case state == windrow.Failed && c.forbade[x.N]:
	case c.doubted(x.N, state):
	case c.isPoison(x.N):
		if state != windrow.Failed {
			t.Errorf("item %d is refused for good, and ended as %v", x.N, state)
		}
	case state == windrow.Skipped && c.isMissing(x.N):
	case state != windrow.Succeeded:
		t.Errorf("nothing is wrong any more, and item %d ended as %v", x.N, state)
	}
}

// checkOrder checks that one call was made after the other, in the order of the input, and that nothing was begun while
// something else waited to be sent again.
func (c *kase) checkOrder() {
	seen, floor, top := map[int]bool{}, 0, -1
	var last time.Duration
	for _, w := range c.calls {
		if w.from < last {
			c.t.Errorf("the call for %v began after %v, before another one had ended", w.items, w.from)
		}
		last = w.to
		fresh := -1
		for _, n := range w.items {
			if n < floor {
				c.t.Errorf("the call for %v came when others had been begun", w.items)
			}
			if !seen[n] {
				if n <= top {
					c.t.Errorf("item %d was sent after item %d", n, top)
				}
				top, seen[n] = n, true
				if fresh < 0 {
					fresh = n
				}
			}
		}
		if fresh >= 0 {
			floor = w.items[0]
		}
	}
}
