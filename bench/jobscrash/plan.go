package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/windrow-go/windrow/jobs"
)

// kind is a kind of client and server. Its name is that of the resource.
type kind struct {
	name      string
	keys      bool // the server knows creates by their idempotency key
	ids       bool // a create contains the id of the record
	reconcile bool // creates are looked up
	batches   bool // the client has native batches
}

// careful reports whether a create may be repeated, or can be looked up.
func (k kind) careful() bool { return k.keys || k.ids || k.reconcile }

var kinds = []kind{
	{name: "plain"},
	{name: "keys", keys: true},
	{name: "ids", ids: true},
	{name: "look-ups", reconcile: true},
	{name: "plain batches", batches: true},
	{name: "keyed batches", keys: true, batches: true},
	{name: "batches with ids", ids: true, batches: true},
	{name: "looked-up batches", reconcile: true, batches: true},
}

func kindOf(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

// record is a record of the server.
type record struct {
	ID     string `json:"id"`
	Serial string `json:"serial,omitempty"`
	Group  string `json:"group"`
	Status string `json:"status"`
	Mark   string `json:"mark"`
}

// input is what is sent of a record.
type input struct {
	Serial string `json:"serial,omitempty"`
	Group  string `json:"group,omitempty"`
	Status string `json:"status,omitempty"`
	Mark   string `json:"mark,omitempty"`
}

// job is a job of the plan.
type job struct {
	number     int
	kind       kind
	cancelling bool // it may be cancelled
	spec       jobs.Spec
	ops        []operation
}

// operation is what is known of an operation beforehand.
type operation struct {
	op     jobs.OperationType
	group  string
	mark   string
	seeded []record // records that are there before
	chosen []string // ids or serials of its items, sorted
}

// refused reports whether the server refuses a record for good, by its id or serial.
func refused(name string) bool { return strings.HasSuffix(name, "13") }

// typeOf is the type of a job, by which it is known.
func typeOf(number int) string { return fmt.Sprintf("job-%d", number) }

// plan returns a job. It depends on nothing but the seed and the number.
func plan(seed uint64, number int) job {
	random := rand.New(rand.NewPCG(seed, uint64(number)))
	j := job{number: number, kind: kinds[number%len(kinds)], cancelling: random.IntN(4) == 0}
	j.spec = jobs.Spec{Type: typeOf(number), IdempotencyKey: typeOf(number), Priority: random.IntN(3)}
	o := &j.spec.Options
	o.Retry = jobs.RetryOptions{Attempts: 5, Backoff: jobs.BackoffImmediate}
	switch random.IntN(8) {
	case 0:
		o.Sequential = true
	case 1:
		o.MaxConcurrent = 20
	}
	if random.IntN(20) == 0 {
		o.Validation.OnError = jobs.OnErrorAbort
	}
	for op := range 1 + random.IntN(3) {
		size := 5 + random.IntN(60)
		if random.IntN(8) == 0 {
			size = 900 + random.IntN(1500)
		}
		j.add(op, size, random)
	}
	return j
}

// add adds an operation with about so many items.
func (j *job) add(number, size int, random *rand.Rand) {
	name := fmt.Sprintf("%d-%d", j.number, number)
	o := operation{op: []jobs.OperationType{jobs.Create, jobs.Create, jobs.Update, jobs.Delete}[random.IntN(4)], group: name, mark: "done-" + name}
	op := jobs.Operation{Type: o.op, Resource: j.kind.name}
	if o.op == jobs.Create {
		for i := range size {
			serial := fmt.Sprintf("%s-%d", name, i)
			o.chosen = append(o.chosen, serial)
			op.Records = append(op.Records, input{Serial: serial, Group: name, Status: "new"})
		}
	} else {
		filter := random.IntN(3) > 0
		for i := range size {
			r := record{ID: fmt.Sprintf("r%s-%04d", name, i), Group: name, Status: "active"}
			switch {
			case i%10 == 9:
				r.Status = "fallow"
			case i%17 == 16:
				r.Mark = o.mark // an update changes nothing
			}
			o.seeded = append(o.seeded, r)
			if r.Status == "active" {
				o.chosen = append(o.chosen, r.ID)
			}
		}
		if o.op == jobs.Update {
			op.Update = jobs.Fields{"mark": o.mark}
		}
		if filter {
			op.Filter = jobs.Fields{"group": name, "status": "active"}
		} else {
			op.IDs = slices.Clone(o.chosen)
		}
	}
	slices.Sort(o.chosen)
	j.ops = append(j.ops, o)
	j.spec.Operations = append(j.spec.Operations, op)
}
