package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// shapeServer is a server with a bulk endpoint. Its first answer has a fault, all later ones are right.
type shapeServer struct {
	fault    string
	requests int
	looks    int
	applied  map[string]int
	jobs     map[string][]shapeRow
}

// shapeRow is what the server says of one item.
type shapeRow struct {
	id     string
	status int
}

var (
	errTooMany  = &statusError{status: 429, after: time.Second}
	errOutage   = &statusError{status: 500}
	errTooLarge = &statusError{status: 413}
)

// post is one request: rows are what the server did, and said, item by item.
func (s *shapeServer) post(ids []string, atomic bool) ([]shapeRow, error) {
	s.requests++
	fault := s.fault
	s.fault = ""
	switch fault {
	case "whole 429":
		return nil, errTooMany
	case "413":
		return nil, errTooLarge
	case "5xx":
		return nil, errOutage
	}
	var rows []shapeRow
	for k, id := range ids {
		status := 200
		if fault == "item 429" && k == 1 {
			status = 429
		}
		rows = append(rows, shapeRow{id, status})
	}
	if atomic && fault == "item 429" {
		return nil, errTooMany // rolled back because of the one
	}
	for _, row := range rows {
		if row.status == 200 {
			s.applied[row.id]++
		}
	}
	switch fault {
	case "short":
		rows = rows[:len(rows)-1]
	case "long", "foreign id":
		if fault == "foreign id" {
			rows = slices.Delete(rows, 1, 2)
		}
		rows = append(rows, shapeRow{"somebody else's", 200})
	case "shuffled":
		slices.Reverse(rows)
	case "duplicate id":
		rows[1].id = rows[0].id
	case "lost answer":
		return nil, windrow.Ambiguous(errReset)
	}
	return rows, nil
}

// rowOutcome is what a row means.
func rowOutcome(r shapeRow) windrow.Outcome[string] {
	if r.status == 429 {
		return windrow.Outcome[string]{Err: errTooMany}
	}
	return windrow.Outcome[string]{Value: r.id}
}

// shapes are the clients of the six shapes of result that bulk endpoints have.
var shapes = []struct {
	name      string
	atomicity windrow.Atomicity
	batch     func(s *shapeServer, ctx context.Context, ids []string) ([]windrow.Outcome[string], error)
}{
	{"position", windrow.AtomicityPartial, func(s *shapeServer, _ context.Context, ids []string) ([]windrow.Outcome[string], error) {
		rows, err := s.post(ids, false)
		var out []windrow.Outcome[string]
		for _, r := range rows {
			out = append(out, rowOutcome(r))
		}
		return out, err
	}},
	{"id", windrow.AtomicityPartial, func(s *shapeServer, _ context.Context, ids []string) ([]windrow.Outcome[string], error) {
		rows, err := s.post(ids, false)
		if err != nil {
			return nil, err
		}
		return clients.MatchByID(ids, rows, nil, func(r shapeRow) (string, windrow.Outcome[string]) { return r.id, rowOutcome(r) })
	}},
	{"remainder", windrow.AtomicityPartial, func(s *shapeServer, _ context.Context, ids []string) ([]windrow.Outcome[string], error) {
		var skipped string
		if s.fault == "short" { // the endpoint's own way to be short: the last was not processed
			skipped, s.fault = ids[len(ids)-1], ""
			ids = ids[:len(ids)-1]
		}
		rows, err := s.post(ids, false)
		if err != nil {
			return nil, err
		}
		if skipped != "" {
			ids = append(slices.Clone(ids), skipped)
		}
		unprocessed := slices.DeleteFunc(rows, func(r shapeRow) bool { return r.status == 200 && slices.Contains(ids, r.id) })
		if skipped != "" {
			unprocessed = append(unprocessed, shapeRow{skipped, 429})
		}
		out := make([]windrow.Outcome[string], len(ids))
		for _, r := range unprocessed {
			k := slices.Index(ids, r.id)
			if k < 0 {
				return nil, fmt.Errorf("%w: it leaves what nobody asked for", windrow.ErrProtocol)
			}
			out[k].Err = windrow.Transient(errors.New("not processed"))
		}
		return out, nil
	}},
	{"all or nothing", windrow.AtomicityAll, func(s *shapeServer, _ context.Context, ids []string) ([]windrow.Outcome[string], error) {
		rows, err := s.post(ids, true)
		var out []windrow.Outcome[string]
		for _, r := range rows {
			out = append(out, rowOutcome(r))
		}
		return out, err
	}},
	{"job", windrow.AtomicityPartial, func(s *shapeServer, ctx context.Context, ids []string) ([]windrow.Outcome[string], error) {
		rows, err := clients.SubmitAndPoll(ctx, clients.PollPolicy{}, func(context.Context) (string, error) {
			rows, err := s.post(ids, false)
			handle := fmt.Sprint("job-", s.requests)
			s.jobs[handle] = rows
			return handle, err
		}, func(_ context.Context, handle string) ([]shapeRow, error) {
			if s.looks++; s.looks%2 == 1 {
				return nil, clients.Pending(0)
			}
			return s.jobs[handle], nil
		})
		var out []windrow.Outcome[string]
		for _, r := range rows {
			out = append(out, rowOutcome(r))
		}
		return out, err
	}},
	{"counts", windrow.AtomicityPartial, func(s *shapeServer, _ context.Context, ids []string) ([]windrow.Outcome[string], error) {
		rows, err := s.post(ids, false)
		if err != nil {
			return nil, err
		}
		good := 0
		for _, r := range rows {
			if r.status == 200 {
				good++
			}
		}
		return clients.MatchByCount[string](len(ids), good, len(rows)-good, func() ([]bool, error) {
			s.looks++
			there := make([]bool, len(ids))
			for k, id := range ids {
				there[k] = s.applied[id] > 0
			}
			return there, nil
		})
	}},
}

// The whole of what can come back, in every shape, for items that may be sent twice and for those that may not. A cell
// holds the states of the four items (s: succeeded, u: unknown) and the number of requests, "-" where the shape cannot
// show the fault: an endpoint that answers by position names no ids, and one that counts names nothing.
func TestEveryResultShape(t *testing.T) {
	t.Parallel()
	table := []struct {
		fault string
		cells [6][2]string // by shape: not repeatable, repeatable
	}{
		//                position               id                     remainder              all or nothing         job                    counts
		{"right", [6][2]string{{"ssss 1", "ssss 1"}, {"ssss 1", "ssss 1"}, {"ssss 1", "ssss 1"}, {"ssss 1", "ssss 1"}, {"ssss 1", "ssss 1"}, {"ssss 1", "ssss 1"}}},
		{"short", [6][2]string{{"uuuu 1", "uuuu 1"}, {"sssu 1", "ssss 2"}, {"ssss 2", "ssss 2"}, {"uuuu 1", "uuuu 1"}, {"uuuu 1", "uuuu 1"}, {"ssss 1", "ssss 1"}}},
		{"long", [6][2]string{{"uuuu 1", "uuuu 1"}, {"uuuu 1", "uuuu 1"}, {"uuuu 1", "uuuu 1"}, {"uuuu 1", "uuuu 1"}, {"uuuu 1", "uuuu 1"}, {"ssss 1", "ssss 1"}}},
		{"shuffled", [6][2]string{{"-", "-"}, {"ssss 1", "ssss 1"}, {"ssss 1", "ssss 1"}, {"-", "-"}, {"-", "-"}, {"ssss 1", "ssss 1"}}},
		{"duplicate id", [6][2]string{{"-", "-"}, {"uuuu 1", "uuuu 1"}, {"-", "-"}, {"-", "-"}, {"-", "-"}, {"-", "-"}}},
		{"foreign id", [6][2]string{{"-", "-"}, {"uuuu 1", "uuuu 1"}, {"uuuu 1", "uuuu 1"}, {"-", "-"}, {"-", "-"}, {"-", "-"}}},
		{"item 429", [6][2]string{{"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}}},
		{"whole 429", [6][2]string{{"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}, {"ssss 2", "ssss 2"}}},
		{"413", [6][2]string{{"ssss 3", "ssss 3"}, {"ssss 3", "ssss 3"}, {"ssss 3", "ssss 3"}, {"ssss 3", "ssss 3"}, {"ssss 3", "ssss 3"}, {"ssss 3", "ssss 3"}}},
		{"5xx", [6][2]string{{"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}}},
		{"lost answer", [6][2]string{{"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}, {"uuuu 1", "ssss 2"}}},
	}
	for _, line := range table {
		for k, shape := range shapes {
			for r, want := range line.cells[k] {
				if want == "-" {
					continue
				}
				repeatable := r == 1
				t.Run(fmt.Sprintf("%s/%s/repeatable %t", line.fault, shape.name, repeatable), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := &shapeServer{fault: line.fault, applied: map[string]int{}, jobs: map[string][]shapeRow{}}
						p := windrow.NewCreateProcessor(windrow.CreateFunc(func(ctx context.Context, id string) (string, error) {
							out, err := shape.batch(s, ctx, []string{id})
							if err != nil {
								return "", err
							}
							return out[0].Value, out[0].Err
						}), windrow.Concurrency(1)) // the server is asked by one at a time
						p.Batch = func(ctx context.Context, ids []string) ([]windrow.Outcome[string], error) {
							return shape.batch(s, ctx, ids)
						}
						p.Capabilities = windrow.Capabilities{Atomicity: shape.atomicity, ClientIDs: repeatable}
						res, err := p.Run(t.Context(), ids(4))
						checkAccounts(t, 4, res, err)
						var got strings.Builder
						for r := range res.All() {
							got.WriteString(r.State.String()[:1])
							if r.State == windrow.Succeeded && s.applied[r.Input] == 0 {
								t.Errorf("%s succeeded and was not applied", r.Input)
							}
							if n := s.applied[r.Input]; n > 1 && !repeatable || n > 0 && (r.State == windrow.Failed || r.State == windrow.NotAttempted) {
								t.Errorf("%s was applied %d times and is %v", r.Input, n, r.State)
							}
						}
						fmt.Fprintf(&got, " %d", s.requests)
						if diff := cmp.Diff(want, got.String()); diff != "" {
							t.Errorf("states and requests (-want +got):\n%s", diff)
						}
					})
				})
			}
		}
	}
}
