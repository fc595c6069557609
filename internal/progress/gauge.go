package progress

import (
	"time"

	"github.com/windrow-go/windrow/internal/engine"
)

// State is how far a run has come.
type State struct {
	Done    int
	Total   int // -1 when it is not known
	Failed  int
	Rate    float64 // items a second
	ETA     time.Duration
	Paused  time.Duration
	Waiting string
}

// Wait is what a run waits for. The zero Wait is nothing.
type Wait struct {
	Why     string    // "" when it does not wait
	Until   time.Time // when it goes on; zero when that is not known
	Endless bool      // the time that is left cannot be told
}

// Gauge tells how far a run has come. It is not safe for concurrent use.
type Gauge struct {
	Meter  Meter
	Count  func(engine.State) int64 // items of the run that have ended so
	Wait   func() Wait              // what the run waits for
	Total  int                      // -1 when it is not known
	Before int                      // items that had ended before anything was sent
	Failed int                      // and those of them that had failed
}

// Read returns how far the run has come.
func (g *Gauge) Read() State {
	now := time.Now()
	lost := int(g.Count(engine.Failed) + g.Count(engine.Unknown))
	sent := lost + int(g.Count(engine.Succeeded)+g.Count(engine.Skipped))
	s := State{Done: g.Before + sent, Total: g.Total, Failed: g.Failed + lost}
	wait := g.Wait()
	s.Waiting = wait.Why
	if wait.Until.After(now) {
		s.Paused = wait.Until.Sub(now)
	}
	s.Rate, s.ETA = g.Meter.Read(now, sent, g.Total-g.Before, s.Paused, wait.Why != "")
	if wait.Endless && s.ETA > 0 {
		s.ETA = -1
	}
	return s
}
