package jobs

import (
	"encoding/json"
	"math"
	"time"

	"github.com/windrow-go/windrow"
)

// A Job is what is known of a job at one time. Its JSON form is the "data" of the batch API.
type Job struct {
	ID          string  // given by Submit: safe in URLs and file names
	Type        string  // as in the Spec
	Description string  // as in the Spec
	Tenant      string  // whose job it is
	Actor       string  // who submitted it
	State       State   // the zero State is none
	Reason      string  // why it is in that state; "" when the state says it all
	Outcome     Outcome // of a job that has ended
	Run         int     // from 1
	Spec        Spec    // without its records and ids, which are items

	CreatedAt           time.Time // when it was submitted
	StartedAt           time.Time // zero before
	EndedAt             time.Time // zero before
	EstimatedCompletion time.Time // zero when it cannot be told

	Progress   Progress   // how many items have ended, and how
	Statistics Statistics // how long it takes
	Limits     []Limit    // of the resources of the operation that is carried out; of a running job
	// Errors are the first items, at most 100, that ended as Failed or Unknown. [Manager.Get] and [Manager.Wait] set it.
	Errors []Item
}

// Progress counts the items of a job. The five states add up to the Total.
type Progress struct {
	Total        int64 // items; as many as are known while Expanding
	Succeeded    int64 // items in windrow.Succeeded
	Failed       int64 // items in windrow.Failed
	Skipped      int64 // items in windrow.Skipped
	Unknown      int64 // items in windrow.Unknown
	NotAttempted int64 // items that have not ended
	Expanding    bool  // the records of an operation are still being listed
	// Current is the call for the lowest item that is being worked on; nil when there is none.
	Current *CurrentOperation
}

// Completed counts the items that have ended, failed ones included.
func (p Progress) Completed() int64 { return p.Succeeded + p.Failed + p.Skipped + p.Unknown }

// Percentage is the share of the items that have ended, rounded down; 100 for a job without items that is not Expanding.
func (p Progress) Percentage() int {
	switch {
	case p.Total > 0:
		return int(100 * p.Completed() / p.Total)
	case p.Expanding:
		return 0
	}
	return 100
}

// CurrentOperation is a call that is being made.
type CurrentOperation struct {
	Index      int64         // in the job, from 0
	Type       OperationType // of its operation
	ResourceID string        // key of the item
	StartedAt  time.Time     // when the call began
}

// Statistics are what a job has taken so far.
type Statistics struct {
	SuccessRate      float64       // of the items that ended, in percent; 100 before any has
	AverageTime      time.Duration // of an item; 0 before one has ended
	ItemsPerSecond   float64       // since the job was begun; 0 before an item has ended
	RemainingTime    time.Duration // at that pace; 0 when it cannot be told
	Waiting          string        // why nothing is sent for now; "" when something is
	ThrottledUntil   time.Time     // zero when no server throttles, or it is not known until when
	ThrottledSeconds float64       // how long the limiters have been shut since they were made
}

// Limit is what the limiter of a resource believes.
type Limit struct {
	Resource    string    `json:"resource"`            // its name
	Concurrency int       `json:"concurrency"`         // calls at once
	Rate        float64   `json:"rate,omitempty"`      // quota units a second; 0: no limit is known
	Why         string    `json:"why,omitempty"`       // which evidence says so
	ShutUntil   time.Time `json:"shut_until,omitzero"` // no call begins before
	Waiting     string    `json:"waiting,omitempty"`   // why none begins
	InFlight    int       `json:"in_flight"`           // calls of all jobs
}

// An Item is one record of a job, and how it ended.
type Item struct {
	Operation int               // index of the operation in the spec, from 0
	Index     int64             // in the job, from 0
	Key       string            // id of the record, or key of the input
	Input     json.RawMessage   // of a create; nil when it was not asked for
	State     windrow.State     // NotAttempted while it has not ended
	Reason    windrow.Reason    // why it was Skipped
	Kind      windrow.ErrorKind // of the error
	Code      string            // of the error; "" without one
	Message   string            // of the error, at most 500 bytes
	Resend    bool              // of a Failed item: it was not refused, and may succeed unchanged
	Attempts  int               // as in windrow.Result
	Elapsed   time.Duration     // from its first call to its last response
	ID        string            // of the record; "" when it is the Key
	Warnings  []string          // of the server
	Run       int               // that it ended in; 0 while it has not
	EndedAt   time.Time         // zero while it has not
}

// Pile says what has to be done before an item is sent again.
type Pile string

// The piles.
const (
	PileNone       Pile = ""                 // it is done
	SafeNow        Pile = "safe_now"         // nothing: it was not applied, and may succeed unchanged
	AfterCorrected Pile = "after_correction" // its input has to be corrected, or what it refers to
	AfterLookUp    Pile = "after_look_up"    // it may have been applied: look at the record first
)

// Pile returns what has to be done before the item is sent again.
func (i *Item) Pile() Pile { return pileOf(i.State, i.Resend) }

func pileOf(s windrow.State, resend bool) Pile {
	switch {
	case s == windrow.NotAttempted, s == windrow.Failed && resend:
		return SafeNow
	case s == windrow.Failed:
		return AfterCorrected
	case s == windrow.Unknown:
		return AfterLookUp
	}
	return PileNone
}

// An ErrorGroup is the number of items that ended in one way.
type ErrorGroup struct {
	State   windrow.State     // Failed or Unknown
	Kind    windrow.ErrorKind // of their errors
	Code    string            // of their errors
	Message string            // of the first of them
	Items   int64             // how many they are
	First   int64             // index of the first of them in the job, from 0
	Pile    Pile              // what has to be done before they are sent again
}

// MarshalJSON implements [json.Marshaler]. The index is counted from 1 there, as in the batch API.
func (g ErrorGroup) MarshalJSON() ([]byte, error) {
	g.First++
	return json.Marshal(struct {
		State   windrow.State     `json:"status"`
		Kind    windrow.ErrorKind `json:"kind"`
		Code    string            `json:"code"`
		Message string            `json:"message"`
		Items   int64             `json:"items"`
		First   int64             `json:"operation_index"`
		Pile    Pile              `json:"pile"`
	}(g))
}

// MarshalJSON implements [json.Marshaler]: it writes the "data" of the batch API. Indexes are counted from 1 there, and
// "failed" counts all items that ended without success.
func (j Job) MarshalJSON() ([]byte, error) {
	type current struct {
		Index      int64         `json:"index"`
		Type       OperationType `json:"type"`
		ResourceID string        `json:"resource_id"`
		StartedAt  time.Time     `json:"started_at"`
	}
	type progress struct {
		Total      int64    `json:"total_operations"`
		Completed  int64    `json:"completed"`
		Failed     int64    `json:"failed"`
		Percentage int      `json:"percentage"`
		Current    *current `json:"current_operation,omitempty"`
		Counts     counts   `json:"counts"`
		Expanding  bool     `json:"expanding,omitempty"`
	}
	type statistics struct {
		SuccessRate    float64   `json:"success_rate"`
		Average        string    `json:"average_operation_time,omitempty"`
		Remaining      string    `json:"estimated_remaining_time,omitempty"`
		ItemsPerSecond float64   `json:"items_per_second,omitempty"`
		Waiting        string    `json:"waiting,omitempty"`
		ThrottledUntil time.Time `json:"throttled_until,omitzero"`
		Limits         []Limit   `json:"limits,omitempty"`
	}
	form := struct {
		ID          string            `json:"job_id"`
		Status      State             `json:"status"`
		Type        string            `json:"type,omitempty"`
		Description string            `json:"description,omitempty"`
		Reason      string            `json:"reason,omitempty"`
		Outcome     Outcome           `json:"outcome,omitempty"`
		Run         int               `json:"run,omitempty"`
		Actor       string            `json:"actor,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Created     time.Time         `json:"created_at"`
		Started     time.Time         `json:"started_at,omitzero"`
		Ended       time.Time         `json:"ended_at,omitzero"`
		Estimated   time.Time         `json:"estimated_completion,omitzero"`
		Progress    progress          `json:"progress"`
		Statistics  *statistics       `json:"statistics,omitempty"`
		Errors      []Item            `json:"errors,omitempty"`
	}{
		ID: j.ID, Status: j.State, Type: j.Type, Description: j.Description, Reason: j.Reason, Outcome: j.Outcome, Run: j.Run,
		Actor: j.Actor, Labels: j.Spec.Labels, Created: j.CreatedAt.UTC(), Started: utc(j.StartedAt), Ended: utc(j.EndedAt),
		Estimated: utc(j.EstimatedCompletion), Errors: j.Errors,
		Progress: progress{
			Total: j.Progress.Total, Completed: j.Progress.Completed(), Failed: j.Progress.Failed + j.Progress.Unknown,
			Percentage: j.Progress.Percentage(), Expanding: j.Progress.Expanding,
			Counts: counts{j.Progress.Succeeded, j.Progress.Failed, j.Progress.Skipped, j.Progress.Unknown, j.Progress.NotAttempted},
		},
	}
	if c := j.Progress.Current; c != nil {
		form.Progress.Current = &current{c.Index + 1, c.Type, c.ResourceID, c.StartedAt.UTC()}
	}
	if s := j.Statistics; !j.StartedAt.IsZero() {
		form.Statistics = &statistics{
			SuccessRate: math.Round(10*s.SuccessRate) / 10, Average: short(rounded(s.AverageTime)), Remaining: short(rounded(s.RemainingTime)),
			ItemsPerSecond: math.Round(10*s.ItemsPerSecond) / 10, Waiting: s.Waiting, ThrottledUntil: utc(s.ThrottledUntil), Limits: j.Limits,
		}
	}
	return json.Marshal(form)
}

// counts are the five states.
type counts struct {
	Succeeded    int64 `json:"succeeded"`
	Failed       int64 `json:"failed"`
	Skipped      int64 `json:"skipped"`
	Unknown      int64 `json:"unknown"`
	NotAttempted int64 `json:"not_attempted"`
}

// utc keeps the zero time.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// rounded rounds a duration for people.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(durationUnit)
	}
	return d.Round(time.Microsecond)
}

// MarshalJSON implements [json.Marshaler]: it writes an entry of the batch API's "errors", with what else is known.
func (i Item) MarshalJSON() ([]byte, error) {
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	form := struct {
		Index    int64           `json:"operation_index"`
		ID       string          `json:"resource_id,omitempty"`
		Error    *failure        `json:"error,omitempty"`
		Attempts int             `json:"attempts"`
		Status   windrow.State   `json:"status"`
		Reason   string          `json:"reason,omitempty"`
		Kind     string          `json:"kind,omitempty"`
		Pile     Pile            `json:"pile,omitempty"`
		Key      string          `json:"key"`
		Input    json.RawMessage `json:"input,omitempty"`
		Warnings []string        `json:"warnings,omitempty"`
		Run      int             `json:"run,omitempty"`
		Ended    time.Time       `json:"ended_at,omitzero"`
		Elapsed  string          `json:"elapsed,omitempty"`
	}{
		Index: i.Index + 1, ID: i.ResourceID(), Attempts: i.Attempts, Status: i.State, Pile: i.Pile(), Key: i.Key,
		Input: i.Input, Warnings: i.Warnings, Run: i.Run, Ended: utc(i.EndedAt), Elapsed: short(rounded(i.Elapsed)),
	}
	if i.Code != "" {
		form.Error, form.Kind = &failure{i.Code, i.Message}, i.Kind.String()
	}
	if i.Reason != windrow.NoReason {
		form.Reason = i.Reason.String()
	}
	return json.Marshal(form)
}

// ResourceID returns the id of the record, where it is known: that of a record that was created, or the key of an update
// or delete. Otherwise it is the key.
func (i *Item) ResourceID() string {
	if i.ID != "" {
		return i.ID
	}
	return i.Key
}
