package delays_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/delays"
)

func TestFunc(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	b := delays.Func(func(n int) time.Duration { return time.Duration(3-n) * time.Second })
	for range 5 {
		got = append(got, b.NextBackOff())
	}
	b.Reset()
	got = append(got, b.NextBackOff())
	want := []time.Duration{2 * time.Second, time.Second, 0, backoff.Stop, backoff.Stop, 2 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delays (-want +got):\n%s", diff)
	}
}

// lost is what becomes of a panic.
func lost(value any, stack []byte) error {
	return fmt.Errorf("%v, with a stack: %v", value, len(stack) > 0)
}

func TestGuardAsksTheStrategyOnceAndLate(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]backoff.BackOff{
		"known":        backoff.NewConstantBackOff(time.Second),
		"the caller's": delays.Func(func(int) time.Duration { return time.Second }),
	} {
		made := 0
		g := delays.Guard(func() backoff.BackOff { made++; return b }, lost)
		if made != 0 {
			t.Errorf("%s: it was made before the first delay", name)
		}
		for range 3 {
			if d := g.NextBackOff(); d != time.Second {
				t.Errorf("%s: a delay of %v", name, d)
			}
		}
		if made != 1 || g.Failure() != nil {
			t.Errorf("%s: made %d times, %v", name, made, g.Failure())
		}
	}
}

func TestGuardOutlivesAStrategyThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	for want, end := range map[string]func(){
		"boom, with a stack: true":   func() { panic("boom") },
		"<nil>, with a stack: false": runtime.Goexit,
	} {
		for where, strategy := range map[string]func() backoff.BackOff{
			"strategy": func() backoff.BackOff { end(); return nil },
			"delay":    func() backoff.BackOff { return delays.Func(func(int) time.Duration { end(); return 0 }) },
		} {
			g := delays.Guard(strategy, lost)
			if d := g.NextBackOff(); d != backoff.Stop {
				t.Errorf("%s: a delay of %v", where, d)
			}
			if err := g.Failure(); err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", where, err, want)
			}
		}
	}
	g := delays.Guard(func() backoff.BackOff { return nil }, lost)
	if g.NextBackOff() != backoff.Stop || g.Failure() == nil {
		t.Errorf("no BackOff at all: %v", g.Failure())
	}
}
