package adapt

import (
	"testing"
	"time"
)

// What follows from the throughput at a concurrency: more of it, what was best, or a rest.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		law    slots
		flow   float64
		want   slots
		rested bool
	}{
		{"the first", slots{allowed: 4, climbing: true}, 100,
			slots{allowed: 4, target: 8, best: 4, bestFlow: 100, climbing: true}, false},
		{"twice as many bring a fifth", slots{allowed: 8, climbing: true, best: 4, bestFlow: 100}, 121,
			slots{allowed: 8, target: 16, best: 8, bestFlow: 121, climbing: true}, false},
		{"twice as many bring less than a fifth", slots{allowed: 8, climbing: true, best: 4, bestFlow: 100}, 119,
			slots{allowed: 4, target: 4, best: 4, bestFlow: 100}, true},
		{"all that the user allows", slots{allowed: 64, climbing: true, best: 32, bestFlow: 100}, 200,
			slots{allowed: 64, target: 64, best: 64, bestFlow: 200}, true},
		{"all that was not refused", slots{allowed: 19, refused: 20, climbing: true, best: 10, bestFlow: 100}, 200,
			slots{allowed: 19, target: 19, refused: 20, best: 19, bestFlow: 200}, true},
		{"a trial that brings enough", slots{allowed: 12, target: 12, trial: true, best: 10, bestFlow: 100}, 108,
			slots{allowed: 12, target: 12, best: 12, bestFlow: 108}, true},
		{"a trial that brings too little", slots{allowed: 12, target: 12, trial: true, best: 10, bestFlow: 100}, 106,
			slots{allowed: 10, target: 10, best: 10, bestFlow: 100, hold: 2 * minHold}, true},
		{"a rest", slots{allowed: 16, target: 16, holdUntil: moment(1)}, 100,
			slots{allowed: 16, target: 16, best: 16, bestFlow: 100, holdUntil: moment(1)}, false},
		{"a quarter more is tried", slots{allowed: 16, target: 16}, 100,
			slots{allowed: 16, target: 20, best: 16, bestFlow: 100, trial: true}, false},
		{"one more is tried", slots{allowed: 3, target: 3}, 100,
			slots{allowed: 3, target: 4, best: 3, bestFlow: 100, trial: true}, false},
		{"less than was refused is tried", slots{allowed: 16, target: 16, refused: 20}, 160,
			slots{allowed: 16, target: 19, refused: 20, best: 16, bestFlow: 160, trial: true, retryRate: 209}, false},
		{"what was refused is tried", slots{allowed: 20, target: 20, refused: 21}, 200,
			slots{allowed: 20, target: 21, refused: 21, best: 20, bestFlow: 200, trial: true, retryRate: 231}, false},
		{"nothing is left to try", slots{allowed: 64, target: 64}, 100,
			slots{allowed: 64, target: 64, best: 64, bestFlow: 100}, false},
	} {
		l, want := tt.law, tt.want
		l.hold = minHold
		if want.hold == 0 {
			want.hold = minHold
		}
		if tt.rested {
			want.holdUntil = moment(10)
		}
		l.judge(tt.flow, moment(0), 64)
		l.why = ""
		if retryRate := l.retryRate; near(retryRate, want.retryRate) {
			l.retryRate = want.retryRate
		}
		if l != want {
			t.Errorf("%s:\n%+v, want\n%+v", tt.name, l, want)
		}
	}
}

// A failed trial doubles the time until the next, up to two minutes.
func TestRestsGrow(t *testing.T) {
	t.Parallel()
	l := slots{hold: minHold}
	for _, want := range []time.Duration{20 * time.Second, 40 * time.Second, 80 * time.Second, maxHold, maxHold} {
		l.rest(moment(0), true)
		if l.hold != want {
			t.Errorf("the next rest is %v, want %v", l.hold, want)
		}
	}
}

// How many answers it takes: a round, more of them the more they differ while it doubles, and many for small steps.
func TestHowManyAnswersItTakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		law  slots
		want int
	}{
		{"while it doubles, all alike", slots{allowed: 4, climbing: true, calls: 4, latencySum: 4, latencySquares: 4}, 24},
		{"while it doubles, a round", slots{allowed: 50, climbing: true, calls: 4, latencySum: 4, latencySquares: 4}, 50},
		{"while it doubles, all different", slots{allowed: 4, climbing: true, calls: 4, latencySum: 4, latencySquares: 8}, 48},
		{"while it doubles, a little different", slots{allowed: 20, climbing: true, calls: 4, latencySum: 4, latencySquares: 4.5}, 50},
		{"clear of a refusal", slots{allowed: 4, refused: 5}, 16},
		{"clear of a refusal, two rounds", slots{allowed: 10, refused: 11}, 20},
		{"small steps", slots{allowed: 4}, 100},
		{"small steps, six rounds", slots{allowed: 50}, 300},
	} {
		if got := tt.law.need(); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A block of calls counts as so many.
func TestBlocksOfCalls(t *testing.T) {
	t.Parallel()
	l := slots{allowed: 4, target: 4, climbing: true}
	l.noteAccepted(Signal{Sent: moment(1), At: moment(2), InFlight: 4, Level: 4, Answered: 10, Latency: time.Second / 2}, 64)
	if l.calls != 10 || !near(l.latencySum, 5) || !near(l.latencySquares, 2.5) {
		t.Errorf("%d calls, %v s, squares %v; want 10, 5 and 2.5", l.calls, l.latencySum, l.latencySquares)
	}
	l.noteAccepted(Signal{Sent: moment(1), At: moment(2), InFlight: 4, Level: 4, Answered: 14, Latency: time.Second / 2}, 64)
	if l.target != 8 || !near(l.bestFlow, 8) || l.calls != 0 {
		t.Errorf("target %d after %v/s, want 8 after 8/s", l.target, l.bestFlow)
	}
}

// A concurrency that was refused once is allowed again after three answers to calls with as many in flight.
func TestARefusalIsRefuted(t *testing.T) {
	t.Parallel()
	l := slots{allowed: 3, target: 3, hold: minHold}
	l.refusedAt(Signal{At: moment(1), Level: 5})
	if l.refused != 5 || l.target != 3 || l.hold != firstRetry || !l.holdUntil.Equal(moment(3)) {
		t.Errorf("%+v, want a refusal of 5 and a rest of 2 s", l)
	}
	for k, level := range []int{5, 4, 5, 6} {
		if l.refused == 0 {
			t.Errorf("refuted after %d answers", k)
		}
		l.noteAccepted(Signal{Sent: moment(2), At: moment(3), Level: level, InFlight: 1, Answered: 1}, 64)
	}
	if l.refused != 0 || !l.climbing {
		t.Errorf("%+v, want no refusal any more", l)
	}
}
