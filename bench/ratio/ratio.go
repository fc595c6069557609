// Package ratio measures several ways of doing the same work side by side.
//
// [Measure] runs its cases in turns, round after round (A B C A B C), so that
// whatever else the machine does falls on all of them. A ratio is formed within
// a round, from two runs that are neighbours in time, and the median over the
// rounds is reported with the smallest and the largest. The costs of an item are
// medians over the rounds too.
//
// The memory counters and the CPU time are those of the whole process: nothing
// else may run in it meanwhile.
package ratio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// DefaultRounds is the number of measured rounds when [Config] does not say one,
// and the fewest from which a median should be quoted.
const DefaultRounds = 7

// Case is one way of doing the work.
type Case struct {
	// Name identifies the case in reports and goals.
	Name string

	// Peer says that it is what a user might pick in place of the library that is measured: of the peers the best
	// becomes a baseline.
	Peer bool

	// Prepare makes what the case needs to handle the given number of items. It is
	// called once and not measured.
	Prepare func(items int) (Work, error)
}

// Work is a [Case] that is ready to be run any number of times.
type Work struct {
	// Run handles all items once. Only this is measured.
	Run func() error

	// Check is called after every Run and not measured. It says whether all items
	// were handled, since a case that drops items looks fast, and lets go of what
	// Run left in memory. Nil checks nothing.
	Check func() error

	// Items is how many items Run handles, for a case that is too slow to be given all of them: costs are by the item.
	// 0 means all.
	Items int

	// Figures are what the case has counted itself in the last Run, by the name of the metric. It is called after every
	// Run and before Check. Nil means nothing.
	Figures func() map[Metric]float64

	// Close frees what Prepare has made. It is called once, at the end. Nil means nothing.
	Close func()
}

// Config says how [Measure] measures.
type Config struct {
	// Items is the number of items that each run handles. It must be positive.
	Items int

	// Rounds is the number of measured runs of each case. Defaults to
	// [DefaultRounds]. One more round, the first, warms up and is not counted.
	Rounds int

	// Baselines names the cases that the others are compared with. Defaults to the
	// first case.
	Baselines []string
}

// Sample is what one run of one case cost, all its items together.
type Sample struct {
	Wall   time.Duration `json:"wall_ns"` // time on the clock
	CPU    time.Duration `json:"cpu_ns"`  // user and system time of the process; 0 where it cannot be told
	Allocs uint64        `json:"allocs"`  // objects allocated on the heap
	Bytes  uint64        `json:"bytes"`   // bytes allocated on the heap

	Figures map[Metric]float64 `json:"figures,omitempty"` // what the case counted itself
}

// Measure runs the cases in turns and reports what an item costs in each. It
// returns early with an error when a case fails or its check does, and when ctx
// ends, which is looked at between two runs.
func Measure(ctx context.Context, cases []Case, config Config) (*Report, error) {
	return measure(ctx, cases, config, observe)
}

// observer runs a function and says what it cost.
type observer func(run func() error) (Sample, error)

// observe is the observer of real costs. It collects garbage first, so that no
// case pays for what the one before it left.
func observe(run func() error) (Sample, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu := processCPU()
	start := time.Now()
	err := run()
	wall := time.Since(start)
	cpu = processCPU() - cpu
	runtime.ReadMemStats(&after)
	return Sample{
		Wall:   wall,
		CPU:    cpu,
		Allocs: after.Mallocs - before.Mallocs,
		Bytes:  after.TotalAlloc - before.TotalAlloc,
	}, err
}

func measure(ctx context.Context, cases []Case, config Config, observe observer) (*Report, error) {
	config.Rounds = cmp.Or(config.Rounds, DefaultRounds)
	if err := validate(cases, config); err != nil {
		return nil, err
	}
	if len(config.Baselines) == 0 {
		config.Baselines = []string{cases[0].Name}
	}

	works, items := make([]Work, len(cases)), make([]int, len(cases))
	for i, c := range cases {
		work, err := c.Prepare(config.Items)
		if err != nil {
			return nil, fmt.Errorf("ratio: case %q: prepare: %w", c.Name, err)
		}
		if work.Run == nil {
			return nil, fmt.Errorf("ratio: case %q: Prepare returned no Run function", c.Name)
		}
		works[i], items[i] = work, cmp.Or(work.Items, config.Items)
		if work.Close != nil {
			defer work.Close()
		}
	}

	samples := make([][]Sample, len(cases))
	for round := range config.Rounds + 1 {
		for i, c := range cases {
			if err := context.Cause(ctx); err != nil {
				return nil, fmt.Errorf("ratio: stopped in round %d: %w", round, err)
			}
			sample, err := observe(works[i].Run)
			if err != nil {
				return nil, fmt.Errorf("ratio: case %q: run: %w", c.Name, err)
			}
			if works[i].Figures != nil {
				sample.Figures = works[i].Figures()
			}
			if works[i].Check != nil {
				if err := works[i].Check(); err != nil {
					return nil, fmt.Errorf("ratio: case %q: check: %w", c.Name, err)
				}
			}
			if round > 0 {
				samples[i] = append(samples[i], sample)
			}
		}
	}
	return newReport(cases, items, samples, config), nil
}

func validate(cases []Case, config Config) error {
	if len(cases) == 0 {
		return errors.New("ratio: no case to measure")
	}
	if config.Items <= 0 {
		return fmt.Errorf("ratio: Items is %d, want a positive number", config.Items)
	}
	if config.Rounds < 0 {
		return fmt.Errorf("ratio: Rounds is %d, want a positive number, or 0 for %d", config.Rounds, DefaultRounds)
	}
	names := make([]string, len(cases))
	for i, c := range cases {
		if c.Name == "" || c.Prepare == nil {
			return fmt.Errorf("ratio: case %d (%q) needs a Name and a Prepare function", i, c.Name)
		}
		if slices.Contains(names[:i], c.Name) {
			return fmt.Errorf("ratio: two cases are named %q", c.Name)
		}
		names[i] = c.Name
	}
	for _, baseline := range config.Baselines {
		if !slices.Contains(names, baseline) {
			return fmt.Errorf("ratio: baseline %q is not one of the cases %q", baseline, names)
		}
	}
	return nil
}
