package windrowtest

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/mixed"
)

// ClientTest says how a client is to be tested, and what it needs for that: a server of its API that stands in for the
// real one, such as [Records] or the author's own, and some inputs. In, Out and ID are the types of the client's methods.
// A client whose verbs have different types is tested once for each.
type ClientTest[ID comparable, In, Out any] struct {
	// API returns a new server of the API, without records. It is called for each test. Required.
	API func(tb testing.TB) http.Handler
	// New returns a client of the API at url, which makes its requests with hc. It must not wait for anything but the
	// answers to those. Required.
	New func(tb testing.TB, url string, hc *http.Client) any
	// Verbs are what the client does with one item: that it implements [windrow.Creator] for OpCreate, and so on. It is
	// an error that it implements another one, or with other types. Required, unless it has Batches.
	Verbs []windrow.OpKind
	// Batches are what it does with many items in one request: that it implements [clients.BatchCreator] for OpCreate,
	// and so on.
	Batches []windrow.OpKind
	// Operation returns an operation of a client that is a [mixed.Executor]: Batches are then the kinds that it carries
	// out, each tested alone and together with the others, and Out is what its values are, any if they differ. id is zero
	// for a create and an upsert, and in for a delete and a read. Required for such a client.
	Operation func(op windrow.OpKind, id ID, in In) mixed.Operation
	// Input returns a good input; another one, for another record, for each n. It is called from many goroutines.
	// Required for creates, updates and upserts, and for a Put.
	Input func(n int) In
	// Same reports whether what the server returned is what the input asked for. Required with Input.
	Same func(in In, out Out) bool
	// ID returns the id of what the server returned. Required, unless there is a Put or the client needs no ids.
	ID func(out Out) ID
	// Put stores a record behind the client's back and returns its id. Nil stores it with the client's create or upsert.
	Put func(tb testing.TB, api http.Handler, in In) ID
	// Missing is an id that no record has. Required for updates, deletes and reads.
	Missing ID
	// Bad returns an input that the API refuses because of its content. Nil leaves out the tests of bad items in batches.
	Bad func(n int) In
	// Count returns how many records the API has. Required for a client that says in its Capabilities that its creates
	// may be repeated, or that its batches are atomic.
	Count func(api http.Handler) int
	// Secrets are the credentials that the client is given. They must not be in its errors, nor in what is printed of it;
	// and it is an error if it never sends them, as the test would say nothing then.
	Secrets []string
	// ErrorBody is what the API answers with a status that says that something is wrong. Nil is some JSON.
	ErrorBody func(status int) Answer
	// Classes are the classes of the statuses for which the API has other rules than [windrow.Classify].
	Classes map[int]windrow.Class
	// DeletesMissing says that the API answers the delete of a record that is not there as any other.
	DeletesMissing bool
}

// TestClient checks what runs rely on in a client. For each verb, batch and kind of operation that it has:
//
//   - values come back as they were sent, those of a batch in its order and one for each item;
//   - an error has the class that follows from the status, and the wait that the server asks for; lost answers, pages of
//     proxies and refused connections are told apart; what is not there is known for that;
//   - a bad item in a batch has its own error, and what becomes of the others is what Capabilities.Atomicity says;
//   - a call ends as soon as its context does, also while a body is being read;
//   - no call makes a request again, or waits: that is the business of the run (and not of net/http, which does it with
//     requests that have an Idempotency-Key);
//   - what Capabilities says of repeated creates holds: an answer is lost, and nothing is created twice;
//   - no credential is in an error, or in what is printed of the client by %v and %+v;
//   - it may be used from many goroutines, closes the bodies of all answers, and leaves no goroutine behind.
//
// Each test runs in a [testing/synctest] bubble with a client and a server of its own: no waiting takes time.
func TestClient[ID comparable, In, Out any](t *testing.T, c ClientTest[ID, In, Out]) {
	t.Helper()
	if problem := c.incomplete(); problem != "" {
		t.Fatalf("windrowtest: TestClient: %s", problem)
	}
	type run = clientRun[ID, In, Out]
	if !t.Run("Implements", func(t *testing.T) { bubble(t, func(t *testing.T) { c.start(t).implements() }) }) {
		return // the others would find nothing to test
	}
	for _, test := range []struct {
		name string
		run  func(*run)
		when bool
	}{
		{"Capabilities", (*run).capabilities, true},
		{"Round trip", (*run).roundTrip, true},
		{"Batch round trip", (*run).batchRoundTrip, len(c.Batches) > 0},
		{"Operations of all kinds", (*run).mixed, c.Operation != nil && len(c.Batches) > 0},
		{"Batches of many sizes", (*run).batchSizes, len(c.Batches) > 0},
		{"Statuses", (*run).statuses, true},
		{"Lost answers", (*run).lostAnswers, true},
		{"Refused connection", (*run).refusedConnection, true},
		{"Not found", (*run).notFound, true},
		{"Not found in a batch", (*run).batchNotFound, len(c.Batches) > 0},
		{"Bad item in a batch", (*run).badItem, c.Bad != nil && len(c.Batches) > 0},
		{"Cancel", (*run).cancel, true},
		{"Hidden repeats", (*run).hiddenRepeats, slices.Contains(c.Verbs, windrow.OpCreate)},
		{"Repeated creates", (*run).repeatedCreates, slices.Contains(c.Verbs, windrow.OpCreate)},
		{"Reconcile", (*run).reconcile, slices.Contains(c.Verbs, windrow.OpCreate)},
		{"Many goroutines", (*run).goroutines, true},
		{"Secrets", (*run).secrets, len(c.Secrets) > 0},
	} {
		if !test.when {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) { test.run(c.start(t)) })
		})
	}
}

// incomplete says what is missing.
func (c *ClientTest[ID, In, Out]) incomplete() string {
	writes := func(op windrow.OpKind) bool {
		return op == windrow.OpCreate || op == windrow.OpUpdate || op == windrow.OpUpsert
	}
	byID := func(op windrow.OpKind) bool {
		return op == windrow.OpUpdate || op == windrow.OpDelete || op == windrow.OpGet
	}
	ops := slices.Concat(c.Verbs, c.Batches)
	var zero ID
	switch {
	case c.API == nil:
		return "API must be set"
	case c.New == nil:
		return "New must be set"
	case len(ops) == 0:
		return "Verbs or Batches must say what the client does"
	case slices.Contains(ops, windrow.OpDo) || slices.Max(ops) > windrow.OpGet:
		return "Verbs and Batches must be creates, updates, upserts, deletes or reads"
	case c.Input == nil:
		return "Input must be set"
	case c.Same == nil && (slices.ContainsFunc(ops, writes) || slices.Contains(ops, windrow.OpGet)):
		return "Same must be set"
	case c.Missing == zero && slices.ContainsFunc(ops, byID):
		return "Missing must be an id that no record has"
	case c.Put == nil && c.ID == nil && slices.ContainsFunc(ops, byID):
		return "ID or Put must be set"
	case c.Put == nil && slices.ContainsFunc(ops, byID) && !slices.Contains(c.Verbs, windrow.OpCreate) && !slices.Contains(c.Verbs, windrow.OpUpsert):
		return "Put must be set, since the client does not create or upsert single records"
	}
	return ""
}

// start makes a server and a client for one test.
func (c *ClientTest[ID, In, Out]) start(t *testing.T) *clientRun[ID, In, Out] {
	r := &clientRun[ID, In, Out]{ClientTest: c, T: t, api: c.API(t)}
	// Below a path, so that a client that forgets the path of its URL is found out.
	r.server = NewServer(t, http.StripPrefix(basePath, r.api))
	r.bodies = &bodies{base: r.server.Transport()}
	t.Cleanup(func() {
		if n := r.bodies.open(); n > 0 {
			t.Errorf("the bodies of %d answers are not closed", n)
		}
	})
	r.client = c.New(t, r.server.URL+basePath, &http.Client{Transport: r.bodies, CheckRedirect: noRedirect})
	if r.client == nil {
		t.Fatal("New returned no client")
	}
	if closer, ok := r.client.(interface{ Close() error }); ok {
		t.Cleanup(func() {
			if err := closer.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	return r
}

const basePath = "/base/path"

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// clientRun is a test of a client.
type clientRun[ID comparable, In, Out any] struct {
	*ClientTest[ID, In, Out]
	*testing.T
	api    http.Handler
	server *Server
	bodies *bodies
	client any
}

// call is one of the ways to make a request. Nothing is known of its records: it serves to see errors.
type call struct {
	name  string
	op    windrow.OpKind
	batch bool
	// do makes the request. The errors are that of the request, or of each item.
	do func(ctx context.Context) []error
}

// creator and its siblings return the client as what it is declared to be; nil if it is not declared to be that.
func (r *clientRun[ID, In, Out]) creator() windrow.Creator[In, Out] {
	return declared[windrow.Creator[In, Out]](r.client, r.Verbs, windrow.OpCreate)
}

func (r *clientRun[ID, In, Out]) updater() windrow.Updater[ID, In, Out] {
	return declared[windrow.Updater[ID, In, Out]](r.client, r.Verbs, windrow.OpUpdate)
}

func (r *clientRun[ID, In, Out]) upserter() windrow.Upserter[In, Out] {
	return declared[windrow.Upserter[In, Out]](r.client, r.Verbs, windrow.OpUpsert)
}

func (r *clientRun[ID, In, Out]) deleter() windrow.Deleter[ID] {
	return declared[windrow.Deleter[ID]](r.client, r.Verbs, windrow.OpDelete)
}

func (r *clientRun[ID, In, Out]) getter() windrow.Getter[ID, Out] {
	return declared[windrow.Getter[ID, Out]](r.client, r.Verbs, windrow.OpGet)
}

func declared[T any](client any, ops []windrow.OpKind, op windrow.OpKind) (as T) {
	if slices.Contains(ops, op) {
		as, _ = client.(T) // that it is none is found elsewhere
	}
	return as
}

// capable returns what the client says of itself.
func (r *clientRun[ID, In, Out]) capable() windrow.Capabilities {
	if d, ok := r.client.(clients.Describer); ok {
		return d.Capabilities()
	}
	return windrow.Capabilities{}
}

// put stores the n-th record, and returns its id.
func (r *clientRun[ID, In, Out]) put(n int) ID {
	r.Helper()
	if r.Put != nil {
		return r.Put(r, r.api, r.Input(n))
	}
	var out Out
	var err error
	if creator := r.creator(); creator != nil {
		out, err = creator.Create(r.Context(), r.Input(n))
	} else if upserter := r.upserter(); upserter != nil {
		out, err = upserter.Upsert(r.Context(), r.Input(n))
	}
	if err != nil {
		r.Fatalf("storing a record: %v", err)
	}
	return r.ID(out)
}

// puts stores n records.
func (r *clientRun[ID, In, Out]) puts(n int) []ID {
	r.Helper()
	ids := make([]ID, n)
	for i := range ids {
		ids[i] = r.put(i)
	}
	return ids
}

// inputs returns the inputs from the n-th on.
func (r *clientRun[ID, In, Out]) inputs(from, n int) []In {
	all := make([]In, n)
	for i := range all {
		all[i] = r.Input(from + i)
	}
	return all
}

// calls returns a call for each verb and batch. The records that they need are stored.
func (r *clientRun[ID, In, Out]) calls() []call {
	var all []call
	add := func(name string, op windrow.OpKind, do func(ctx context.Context) error) {
		all = append(all, call{name, op, false, func(ctx context.Context) []error { return []error{do(ctx)} }})
	}
	const other = 1000 // inputs from here on are not stored
	if creator := r.creator(); creator != nil {
		add("Create", windrow.OpCreate, func(ctx context.Context) error {
			_, err := creator.Create(ctx, r.Input(other))
			return err
		})
	}
	if upserter := r.upserter(); upserter != nil {
		add("Upsert", windrow.OpUpsert, func(ctx context.Context) error {
			_, err := upserter.Upsert(ctx, r.Input(other+1))
			return err
		})
	}
	if updater := r.updater(); updater != nil {
		id := r.put(other + 2)
		add("Update", windrow.OpUpdate, func(ctx context.Context) error {
			_, err := updater.Update(ctx, id, r.Input(other+3))
			return err
		})
	}
	if getter := r.getter(); getter != nil {
		id := r.put(other + 4)
		add("Get", windrow.OpGet, func(ctx context.Context) error {
			_, err := getter.Get(ctx, id)
			return err
		})
	}
	if deleter := r.deleter(); deleter != nil {
		id := r.put(other + 5)
		add("Delete", windrow.OpDelete, func(ctx context.Context) error { return deleter.Delete(ctx, id) })
	}
	for _, op := range r.Batches {
		b := r.batchOf(op, r.storedFor(op, other+10*int(op), 2), r.inputs(other+10*int(op)+5, 2))
		all = append(all, call{"Batch" + verbOf(op), op, true, func(ctx context.Context) []error {
			outcomes, err := b(ctx)
			if err != nil {
				return []error{err}
			}
			errs := make([]error, len(outcomes))
			for i, o := range outcomes {
				errs[i] = o.Err
			}
			return errs
		}})
	}
	return all
}

// since returns how much time of the bubble f takes.
func since(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
