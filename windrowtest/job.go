package windrowtest

import (
	"cmp"
	"fmt"
	"net/http"
)

// JobScript is a request that the server handles asynchronously: it responds with 202 and the id of a job, whose result the client
// polls. The form is that of DatoCMS: polling gets 404 until the job has ended, and then 200 with the status of the work in
// the body.
type JobScript struct {
	Polls   int    // how often the result is not there yet
	Never   bool   // it never is
	Status  int    // what became of the work; 0 means what the API answered
	Payload string // JSON of the result; "" means what the API answered, or an error that fits the Status
}

// StartJob returns the step for a request that becomes a job. The API applies the request on arrival, unless Status says
// that the work failed.
func (s *Server) StartJob(job JobScript) Step {
	s.mu.Lock()
	s.jobs++
	id := fmt.Sprint(s.jobs)
	s.mu.Unlock()
	status, payload, polls := job.Status, job.Payload, 0
	s.Add(func(r *Request) (Step, bool) {
		if !Is(http.MethodGet, "/job-results/"+id)(r) {
			return Step{}, false
		}
		if polls++; job.Never || polls <= job.Polls {
			return Status(http.StatusNotFound), true
		}
		return Step{Instead: JSON(http.StatusOK, fmt.Sprintf(
			`{"data":{"type":"job_result","id":"%s","attributes":{"status":%d,"payload":%s}}}`, id, status, payload))}, true
	})
	step := Step{}
	if status >= 400 {
		step.Instead = Answer{}
		payload = cmp.Or(payload, fmt.Sprintf(`{"data":[{"id":"%s","type":"api_error","attributes":{"code":"JOB_FAILED"}}]}`, id))
	}
	step.Edit = func(a *Answer) {
		s.mu.Lock() // rules are called with the lock held, too
		defer s.mu.Unlock()
		status, payload = cmp.Or(status, a.status()), cmp.Or(payload, a.Body, "null")
		*a = JSON(http.StatusAccepted, fmt.Sprintf(`{"data":{"type":"job","id":"%s"}}`, id))
	}
	return step
}
