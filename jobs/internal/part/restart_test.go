package part

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// model is what a journal has to know, kept in the plainest way.
type model struct {
	entries map[string]windrow.JournalEntry
	intents []windrow.JournalIntent
	last    map[string]int // position of a key's last intent, as long as the outcome is not known
}

func newModel() *model {
	return &model{entries: map[string]windrow.JournalEntry{}, last: map[string]int{}}
}

func (m *model) clone() *model {
	return &model{maps.Clone(m.entries), slices.Clone(m.intents), maps.Clone(m.last)}
}

func (m *model) intend(in windrow.JournalIntent) {
	for _, key := range in.Keys {
		m.entries[key] = windrow.JournalEntry{Key: key, State: windrow.Unknown, Fingerprint: m.entries[key].Fingerprint}
		m.last[key] = len(m.intents)
	}
	m.intents = append(m.intents, in)
}

// unfinished returns the intents that are the last one of a key which is Unknown.
func (m *model) unfinished() (open []windrow.JournalIntent) {
	for n := range m.intents {
		if m.open(n) {
			open = append(open, m.intents[n])
		}
	}
	return open
}

func (m *model) open(n int) bool {
	return slices.ContainsFunc(m.intents[n].Keys, func(key string) bool {
		at, begun := m.last[key]
		return begun && at == n
	})
}

// save returns whether an unfinished intent has the key.
func (m *model) save(idempotencyKey, handle string) bool {
	for n := range slices.Backward(m.intents) {
		if m.intents[n].IdempotencyKey == idempotencyKey && m.open(n) {
			m.intents[n].Handle = handle
			return true
		}
	}
	return false
}

// diff compares a journal with the model. It returns "" when they are equal.
func (m *model) diff(tb testing.TB, j *Journal, keys []string) string {
	tb.Helper()
	for _, key := range keys {
		want := m.entries[key]
		want.Key = key
		got, err := j.Find(key)
		if err != nil {
			tb.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Sprintf("Find(%q) (-want +got)\n%s", key, diff)
		}
	}
	var got []windrow.JournalIntent
	for in, err := range j.Unfinished() {
		if err != nil {
			tb.Fatal(err)
		}
		got = append(got, in)
	}
	if diff := cmp.Diff(m.unfinished(), got); diff != "" {
		return "Unfinished (-want +got)\n" + diff
	}
	return ""
}

// Whatever was done in whatever order, a journal knows it. A kill loses only what was recorded last, and of that no
// half. The fake refuses a Was that is not the state of the row.
func TestRandomSequences(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r, keys := rand.New(rand.NewPCG(seed, 7)), []string{"a", "b", "\x00", "\xff", "e", "f"}
		f := newFake(keys...)
		possible := []*model{newModel()} // what may be durable
		for range 5 {
			j := f.open(t, Config{})
			var m *model
			var diff string
			for _, p := range possible {
				if diff = p.diff(t, j, keys); diff == "" {
					m = p
				}
			}
			if m == nil {
				t.Fatalf("seed %d: after a restart none of %d states, not the last one: %s", seed, len(possible), diff)
			}
			possible = []*model{m.clone()}
			for step := range 40 {
				if randomStep(t, r, j, m, keys, step) {
					possible = nil
				}
				possible = append(possible, m.clone())
			}
			if diff := m.diff(t, j, keys); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			if r.IntN(2) == 0 { // otherwise it is killed
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				possible = possible[len(possible)-1:]
			}
			f.checkCounts(t)
		}
	}
}

// randomStep does something to a journal and to its model, and returns whether the model is durable then.
func randomStep(t *testing.T, r *rand.Rand, j *Journal, m *model, keys []string, step int) (durable bool) {
	switch r.IntN(9) {
	case 0, 1:
		r.Shuffle(len(keys), func(a, b int) { keys[a], keys[b] = keys[b], keys[a] })
		in := windrow.JournalIntent{
			Keys: slices.Clone(keys[:1+r.IntN(3)]), IdempotencyKey: fmt.Sprint(r.IntN(5)), Attempt: step + 1, Repeatable: r.IntN(2) == 0,
		}
		if err := j.Intend(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		m.intend(in)
		return true
	case 2:
		key, handle := fmt.Sprint(r.IntN(5)), fmt.Sprint("job ", step)
		saved := m.save(key, handle)
		if err := j.Save(t.Context(), key, handle); (err == nil) != saved {
			t.Fatalf("Save: %v", err)
		}
		return saved
	case 3:
		if err := j.Sync(); err != nil {
			t.Fatal(err)
		}
		return true
	default:
		var entries []windrow.JournalEntry
		for range r.IntN(4) { // some of them twice
			e := windrow.JournalEntry{Key: keys[r.IntN(len(keys))], State: windrow.State(r.IntN(5)), Fingerprint: fmt.Sprint(step)}
			entries = append(entries, e)
			if m.entries[e.Key] = e; e.State != windrow.Unknown {
				delete(m.last, e.Key)
			}
		}
		if err := j.Record(entries...); err != nil {
			t.Fatal(err)
		}
		return false
	}
}

// server makes records. It refuses a second record of a name, so that what was sent twice is seen.
type server struct {
	mu      sync.Mutex
	made    map[string]int
	life    int // of the process that may send
	kill    int // requests until the process is killed
	respond *rand.Rand
}

// client belongs to one process. When that is killed, nothing that it sends arrives any more.
type client struct {
	*server
	life   int
	reborn func()
}

var errDead = errors.New("the process is dead")

func (c client) Create(_ context.Context, name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != c.server.life {
		return "", errDead
	}
	if c.kill--; c.kill == 0 {
		c.server.life++
		c.reborn()
		if c.respond.IntN(2) == 0 {
			c.made[name]++ // and the response is lost
		}
		return "", errDead
	}
	c.made[name]++
	return "id of " + name, nil
}

// finder is a client that looks up what may have been made.
type finder struct{ client }

func (c finder) Reconcile(_ context.Context, name string) (string, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != c.server.life {
		return "", false, errDead
	}
	return "id of " + name, c.made[name] > 0, nil
}

// leased returns a store with one part of these keys, and what leases the part and fences the holder so far.
type leased func(tb testing.TB, keys []string) (store.Store, func() store.Part)

func leasedFake(_ testing.TB, keys []string) (store.Store, func() store.Part) {
	f := newFake(keys...)
	return f, f.lease
}

func leasedSQLite(tb testing.TB, keys []string) (store.Store, func() store.Part) {
	ctx, now := context.WithoutCancel(tb.Context()), time.Now()
	db, err := sqlitestore.Open(filepath.Join(tb.TempDir(), "jobs.db"))
	if err != nil {
		tb.Fatal(err)
	}
	s, _ := store.Of(db)
	tb.Cleanup(func() { _ = s.Close() })
	job := store.Job{ID: "job", State: store.Queued, Run: 1, Created: now, Queued: now, Operations: []store.Operation{{Phase: store.Ready}}}
	_, _, err = s.Insert(ctx, job, func(yield func(store.Item, error) bool) {
		for k, key := range keys {
			if !yield(store.Item{Index: int64(k), Key: key}, nil) {
				return
			}
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	if job, err = s.Claim(ctx, store.Claim{Owner: "test", Now: now, Until: now.Add(time.Hour)}); err != nil {
		tb.Fatal(err)
	}
	return s, func() store.Part {
		p, err := s.NextPart(ctx, store.JobLease{Job: job.Number, Epoch: job.Epoch}, 0, int64(len(keys)), "test", now)
		if err != nil {
			tb.Error(err)
		}
		return p
	}
}

// A run that is killed again and again, in the middle, makes each record once, and loses none.
func TestKilledRunsMakeEachRecordOnce(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]leased{"fake": leasedFake, "SQLite": leasedSQLite} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				t.Parallel()
				killedRuns(t, kind, rand.New(rand.NewPCG(seed, 3)), seed%2 == 0)
			})
		}
	}
}

func killedRuns(t *testing.T, kind leased, r *rand.Rand, lookups bool) {
	keys := numbered(150)
	s, lease := kind(t, keys)
	srv := &server{made: map[string]int{}, respond: r}
	next := lease()
	var journals []*Journal
	done := false
	for lives := 0; !done; lives++ {
		if lives > 50 {
			t.Fatal("it never ends")
		}
		j, err := Open(context.WithoutCancel(t.Context()), s, next, Config{Scope: "job/0", Op: windrow.OpCreate, Run: 1})
		if err != nil {
			t.Fatal(err)
		}
		journals = append(journals, j)
		var names []string
		for _, item := range j.Items() {
			names = append(names, item.Key)
		}
		srv.mu.Lock()
		srv.kill = 1 + r.IntN(40)
		c := client{server: srv, life: srv.life, reborn: func() { next = lease() }}
		srv.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		with := []windrow.Option{
			windrow.WithJournal(j), windrow.WithKey(func(name string) string { return name }), windrow.Concurrency(4),
			windrow.WithResultID(func(id string) string { return id }), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1}), windrow.SettlingTime(0),
		}
		var res *windrow.BulkResult[string, string]
		if lookups {
			res, err = windrow.CreateMany[string, string](ctx, finder{c}, names, with...)
		} else {
			res, err = windrow.CreateMany[string, string](ctx, c, names, with...)
		}
		cancel()
		for r := range res.All(windrow.Failed, windrow.Skipped, windrow.Succeeded, windrow.Unknown) {
			if late := j.Settle(windrow.JournalEntry{Key: r.Key, State: r.State, Reason: r.Reason, ID: r.ID, Kind: r.Kind, Err: r.Err}); late != nil {
				if !errors.Is(late, store.ErrFenced) {
					t.Error(late)
				}
				break
			}
		}
		srv.mu.Lock()
		done = srv.life == c.life
		srv.mu.Unlock()
		if done {
			if err != nil && lookups {
				t.Errorf("the last run: %v", err)
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	checkRecords(t, s, next.PartLease, srv, keys, lookups)
	for _, j := range journals[:len(journals)-1] {
		if err := j.Close(); err != nil && !errors.Is(err, store.ErrFenced) {
			t.Errorf("Close of an abandoned journal: %v", err)
		}
	}
}

// checkRecords compares what the store says of the items with what the server has made.
func checkRecords(t *testing.T, s store.Store, p store.PartLease, srv *server, keys []string, lookups bool) {
	items, _, err := s.PartItems(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var unknown int
	for k := range items {
		item := &items[k]
		n := srv.made[item.Key]
		switch state := windrow.State(item.State); {
		case state == windrow.Unknown && !lookups && n <= 1:
			unknown++
		case (state == windrow.Succeeded || state == windrow.Skipped) && n == 1:
		default:
			t.Errorf("item %s is %v, and the server has made it %d times", item.Key, state, n)
		}
	}
	if len(items) != len(keys) || len(srv.made) > len(keys) {
		t.Errorf("%d items, %d records", len(items), len(srv.made))
	}
	t.Logf("%d items, %d unknown", len(items), unknown)
	if f, ok := s.(*fake); ok {
		f.checkCounts(t)
		return
	}
	counts, err := s.Recount(t.Context(), p.Job)
	job, late := s.Get(t.Context(), "", "job")
	if err != nil || late != nil || counts != job.Counts || counts.Total != int64(len(keys)) {
		t.Errorf("%v, %v: the rows are %+v, the counts %+v", err, late, counts, job.Counts)
	}
}
