package adapt

import (
	"strings"
	"testing"
	"time"
)

// When a window begins that was used up with all that was tried, the limit is at least that. More is tried from time to
// time, and later if it is not known well when the window ends, or if another client uses the limit too.
func TestAWindowBegins(t *testing.T) {
	t.Parallel()
	const sharp, blurred = 0.1, 0.5 // seconds within which it begins
	for _, tt := range []struct {
		name          string
		law           windows
		spent         int64
		within        float64
		limit, extra  int64 // afterwards
		used          int64
		step          int64
		interval      int64
		grown, shared bool
	}{
		{"nothing is tried", windows{limit: 60, step: 1, interval: 100}, 60, sharp, 60, 0, 60, 1, 100, false, false},
		{"it is time for one more", windows{limit: 60, step: 1, interval: 100, used: 40}, 60, sharp, 60, 1, 0, 1, 100, false, false},
		{"as many were taken", windows{limit: 60, extra: 2, step: 1, interval: 100}, 62, sharp, 62, 3, 0, 3, 0, true, false},
		{"as many were taken of a small limit", windows{limit: 6, extra: 1, step: 1, interval: 100}, 7, sharp, 7, 2, 0, 2, 0, true, false},
		{"not as many were needed", windows{limit: 60, extra: 2, step: 1, interval: 100}, 61, sharp, 60, 0, 61, 1, 100, false, false},
		{"the end is not known well", windows{limit: 60, step: 1, interval: 100, used: 130}, 60, blurred, 60, 0, 190, 1, 100, false, false},
		{"nor for long", windows{limit: 60, step: 1, interval: 100, used: 140}, 60, blurred, 60, 1, 0, 1, 100, false, false},
		{"of a large limit", windows{limit: 150, step: 1, interval: 100, used: 140}, 150, blurred, 150, 0, 290, 1, 100, false, false},
		{"of a large limit for long", windows{limit: 150, step: 1, interval: 100, used: 150}, 150, blurred, 150, 1, 0, 1, 100, false, false},
		{"of a limit that is shared", windows{limit: 60, step: 1, interval: 100, used: 410, shared: true}, 60, blurred, 60, 0, 470, 1, 100, false, true},
		{"of a limit that is shared for long", windows{limit: 60, step: 1, interval: 100, used: 420, shared: true}, 60, blurred, 60, 1, 0, 1, 100, false, true},
	} {
		w := tt.law
		w.base = 100
		w.cycle.fix(10 * time.Second)
		w.cycle.begun = [2]time.Time{moment(0), moment(tt.within)}
		w.cycle.origin = w.cycle.begun
		w.begin(moment(10), moment(10+tt.within), 100+tt.spent)
		if told := strings.HasSuffix(w.why, "in each 10s: the server took as many"); told != tt.grown || told && !strings.HasPrefix(w.why, "62 ") && !strings.HasPrefix(w.why, "7 ") {
			t.Errorf("%s: because %q", tt.name, w.why)
		}
		w.why, w.cycle = "", cycle{}
		if want := (windows{limit: tt.limit, extra: tt.extra, used: tt.used, step: tt.step, interval: tt.interval, base: 100 + tt.spent, shared: tt.shared}); w != want {
			t.Errorf("%s:\n%+v, want\n%+v", tt.name, w, want)
		}
	}
}

// Only an answer shows that a window has begun: not a call that failed without one, nor one that another signal counts.
func TestWhatShowsThatAWindowHasBegun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		Signal
		begins bool
	}{
		{"an answer", Signal{Answered: 1}, true},
		{"no answer", Signal{}, false},
		{"an answer that another signal counts", Signal{Answered: 1, Outside: true}, false},
		{"an answer of before the gate was shut", Signal{Answered: 1, Shut: true}, false},
	} {
		w := windows{limit: 60, base: 40, opened: moment(0), accepted: 41, interval: 1000}
		w.cycle.fix(10 * time.Second)
		w.cycle.begun = [2]time.Time{moment(0), moment(0.1)}
		w.cycle.origin = w.cycle.begun
		w.cycle.foresee()
		s := tt.Signal
		s.Sent, s.At, s.Index, s.Granted, s.Accepted = moment(10.5), moment(10.6), 101, 101, 101
		w.learn(evidence{Signal: s, blackout: &blackout{}})
		if begins := w.base == 100; begins != tt.begins {
			t.Errorf("%s: base %d, begins %v, want %v", tt.name, w.base, begins, tt.begins)
		}
	}
}

// refuses lets the server take so many units, then refuse until ten seconds after it last opened; with probes, it
// is seen to refuse for long.
func (w *windows) refuses(k int, units int64, probes int) {
	at := 10 * float64(k)
	o := &blackout{first: moment(at + 1), last: moment(at + 9.9), cut: moment(at + 1), refusals: 1 + probes, probes: probes}
	w.ended(Signal{Sent: moment(at + 10), At: moment(at + 10), Accepted: w.accepted + units}, o)
}

// It takes two blackouts between which as much was taken, with a beginning each, to see a window; one more after a mistake,
// and not more than that.
func TestWindowsAreSeen(t *testing.T) {
	t.Parallel()
	type blackouts []struct {
		units  int64
		probes int
	}
	for _, tt := range []struct {
		name      string
		mistakes  int
		blackouts blackouts
		want      int // after how many; 0: never
	}{
		{"as much twice", 0, blackouts{{60, 3}, {60, 3}}, 2},
		{"not as much", 0, blackouts{{60, 3}, {59, 3}}, 2},
		{"after a mistake", 1, blackouts{{60, 3}, {60, 3}}, 2},
		{"after a mistake, not as much", 1, blackouts{{60, 3}, {59, 3}, {60, 3}}, 3},
		{"after two mistakes", 2, blackouts{{60, 3}, {60, 3}, {60, 3}}, 3},
		{"after many mistakes", 9, blackouts{{60, 3}, {60, 3}, {60, 3}}, 3},
		{"it was not seen to refuse for long", 0, blackouts{{60, 0}, {60, 0}, {60, 0}}, 0},
		{"the first beginning is not known", 0, blackouts{{60, 0}, {60, 3}, {60, 3}}, 3},
		{"few calls, as a bucket takes them", 0, blackouts{{3, 3}, {3, 3}, {3, 3}}, 0},
		{"more refusals than a bucket that counts them would take calls", 0, blackouts{{8, 3}, {9, 3}, {8, 3}}, 2},
		{"as many refusals as a bucket that counts them would take calls", 0, blackouts{{8, 8}, {9, 8}, {8, 8}}, 0},
	} {
		w := windows{opened: moment(0), accepted: 1, mistakes: tt.mistakes}
		seen := 0
		for k, o := range tt.blackouts {
			w.refuses(k, o.units, o.probes)
			if w.on() && seen == 0 {
				seen = k + 1
				if w.limit != o.units || w.step != 1 || w.interval != o.units || w.base != w.accepted-1 || w.about() <= 0 {
					t.Errorf("%s: %+v", tt.name, w)
				}
			}
		}
		if seen != tt.want {
			t.Errorf("%s: seen after %d, want %d", tt.name, seen, tt.want)
		}
	}
}

// A call that is taken when none can be makes an end of the law, and each time it takes more to begin again.
func TestWindowsThatAreNone(t *testing.T) {
	t.Parallel()
	w := windows{limit: 60, mistakes: 1, accepted: 100, opened: moment(0), cycle: cycle{from: moment(30), until: moment(31)}}
	s := Signal{Sent: moment(20), At: moment(20.1), Accepted: 130}
	w.ended(s, &blackout{first: moment(15), last: moment(19), cut: moment(15)})
	if w.on() || w.mistakes != 2 || w.accepted != 130 || !w.opened.Equal(s.Sent) || !strings.HasPrefix(w.why, "no windows after all") {
		t.Errorf("%+v, want no windows and two mistakes", w)
	}
}

// The period is what is known of it, or the middle of its bounds.
func TestWindowsAbout(t *testing.T) {
	t.Parallel()
	w := windows{cycle: cycle{shortest: 4 * time.Second, longest: 5 * time.Second}}
	if got := w.about(); got != 4500*time.Millisecond {
		t.Errorf("%v, want 4.5s", got)
	}
	w.cycle.longest += time.Millisecond // is not told to the microsecond
	if got := w.about(); got != 4500*time.Millisecond {
		t.Errorf("%v, want 4.5s", got)
	}
	w.cycle.period = 5 * time.Second
	if got := w.about(); got != 5*time.Second {
		t.Errorf("%v, want 5s", got)
	}
}
