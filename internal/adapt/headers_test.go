package adapt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
)

// What remains is spread over the time until the earliest reset, and when it is spent the gate holds until the latest.
func TestHeadersOfAWindow(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	quota := func(remaining int64, reset time.Duration) []adapt.Quota {
		return []adapt.Quota{{Limit: 60, Remaining: remaining, RemainingKnown: true, Reset: reset, ResetUnit: time.Second}}
	}
	// At 0.0 it is up to 3 s, at 0.5 up to 2 s: the window ends between 2.0 and 2.6.
	l.see(adapt.Signal{Sent: after(0), At: after(0.1), Answered: 1, Outside: true, Index: 1, Granted: 1, Quotas: quota(41, 3*time.Second)})
	s := l.see(adapt.Signal{Sent: after(0.5), At: after(0.6), Answered: 1, Outside: true, Index: 2, Granted: 12, Quotas: quota(40, 2*time.Second)})
	want := adapt.Hold{After: 42, Until: after(2.6).Add(time.Millisecond)}
	if diff := cmp.Diff(want, s.Hold); diff != "" {
		t.Errorf("hold (-want +got):\n%s", diff)
	}
	if got, want := float64(s.Rate), 30/1.4; got < want-0.1 || got > want+0.1 {
		t.Errorf("rate %v, want %v: 10 of the 40 are on their way, and there are 1.4 s until 2.0", got, want)
	}
}

// The tightest of several limits counts.
func TestHeadersOfSeveralLimits(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	s := l.see(adapt.Signal{Sent: after(0), At: after(0.1), Answered: 1, Outside: true, Index: 1, Granted: 1, Quotas: []adapt.Quota{
		{Name: "hour", Limit: 5000, Remaining: 4000, RemainingKnown: true, Reset: time.Hour, ResetUnit: time.Second},
		{Name: "second", Limit: 10, Remaining: 9, RemainingKnown: true, Reset: 2 * time.Second, ResetUnit: time.Second},
	}})
	if s.Hold.After != 10 || s.Rate > 15 {
		t.Errorf("rate %v, hold after %d, want those of the second", s.Rate, s.Hold.After)
	}
}

// A quota that comes back bit by bit is a bucket: it is drained at the rate at which it fills up.
func TestHeadersOfABucket(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	var s adapt.Setting
	remaining, sent := 20.0, int64(0)
	for k := range 200 { // 10/s are granted, 12/s are sent
		at := float64(k) / 12
		remaining = min(30, remaining-1+10.0/12)
		if remaining < 5 {
			remaining = 5 // what the limiter would make of it
		}
		sent++
		s = l.see(adapt.Signal{Sent: after(at), At: after(at + 0.1), Answered: 1, Outside: true, Index: sent, Granted: sent,
			Quotas: []adapt.Quota{{Limit: 30, Remaining: int64(remaining), RemainingKnown: true, Reset: 2 * time.Second, ResetUnit: time.Second}}})
	}
	if s.Rate < 8 || s.Rate > 16 || !s.Hold.Until.IsZero() {
		t.Errorf("rate %v, hold %v: want about 12/s and no hold", s.Rate, s.Hold)
	}
}

// headers is an answer that tells of a limit of 10, and of its reset unless that is 0. Throttled ones come when nothing remains.
func (l *learner) headers(at float64, index, remaining int64, reset time.Duration, throttled bool) adapt.Setting {
	q := adapt.Quota{Limit: 10, Remaining: remaining, RemainingKnown: true, Reset: reset}
	if reset > 0 {
		q.ResetUnit = time.Second
	}
	s := adapt.Signal{Sent: after(at), At: after(at + 0.04), InFlight: 1, Outside: true, Index: index, Granted: index, Quotas: []adapt.Quota{q}}
	if s.Throttled = throttled; throttled {
		s.NewEpoch = true
	} else {
		s.Answered = 1
	}
	return l.see(s)
}

// Where nothing is told of the reset, two renewals tell the period, and a refusal after the end of a window is a
// contradiction: after two of them the headers are not steered by any more.
func TestHeadersThatContradictThemselves(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	index, at := int64(0), 0.0
	window := func(n int) (s adapt.Setting) {
		for k := range n {
			index++
			s = l.headers(at+float64(k)/2, index, int64(9-k), 0, false)
		}
		at += 5
		return s
	}
	for range 3 {
		window(10)
	}
	s := window(4)
	if s.Hold.After != index+6 || s.Hold.Until.Before(after(at)) || s.Hold.Until.After(after(at+0.6)) {
		t.Fatalf("hold %+v, want after %d until %v or a little later", s.Hold, index+6, after(at))
	}
	index++
	if s = l.headers(at+1, index, 0, 0, true); !s.Hold.Until.IsZero() {
		t.Errorf("hold %+v after a refusal that a new window should not give", s.Hold)
	}
	at += 5
	for range 3 {
		window(10)
	}
	if s = window(4); s.Hold.Until.IsZero() {
		t.Errorf("no hold after one contradiction and three windows more")
	}
	index++
	l.headers(at+1, index, 0, 0, true)
	at += 5
	for range 3 {
		window(10)
	}
	if s = window(4); !s.Hold.Until.IsZero() || s.Rate != rate.Inf {
		t.Errorf("rate %v and hold %+v after two contradictions, want none", s.Rate, s.Hold)
	}
}

// A window that is told is believed at once.
func TestHeadersThatTellTheWindow(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	l.see(adapt.Signal{Sent: after(0), At: after(0), Answered: 1, InFlight: 1, Outside: true, Index: 1, Granted: 1, Quotas: []adapt.Quota{
		{Limit: 10, Remaining: 2, RemainingKnown: true, Window: 7 * time.Second},
	}})
	s := l.see(adapt.Signal{Sent: after(1), At: after(1), Answered: 1, InFlight: 1, Outside: true, Index: 2, Granted: 2, Quotas: []adapt.Quota{
		{Limit: 10, Remaining: 9, RemainingKnown: true, Window: 7 * time.Second},
	}})
	if want := after(8).Add(time.Millisecond); !s.Hold.Until.Equal(want) || s.Hold.After != 11 {
		t.Errorf("hold %+v, want after 11 until %v", s.Hold, want)
	}
}

// A limit that answers no longer tell of is forgotten, and there are never too many.
func TestHeadersAreForgotten(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	quota := func(name string) []adapt.Quota {
		return []adapt.Quota{{Name: name, Limit: 10, Remaining: 1, RemainingKnown: true, Reset: time.Hour, ResetUnit: time.Second}}
	}
	s := l.see(adapt.Signal{Sent: after(0), At: after(0), Answered: 1, Outside: true, Index: 1, Granted: 1, Quotas: quota("a")})
	if s.Hold.Until.IsZero() || !strings.Contains(s.Why, `"a"`) {
		t.Fatalf("hold %+v because %q", s.Hold, s.Why)
	}
	for k := range 300 {
		s = l.see(adapt.Signal{Sent: after(1), At: after(1), Answered: 1, InFlight: 1, Level: 1, Index: 1, Granted: 1})
		if held := !s.Hold.Until.IsZero(); held != (k < 256) {
			t.Fatalf("after %d silent answers held is %v", k+1, held)
		}
	}
	l.see(adapt.Signal{Sent: after(1), At: after(1), Answered: 1, Outside: true, Index: 1, Granted: 1, Quotas: quota("a")})
	for k := range 300 {
		at := after(2 + float64(k))
		s = l.see(adapt.Signal{Sent: at, At: at, Answered: 1, InFlight: 1, Level: 1, Index: int64(k + 2), Granted: int64(k + 2), Quotas: quota("b")})
	}
	s = l.see(adapt.Signal{Sent: after(400), At: after(400), Answered: 1, Outside: true, Index: 500, Granted: 500, Quotas: quota("a")})
	if !strings.Contains(s.Why, `"a"`) {
		t.Errorf("because %q: %q should be new again, after 300 answers that told of %q only", s.Why, "a", "b")
	}
	for k := range 40 {
		s = l.see(adapt.Signal{Sent: after(2), At: after(2), Answered: 1, Outside: true, Index: 1, Granted: 1, Quotas: quota(string(rune('a' + k)))})
	}
	if s.Hold.Until.IsZero() {
		t.Error("no hold although many limits are told")
	}
}
