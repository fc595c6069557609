package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// attempts is a farm that refuses everything, and notes when.
type attempts struct {
	*farm
	at []time.Time
}

func newAttempts() *attempts {
	a := &attempts{farm: newFarm(1)}
	a.answer = func(context.Context, string, string) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.at = append(a.at, time.Now())
		return windrow.Transient(errors.New("busy"))
	}
	return a
}

// delays returns the times between the attempts.
func (a *attempts) delays() (all []time.Duration) {
	for k := 1; k < len(a.at); k++ {
		all = append(all, a.at[k].Sub(a.at[k-1]))
	}
	return all
}

// steps is a strategy with the given delays.
type steps []time.Duration

func (s *steps) NextBackOff() time.Duration {
	if len(*s) == 0 {
		return backoff.Stop
	}
	d := (*s)[0]
	*s = (*s)[1:]
	return d
}

func (*steps) Reset() {}

// B13, B14, B56 to B59, B88: the attempts, and the delays between them, of each strategy.
func TestB56_B59_B88_RetryStrategies(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		retry jobs.RetryOptions
		least []time.Duration // of each delay
		most  time.Duration   // beyond that
	}{
		"B56 immediate":               {jobs.RetryOptions{Attempts: 4, Backoff: jobs.BackoffImmediate}, []time.Duration{0, 0, 0}, 150 * ms},
		"B57 linear: a fixed delay":   {jobs.RetryOptions{Attempts: 4, Backoff: jobs.BackoffLinear, Delay: 100 * ms}, []time.Duration{100 * ms, 100 * ms, 100 * ms}, 150 * ms},
		"B57 linear of its default":   {jobs.RetryOptions{Attempts: 2, Backoff: jobs.BackoffLinear}, []time.Duration{time.Second}, 300 * ms},
		"B58 exponential with jitter": {jobs.RetryOptions{Attempts: 4, Backoff: jobs.BackoffExponential, Delay: 100 * ms}, []time.Duration{0, 0, 0}, time.Second},
		"B13 the default: three":      {jobs.RetryOptions{Delay: 10 * ms}, []time.Duration{0, 0}, time.Second},
		"B13 one attempt":             {jobs.RetryOptions{Attempts: 1}, nil, 0},
		"B59 custom":                  {jobs.RetryOptions{Attempts: 4, Backoff: jobs.BackoffCustom, Custom: "mine"}, []time.Duration{50 * ms, 0, 120 * ms}, 150 * ms},
		"B59 custom that gives up":    {jobs.RetryOptions{Attempts: 9, Backoff: jobs.BackoffCustom, Custom: "short"}, []time.Duration{10 * ms}, 150 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttempts()
			m := start(t, a.farm, func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) {
				c.Strategies = map[string]windrow.Strategy{
					"mine":  func() backoff.BackOff { return &steps{50 * ms, 0, 120 * ms} },
					"short": func() backoff.BackOff { return &steps{10 * ms} },
				}
			})
			spec := daily(30)
			spec.Options.Retry = test.retry
			j := m.run(spec)
			want(t, j, jobs.Completed, 0, 1, 0, 0, 0)
			if e := j.Errors[0]; e.Attempts != len(test.least)+1 || e.Code != jobs.CodeSystem || !e.Resend {
				t.Errorf("%+v", e)
			}
			got := a.delays()
			if len(got) != len(test.least) {
				t.Fatalf("delays %v, want at least %v", got, test.least)
			}
			for k, d := range got {
				if d < test.least[k] || d > test.least[k]+test.most+time.Second { // the machine may be busy
					t.Errorf("delays %v, want at least %v, and %v more", got, test.least, test.most)
				}
			}
		})
	}
}

// B97: a call that takes too long is cut, and counts as a timeout.
func TestB97_AttemptTimeout(t *testing.T) {
	t.Parallel()
	f := newFarm(2)
	f.answer = func(ctx context.Context, _, id string) error {
		if id == "field00001" {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	m := start(t, f)
	spec := daily(30)
	spec.Options.AttemptTimeout, spec.Options.Retry.Attempts = 20*time.Millisecond, 2
	spec.Options.Retry.Backoff = jobs.BackoffImmediate
	j := m.run(spec)
	want(t, j, jobs.Completed, 1, 0, 0, 1, 0)
	if e := j.Errors[0]; e.Code != jobs.CodeTimeout || e.Kind != windrow.KindTimeout || e.Attempts != 2 || e.Pile() != jobs.AfterLookUp {
		t.Errorf("%+v", e)
	}
}

// Items whose response was lost are Unknown, and are found by their state, their code and their pile.
func TestUnknownItems(t *testing.T) {
	t.Parallel()
	f := newFarm(0)
	f.answer = func(_ context.Context, _, status string) error {
		switch status {
		case "lost":
			return windrow.Ambiguous(errors.New("the connection broke"))
		case "bad":
			return windrow.Classified(errors.New("no"), windrow.Classification{Kind: windrow.KindValidation})
		case "busy":
			return windrow.Transient(errors.New("busy"))
		}
		return nil
	}
	m := start(t, f)
	records := make([]any, 40)
	for k := range records {
		records[k] = Patch{Status: []string{"good", "lost", "bad", "busy"}[k%4]}
	}
	spec := jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields", Records: records}}}
	spec.Options.Retry = jobs.RetryOptions{Attempts: 2, Backoff: jobs.BackoffImmediate}
	j := m.run(spec)
	want(t, j, jobs.Completed, 10, 20, 0, 10, 0)
	if f.creates != 10 {
		t.Errorf("%d were created", f.creates)
	}
	for k, test := range []struct {
		q    jobs.ItemQuery
		pile jobs.Pile
		n    int
	}{
		{jobs.ItemQuery{States: states(windrow.Unknown)}, jobs.AfterLookUp, 10},
		{jobs.ItemQuery{Code: jobs.CodeValidation}, jobs.AfterCorrected, 10},
		{jobs.ItemQuery{States: states(windrow.Failed), Code: jobs.CodeSystem}, jobs.SafeNow, 10},
		{jobs.ItemQuery{States: states(windrow.Succeeded), Run: 1}, jobs.PileNone, 10},
		{jobs.ItemQuery{Key: "17"}, jobs.AfterLookUp, 1},
		{jobs.ItemQuery{Run: 2}, "", 0},
		{jobs.ItemQuery{States: states(windrow.Failed, windrow.Unknown), Code: jobs.CodeTimeout}, "", 0},
	} {
		items := m.items(j.ID, test.q)
		if len(items) != test.n || !slices.IsSortedFunc(items, func(a, b jobs.Item) int { return int(a.Index - b.Index) }) {
			t.Errorf("query %d: %d items", k, len(items))
		}
		for _, item := range items {
			if item.Pile() != test.pile {
				t.Errorf("query %d: %+v is in %q", k, item, item.Pile())
			}
		}
	}
	groups, err := m.Errors(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	piles := map[jobs.Pile]int64{}
	for _, g := range groups {
		piles[g.Pile] += g.Items
	}
	if fmt.Sprint(piles) != "map[after_correction:10 after_look_up:10 safe_now:10]" {
		t.Errorf("%v", piles)
	}
}
