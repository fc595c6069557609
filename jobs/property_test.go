package jobs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

var (
	propertyCases = flag.Int("property.cases", 200, "how many random jobs TestEveryItemEndsOnce carries out")
	propertySeed  = flag.Uint64("property.seed", 1, "seed of the first of them; the others have the next ones")
)

// Whatever the server does, and however often a job is paused, resumed, cancelled and gone on with after a restart: each
// item ends once, in a state that is true, and nothing is sent while it is paused.
//
//	go test -run EveryItemEndsOnce . -property.seed 4711 -property.cases 1
func TestEveryItemEndsOnce(t *testing.T) {
	t.Parallel()
	for k := range *propertyCases {
		seed := *propertySeed + uint64(k)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newTrial(t, seed).run() })
		})
	}
}

// fault is what happens to one call for a record.
type fault int

const (
	transient   fault = iota // it is not applied
	throttled                // it is not applied, and the server says how long to wait
	lostApplied              // it is applied, and the response is lost
	lostBefore               // it is not applied, and no response says so
	fatal                    // a credential is refused
	slow                     // the response takes seconds
	faults
)

// thing is a record of the server.
type thing struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Group string `json:"group"`
	Mark  string `json:"mark"`
}

// change is what is sent of a record.
type change struct {
	Name  string `json:"name,omitempty"`
	Group string `json:"group,omitempty"`
	Mark  string `json:"mark,omitempty"`
}

// trial is a random job, a server with random faults, and what is done to the job.
type trial struct {
	t      *testing.T
	seed   uint64
	random *rand.Rand
	path   string
	kind   string // plain, keys, ids or look-ups: what a create can do
	batch  bool
	spec   jobs.Spec
	groups []string // of the operations

	m       *jobs.Manager
	store   *sqlitestore.Store
	id      string
	cancels bool // Cancel was called

	mu      sync.Mutex
	luck    *rand.Rand // of the server
	things  map[string]thing
	keys    map[string][]thing
	applied map[string]int     // by name or id
	faults  map[string][]fault // still to come, by name or id
	had     map[string][]fault
	refused map[string]bool // by name or id
	lists   int             // errors of List still to come
	again   int             // every how many records of a list are named twice; 0: none
	begun   int             // calls
}

func newTrial(t *testing.T, seed uint64) *trial {
	c := &trial{
		t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), luck: rand.New(rand.NewPCG(seed, 1)), path: filepath.Join(t.TempDir(), "jobs.db"),
		things: map[string]thing{}, keys: map[string][]thing{}, applied: map[string]int{}, faults: map[string][]fault{},
		had: map[string][]fault{}, refused: map[string]bool{},
	}
	c.kind = pickOne(c, "plain", "keys", "ids", "look-ups")
	c.batch = c.chance(3)
	for k := range 1 + c.random.IntN(3) {
		c.addOperation(k)
	}
	o := &c.spec.Options
	o.Sequential = c.chance(5)
	if !o.Sequential {
		o.MaxConcurrent = c.random.IntN(12)
	}
	o.Retry.Attempts = c.random.IntN(6)
	o.Retry.Backoff = pickOne(c, "", jobs.BackoffImmediate, jobs.BackoffLinear, jobs.BackoffExponential)
	if c.chance(8) {
		o.Validation.OnError = jobs.OnErrorAbort
	}
	if c.chance(3) {
		c.lists = 1 + c.random.IntN(3)
	}
	if c.chance(3) {
		c.again = 1 + c.random.IntN(7)
	}
	return c
}

// chance reports true once in n times.
func (c *trial) chance(n int) bool { return c.random.IntN(n) == 0 }

func pickOne[T any](c *trial, from ...T) T { return from[c.random.IntN(len(from))] }

// addOperation adds an operation, its records, and their faults.
func (c *trial) addOperation(k int) {
	group := fmt.Sprint("g", k)
	op := jobs.Operation{Type: pickOne(c, jobs.Create, jobs.Create, jobs.Update, jobs.Delete), Resource: "things"}
	n := 1 + c.random.IntN(40)
	for i := range n {
		name := fmt.Sprintf("%s-%03d", group, i)
		if c.chance(4) {
			for range 1 + c.random.IntN(3) {
				f := fault(c.random.IntN(int(faults)))
				if f == fatal && !c.chance(4) {
					f = transient
				}
				c.faults[name] = append(c.faults[name], f)
			}
		}
		c.refused[name] = c.chance(20)
		if op.Type == jobs.Create {
			op.Records = append(op.Records, change{Name: name, Group: group})
			continue
		}
		c.things[name] = thing{ID: name, Name: name, Group: group}
		op.IDs = append(op.IDs, name)
	}
	if op.Type == jobs.Update {
		op.Update = jobs.Fields{"mark": "done"}
	}
	if op.Type != jobs.Create && c.chance(2) {
		op.IDs, op.Filter = nil, jobs.Fields{"group": group}
	}
	c.groups = append(c.groups, group)
	c.spec.Operations = append(c.spec.Operations, op)
}

func (c *trial) errorf(format string, args ...any) {
	c.t.Errorf("seed %d (%s, batch %t): "+format, append([]any{c.seed, c.kind, c.batch}, args...)...)
}

// call is a call for some records.
func (c *trial) call(ctx context.Context, names []string, apply func(name string) (thing, error)) ([]windrow.Outcome[thing], error) {
	c.mu.Lock()
	c.begun++
	var now []fault // that of the call as a whole is that of the first record that has one
	for _, name := range names {
		if f := c.faults[name]; len(f) > 0 {
			now, c.faults[name] = f[:1], f[1:]
			for _, name := range names {
				c.had[name] = append(c.had[name], now[0])
			}
			break
		}
	}
	wait := time.Duration(1+c.luck.IntN(50)) * time.Millisecond
	c.mu.Unlock()
	what := faults
	if len(now) > 0 {
		what = now[0]
	}
	if what == slow {
		wait = 3 * time.Second
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch what {
	case transient:
		return nil, windrow.Transient(errors.New("busy"))
	case throttled:
		return nil, windrow.Throttled(errors.New("too many"), time.Duration(c.luck.IntN(3000))*time.Millisecond)
	case lostBefore:
		return nil, windrow.Ambiguous(errors.New("lost"))
	case fatal:
		return nil, windrow.Fatal(errors.New("unauthorized"))
	}
	out := make([]windrow.Outcome[thing], len(names))
	for k, name := range names {
		if c.refused[name] {
			out[k].Err = windrow.Permanent(errors.New("refused"))
			continue
		}
		out[k].Value, out[k].Err = apply(name)
	}
	if what == lostApplied {
		return nil, windrow.Ambiguous(errors.New("lost"))
	}
	return out, nil
}

// single is call for one record.
func (c *trial) single(ctx context.Context, name string, apply func(name string) (thing, error)) (thing, error) {
	out, err := c.call(ctx, []string{name}, apply)
	if err != nil {
		return thing{}, err
	}
	return out[0].Value, out[0].Err
}

// create returns what makes the records of a call.
func (c *trial) create(ctx context.Context, in []change) func(string) (thing, error) {
	key := ""
	if a, ok := clients.AttemptFrom(ctx); ok && c.kind == "keys" {
		key = a.IdempotencyKey()
	}
	return func(name string) (thing, error) {
		if key != "" {
			for _, th := range c.keys[key] {
				if th.Name == name {
					return th, nil
				}
			}
		}
		at := slices.IndexFunc(in, func(i change) bool { return i.Name == name })
		th := thing{ID: name, Name: name, Group: in[at].Group}
		if _, there := c.things[name]; there && c.kind == "ids" {
			return th, windrow.ErrAlreadyExists
		}
		c.applied[name]++
		c.things[name] = th
		if key != "" {
			c.keys[key] = append(c.keys[key], th)
		}
		return th, nil
	}
}

func (c *trial) update(name string) (thing, error) {
	th, ok := c.things[name]
	if !ok {
		return th, windrow.ErrNotFound
	}
	c.applied[name]++
	th.Mark = "done"
	c.things[name] = th
	return th, nil
}

func (c *trial) remove(name string) (thing, error) {
	if _, ok := c.things[name]; !ok {
		return thing{}, windrow.ErrNotFound
	}
	c.applied[name]++
	delete(c.things, name)
	return thing{}, nil
}

func (c *trial) list(ctx context.Context, filter jobs.Fields) iter.Seq2[thing, error] {
	return func(yield func(thing, error) bool) {
		c.mu.Lock()
		var all []thing
		for _, th := range c.things {
			if th.Group == filter["group"] {
				all = append(all, th)
			}
		}
		slices.SortFunc(all, func(a, b thing) int { return strings.Compare(a.ID, b.ID) })
		broken := -1
		if c.lists > 0 {
			c.lists--
			broken = c.luck.IntN(len(all) + 1)
		}
		again := c.again
		c.mu.Unlock()
		for k, th := range all {
			if k%10 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
			if ctx.Err() != nil {
				yield(thing{}, ctx.Err())
				return
			}
			if k == broken {
				yield(thing{}, windrow.Transient(errors.New("busy")))
				return
			}
			if !yield(th, nil) || again > 0 && k%again == 0 && !yield(all[k/2], nil) {
				return
			}
		}
	}
}

// one is a client that makes single calls.
type one struct{ c *trial }

func (o one) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{IdempotencyKeys: o.c.kind == "keys", ClientIDs: o.c.kind == "ids", MaxItems: 7}
}

func (o one) Create(ctx context.Context, in change) (thing, error) {
	return o.c.single(ctx, in.Name, o.c.create(ctx, []change{in}))
}

func (o one) Update(ctx context.Context, id string, _ change) (thing, error) {
	return o.c.single(ctx, id, o.c.update)
}

func (o one) Delete(ctx context.Context, id string) error {
	_, err := o.c.single(ctx, id, o.c.remove)
	return err
}

// many is a client with native batches.
type many struct{ one }

func (m many) CreateBatch(ctx context.Context, in []change) ([]windrow.Outcome[thing], error) {
	names := make([]string, len(in))
	for k := range in {
		names[k] = in[k].Name
	}
	return m.c.call(ctx, names, m.c.create(ctx, in))
}

func (m many) UpdateBatch(ctx context.Context, in []windrow.Update[string, change]) ([]windrow.Outcome[thing], error) {
	names := make([]string, len(in))
	for k := range in {
		names[k] = in[k].ID
	}
	return m.c.call(ctx, names, m.c.update)
}

// open opens the store and begins to work.
func (c *trial) open() {
	s, err := sqlitestore.Open(c.path)
	if err != nil {
		c.t.Fatal(err)
	}
	c.store = s
	if c.m, err = jobs.Open(c.t.Context(), jobs.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		c.t.Fatal(err)
	}
	res := jobs.Resource[change, thing]{
		Client: one{c}, List: c.list, ID: func(th thing) string { return th.ID }, Key: func(in change) string { return in.Name },
	}
	if c.batch {
		res.Client = many{one{c}}
	}
	if c.kind == "look-ups" {
		res.Reconcile = func(_ context.Context, in change) (thing, bool, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.begun++
			th, ok := c.things[in.Name]
			return th, ok, nil
		}
	}
	if err := errors.Join(jobs.Register(c.m, "things", res), c.m.Start(c.t.Context())); err != nil {
		c.t.Fatal(err)
	}
}

// quiet checks that nothing begins for a while.
func (c *trial) quiet(after string) {
	synctest.Wait()
	calls := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.begun
	}
	before := calls()
	time.Sleep(time.Duration(c.random.IntN(20_000)) * time.Millisecond)
	if n := calls() - before; n > 0 {
		c.errorf("%d calls began after %s", n, after)
	}
}

func (c *trial) run() {
	ctx, cancel := context.WithTimeout(c.t.Context(), 100*time.Hour)
	defer cancel()
	c.open()
	j, err := c.m.Submit(ctx, c.spec)
	if err != nil {
		c.t.Fatal(err)
	}
	c.id = j.ID
	for range c.random.IntN(8) {
		c.disturb(ctx)
	}
	for {
		j, err = c.m.Wait(ctx, c.id)
		if err != nil {
			c.t.Fatalf("seed %d: %v", c.seed, err)
		}
		if j.State.Ended() {
			break
		}
		if _, err := c.m.Resume(ctx, c.id); err != nil {
			c.t.Fatal(err)
		}
	}
	c.verify(ctx, j)
	if err := errors.Join(c.store.Check(ctx), c.m.Close()); err != nil {
		c.errorf("%v", err)
	}
}

// disturb does one thing to the job, after a while.
func (c *trial) disturb(ctx context.Context) {
	time.Sleep(time.Duration(c.random.ExpFloat64() * float64(300*time.Millisecond)))
	var err error
	switch n := c.random.IntN(12); {
	case n < 5:
		var j jobs.Job
		if j, err = c.m.Pause(ctx, c.id); err == nil && j.State == jobs.Paused {
			c.quiet("Pause")
			if c.chance(3) { // it stays paused over a restart
				c.restart()
				c.quiet("a restart of a paused job")
			}
		}
	case n < 8:
		_, err = c.m.Resume(ctx, c.id)
	case n < 9 && c.chance(2):
		c.cancels = true
		if _, err = c.m.Cancel(ctx, c.id); err == nil {
			c.quiet("Cancel")
		}
	default:
		c.restart()
	}
	if _, refused := errors.AsType[*jobs.StateError](err); err != nil && !refused {
		c.errorf("%v", err)
	}
}

func (c *trial) restart() {
	if err := c.m.Close(); err != nil {
		c.errorf("Close: %v", err)
	}
	c.quiet("Close")
	c.open()
}

// verify compares the job with what the server did.
func (c *trial) verify(ctx context.Context, j jobs.Job) {
	counts := map[windrow.State]int64{}
	ended := map[string]int{}
	next := int64(0)
	for item, err := range c.m.Items(ctx, c.id, jobs.ItemQuery{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		if item.Index != next {
			c.errorf("item %d comes where item %d should", item.Index, next)
		}
		next++
		counts[item.State]++
		if item.Reason == windrow.ReasonDuplicate {
			continue
		}
		ended[item.Key]++
		c.verifyItem(j, item)
	}
	p := j.Progress
	if p.Total != next || p.Succeeded != counts[windrow.Succeeded] || p.Failed != counts[windrow.Failed] || p.Skipped != counts[windrow.Skipped] ||
		p.Unknown != counts[windrow.Unknown] || p.NotAttempted != counts[windrow.NotAttempted] {
		c.errorf("the counts are %+v, and the items %v", p, counts)
	}
	for key, n := range ended {
		if n != 1 {
			c.errorf("%d items of %s", n, key)
		}
	}
	if j.State == jobs.Completed {
		for name := range c.refused { // all records
			if ended[name] != 1 {
				c.errorf("%d items of %s", ended[name], name)
			}
		}
	}
	aborted := c.spec.Options.Validation.OnError == jobs.OnErrorAbort && counts[windrow.Failed]+counts[windrow.Unknown] > 0
	switch {
	case j.State == jobs.Completed && counts[windrow.NotAttempted] == 0:
	case j.State == jobs.Cancelled && c.cancels:
	case j.State == jobs.Failed && aborted:
	default:
		c.errorf("it is %s (%s), %v", j.State, j.Reason, counts)
	}
	c.verifyEvents(ctx, j)
}

// verifyItem compares an item with what the server did.
func (c *trial) verifyItem(j jobs.Job, item jobs.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, had := c.applied[item.Key], c.had[item.Key]
	op := c.spec.Operations[item.Operation].Type
	lost := slices.Contains(had, lostApplied) || slices.Contains(had, lostBefore)
	say := func(problem string) {
		c.errorf("%s: %s %s is %v (%v) after %d attempts, was applied %d times, had the faults %v, refused %t: %s: %s", j.State, op, item.Key,
			item.State, item.Reason, item.Attempts, n, had, c.refused[item.Key], item.Message, problem)
	}
	most := 1
	if op == jobs.Update {
		for _, f := range had {
			if f == lostApplied {
				most++
			}
		}
	}
	if n > most {
		say("too often")
	}
	if len(had) == 0 || !slices.ContainsFunc(had, func(f fault) bool { return f != slow }) {
		switch {
		case item.State == windrow.NotAttempted && j.State != jobs.Completed:
		case c.refused[item.Key] != (item.State == windrow.Failed), !c.refused[item.Key] && item.State != windrow.Succeeded:
			say("it had no fault")
		}
	}
	attempts := c.spec.Options.Retry.Attempts
	if attempts == 0 {
		attempts = 3
	}
	decides := op != jobs.Create || c.kind == "keys" || c.kind == "look-ups"
	if open := item.State == windrow.Failed || item.State == windrow.Unknown; open && decides && !c.batch && !c.refused[item.Key] &&
		len(had) < attempts && !slices.Contains(had, fatal) && j.State == jobs.Completed {
		say("it had attempts left")
	}
	switch item.State {
	case windrow.Succeeded:
		if n == 0 {
			say("it was not applied")
		}
	case windrow.Skipped:
		if n == 0 || !lost {
			say("it was not applied by an earlier attempt")
		}
	case windrow.Unknown:
		if !lost {
			say("nothing was lost")
		}
	default:
		if n > 0 {
			say("it was applied")
		}
	}
}

func (c *trial) verifyEvents(ctx context.Context, j jobs.Job) {
	n, last, end := map[string]int{}, int64(0), ""
	for e, err := range c.m.Events(ctx, c.id, 0) {
		if err != nil {
			c.t.Fatal(err)
		}
		if e.Number <= last {
			c.errorf("event %d comes after event %d", e.Number, last)
		}
		last, end = e.Number, e.Type
		n[e.Type]++
	}
	if n[jobs.EventCompleted]+n[jobs.EventFailed]+n[jobs.EventCancelled] != 1 || end != "job_"+string(j.State) {
		c.errorf("it is %s, the last event is %s, and the events are %v", j.State, end, n)
	}
	if n[jobs.EventQueued] != 1 || n[jobs.EventStarted] > 1 || n[jobs.EventResumed] > n[jobs.EventPaused] {
		c.errorf("the events are %v", n)
	}
}
