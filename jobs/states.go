package jobs

import (
	"slices"
	"strings"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// State is the state of a job. A job's Reason says more where the state does not say it all.
type State string

// The states. The last three are final.
const (
	Queued    State = "queued"    // it waits for its turn
	Running   State = "running"   // it is carried out; that the server throttles or is down does not change this
	Paused    State = "paused"    // it waits for Resume: see its Reason
	Completed State = "completed" // every item has ended, some perhaps as failed: see its Outcome
	Failed    State = "failed"    // it could not be carried out; what was done stays visible
	Cancelled State = "cancelled" // it was cancelled; what was done stays visible
)

// Ended reports whether the state is final.
func (s State) Ended() bool { return s == Completed || s == Failed || s == Cancelled }

// states are the states by their number in the store.
var states = [...]State{
	store.Queued: Queued, store.Running: Running, store.Paused: Paused,
	store.Completed: Completed, store.Failed: Failed, store.Cancelled: Cancelled,
}

// number returns the state's number in the store, 0 for a state that does not exist.
func (s State) number() store.State {
	if s == "" {
		return 0
	}
	return store.State(max(0, slices.Index(states[:], s)))
}

// Calls that depend on the state of a job.
const (
	callPause  = "pause"
	callResume = "resume"
	callCancel = "cancel"
	callDelete = "delete"
)

var participles = map[string]string{callPause: "paused", callResume: "resumed", callCancel: "cancelled", callDelete: "deleted"}

// allowed is the table of what may be done to a job in which state. A call that would change nothing is allowed where a
// repeated request must not fail: the second of two pauses finds the job paused.
var allowed = map[string][]State{
	callPause:  {Queued, Running, Paused},
	callResume: {Paused, Queued, Running},
	callCancel: {Queued, Running, Paused, Cancelled},
	callDelete: {Completed, Failed, Cancelled},
}

// allows reports whether a call is allowed in a state.
func allows(call string, s State) bool { return slices.Contains(allowed[call], s) }

func allowedIn(call string) string {
	names := make([]string, len(allowed[call]))
	for k, s := range allowed[call] {
		names[k] = string(s)
	}
	return "that is possible while it is " + strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// Outcome says how much of a job that has ended was done.
type Outcome string

// The outcomes. A job that has not ended has none.
const (
	OutcomeAll  Outcome = "all"  // every item succeeded or was skipped; also a job without items
	OutcomeSome Outcome = "some" // some did
	OutcomeNone Outcome = "none" // none did
)

// Reasons of a job's state that programs may compare. Other reasons are texts for people.
const (
	ReasonCancelling    = "cancelling"              // of a running job: it ends when its calls in flight have ended
	ReasonPaused        = "paused"                  // by Pause
	ReasonNotRegistered = "resource not registered" // of a paused job: this manager lacks one of its resources
)
