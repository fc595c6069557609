package classify

import (
	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
)

// Judge makes the judgements of a run.
type Judge struct {
	Classifier func(error) Judgement // the caller's; nil means [Of]
	Read       bool                  // the operation changes nothing on the server
	Lost       contain.Lost
	IsLost     func(error) bool                            // reports whether Lost has made an error
	Throttled  func(a *engine.Attempt, j engine.Judgement) // is told of each throttle; may be nil
}

// Attempt judges the error of an attempt.
func (r *Judge) Attempt(a *engine.Attempt, err error) engine.Judgement {
	return r.judge(a, err, Judgement.withRecord)
}

// Item judges the error of one item in the response to a request for many.
func (r *Judge) Item(a *engine.Attempt, err error) engine.Judgement {
	return r.judge(a, err, Judgement.ofItem)
}

// judge asks the classifier, and then weigh, which applies the transport's record.
func (r *Judge) judge(a *engine.Attempt, err error, weigh func(Judgement, *engine.Attempt) Judgement) engine.Judgement {
	if r.IsLost(err) {
		return r.broken(a, nil)
	}
	found, failure := r.ask(err)
	if failure != nil {
		return r.broken(a, failure)
	}
	found = weigh(found, a)
	j := found.Judgement
	j.Responded = found.Answered || a.Status() != 0
	j.Plain = j.Class == engine.Permanent && (found.Plain || found.Unrecognised)
	j.Trouble, j.Detail = troubleIn(j, a, err)
	if j.Trouble != adapt.NoTrouble {
		j.Host = neterr.Host(err)
	}
	if r.Throttled != nil && j.Class == engine.Throttled {
		r.Throttled(a, j)
	}
	return j
}

// broken judges an attempt in which a function of the caller's did not return. The outcome is not known, unless nothing
// was sent or the last response was a refusal.
func (r *Judge) broken(a *engine.Attempt, failure error) engine.Judgement {
	j := engine.Judgement{Final: true, Err: failure, Whole: a.Delivery() == engine.NotSent && a.Status() == 0}
	if a.Delivery() != engine.NotSent && !r.Read {
		j.Class = engine.Ambiguous
	}
	return j
}

// ask calls the classifier. The failure is set when the classifier did not return.
func (r *Judge) ask(err error) (j Judgement, failure error) {
	if r.Classifier != nil {
		return r.askCaller(err)
	}
	if value, stack, ok := contain.Call(func() { j = Of(err) }); !ok { // a method of the error panicked
		failure = r.Lost(value, stack)
	}
	return j, failure
}

// askCaller is ask for the caller's classifier.
func (r *Judge) askCaller(err error) (j Judgement, failure error) {
	if value, stack, ok := contain.Go(func() { j = r.Classifier(err) }); !ok {
		failure = r.Lost(value, stack)
	}
	return j, failure
}
