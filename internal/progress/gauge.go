package progress

import (
	"time"

	"github.com/windrow-go/windrow/internal/engine"
)

// State is the progress of a run.
type State struct {
	Done      int
	Total     int // -1 when it is not known
	Succeeded int
	Skipped   int
	Failed    int     // or unknown
	Unknown   int     // of those
	Rate      float64 // items a second
	ETA       time.Duration
	Paused    time.Duration
	Waiting   string
}

// Wait is why a run waits. The zero Wait means that it does not.
type Wait struct {
	Why     string    // "" if it does not wait
	Until   time.Time // when it goes on; zero when that is not known
	Endless bool      // the remaining time is not known
}

// Gauge measures the progress of a run. It is not safe for concurrent use.
type Gauge struct {
	Meter  Meter
	Count  func(engine.State) int64 // items of the run that have ended in a state
	Wait   func() Wait              // why the run waits
	Total  int                      // -1 when it is not known
	Before [engine.States]int       // items that had ended before anything was sent
}

// Read returns the progress of the run.
func (g *Gauge) Read() State {
	now := time.Now()
	before, sent := 0, 0
	count := func(state engine.State) int {
		n := int(g.Count(state))
		before, sent = before+g.Before[state], sent+n
		return g.Before[state] + n
	}
	s := State{Total: g.Total, Succeeded: count(engine.Succeeded), Skipped: count(engine.Skipped), Unknown: count(engine.Unknown)}
	s.Failed = count(engine.Failed) + s.Unknown
	s.Done = before + sent
	wait := g.Wait()
	s.Waiting = wait.Why
	if wait.Until.After(now) {
		s.Paused = wait.Until.Sub(now)
	}
	s.Rate, s.ETA = g.Meter.Read(now, sent, g.Total-before, s.Paused, wait.Why != "")
	if wait.Endless && s.ETA > 0 {
		s.ETA = -1
	}
	return s
}
