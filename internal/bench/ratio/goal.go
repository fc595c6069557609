package ratio

import (
	"fmt"
	"slices"
)

// Metric is a cost that a [Goal] bounds.
type Metric string

// The metrics. Wall and CPU are the only ones that can be compared with a
// baseline.
const (
	Wall   Metric = "wall ns/item"
	CPU    Metric = "cpu ns/item"
	Allocs Metric = "allocs/item"
	Bytes  Metric = "bytes/item"
)

// Goal is an upper bound for the median cost of a case.
type Goal struct {
	// Case is the name of the case.
	Case string `json:"case"`

	// Metric is the cost that is bounded.
	Metric Metric `json:"metric"`

	// Baseline makes Max a multiple of that case's cost. Empty makes Max a cost of
	// its own.
	Baseline string `json:"baseline,omitempty"`

	// Max is the largest value that still meets the goal.
	Max float64 `json:"max"`
}

// String words the goal, such as "a: wall ns/item <= 0.25 x b".
func (g Goal) String() string {
	text := fmt.Sprintf("%s: %s <= %v", g.Case, g.Metric, g.Max)
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

// Judge compares the report with the goals, in their order. The error is a goal
// that the report cannot answer: a case or a baseline that was not measured, or
// a metric that cannot be on this system.
func (r *Report) Judge(goals []Goal) ([]Verdict, error) {
	verdicts := make([]Verdict, 0, len(goals))
	for _, goal := range goals {
		got, err := r.measured(goal)
		if err != nil {
			return nil, fmt.Errorf("ratio: goal %q: %w", goal, err)
		}
		verdicts = append(verdicts, Verdict{Goal: goal, Got: got, Met: got <= goal.Max})
	}
	return verdicts, nil
}

// measured is the figure that a goal bounds.
func (r *Report) measured(goal Goal) (float64, error) {
	row := r.row(goal.Case)
	if row == nil {
		return 0, fmt.Errorf("case %q was not measured, only %s", goal.Case, r.names())
	}
	if goal.Baseline == "" {
		switch goal.Metric {
		case Wall:
			return row.Cost.Wall, nil
		case CPU:
			if row.Cost.CPU == 0 {
				return 0, fmt.Errorf("%s was not measured", CPU)
			}
			return row.Cost.CPU, nil
		case Allocs:
			return row.Cost.Allocs, nil
		case Bytes:
			return row.Cost.Bytes, nil
		}
		return 0, fmt.Errorf("unknown metric %q", goal.Metric)
	}
	i := slices.IndexFunc(row.Versus, func(v Versus) bool { return v.Baseline == goal.Baseline })
	if i < 0 {
		return 0, fmt.Errorf("%q is not a baseline of this report", goal.Baseline)
	}
	var ratio Spread
	switch goal.Metric {
	case Wall:
		ratio = row.Versus[i].Wall
	case CPU:
		ratio = row.Versus[i].CPU
	default:
		return 0, fmt.Errorf("%q has no ratio", goal.Metric)
	}
	if ratio == (Spread{}) {
		return 0, fmt.Errorf("%s was not measured", goal.Metric)
	}
	return ratio.Median, nil
}
