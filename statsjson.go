package windrow

import (
	"encoding/json"
	"math"
	"time"
)

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
