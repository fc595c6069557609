package jobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Config configures a [Manager].
type Config struct {
	// Store keeps the jobs: that of package sqlitestore, or of module pgstore. It is required. The manager uses it alone
	// and closes it.
	Store Store
	// Logger gets what operators want to know: starts and ends of jobs, pauses, failures of the store. Nil means that
	// nothing is logged.
	Logger *slog.Logger
	// MaxRunning is how many jobs are carried out at once; the others are queued. 0 means 4.
	MaxRunning int
	// MaxRecords bounds the records and ids in one spec. 0 means 100,000.
	MaxRecords int
	// MaxSpecBytes bounds the JSON form of one spec with its records. 0 means 64 MiB.
	MaxSpecBytes int
	// MaxStoreBytes bounds the size of the store: while it is larger Submit returns [ErrStoreFull]. 0 means no bound.
	MaxStoreBytes int64
	// Strategies are the backoff strategies that specs may name.
	Strategies map[string]windrow.Strategy
}

// Store keeps jobs. Open one with package sqlitestore or module pgstore: its other methods are theirs and the manager's
// own, and may change with each version.
type Store interface {
	// Size returns the bytes that the store takes on disk.
	Size(ctx context.Context) (int64, error)
	// Close closes the store. The manager calls it.
	Close() error
}

const (
	defaultMaxRunning   = 4
	defaultMaxRecords   = 100_000
	defaultMaxSpecBytes = 64 << 20

	leaseTime = 30 * time.Second
	pollTime  = time.Second // how often a manager looks for what others have changed
)

// A Manager takes jobs, carries them out and remembers them. Make one with [Open], add resources with [Register], and
// call [Manager.Start]. All methods may be called from many goroutines.
type Manager struct {
	cfg    Config
	store  store.Store
	log    *slog.Logger
	owner  string
	ctx    context.Context // of the work; ends at the end of Close
	cancel context.CancelFunc
	wake   chan struct{}
	work   sync.WaitGroup

	mu        sync.Mutex
	resources map[string]resource
	started   bool
	closing   bool
	running   map[int64]*runner
	watchers  map[int64]chan struct{} // closed when the job changes
}

// Open returns a manager of the jobs in a store. It does not begin to work: see [Manager.Start].
func Open(ctx context.Context, cfg Config) (*Manager, error) {
	var s store.Store
	if !isNil(cfg.Store) {
		s, _ = store.Of(cfg.Store)
	}
	switch {
	case ctx == nil:
		return nil, errNoContext
	case isNil(cfg.Store):
		return nil, errors.New("jobs: Config.Store is nil: open one with package sqlitestore or module pgstore")
	case isNil(s):
		return nil, fmt.Errorf("jobs: Config.Store (%T) is no store of package sqlitestore or module pgstore", cfg.Store)
	}
	for _, bound := range []struct {
		name  string
		value *int
		usual int
	}{
		{"MaxRunning", &cfg.MaxRunning, defaultMaxRunning}, {"MaxRecords", &cfg.MaxRecords, defaultMaxRecords},
		{"MaxSpecBytes", &cfg.MaxSpecBytes, defaultMaxSpecBytes},
	} {
		if *bound.value < 0 {
			return nil, fmt.Errorf("jobs: Config.%s is %d: it must be at least 1, or 0 for %d", bound.name, *bound.value, bound.usual)
		}
		set(bound.value, bound.usual)
	}
	if cfg.MaxStoreBytes < 0 {
		return nil, fmt.Errorf("jobs: Config.MaxStoreBytes is %d: it must be positive, or 0 for no bound", cfg.MaxStoreBytes)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Strategies)) {
		if cfg.Strategies[name] == nil {
			return nil, fmt.Errorf("jobs: Config.Strategies[%q] is nil", name)
		}
	}
	m := &Manager{
		cfg: cfg, store: s, log: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)), owner: rand.Text(), wake: make(chan struct{}, 1),
		resources: map[string]resource{}, running: map[int64]*runner{}, watchers: map[int64]chan struct{}{},
	}
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return m, nil
}

// register adds a resource.
func (m *Manager) register(r resource) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closing:
		return ErrClosed
	case m.started:
		return fmt.Errorf("jobs: resource %q is registered too late: register resources before Start", shorten(r.title()))
	case m.resources[r.title()] != nil:
		return fmt.Errorf("jobs: resource %q is registered twice", shorten(r.title()))
	}
	m.resources[r.title()] = r
	return nil
}

// resource returns a registered resource, nil if there is none of that name.
func (m *Manager) resource(name string) resource {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.resources[name]
}

// Start begins to work: jobs that an earlier process left are continued, and queued ones are begun. A job that needs a
// resource that is not registered is paused, with that reason, and goes on by itself when a later manager has the
// resource. Start returns when the store was read; the work goes on until [Manager.Close]. It may be called once, and again
// after an error.
func (m *Manager) Start(ctx context.Context) (err error) {
	if err := m.usable(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	if m.started || m.closing {
		defer m.mu.Unlock()
		if m.closing {
			return ErrClosed
		}
		return errors.New("jobs: the manager was started already")
	}
	m.started = true
	resources := maps.Clone(m.resources)
	m.mu.Unlock()
	defer func() {
		if err != nil {
			m.mu.Lock()
			m.started = false
			m.mu.Unlock()
		}
	}()
	for name, r := range resources {
		if r.limiter() == nil {
			l, err := m.recallLimiter(ctx, name)
			if err != nil {
				return err
			}
			r.setLimiter(l)
		}
	}
	if err := m.sortOut(ctx); err != nil {
		return err
	}
	m.work.Go(m.schedule)
	m.work.Go(m.sweep)
	return nil
}

// change is a change of a job's state.
func change(to State, reason string, from ...store.State) store.Change {
	state := to.number()
	return store.Change{From: from, State: &state, Reason: &reason}
}

// schedule begins jobs as long as there are some, and runs until the manager is closed.
func (m *Manager) schedule() {
	timer := time.NewTicker(pollTime)
	defer timer.Stop()
	for {
		m.begin()
		select {
		case <-m.wake:
		case <-timer.C:
		case <-m.ctx.Done():
			return
		}
	}
}

// begin begins as many jobs as may run at once.
func (m *Manager) begin() {
	for {
		m.mu.Lock()
		full := len(m.running) >= m.cfg.MaxRunning || m.closing
		names := slices.Sorted(maps.Keys(m.resources))
		m.mu.Unlock()
		if full {
			return
		}
		now := time.Now()
		j, err := m.store.Claim(m.ctx, store.Claim{Owner: m.owner, Now: now, Until: now.Add(leaseTime), Resources: names})
		if err != nil {
			if !errors.Is(err, store.ErrNotFound) && m.ctx.Err() == nil {
				m.log.Warn("jobs: the store failed, and is asked again", "error", err)
			}
			return
		}
		m.launch(j)
	}
}

// launch carries out a job that was leased.
func (m *Manager) launch(j store.Job) {
	r := newRunner(m, j)
	m.mu.Lock()
	m.running[j.Number] = r
	closing := m.closing
	m.mu.Unlock()
	if closing {
		r.halt(errClosing)
	}
	m.work.Go(func() {
		r.run()
		m.mu.Lock()
		if m.running[j.Number] == r { // not one that has the lease since
			delete(m.running, j.Number)
		}
		m.mu.Unlock()
		m.changed(j.Number)
		m.nudge()
	})
}

// runnerOf returns the runner of a job, nil when it is not carried out here.
func (m *Manager) runnerOf(number int64) *runner {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running[number]
}

// nudge makes the scheduler look for jobs.
func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// changed tells those who watch a job.
func (m *Manager) changed(number int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.watchers[number]; c != nil {
		close(c)
		delete(m.watchers, number)
	}
}

// watch returns a channel that is closed at the next change of a job that this manager makes.
func (m *Manager) watch(number int64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.watchers[number]
	if c == nil {
		c = make(chan struct{})
		m.watchers[number] = c
	}
	return c
}

// sweep does what has to be done from time to time, until the manager is closed.
func (m *Manager) sweep() {
	timer := time.NewTicker(10 * time.Second)
	defer timer.Stop()
	for {
		m.finishDeletes()
		m.keepLearned(m.ctx)
		select {
		case <-timer.C:
		case <-m.ctx.Done():
			return
		}
	}
}

// Close stops the work and closes the store. No further call begins; calls in flight finish, for which Close waits, at
// most as long as their attempt timeouts. Unfinished jobs go on at the next Start. Later calls of the manager return
// [ErrClosed].
func (m *Manager) Close() error {
	m.mu.Lock()
	if m.closing {
		m.mu.Unlock()
		return nil
	}
	m.closing = true
	started := m.started
	runners := slices.Collect(maps.Values(m.running))
	m.mu.Unlock()
	for _, r := range runners {
		r.halt(errClosing)
	}
	for _, r := range runners {
		<-r.done
	}
	if started {
		m.keepLearned(m.ctx)
	}
	m.cancel()
	m.work.Wait()
	m.mu.Lock()
	for number, c := range m.watchers {
		close(c)
		delete(m.watchers, number)
	}
	m.mu.Unlock()
	return m.store.Close()
}

var errNoContext = errors.New("jobs: the context is nil")

// usable returns ErrClosed for a manager that is closed.
func (m *Manager) usable(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case ctx == nil:
		return errNoContext
	case m.closing:
		return ErrClosed
	}
	if c := CallerFrom(ctx); len(c.Tenant) > maxName || len(c.Actor) > maxName {
		return fmt.Errorf("jobs: the caller's tenant and actor must have at most %d bytes", maxName)
	}
	return ctx.Err()
}

// newID returns the id of a new job.
func newID() string { return "batch" + strings.ToLower(rand.Text())[:20] }
