package windrowtest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/classify"
	"github.com/windrow-go/windrow/internal/neterr"
	"github.com/windrow-go/windrow/mixed"
)

// implements: the client implements the declared interfaces, and no other.
func (r *clientRun[ID, In, Out]) implements() {
	c := r.client
	_, creates := c.(windrow.Creator[In, Out])
	_, updates := c.(windrow.Updater[ID, In, Out])
	_, upserts := c.(windrow.Upserter[In, Out])
	_, deletes := c.(windrow.Deleter[ID])
	_, gets := c.(windrow.Getter[ID, Out])
	_, createsMany := c.(clients.BatchCreator[In, Out])
	_, updatesMany := c.(clients.BatchUpdater[ID, In, Out])
	_, upsertsMany := c.(clients.BatchUpserter[In, Out])
	_, deletesMany := c.(clients.BatchDeleter[ID])
	_, getsMany := c.(clients.BatchGetter[ID, Out])
	_, executes := c.(mixed.Executor)
	switch {
	case executes && r.Operation == nil:
		r.Errorf("%T is a mixed.Executor, and Operation is not set: it is not tested", c)
	case !executes && r.Operation != nil:
		r.Errorf("Operation is set, and %T is no mixed.Executor", c)
	}
	for op, is := range []struct{ one, many bool }{
		windrow.OpCreate: {creates, createsMany}, windrow.OpUpdate: {updates, updatesMany}, windrow.OpUpsert: {upserts, upsertsMany},
		windrow.OpDelete: {deletes, deletesMany}, windrow.OpGet: {gets, getsMany},
	} {
		for _, v := range []struct {
			field, prefix string // what it is called, in the test and in its package
			declared, is  bool
		}{
			{"Verbs", "windrow.", slices.Contains(r.Verbs, windrow.OpKind(op)), is.one},
			{"Batches", "clients.Batch", slices.Contains(r.Batches, windrow.OpKind(op)), is.many},
		} {
			name := v.prefix + interfaceOf(windrow.OpKind(op))
			switch {
			case executes && v.field == "Batches": // Batches are what Execute does
			case v.declared && !v.is:
				r.Errorf("%s lists %v, and %T is no %s with the types of the test", v.field, windrow.OpKind(op), c, name)
			case v.is && !v.declared:
				r.Errorf("%T is a %s, and %s does not list %v: it is not tested", c, name, v.field, windrow.OpKind(op))
			}
		}
	}
}

// capabilities: the client's Capabilities are valid.
func (r *clientRun[ID, In, Out]) capabilities() {
	c := r.capable()
	if c.MaxItems < 0 || c.MaxBytes < 0 {
		r.Errorf("MaxItems is %d and MaxBytes is %d: they must not be negative", c.MaxItems, c.MaxBytes)
	}
	if c.Atomicity > windrow.AtomicitySelectable {
		r.Errorf("Atomicity is %d, which is not one of the constants", c.Atomicity)
	}
	if c.Cost != nil {
		for n := 1; n <= max(c.MaxItems, 100); n++ {
			if cost := c.Cost(n); cost < 1 {
				r.Errorf("Cost(%d) is %d: a request costs at least 1", n, cost)
				break
			}
		}
	}
	if again, ok := r.client.(clients.Describer); ok && fmt.Sprint(again.Capabilities().MaxItems, again.Capabilities().Atomicity) != fmt.Sprint(c.MaxItems, c.Atomicity) {
		r.Error("Capabilities differ from call to call")
	}
	if (c.IdempotencyKeys || c.ClientIDs) && slices.Contains(r.Verbs, windrow.OpCreate) && r.Count == nil {
		r.Error("the client says that its creates may be repeated: set Count, so that this is tested")
	}
	if c.Atomicity == windrow.AtomicityAll && r.Bad != nil && r.Count == nil {
		r.Error("the client says that its batches are atomic: set Count, so that this is tested")
	}
}

// roundTrip: values come back as they were sent, and are stored.
func (r *clientRun[ID, In, Out]) roundTrip() {
	ctx := r.Context()
	same := func(what string, in In, out Out, err error) {
		r.Helper()
		if r.note(err); err != nil {
			r.Fatalf("%s: %v", what, err)
		}
		if !r.Same(in, out) {
			r.Errorf("%s returned %s, which is not what was sent: %s", what, show(out), show(in))
		}
	}
	if creator := r.creator(); creator != nil {
		for i := range 3 {
			in := r.Input(i)
			out, err := creator.Create(ctx, in)
			same("Create", in, out, err)
			r.reads("Create", in, out)
		}
	}
	if upserter := r.upserter(); upserter != nil {
		before := r.count()
		for range 2 { // the second time the record exists
			in := r.Input(10)
			out, err := upserter.Upsert(ctx, in)
			same("Upsert", in, out, err)
			r.reads("Upsert", in, out)
		}
		if n := r.count() - before; r.Count != nil && n != 1 {
			r.Errorf("two upserts of one record made %d", n)
		}
	}
	if getter := r.getter(); getter != nil {
		id := r.put(20)
		out, err := getter.Get(ctx, id)
		same("Get", r.Input(20), out, err)
	}
	if updater := r.updater(); updater != nil {
		id, other := r.put(30), r.put(31)
		in := r.Input(32)
		out, err := updater.Update(ctx, id, in)
		same("Update", in, out, err)
		if getter := r.getter(); getter != nil {
			out, err := getter.Get(ctx, id)
			same("Get after Update", in, out, err)
			out, err = getter.Get(ctx, other)
			same("Get of another record after Update", r.Input(31), out, err)
		}
	}
	if deleter := r.deleter(); deleter != nil {
		id, other := r.put(40), r.put(41)
		if err := deleter.Delete(ctx, id); err != nil {
			r.Errorf("Delete: %v", err)
		}
		if getter := r.getter(); getter != nil {
			if out, err := getter.Get(ctx, id); !r.saysNotFound(err, windrow.NoReason) {
				r.Errorf("Get after Delete returned %s, %v", show(out), err)
			}
			out, err := getter.Get(ctx, other)
			same("Get of another record after Delete", r.Input(41), out, err)
		}
	}
}

// reads checks that a read returns what was written.
func (r *clientRun[ID, In, Out]) reads(after string, in In, out Out) {
	r.Helper()
	getter := r.getter()
	if getter == nil || r.ID == nil {
		return
	}
	if got, err := getter.Get(r.Context(), r.ID(out)); err != nil || !r.Same(in, got) {
		r.Errorf("Get after %s returned %s, %v; sent was %s", after, show(got), err, show(in))
	}
}

// notFound: a missing record is recognized by its error.
func (r *clientRun[ID, In, Out]) notFound() {
	ctx := r.Context()
	wrong := func(what string, err error) {
		r.Helper()
		if r.note(err); !r.saysNotFound(err, windrow.NoReason) {
			r.Errorf("%s of a record that does not exist: %v, which matches neither windrow.ErrNotFound nor status 404", what, err)
		}
	}
	if getter := r.getter(); getter != nil {
		_, err := getter.Get(ctx, r.Missing)
		wrong("Get", err)
	}
	if updater := r.updater(); updater != nil {
		_, err := updater.Update(ctx, r.Missing, r.Input(0))
		wrong("Update", err)
	}
	if deleter := r.deleter(); deleter != nil {
		if err := deleter.Delete(ctx, r.Missing); !r.DeletesMissing || err != nil {
			wrong("Delete", err)
		}
	}
}

// saysNotFound reports whether an item's error or reason says that its record does not exist.
func (r *clientRun[ID, In, Out]) saysNotFound(err error, reason windrow.Reason) bool {
	if skip, ok := errors.AsType[*classify.Skip](err); ok {
		reason = windrow.Reason(skip.Reason)
	}
	status := neterr.Status(err)
	return reason == windrow.ReasonNotFound || errors.Is(err, windrow.ErrNotFound) || status == http.StatusNotFound || status == http.StatusGone
}

// immediately is a policy that retries without a pause.
var immediately = windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0), MaxAttempts: 3})

// isWrite matches requests that change something.
func isWrite(q *Request) bool { return q.Method != http.MethodGet && q.Method != http.MethodHead }

// hiddenRepeats: an attempt whose response is lost sends no request twice.
func (r *clientRun[ID, In, Out]) hiddenRepeats() {
	creator := r.creator()
	if creator == nil {
		return
	}
	// Use a connection first: on a reused one net/http itself repeats a request with an Idempotency-Key, whether the API
	// honours the key or not. The response to the repetition need not be that to the first request.
	if _, err := creator.Create(r.Context(), r.Input(0)); err != nil {
		r.Fatalf("Create: %v", err)
	}
	before := len(r.server.Requests())
	r.server.On(isWrite, LostAnswer())
	_, err := windrow.CreateMany(r.Context(), creator, r.inputs(1, 1), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1}))
	r.note(err)
	requests := r.server.Requests()[before:]
	for i, q := range requests {
		if slices.ContainsFunc(requests[:i], func(other Request) bool { return other.Method == q.Method && other.Target == q.Target && isWrite(&q) }) {
			r.Errorf("%s %s was sent again within one attempt, after its response was lost: net/http does that with a request that has an "+
				"Idempotency-Key; set the field as req.Header[\"idempotency-key\"], which net/http does not recognize", q.Method, q.Target)
		}
	}
}

// repeatedCreates: the responses to the first requests are lost after they were applied. If the client says that a
// repetition is harmless, it must be; otherwise there must be no repetition.
func (r *clientRun[ID, In, Out]) repeatedCreates() {
	const n = 3
	creator := r.creator()
	if creator == nil {
		return
	}
	c := r.capable()
	if _, err := creator.Create(r.Context(), r.Input(n+1)); err != nil {
		r.Fatalf("Create: %v", err)
	}
	before := r.count()
	r.server.On(isWrite, LostAnswer(), LostAnswer())
	res, err := windrow.CreateMany(r.Context(), creator, r.inputs(0, n), immediately, windrow.PreserveOrder())
	r.note(err)
	stats := res.Stats()
	made := r.count() - before
	if made > n {
		r.Errorf("%d creates whose responses were lost made %d records (%+v)", n, made, stats)
	}
	switch {
	case c.IdempotencyKeys && stats.Succeeded != n:
		r.Errorf("the client sends idempotency keys, and of %d creates whose first responses were lost %d succeeded: %v", n, stats.Succeeded, err)
	case c.IdempotencyKeys && r.Count != nil && made != n:
		r.Errorf("%d creates succeeded, and there are %d records", n, made)
	case !c.IdempotencyKeys && stats.Failed > 0:
		r.Errorf("of %d creates whose responses were lost %d are reported as Failed: %v", n, stats.Failed, err)
	}
	if !c.ClientIDs {
		return
	}
	before = r.count()
	for i := range 2 {
		_, err := creator.Create(r.Context(), r.Input(n))
		r.note(err)
		exists := errors.Is(err, windrow.ErrAlreadyExists) || neterr.Status(err) == http.StatusConflict || neterr.Status(err) == http.StatusUnprocessableEntity
		if err != nil && (i == 0 || !exists) {
			r.Errorf("create %d of one record with an id of the client: %v, which matches neither windrow.ErrAlreadyExists nor status 409 or 422", i+1, err)
		}
	}
	if made = r.count() - before; r.Count != nil && made != 1 {
		r.Errorf("two creates with one id made %d records", made)
	}
}

// reconcile: a Reconciler finds a record that exists, and none that does not.
func (r *clientRun[ID, In, Out]) reconcile() {
	reconciler, ok := r.client.(clients.Reconciler[In, Out])
	creator := r.creator()
	if !ok || creator == nil {
		return
	}
	in := r.Input(0)
	if _, applied, err := reconciler.Reconcile(r.Context(), in); err != nil || applied {
		r.Errorf("Reconcile of an item that was not created: applied %v, %v", applied, err)
	}
	if _, err := creator.Create(r.Context(), in); err != nil {
		r.Fatalf("Create: %v", err)
	}
	out, applied, err := reconciler.Reconcile(r.Context(), in)
	if err != nil || !applied || !r.Same(in, out) {
		r.Errorf("Reconcile of an item that was created: %s, applied %v, %v", show(out), applied, err)
	}
	if _, applied, err := reconciler.Reconcile(r.Context(), r.Input(1)); err != nil || applied {
		r.Errorf("Reconcile of another item that was not created: applied %v, %v", applied, err)
	}
	r.server.Always(nil, Status(http.StatusInternalServerError))
	if _, applied, err := reconciler.Reconcile(r.Context(), in); err == nil || applied {
		r.Errorf("Reconcile with a server that is broken: applied %v, no error; it must not say that nothing was applied", applied)
	}
}

// goroutines: the responses to concurrent calls are not mixed up.
func (r *clientRun[ID, In, Out]) goroutines() {
	var wg sync.WaitGroup
	creator, getter, calls := r.creator(), r.getter(), r.calls()
	ids := []ID{}
	if getter != nil {
		ids = r.puts(8)
	}
	for i := range 8 {
		if creator != nil {
			wg.Go(func() {
				in := r.Input(100 + i)
				if out, err := creator.Create(r.Context(), in); err != nil || !r.Same(in, out) {
					r.Errorf("Create among others returned %s, %v; sent was %s", show(out), err, show(in))
				}
			})
		}
		if getter != nil {
			wg.Go(func() {
				if out, err := getter.Get(r.Context(), ids[i]); err != nil || !r.Same(r.Input(i), out) {
					r.Errorf("Get among others returned %s, %v; stored was %s", show(out), err, show(r.Input(i)))
				}
			})
		}
	}
	for _, c := range calls {
		wg.Go(func() { _ = c.do(r.Context()) }) // for the race detector
	}
	wg.Wait()
}
