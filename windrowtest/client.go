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

// ClientTest describes a client under test, with a fake server of its API, such as [Records] or one of the author, and
// inputs. In, Out and ID are the types of the client's methods. Test a client whose verbs have different types once for
// each.
type ClientTest[ID comparable, In, Out any] struct {
	// API returns a new server of the API, without records. It is called for each test. Required.
	API func(tb testing.TB) http.Handler
	// New returns a client of the API at url, which sends its requests with hc. It must wait for nothing except their
	// responses. Required.
	New func(tb testing.TB, url string, hc *http.Client) any
	// Verbs are the operations of the client on one item: OpCreate if it implements [windrow.Creator], and so on. It is an
	// error if the client implements a verb that is not listed, or with other types. Required, unless it has Batches.
	Verbs []windrow.OpKind
	// Batches are its operations on many items in one request: OpCreate if it implements [clients.BatchCreator], and so on.
	Batches []windrow.OpKind
	// Operation returns an operation for a client that is a [mixed.Executor]. Batches are then the kinds that it supports,
	// each tested alone and together with the others, and Out is the type of its values, any if they differ. id is zero for
	// a create and an upsert, and in for a delete and a read. Required for such a client.
	Operation func(op windrow.OpKind, id ID, in In) mixed.Operation
	// Input returns a valid input, for a different record for each n. It is called from many goroutines. Required for
	// creates, updates and upserts, and for a Put.
	Input func(n int) In
	// Same reports whether the server's value is the one of the input. Required with Input.
	Same func(in In, out Out) bool
	// ID returns the id of the server's value. Required, unless there is a Put or the client needs no ids.
	ID func(out Out) ID
	// Put stores a record without the client and returns its id. Nil stores it with the client's create or upsert.
	Put func(tb testing.TB, api http.Handler, in In) ID
	// Missing is an id without a record. Required for updates, deletes and reads.
	Missing ID
	// Bad returns an input that the API refuses because of its content. Nil skips the tests of bad items in batches.
	Bad func(n int) In
	// Count returns how many records the API has. Required if the client's Capabilities say that its creates may be
	// repeated, or that its batches are atomic.
	Count func(api http.Handler) int
	// Secrets are the client's credentials. They must not be in its errors, nor in its printed form. It is an error if the
	// client never sends them, since the test would prove nothing.
	Secrets []string
	// ErrorBody returns the API's response with an error status. Nil returns some JSON.
	ErrorBody func(status int) Answer
	// Classes are the classes of statuses that the API defines differently from [windrow.Classify].
	Classes map[int]windrow.Class
	// DeletesMissing says that deleting a missing record succeeds.
	DeletesMissing bool
}

// TestClient checks the properties of a client on which runs rely. For each verb, batch and kind of operation:
//
//   - values come back as they were sent; a batch returns one outcome for each item, in order;
//   - an error has the class of its status, and the server's Retry-After; lost responses, HTML of proxies and refused
//     connections have their own classes; a missing record is recognized;
//   - a bad item in a batch has its own error, and the others end as Capabilities.Atomicity says;
//   - a call ends as soon as its context does, also while a body is being read;
//   - no call repeats a request, or waits: only the run may (nor may net/http, which repeats requests with an
//     Idempotency-Key);
//   - after a lost response, a repeated create behaves as Capabilities says, and nothing is created twice;
//   - no credential is in an error, or in the client printed with %v and %+v;
//   - the client may be used from many goroutines, closes the bodies of all responses, and leaks no goroutine.
//
// Each test runs in a [testing/synctest] bubble with a client and a server of its own: no waiting takes time.
func TestClient[ID comparable, In, Out any](t *testing.T, c ClientTest[ID, In, Out]) {
	t.Helper()
	if problem := c.incomplete(); problem != "" {
		t.Fatalf("windrowtest: TestClient: %s", problem)
	}
	type run = clientRun[ID, In, Out]
	if !t.Run("Implements", func(t *testing.T) { bubble(t, func(t *testing.T) { c.start(t).implements() }) }) {
		return // the other tests need the interfaces
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
		{"Lost responses", (*run).lostResponses, true},
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

// incomplete returns which field is missing or invalid; "" if none is.
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
	// Below a path, to detect a client that drops the path of its URL.
	r.server = NewServer(t, http.StripPrefix(basePath, r.api))
	r.bodies = &bodies{base: r.server.Transport()}
	t.Cleanup(func() {
		if n := r.bodies.open(); n > 0 {
			t.Errorf("the bodies of %d responses are not closed", n)
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

// call is a method of the client with its arguments, for tests that look only at its errors.
type call struct {
	name  string
	op    windrow.OpKind
	batch bool
	// do calls the method. It returns the error of the request, or those of the items.
	do func(ctx context.Context) []error
}

// creator and its siblings return the client as the interface, nil if Verbs does not list it.
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
		as, _ = client.(T) // another test reports a wrong type
	}
	return as
}

// capable returns the client's Capabilities.
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

// inputs returns n inputs from number from on.
func (r *clientRun[ID, In, Out]) inputs(from, n int) []In {
	all := make([]In, n)
	for i := range all {
		all[i] = r.Input(from + i)
	}
	return all
}

// calls returns a call for each verb and batch, after storing the records that they need.
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

// since returns how long f takes by the clock of the bubble.
func since(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
