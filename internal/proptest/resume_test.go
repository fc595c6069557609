package proptest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/disk/disktest"
	"github.com/windrow-go/windrow/journal"
)

// A program with a journal is killed, or loses power, at any moment, some times, and started again with the same items in
// another order. Nothing is applied twice that must not be, and in the end the result says the truth about every item:
// nothing is left to be attempted, and Unknown is only what nobody can know.
func TestResumedRunsAreTrue(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, r *rapid.T) {
		w := newWorld(t, r)
		if b, ok := w.client.(batchClient); ok && w.op == windrow.OpCreate && w.can.IdempotencyKeys {
			// What such a client sends alone is in the journal only when it has ended. Sent again in a batch, it is another
			// request for the server.
			w.client, w.batches = b.client, false
		}
		inputs := w.inputs(r)
		d := new(disktest.Disk)
		for range rapid.IntRange(0, 4).Draw(r, "lives before the last") {
			for range rapid.IntRange(0, 3).Draw(r, "faults") {
				w.addFaultOf(r, rapid.IntRange(0, len(inputs)).Draw(r, "of the item"))
			}
			d = w.life(r, d, shuffled(r, inputs), w.draw(r), w.crash(r))
			time.Sleep(2 * time.Minute) // what is slow is done before the program is started again
		}
		w.heal()
		w.healed = true
		w.life(r, d, shuffled(r, inputs), nil, nil)
		w.settled(r)
	})
}

// inputs draws the items that every life is given.
func (w *world) inputs(r *rapid.T) (inputs []note) {
	for range rapid.IntRange(1, 8).Draw(r, "items") {
		inputs = append(inputs, w.item(r))
	}
	return inputs
}

func shuffled(r *rapid.T, inputs []note) []note {
	return rapid.Permutation(inputs).Draw(r, "order")
}

// crash is the end of a life.
type crash struct {
	op    int           // of the disk, from which on nothing is written; 0: none
	at    time.Duration // when the program is killed
	power bool          // and the power fails
	seed  uint64        // which part of what was not synced is left
}

// crash draws one; nil means that the program comes to its end.
func (w *world) crash(r *rapid.T) *crash {
	c := &crash{seed: rapid.Uint64().Draw(r, "seed")}
	switch rapid.SampledFrom([]string{"no", "killed", "power", "disk"}).Draw(r, "crash") {
	case "no":
		return nil
	case "disk":
		c.op, c.at = rapid.IntRange(1, 40).Draw(r, "operation"), time.Hour
	case "power":
		c.power, c.at = true, w.moment(r)
	default:
		c.at = w.moment(r)
	}
	return c
}

var (
	errKilled = errors.New("killed")
	errDisk   = errors.New("the disk fails")
)

// expected reports whether an error is one of a life that ends early.
func expected(err error) bool { return errors.Is(err, errDisk) || errors.Is(err, disktest.ErrGone) }

// life runs the program with the journal on a disk, and returns the disk as the next life finds it.
func (w *world) life(r *rapid.T, d *disktest.Disk, inputs []note, opts []windrow.Option, c *crash) *disktest.Disk {
	var dead atomic.Bool
	var ops atomic.Int64
	d.Fail = func(op disktest.Op) error {
		if dead.Load() {
			return disktest.ErrGone
		}
		if changes := op.Kind == disktest.Write || op.Kind == disktest.Sync; c != nil && c.op > 0 && changes && ops.Add(1) >= int64(c.op) {
			return errDisk
		}
		return nil
	}
	j, err := journal.Open("journal", "job", disk.On(d).(journal.Option))
	if err == nil {
		ctx, cancel := context.WithCancelCause(w.t.Context())
		if c != nil {
			timer := time.AfterFunc(c.at, func() { // nothing is written or sent from now on
				dead.Store(true)
				cancel(errKilled)
			})
			defer timer.Stop()
		}
		w.last = w.run(ctx, inputs, append(opts, windrow.WithJournal(j)))
		cancel(nil)
		// Who is killed says nothing. And what is harmless to repeat the journal does not know before it has ended: that
		// it failed, or was not attempted, is said of this life alone.
		if c == nil && w.healed || !dead.Load() && w.op == windrow.OpCreate && !w.can.IdempotencyKeys {
			w.check(r)
		}
		if err := j.Close(); err != nil && !expected(err) {
			r.Fatal(err)
		}
	} else if !expected(err) {
		r.Fatal(err)
	}
	switch {
	case c == nil:
		return d
	case c.power || c.op > 0 && c.seed%2 == 0:
		return d.LosePower(rand.New(rand.NewPCG(c.seed, 1)))
	}
	return d.Kill()
}
