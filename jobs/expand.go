package jobs

import (
	"errors"
	"fmt"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// expandGroup is how many items are stored with one call.
const expandGroup = 1000

// expand lists the records that an operation selects and stores them as its items. An expansion that was interrupted
// starts over. It waits as long as the server takes no calls, and fails when the server refuses the list.
func (r *runner) expand(op int) error {
	spec := &r.spec.Spec.Operations[op]
	pause := time.Second
	for {
		err := r.list(op, spec)
		if stop := r.halting(); stop != nil {
			return stop
		}
		listing, ok := errors.AsType[*listError](err)
		if !ok {
			return err
		}
		_, panicked := errors.AsType[*panicError](listing.err)
		reason := fmt.Sprintf("the records of %s could not be listed: %s", spec.Resource, plain(listing.err))
		switch class := windrow.Classify(listing.err).Class; {
		case panicked, class == windrow.ClassPermanent, class == windrow.ClassTooLarge:
			return &failedError{reason}
		case class == windrow.ClassFatal:
			return &needsPerson{reason}
		}
		r.setTrouble("the records could not be listed yet: " + plain(listing.err))
		select {
		case <-time.After(pause):
		case <-r.going.Done():
			return r.halting()
		}
		pause = min(2*pause, time.Minute)
	}
}

// listError is an error of a resource's List.
type listError struct{ err error }

func (e *listError) Error() string { return e.err.Error() }

// list makes one try to list the records of an operation.
func (r *runner) list(op int, spec *Operation) error {
	s := r.m.store
	if err := r.persist(func() error { return s.BeginExpansion(r.m.ctx, r.lease, op) }); err != nil {
		return err
	}
	pick, err := newSelection(spec)
	if err != nil {
		return &failedError{err.Error()}
	}
	e := expansion{runner: r, op: op, rising: true}
	for l, err := range r.resource(op).list(r.going, spec.Filter, pick.needsForm()) {
		if err != nil {
			return &listError{err}
		}
		if stop := r.halting(); stop != nil {
			return stop
		}
		if err := e.add(l, pick); err != nil {
			return err
		}
	}
	if err := e.flush(); err != nil {
		return err
	}
	if !e.rising {
		if err := r.skipRepeated(op); err != nil {
			return err
		}
	}
	return r.persist(func() error {
		j, err := s.Get(r.m.ctx, r.job.Tenant, r.job.ID)
		if err != nil {
			return err
		}
		err = s.SetPhase(r.m.ctx, r.lease, op, store.Ready, r.m.event(r.m.ctx, EventExpanded, j, ""))
		r.m.changed(r.job.Number)
		return err
	})
}

// expansion collects the items of an operation.
type expansion struct {
	*runner
	op      int
	next    int64
	group   []store.Item
	lastKey string
	rising  bool // each key was greater than the one before
}

// add adds a record that was listed.
func (e *expansion) add(l listed, pick *selection) error {
	fail := func(format string, args ...any) error {
		return &failedError{fmt.Sprintf("nothing was sent for operation %d: ", e.op+1) + fmt.Sprintf(format, args...)}
	}
	switch {
	case l.id == "":
		return fail("record %d of the list has no id", e.next+1)
	case len(l.id) > maxID:
		return fail("record %d of the list has an id of %d bytes: at most %d are allowed", e.next+1, len(l.id), maxID)
	}
	item := store.Item{Op: e.op, Index: e.next, Key: l.id}
	if pick.needsForm() {
		differs, unchanged, err := pick.compare(l.form)
		switch {
		case err != nil:
			return fail("record %d of the list %v", e.next+1, err)
		case differs != "":
			return fail("the server ignores the filter: record %d of the list has another %s", e.next+1, shorten(differs))
		case unchanged:
			item.Result = store.Result{
				Index: e.next, State: uint8(windrow.Skipped), Reason: uint8(windrow.ReasonUnchanged), Run: e.job.Run, At: time.Now(),
			}
		}
	}
	if e.next > 0 && l.id <= e.lastKey {
		e.rising = false
	}
	e.lastKey = l.id
	e.next++
	if e.group = append(e.group, item); len(e.group) >= expandGroup {
		return e.flush()
	}
	return nil
}

// flush stores the items that were added.
func (e *expansion) flush() error {
	if len(e.group) == 0 {
		return nil
	}
	err := e.persist(func() error { return e.m.store.AddItems(e.m.ctx, e.lease, e.op, e.group) })
	e.group = e.group[:0]
	return err
}

// skipRepeated ends the items of records that the list named more than once, such as on two pages.
func (r *runner) skipRepeated(op int) error {
	for {
		var again []int64
		err := r.persist(func() (err error) {
			again, err = r.m.store.Repeated(r.m.ctx, r.job.Number, op, expandGroup)
			return err
		})
		if err != nil || len(again) == 0 {
			return err
		}
		results := make([]store.Result, len(again))
		for k, index := range again {
			results[k] = store.Result{
				Index: index, State: uint8(windrow.Skipped), Reason: uint8(windrow.ReasonDuplicate), Run: r.job.Run, At: time.Now(),
			}
		}
		if err := r.persist(func() error { return r.m.store.SetItems(r.m.ctx, r.lease, op, results) }); err != nil {
			return err
		}
	}
}
