package windrow

import (
	"encoding/json"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// LimiterStats is a snapshot of a limiter.
type LimiterStats struct {
	Concurrency  int           `json:"concurrency"`  // calls that may be in flight now
	InFlight     int           `json:"in_flight"`    // calls in flight
	Waiting      int           `json:"waiting"`      // calls that wait to be let through
	Rate         float64       `json:"rate"`         // quota units a second; +Inf when there is no rate
	Burst        int           `json:"burst"`        // quota units that may leave at one instant
	Paused       bool          `json:"paused"`       // by Pause
	PausedUntil  time.Time     `json:"paused_until"` // by PauseUntil, a throttle or an outage; zero when it is not shut until a time
	Probing      bool          `json:"probing"`      // the server throttled or took no calls, and no call has succeeded since
	Throttled    int           `json:"throttled"`    // how often a throttle shut it
	ThrottledFor time.Duration `json:"throttled_ns"` // how long throttles shut it
	Outage       bool          `json:"outage"`       // shut for runs, since the server takes no calls; one probe at a time leaves
	Outages      int           `json:"outages"`      // how often an outage shut it
	OutageFor    time.Duration `json:"outage_ns"`    // how long outages shut it
	Learned      Learned       `json:"learned"`      // for [StartFrom] of a later limiter
	Why          string        `json:"why"`          // evidence for the last change of Concurrency or Rate, the last throttle, or an outage
}

// MarshalJSON implements [json.Marshaler]. The rate of a limiter that has none is null, and so is the end of a pause that
// has none; times are in nanoseconds.
func (s LimiterStats) MarshalJSON() ([]byte, error) {
	type plain LimiterStats
	form := struct {
		plain
		Rate        *float64   `json:"rate"`
		PausedUntil *time.Time `json:"paused_until"`
	}{plain: plain(s)}
	if !math.IsInf(s.Rate, 0) {
		form.Rate = &s.Rate
	}
	if !s.PausedUntil.IsZero() {
		form.PausedUntil = &s.PausedUntil
	}
	return json.Marshal(form)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *LimiterStats) UnmarshalJSON(data []byte) error {
	type plain LimiterStats
	form := struct {
		*plain
		Rate        *float64   `json:"rate"`
		PausedUntil *time.Time `json:"paused_until"`
	}{plain: (*plain)(s)}
	*s = LimiterStats{Rate: math.Inf(1)}
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	if form.Rate != nil {
		s.Rate = *form.Rate
	}
	if form.PausedUntil != nil {
		s.PausedUntil = *form.PausedUntil
	}
	return nil
}

// Stats returns a snapshot. It is zero for a limiter with bad options.
func (l *Limiter) Stats() LimiterStats {
	if l.bad() != nil {
		return LimiterStats{}
	}
	s := l.start().Stats()
	stats := LimiterStats{
		Concurrency: s.Concurrency, InFlight: s.InFlight, Waiting: s.Waiting, Rate: float64(s.Rate), Burst: s.Burst,
		Paused: s.Paused, PausedUntil: s.Until, Probing: s.Probing, Throttled: int(s.Throttles), ThrottledFor: s.ShutFor,
		Outage: s.Down, Outages: int(s.Outages), OutageFor: s.DownFor, Learned: Learned(s.Learned), Why: s.Why,
	}
	if s.Rate == rate.Inf {
		stats.Rate = math.Inf(1)
	}
	return stats
}

// Learned is what a [Limiter] has learned about the server, to be kept in a file and given to the next one with
// [StartFrom]. Zero fields are not known, and the zero Learned has no effect. Quotas in headers are not part of it,
// since the first response has them again.
type Learned struct {
	Concurrency int           `json:"concurrency,omitzero"` // calls in flight that the server accepts
	Refused     int           `json:"refused,omitzero"`     // calls in flight that were too many; 0 when none were
	Rate        float64       `json:"rate,omitzero"`        // quota units a second that the server accepts; 0 when it has windows
	Quota       int64         `json:"quota,omitzero"`       // quota units in each window
	Window      time.Duration `json:"window_ns,omitzero"`   // how long a window lasts
	Ends        time.Time     `json:"ends,omitzero"`        // when the current window ends at the latest
	Left        int64         `json:"left,omitzero"`        // quota units left in the current window
}

// check returns what is wrong with the values.
func (l Learned) check() error {
	const longest = 366 * 24 * time.Hour
	refused := func(field string, value any, problem string) error {
		return &OptionError{Option: "StartFrom", Field: field, Value: value, Problem: problem}
	}
	switch {
	case l.Concurrency < 0:
		return refused("Concurrency", l.Concurrency, "must not be negative")
	case l.Refused < 0:
		return refused("Refused", l.Refused, "must not be negative")
	case !(l.Rate >= 0) || math.IsInf(l.Rate, 0): // also NaN
		return refused("Rate", l.Rate, "must be a number of quota units a second, or 0 when it is not known")
	case l.Quota < 0:
		return refused("Quota", l.Quota, "must not be negative")
	case l.Window < 0 || l.Window > longest:
		return refused("Window", l.Window, "must be from 0 to 366 days")
	case (l.Quota == 0) != (l.Window == 0):
		return refused("Quota", l.Quota, "goes with a Window: give both or none")
	case l.Left < 0 || l.Left > l.Quota:
		return refused("Left", l.Left, "must be from 0 to the Quota")
	}
	return nil
}

// StartFrom makes a limiter begin with what another one has learned ([LimiterStats.Learned]), so that a restarted
// program need not learn it again from throttles. It is a starting point only: [Concurrency] and [Rate] bound it, the
// limiter goes on learning, and an early throttle that contradicts a value discards it. The calls in flight begin with
// 4, or with n beside Concurrency(n), or with the learned number if that is less; they grow to the learned number by
// one with each response. Without it a limiter knows nothing. Invalid numbers are refused before anything is sent. It
// is refused beside [WithLimiter]: give it to that limiter.
func StartFrom(learned Learned) Option {
	return optionFunc(func(o *options) {
		o.given["StartFrom"] = true
		if err := learned.check(); err != nil {
			o.errs = append(o.errs, err)
			return
		}
		o.learned = learned
	})
}
