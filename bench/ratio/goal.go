package ratio

import (
	"fmt"
	"slices"
)

// Metric is a figure of a case, which a [Goal] may bound. Beside those that are named here, each figure that a case
// counts itself ([Work.Figures]) is one.
type Metric string

// The metrics of every case.
const (
	Wall   Metric = "wall ns/item"
	CPU    Metric = "cpu ns/item"
	Allocs Metric = "allocs/item"
	Bytes  Metric = "bytes/item"
)

// BestPeer is, as the baseline of a goal, the peer with the lowest median wall time.
const BestPeer = "best peer"

// Goal bounds the median of a metric of a case.
type Goal struct {
	// Case is the name of the case.
	Case string `json:"case"`

	// Metric is what is bounded.
	Metric Metric `json:"metric"`

	// Baseline makes Min and Max multiples of that case's figure: the ratio is formed within each round, and its median
	// is bounded. Empty makes them figures of their own.
	Baseline string `json:"baseline,omitempty"`

	// Min is the smallest value that still meets the goal; 0 bounds nothing.
	Min float64 `json:"min,omitempty"`

	// Max is the largest value that still meets the goal.
	Max float64 `json:"max"`
}

// String words the goal, such as "a: wall ns/item <= 0.25 x b".
func (g Goal) String() string {
	text := fmt.Sprintf("%s: %s <= %v", g.Case, g.Metric, g.Max)
	if g.Min != 0 {
		text = fmt.Sprintf("%s: %s from %v to %v", g.Case, g.Metric, g.Min, g.Max)
	}
	if g.Baseline != "" {
		text += " x " + g.Baseline
	}
	return text
}

// Verdict says how a [Report] stands to a goal.
type Verdict struct {
	Goal Goal    `json:"goal"` // what was asked
	Got  float64 `json:"got"`  // the measured median
	Met  bool    `json:"met"`  // whether Got is within the goal
}

// String is one line: "met" or "MISSED", the goal, and what was measured.
func (v Verdict) String() string {
	word := "MISSED"
	if v.Met {
		word = "met"
	}
	return fmt.Sprintf("%s  %v  (measured %.4g)", word, v.Goal, v.Got)
}

// Judge compares the report with the goals, in their order. The error is a goal that the report cannot answer: a case
// or a baseline that was not measured, or a metric that cannot be on this system.
func (r *Report) Judge(goals []Goal) ([]Verdict, error) {
	verdicts := make([]Verdict, 0, len(goals))
	for _, goal := range goals {
		got, err := r.measured(goal)
		if err != nil {
			return nil, fmt.Errorf("ratio: goal %q: %w", goal, err)
		}
		verdicts = append(verdicts, Verdict{Goal: goal, Got: got, Met: got <= goal.Max && (goal.Min == 0 || got >= goal.Min)})
	}
	return verdicts, nil
}

// measured is the figure that a goal bounds.
func (r *Report) measured(goal Goal) (float64, error) {
	row, err := r.find(goal.Case)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(row.metrics(), goal.Metric) {
		return 0, fmt.Errorf("%q was not measured, only %q", goal.Metric, row.metrics())
	}
	if goal.Baseline == "" {
		return row.median(goal.Metric), nil
	}
	name := goal.Baseline
	if name == BestPeer {
		if name = r.BestPeer; name == "" {
			return 0, fmt.Errorf("no peer was measured, only %s", r.names())
		}
	}
	base, err := r.find(name)
	if err != nil {
		return 0, err
	}
	ratio := versus(row, base, goal.Metric)
	if ratio == (Spread{}) {
		return 0, fmt.Errorf("%q of one of them was 0 in a round", goal.Metric)
	}
	return ratio.Median, nil
}
