package progress

import (
	"time"

	"github.com/windrow-go/windrow/internal/engine"
)

// State is the progress of a run.
type State struct {
	Done    int
	Total   int // -1 when it is not known
	Failed  int
	Rate    float64 // items a second
	ETA     time.Duration
	Paused  time.Duration
	Waiting string
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
	Before int                      // items that had ended before anything was sent
	Failed int                      // those of Before that had failed
}

// Read returns the progress of the run.
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
