package classify

import (
	"time"

	"github.com/windrow-go/windrow/internal/engine"
)

// Classification is windrow.Classification, which can be converted to it, with windrow.Class as C and windrow.ErrorKind
// as K: what a classifier or a client says of an error.
type Classification[C, K ~uint8] struct {
	Class     C
	After     time.Duration
	MaxItems  int
	BadItem   int
	Kind      K
	Tentative bool
}

// Says returns what a judgement says as a Classification.
func Says[C, K ~uint8](j Judgement) Classification[C, K] {
	return Classification[C, K]{
		Class: C(j.Class), After: j.After, MaxItems: j.MaxItems, BadItem: j.BadItem, Kind: K(j.Kind), Tentative: !j.Marked,
	}
}

// over overwrites a judgement with the classification.
func (c Classification[C, K]) over(j *Judgement) {
	j.Class, j.Kind, j.After, j.MaxItems, j.BadItem = engine.Class(c.Class), engine.Kind(c.Kind), c.After, c.MaxItems, c.BadItem
}

// Judgement returns the judgement of an error of which only the classification is known.
func (c Classification[C, K]) Judgement() Judgement {
	j := Judgement{Marked: !c.Tentative}
	c.over(&j)
	return j
}

// Of returns the judgement of err, which was given the classification. One that equals that of [Of] keeps everything
// that the default classifier knows. Any other one is explicit, and the record of a transport does not override it.
func (c Classification[C, K]) Of(err error) Judgement {
	j := Of(err)
	if C(j.Class) != c.Class || j.Marked == c.Tentative {
		j = Judgement{Marked: true}
		j.NotFound, j.Exists = named(err)
	}
	c.over(&j)
	return j
}

// Mark returns err with a mark by which [Of] judges it as classified.
func (c Classification[C, K]) Mark(err error) error {
	j := c.Of(err)
	j.Marked, j.Invalid, j.Plain = true, false, false
	j.NotFound, j.Exists = named(err)
	return &Marked{Err: err, As: j}
}

// Marked is an error whose judgement was set by the code that made it.
type Marked struct {
	Err error
	As  Judgement
}

// Error implements error.
func (e *Marked) Error() string { return e.Err.Error() }

// Unwrap returns the marked error.
func (e *Marked) Unwrap() error { return e.Err }

// Skip is the error of an item for which there was nothing to do.
type Skip struct {
	Reason engine.Reason
	Says   string
}

// Error implements error.
func (e *Skip) Error() string { return e.Says }
