package windrow

import (
	"encoding/json"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/progress"
	"github.com/windrow-go/windrow/internal/sink"
)

// Progress is how far a run or a stream has come. Counts include the items that ended before anything was sent: those that
// Validate refuses, duplicates, and what an earlier run or a journal knows. The zero Progress is that of an empty run.
type Progress struct {
	Done      int           `json:"done"`      // items that have ended: Succeeded, Skipped and Failed together
	Total     int           `json:"total"`     // -1 when it is not known
	Succeeded int           `json:"succeeded"` // of Done
	Skipped   int           `json:"skipped"`   // of Done
	Failed    int           `json:"failed"`    // of Done: in state Failed or Unknown
	Unknown   int           `json:"unknown"`   // of Failed: in state Unknown
	Rate      float64       `json:"rate"`      // items a second so far; a pause under way does not count
	ETA       time.Duration `json:"eta_ns"`    // until the end, the rest of a pause included; -1 when it cannot be told, as in an outage
	Paused    time.Duration `json:"paused_ns"` // how long the limiter is still shut; 0 when it is open, or a single call tries
	// Waiting is why nothing but a single call now and then is sent: that the server throttles, that it takes no calls, or
	// that the limiter is paused. "" when the run does not wait.
	Waiting string `json:"waiting"`
}

// MarshalJSON implements [json.Marshaler]. A total and an end that are not known are null; times are in nanoseconds.
func (p Progress) MarshalJSON() ([]byte, error) {
	type plain Progress
	form := struct {
		plain
		Total *int           `json:"total"`
		ETA   *time.Duration `json:"eta_ns"`
	}{plain: plain(p)}
	if p.Total >= 0 {
		form.Total = &p.Total
	}
	if p.ETA >= 0 {
		form.ETA = &p.ETA
	}
	return json.Marshal(form)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Progress) UnmarshalJSON(data []byte) error {
	type plain Progress
	form := struct {
		*plain
		Total *int           `json:"total"`
		ETA   *time.Duration `json:"eta_ns"`
	}{plain: (*plain)(p)}
	*p = Progress{Total: -1, ETA: -1}
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	if form.Total != nil {
		p.Total = *form.Total
	}
	if form.ETA != nil {
		p.ETA = *form.ETA
	}
	return nil
}

// Percent returns the share that is done, rounded; 100 for an empty run and -1 when the total is not known.
func (p Progress) Percent() int {
	switch {
	case p.Total < 0:
		return -1
	case p.Total == 0:
		return 100
	}
	return int(float64(p.Done)/float64(p.Total)*100 + 0.5)
}

// OnProgress is called with the progress of each run, about ten times a second and once at the end, from one
// goroutine. A slow function never slows the work: it sees fewer steps. Run returns after its last call has.
func OnProgress(f func(Progress)) Option {
	return option("OnProgress", f != nil, "nil", "must be a function", func(o *options) { o.onProgress = f })
}

// progressInterval is the time between two calls of OnProgress.
const progressInterval = 100 * time.Millisecond

// waitOf is what those who use a gate wait for.
func waitOf(s gate.Stats) progress.Wait {
	w := progress.Wait{Until: s.Until}
	switch {
	case s.Down:
		w.Why, w.Endless = s.Why, true
	case s.Probing:
		w.Why = "the server throttles"
	case s.Paused || !s.Until.IsZero():
		w.Why, w.Endless = "the limiter is paused", s.Paused
	}
	return w
}

// ended counts by state the items that end without being sent: those that are not pending, nil when all are, and those that
// the plan has settled.
func (r *BulkResult[In, Out]) ended(pending []bool, plan *prepared) (counts [engine.States]int) {
	add := func(i, n int) { counts[r.table.Slots[i].State] += n }
	for i, still := range pending {
		if !still {
			add(i, 1)
		}
	}
	for _, replay := range plan.replay {
		for _, i := range replay.Items {
			if pending != nil && !pending[i] {
				add(i, -1) // it is sent again as it was
			}
		}
	}
	for _, i := range plan.settled {
		if pending == nil || pending[i] {
			add(i, 1)
		}
	}
	return counts
}

// watch tells OnProgress how far a run has come, until the function it returns is called. before is how many items had
// ended in each state before anything was sent.
func (p *BatchProcessor[In, Out]) watch(r *engine.Run, g *gate.Gate, l *sink.Listeners, total int, before [engine.States]int) (stop func()) {
	gauge := &progress.Gauge{
		Meter: progress.Meter{Start: time.Now()}, Count: r.Count, Wait: func() progress.Wait { return waitOf(g.Stats()) },
		Total: total, Before: before,
	}
	return progress.Every(progressInterval, func() { p.opts.onProgress(Progress(gauge.Read())) }, func(value any, stack []byte) {
		l.Fail(lostIn("OnProgress")(value, stack))
	})
}
