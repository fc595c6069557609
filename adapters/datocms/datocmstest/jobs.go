package datocmstest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// job is work that the server does after the response.
type job struct {
	fault  JobFault
	due    time.Time
	work   func() response // nil when it is done
	result response
}

// begin starts a job and returns the response with its id.
func (c *call) begin(operation string, work func() response) response {
	c.made++
	id := strconv.Itoa(4234 + c.made)
	key := "job " + operation
	c.counts[key]++
	j := &job{work: work}
	if c.failJob != nil {
		if fault := c.failJob(Job{ID: id, Operation: operation, N: c.counts[key]}); fault != nil {
			j.fault = *fault
		}
	}
	j.due = time.Now().Add(c.config.JobTime + j.fault.Extra)
	c.jobs[id] = j
	return succeed(http.StatusAccepted, map[string]any{"data": ref{Type: "job", ID: id}})
}

// settle runs the jobs that are due, in their order.
func (s *Server) settle() {
	now := time.Now()
	var due []*job
	for _, j := range s.jobs {
		if j.work != nil && !j.fault.Never && !j.due.After(now) {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b *job) int { return a.due.Compare(b.due) })
	for _, j := range due {
		if j.fault.Status != 0 {
			j.result = failAs(j.fault.Status, cmp.Or(j.fault.Code, "EXCEPTION"), nil, j.fault.Transient)
		} else {
			j.result = j.work()
		}
		j.work = nil
	}
}

// jobResult returns the result of a job, once it has ended.
func (c *call) jobResult(id string) response {
	j := c.jobs[id]
	if j == nil || j.work != nil {
		return notFound()
	}
	payload := json.RawMessage(j.result.text)
	if j.fault.NoCounts {
		payload = json.RawMessage(`{"data":[]}`)
	}
	return succeed(http.StatusOK, map[string]any{"data": map[string]any{
		"type": "job_result", "id": id, "attributes": map[string]any{"status": j.result.status, "payload": payload},
	}})
}

// counted is the result of a bulk operation.
func counted(successful, failed int) response {
	return succeed(http.StatusOK, map[string]any{
		"data": []any{}, "meta": map[string]int{"successful": successful, "failed": failed},
	})
}

// bulkIDs reads the ids that a bulk operation names.
func (c *call) bulkIDs(e entity, relation, kind string) ([]string, bool) {
	var refs []ref
	if len(e.Relationships) != 1 || json.Unmarshal(e.Relationships[relation].Data, &refs) != nil || len(refs) == 0 || len(refs) > 200 {
		return nil, false
	}
	ids := make([]string, len(refs))
	for k, r := range refs {
		if r.Type != kind || r.ID == "" || slices.Contains(ids[:k], r.ID) {
			return nil, false
		}
		ids[k] = r.ID
	}
	return ids, true
}
