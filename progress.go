package windrow

import (
	"encoding/json"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/progress"
	"github.com/windrow-go/windrow/internal/sink"
)

// Progress is how far a run or a stream has come. Counts include the items that ended before anything was sent: those
// that Validate refused, duplicates, and those that an earlier run or a journal has ended. The zero Progress is that of
// an empty run.
type Progress struct {
	Done      int           `json:"done"`      // items that have ended: Succeeded, Skipped and Failed together
	Total     int           `json:"total"`     // -1 when it is not known
	Succeeded int           `json:"succeeded"` // of Done
	Skipped   int           `json:"skipped"`   // of Done
	Failed    int           `json:"failed"`    // of Done: in state Failed or Unknown
	Unknown   int           `json:"unknown"`   // of Failed: in state Unknown
	Rate      float64       `json:"rate"`      // items a second so far; the current pause does not count
	ETA       time.Duration `json:"eta_ns"`    // until the end, including the rest of a pause; -1 when unknown, as in an outage
	Paused    time.Duration `json:"paused_ns"` // how long the limiter is still shut; 0 when it is open or probes
	// Waiting is why only single probes or no calls are sent: the server throttles, it takes no calls, or the limiter
	// or the run's Control is paused. "" when the run does not wait.
	Waiting string `json:"waiting"`
}

// MarshalJSON implements [json.Marshaler]. An unknown total and an unknown end are null; times are in nanoseconds.
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

// OnProgress calls f with the progress of each run, about ten times a second and once at the end, from one goroutine. A
// slow function never slows the work: it is called less often. Run returns after the last call has.
func OnProgress(f func(Progress)) Option {
	return option("OnProgress", f != nil, "nil", "must be a function", func(o *options) { o.onProgress = f })
}

// progressInterval is the time between two calls of OnProgress.
const progressInterval = 100 * time.Millisecond

// waitsFor returns why a run waits.
func (o *options) waitsFor(s gate.Stats) progress.Wait {
	if o.control != nil && o.control.Paused() {
		return progress.Wait{Why: "the run is paused", Endless: true}
	}
	return waitOf(s)
}

// waitOf returns the reason for which the users of a gate wait.
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

// ended counts by state the items that end without being sent: those that are not pending (nil means that all are), and
// those that the plan has settled.
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
				add(i, -1) // sent again unchanged
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

// watch calls OnProgress until stop is called. before is how many items had ended in each state before anything was
// sent.
func (p *BatchProcessor[In, Out]) watch(r *engine.Run, g *gate.Gate, l *sink.Listeners, total int, before [engine.States]int) (stop func()) {
	gauge := &progress.Gauge{
		Meter: progress.Meter{Start: time.Now()}, Count: r.Count, Wait: func() progress.Wait { return p.opts.waitsFor(g.Stats()) },
		Total: total, Before: before,
	}
	return progress.Every(progressInterval, func() { p.opts.onProgress(Progress(gauge.Read())) }, func(value any, stack []byte) {
		l.Fail(lostIn("OnProgress")(value, stack))
	})
}
