package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/part"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// settleDoubts records as Unknown what a killed process had begun, before the job ends without going on with it.
func (r *runner) settleDoubts(ctx context.Context) error {
	j, err := r.m.store.Get(ctx, r.job.Tenant, r.job.ID)
	if err != nil {
		return err
	}
	for op := range min(len(j.Operations), len(r.spec.Spec.Operations)) { // none if the spec cannot be read
		if j.Operations[op].Phase != store.Ready || j.Operations[op].Next == 0 {
			continue
		}
		if err := r.settleOperation(ctx, op); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) settleOperation(ctx context.Context, op int) (err error) {
	n, err := r.m.store.OpenParts(ctx, r.job.Number, op)
	if err != nil {
		return err
	}
	var held []store.PartLease // each part is leased once, so it is given back after the last one
	defer func() {
		for _, p := range held {
			err = errors.Join(err, r.m.store.EndPart(ctx, p, false))
		}
	}()
	for range n {
		p, err := r.m.store.NextPart(ctx, r.lease, op, 1, r.m.owner, time.Now().Add(leaseTime))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if held = append(held, p.PartLease); p.Epoch == 1 {
			return nil // a new part: there is no other one
		}
		journal, err := part.Open(ctx, r.m.store, p, part.Config{Run: r.job.Run, Describe: r.resource(op).describe})
		if err != nil {
			return err
		}
		if err := errors.Join(journal.Abandon(), journal.Close()); err != nil {
			return err
		}
	}
	return nil
}

// sending reports whether items of a job may have been sent whose end is not stored.
func sending(j store.Job) bool {
	for _, op := range j.Operations {
		if op.Phase == store.Ready && op.Next > 0 {
			return true
		}
	}
	return false
}
