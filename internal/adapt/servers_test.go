package adapt_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// What the laws reach with each kind of server in 300 s, together, by evidence alone. The bounds are what must not get lost;
// the figures are what they come to at present, to the call: a change of a law that is meant to change nothing changes none.
func TestLaws(t *testing.T) {
	t.Parallel()
	const long = 300 * time.Second
	for _, tt := range []struct {
		name       string
		server     model
		answered   float64 // at least
		refused    int     // at most
		figures    string  // answered, refused, and in the end the calls in flight and the rate
		because    string  // among the reasons
		notBecause string
	}{
		{"bucket", &bucketModel{perSecond: 10, burst: 30}, 3000, 80, "3027, 55, 4, 10.08/s", "between two times at which it refused", "flight"},
		{"bucket without a burst", &bucketModel{perSecond: 20, burst: 1}, 5300, 200, "5571, 41, 7, 19.6/s", "throttled at a rate", "each"},
		{"slow bucket", &bucketModel{perSecond: 1.3, burst: 5}, 370, 60, "393, 25, 2, 1.331/s", "", ""},
		{"fast bucket", &bucketModel{perSecond: 150, burst: 10}, 42000, 500, "43034, 56, 28, 151.7/s", "", ""},
		{"large bucket", &bucketModel{perSecond: 2, burst: 100}, 680, 80, "699, 28, 2, 2.251/s", "", ""},
		{"bucket that counts refusals", &bucketModel{perSecond: 8, burst: 20, counts: true}, 2250, 160, "2363, 55, 4, 7.672/s", "", ""},
		{"bucket that shifts", &bucketModel{perSecond: 10, burst: 30, shifts: map[time.Duration]float64{100 * time.Second: 4, 200 * time.Second: 10}}, 2300, 120, "2410, 65, 4, 10.35/s", "", ""},
		{"bucket with headers", &bucketModel{perSecond: 10, burst: 30, headers: true}, 3000, 5, "3024, 0, 4, 10.93/s", "bucket of 30", "each"},
		{"small bucket with headers", &bucketModel{perSecond: 16, burst: 4, headers: true}, 4600, 12, "4715, 0, 6, 16.21/s", "bucket of 4", ""},
		{"fast bucket with headers", &bucketModel{perSecond: 120, burst: 14, headers: true}, 35000, 30, "35817, 0, 24, 120.1/s", "bucket of 14", ""},
		{"window", &windowModel{limit: 60, period: 3 * time.Second, offset: time.Second}, 5700, 60, "6018, 33, 8, 20.21/s", "60 in each 3s", ""},
		{"small window", &windowModel{limit: 7, period: 3 * time.Second}, 670, 40, "699, 22, 4, 2.142/s", "7 in each", ""},
		{"long window", &windowModel{limit: 100, period: 30 * time.Second, offset: 13 * time.Second}, 1000, 40, "1071, 35, 18, 2.9/s", "100 in each", ""},
		{"window that grows", &windowModel{limit: 30, period: 3 * time.Second, fewer: func(now time.Time) int { return 30 + 30*int(now.Sub(start0)/(100*time.Second)) }}, 4800, 120, "5739, 36, 8, 25.94/s", "the server took as many", ""},
		{"window that shrinks", &windowModel{limit: 60, period: 3 * time.Second, fewer: func(now time.Time) int { return 60 - 20*int(now.Sub(start0)/(100*time.Second)) }}, 3600, 200, "3987, 44, 8, 6.667/s", "another client uses the rest", ""},
		{"window that is shared", &windowModel{limit: 60, period: 3 * time.Second, others: 7}, 3400, 200, "4023, 110, 6, 50/s", "", ""},
		{"window that turns into a bucket", &turningModel{&windowModel{limit: 60, period: 3 * time.Second}, &bucketModel{perSecond: 10, burst: 10}, 150 * time.Second}, 4200, 150, "4506, 59, 8, 10.18/s", "no windows after all", ""},
		{"bucket that turns into a window", &turningModel{&bucketModel{perSecond: 10, burst: 10}, &windowModel{limit: 60, period: 6 * time.Second}, 150 * time.Second}, 2700, 120, "3006, 61, 4, 10.56/s", "", ""},
		{"slow bucket with headers", &bucketModel{perSecond: 0.7, burst: 4, headers: true}, 190, 30, "211, 3, 2, 0.3416/s", "", ""},
		{"tiny bucket with headers", &bucketModel{perSecond: 1.5, burst: 2, headers: true}, 400, 40, "434, 18, 2, 1.517/s", "", ""},
		{"bucket with headers that shifts", &bucketModel{perSecond: 10, burst: 30, headers: true, shifts: map[time.Duration]float64{100 * time.Second: 4, 200 * time.Second: 10}}, 2300, 30, "2424, 1, 4, 9.71/s", "bucket of 30", ""},
		{"window with headers that is shared", &windowModel{limit: 60, period: 3 * time.Second, others: 7, headers: true}, 3800, 120, "4006, 97, 4, 20/s", "60 in each 3s", "bucket"},
		{"window of one call", &windowModel{limit: 1, period: time.Second}, 270, 40, "286, 25, 2, 0.9718/s", "", "each"},
		{"window with headers", &windowModel{limit: 60, period: 3 * time.Second, offset: time.Second, headers: true}, 5850, 5, "6017, 0, 8, 20.18/s", "60 in each 3s", "bucket"},
		{"short window with headers", &windowModel{limit: 40, period: time.Second, headers: true}, 11500, 30, "11991, 0, 14, 40/s", "40 in each 1s", "bucket"},
		{"tiny window with headers", &windowModel{limit: 2, period: 4 * time.Second, headers: true}, 147, 12, "150, 2, 2, 0.5/s", "2 in each 4s", "bucket"},
		{"window that rarely tells of its reset", &windowModel{limit: 60, period: 3 * time.Second, headers: true, rare: true}, 5700, 30, "5959, 6, 7, 20/s", "60 in each 3s", "bucket"},
		{"concurrency", &slotsModel{slots: 8}, 12500, 25, "13753, 15, 8, none", "in flight", "rate"},
		{"concurrency of one", &slotsModel{slots: 1}, 2250, 20, "2323, 8, 1, none", "in flight", "rate"},
		{"concurrency with Retry-After", &slotsModel{slots: 20, hint: time.Second}, 20000, 25, "23332, 14, 20, none", "in flight", "rate"},
		{"queue", &slotsModel{slots: 8, soft: true}, 18000, 0, "18743, 0, 8, none", "brought no more throughput", ""},
		{"no limit", &slotsModel{slots: 1000, soft: true}, 140000, 0, "149186, 0, 64, none", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(tt.server, 64)
			w.run(long)
			if float64(w.answered) < tt.answered || w.throttled > tt.refused {
				t.Errorf("%d answered and %d refused, want at least %v and at most %d", w.answered, w.throttled, tt.answered, tt.refused)
			}
			reasons := strings.Join(w.why, "; ")
			if !strings.Contains(reasons, tt.because) || tt.notBecause != "" && strings.Contains(reasons, tt.notBecause) {
				t.Errorf("reasons %q: want one of %q and none of %q", reasons, tt.because, tt.notBecause)
			}
			limit := fmt.Sprintf("%.4g/s", float64(w.set.Rate))
			if w.set.Rate == rate.Inf {
				limit = "none"
			}
			figures := fmt.Sprintf("%d, %d, %d, %s", w.answered, w.throttled, w.set.Concurrency, limit)
			if runtime.GOARCH == "amd64" && figures != tt.figures { // others round in other places
				t.Errorf("figures %s, want %s", figures, tt.figures)
			}
		})
	}
}
