package progress

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/engine"
)

func TestGauge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		counts := map[engine.State]int64{}
		var wait Wait
		g := &Gauge{
			Meter: Meter{Start: start}, Count: func(s engine.State) int64 { return counts[s] },
			Wait: func() Wait { return wait }, Total: 100, Before: [engine.States]int{engine.Succeeded: 30, engine.Skipped: 7, engine.Failed: 2, engine.Unknown: 1},
		}
		check := func(want State) {
			t.Helper()
			if diff := cmp.Diff(want, g.Read()); diff != "" {
				t.Errorf("after %v (-want +got):\n%s", time.Since(start), diff)
			}
		}
		check(State{Done: 40, Total: 100, Succeeded: 30, Skipped: 7, Failed: 3, Unknown: 1, ETA: -1})

		time.Sleep(10 * time.Second)
		counts = map[engine.State]int64{engine.Succeeded: 12, engine.Skipped: 4, engine.Failed: 3, engine.Unknown: 1, engine.NotAttempted: 50}
		check(State{Done: 60, Total: 100, Succeeded: 42, Skipped: 11, Failed: 7, Unknown: 2, Rate: 2, ETA: 20 * time.Second})

		wait = Wait{Why: "paused", Until: time.Now().Add(5 * time.Second)}
		check(State{Done: 60, Total: 100, Succeeded: 42, Skipped: 11, Failed: 7, Unknown: 2, Rate: 2, ETA: 25 * time.Second, Paused: 5 * time.Second, Waiting: "paused"})

		// The pause of an outage is over, and a probe under way: time goes on, and the rate does not fall.
		wait = Wait{Why: "outage", Until: time.Now(), Endless: true}
		time.Sleep(5 * time.Second)
		check(State{Done: 60, Total: 100, Succeeded: 42, Skipped: 11, Failed: 7, Unknown: 2, Rate: 2, ETA: -1, Waiting: "outage"})

		wait = Wait{} // it is over
		counts[engine.Succeeded] += 40
		check(State{Done: 100, Total: 100, Succeeded: 82, Skipped: 11, Failed: 7, Unknown: 2, Rate: 4})
	})
}

func TestGaugeWithoutATotal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &Gauge{
			Meter: Meter{Start: time.Now()}, Count: func(s engine.State) int64 { return int64(s) },
			Wait: func() Wait { return Wait{} }, Total: -1,
		}
		time.Sleep(time.Second)
		const done = int(engine.Succeeded + engine.Failed + engine.Skipped + engine.Unknown)
		want := State{
			Done: done, Total: -1, Succeeded: int(engine.Succeeded), Skipped: int(engine.Skipped), Failed: int(engine.Failed + engine.Unknown),
			Unknown: int(engine.Unknown), Rate: float64(done), ETA: -1,
		}
		if diff := cmp.Diff(want, g.Read()); diff != "" {
			t.Errorf("state (-want +got):\n%s", diff)
		}
	})
}
