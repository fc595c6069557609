package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/jobs"
)

// naming is a client that derives the ids of its records from their names.
type naming struct {
	*farm
	mu    sync.Mutex
	names map[string]int
}

func (n *naming) Capabilities() windrow.Capabilities { return windrow.Capabilities{ClientIDs: true} }

func (n *naming) Create(ctx context.Context, p Patch) (Field, error) {
	a, ok := clients.AttemptFrom(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if !ok {
		return Field{}, errors.New("there is no attempt")
	}
	name := a.RecordName()
	if n.names[name]++; n.names[name] > 1 {
		return Field{}, windrow.ErrAlreadyExists
	}
	return Field{ID: name, Status: p.Status}, nil
}

// Records without a key of their own have other names in each job and each operation: a client that derives ids from names
// would take the records of the second job for those of the first, and lose them.
func TestRecordsWithoutKeysHaveTheirOwnNames(t *testing.T) {
	t.Parallel()
	client := &naming{farm: newFarm(0), names: map[string]int{}}
	m := start(t, client.farm, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.Client = client })
	op := jobs.Operation{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Status: "a"}, jobs.Fields{"colour": 1}, Patch{Status: "b"}}}
	for range 2 {
		j := m.run(jobs.Spec{Operations: []jobs.Operation{op, op}})
		want(t, j, jobs.Completed, 4, 2, 0, 0, 0)
		for k, item := range m.items(j.ID, jobs.ItemQuery{}) {
			if keys := []string{"0", "1", "2"}; item.Key != keys[k%3] { // people see the index
				t.Errorf("item %d has the key %q", k, item.Key)
			}
		}
	}
	if len(client.names) != 8 {
		t.Errorf("the names are %v", client.names)
	}
}

// A resource with a Key names each record.
func TestARecordWithAnEmptyKeyIsRefused(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(0), func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) {
		r.Key = func(p Patch) string { return p.Status }
	})
	_, err := m.Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{
		{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Status: "1"}, Patch{Area: 1}}},
	}})
	refused, ok := errors.AsType[*jobs.SpecError](err)
	if !ok || len(refused.Mistakes) != 1 || refused.Mistakes[0].Field != "operations[0].records[1]" || refused.Mistakes[0].Message != "has no key" {
		t.Errorf("%v", err)
	}
}
