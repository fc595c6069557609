package windrow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// A limitedServer refuses what is too much and tells nothing of its limit. It may be called from many goroutines.
type limitedServer struct {
	bucket *bucketServer // nil when it has windows or slots
	quota  int           // in each window
	window time.Duration
	slots  int // calls in flight

	mu        sync.Mutex
	number    int64 // of the window
	used      int
	flying    int
	throttled int
}

func (s *limitedServer) call() error {
	if s.bucket != nil {
		return s.bucket.call()
	}
	s.mu.Lock()
	refused := false
	if s.window > 0 {
		if n := time.Now().UnixNano() / int64(s.window); n != s.number {
			s.number, s.used = n, 0
		}
		if refused = s.used >= s.quota; !refused {
			s.used++
		}
	}
	if s.slots > 0 {
		refused = s.flying >= s.slots
	}
	if refused {
		s.throttled++
		s.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		return windrow.Throttled(errors.New("too many"), 0)
	}
	s.flying++
	s.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
	s.mu.Lock()
	s.flying--
	s.mu.Unlock()
	return nil
}

// refusals is how many calls were refused so far.
func (s *limitedServer) refusals() int {
	if s.bucket != nil {
		s.bucket.mu.Lock()
		defer s.bucket.mu.Unlock()
		return s.bucket.throttled
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.throttled
}

// startedRun is how a run of a program went that is started.
type startedRun struct {
	throttled int
	took      time.Duration
	learned   windrow.Learned // as it comes back from its file
}

// start runs a program that begins with what was learned before.
func (s *limitedServer) start(t *testing.T, items int, opts ...windrow.Option) startedRun {
	t.Helper()
	before, began := s.refusals(), time.Now()
	l := windrow.NewLimiter(opts...)
	p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { return 0, s.call() }, windrow.WithLimiter(l))
	if _, err := p.Run(t.Context(), make([]int, items)); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(l.Stats().Learned)
	if err != nil {
		t.Fatal(err)
	}
	run := startedRun{throttled: s.refusals() - before, took: time.Since(began)}
	if err := json.Unmarshal(text, &run.learned); err != nil {
		t.Fatal(err)
	}
	return run
}

// limitedServers are servers of each kind.
func limitedServers() map[string]*limitedServer {
	return map[string]*limitedServer{
		"a bucket":        {bucket: newBucketServer(20, 20)},
		"a small bucket":  {bucket: newBucketServer(10, 1)},
		"a fast one":      {bucket: newBucketServer(200, 50)},
		"windows":         {quota: 60, window: 10 * time.Second},
		"short windows":   {quota: 30, window: 2 * time.Second},
		"a long window":   {quota: 100, window: time.Minute},
		"calls in flight": {slots: 6},
	}
}

// A program that is started again, at once or much later, with what the one before it has learned, is throttled far less.
func TestStartFrom(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{0, 5 * time.Second, 25*time.Hour + 7*time.Second} {
		if thin() {
			continue
		}
		firsts, agains := 0, 0
		for name := range limitedServers() {
			synctest.Test(t, func(t *testing.T) {
				s := limitedServers()[name]
				first := s.start(t, 1200)
				time.Sleep(later)
				again := s.start(t, 600, windrow.StartFrom(first.learned))
				at := fmt.Sprintf("%s, %v later: %d refused in %v, then %d in %v", name, later, first.throttled, first.took, again.throttled, again.took)
				t.Log(at)
				firsts, agains = firsts+first.throttled, agains+again.throttled
			})
		}
		if most := map[bool]int{true: firsts / 2, false: firsts * 3 / 4}[later == 0]; agains > most { // mostly it is a tenth
			t.Errorf("%v later: %d refused in all, then %d, want far fewer", later, firsts, agains)
		}
	}
}

// What was learned and is ten times too high by now is corrected by the first throttles: a program is hardly worse off than
// one that knows nothing. What is too low grows.
func TestStartFromWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, factor := range []float64{10, 0.1} {
		if thin() {
			continue
		}
		refused, refusedBare := 0, 0
		for name := range limitedServers() {
			synctest.Test(t, func(t *testing.T) {
				s := limitedServers()[name]
				wrong := s.start(t, 1200).learned
				wrong.Concurrency = int(math.Ceil(float64(wrong.Concurrency) * factor))
				wrong.Refused = int(math.Ceil(float64(wrong.Refused) * factor))
				wrong.Rate *= factor
				wrong.Quota = int64(float64(wrong.Quota) * factor)
				wrong.Left = int64(float64(wrong.Left) * factor)
				time.Sleep(time.Hour)
				bare := s.start(t, 600)
				time.Sleep(time.Hour)
				got := s.start(t, 600, windrow.StartFrom(wrong))
				at := fmt.Sprintf("%s, %v times: %d refused in %v, with nothing known %d in %v", name, factor, got.throttled, got.took, bare.throttled, bare.took)
				t.Log(at)
				refused, refusedBare = refused+got.throttled, refusedBare+bare.throttled
				if factor > 1 && (got.took > bare.took*3/2 || got.learned.Rate > wrong.Rate/2 && wrong.Rate > 0 || got.learned.Quota > wrong.Quota/2 && wrong.Quota > 0) {
					t.Errorf("%s: not corrected, %+v of %+v", at, got.learned, wrong)
				}
				if factor < 1 && (got.learned.Rate < 2*wrong.Rate && got.learned.Quota < 2*wrong.Quota || got.learned.Concurrency < wrong.Concurrency) {
					t.Errorf("%s: not corrected, %+v of %+v", at, got.learned, wrong)
				}
			})
		}
		if refused > 2*refusedBare {
			t.Errorf("%v times: %d refused in all, with nothing known %d", factor, refused, refusedBare)
		}
	}
}

// What was learned is bounded by what the caller allows, and says nothing where it is zero.
func TestStartFromIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ceilings := []windrow.Option{windrow.Concurrency(5), windrow.Rate(12, time.Second)}
		for _, tt := range []struct {
			name        string
			learned     windrow.Learned
			opts        []windrow.Option
			concurrency int
			rate        float64
			why         string
		}{
			{"nothing", windrow.Learned{}, nil, 4, math.Inf(1), ""},
			{"nothing, below ceilings", windrow.Learned{}, ceilings, 5, 12, ""},
			{"more than the ceilings", windrow.Learned{Concurrency: math.MaxInt, Rate: math.MaxFloat64}, ceilings, 5, 12 * 0.95, "restored by StartFrom"},
			{"less than the ceilings", windrow.Learned{Concurrency: 2, Rate: 4}, ceilings, 2, 4 * 0.95, "restored by StartFrom"},
			{"more than the start", windrow.Learned{Concurrency: 30, Rate: 20}, nil, 4, 20 * 0.95, "restored by StartFrom"},
			{"a refusal", windrow.Learned{Concurrency: 30, Refused: 3}, nil, 2, math.Inf(1), "restored by StartFrom"},
			{"hardly a rate", windrow.Learned{Rate: math.SmallestNonzeroFloat64}, nil, 4, 0.02 * 0.95, "restored by StartFrom"},
			{"windows", windrow.Learned{Quota: 100, Window: time.Minute}, nil, 4, 10, "restored by StartFrom"},
			{"windows, bounded", windrow.Learned{Quota: 1000, Window: time.Minute}, ceilings, 5, 12, "restored by StartFrom"},
		} {
			l := windrow.NewLimiter(append(tt.opts, windrow.StartFrom(tt.learned))...)
			if s := l.Stats(); s.Concurrency != tt.concurrency || math.Abs(s.Rate-tt.rate) > 1e-9 || s.Why != tt.why {
				t.Errorf("%s: %+v, want concurrency %d and rate %v, since %q", tt.name, s, tt.concurrency, tt.rate, tt.why)
			}
		}
		s := newBucketServer(100, 100)
		l := windrow.NewLimiter(append(ceilings, windrow.StartFrom(windrow.Learned{Concurrency: 500, Rate: 1e6}))...)
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
			if st := l.Stats(); st.Concurrency > 5 || st.InFlight > 5 || st.Rate > 12 {
				t.Errorf("%+v, with ceilings of 5 and 12/s", st)
			}
			return 0, s.call()
		}, windrow.WithLimiter(l))
		if _, err := p.Run(t.Context(), make([]int, 200)); err != nil {
			t.Error(err)
		}
	})
}

// Numbers that make no sense are refused by the first use, before anything is sent.
func TestStartFromRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		field   string
		learned windrow.Learned
	}{
		{"Concurrency", windrow.Learned{Concurrency: -1}},
		{"Refused", windrow.Learned{Refused: -1}},
		{"Rate", windrow.Learned{Rate: -1}},
		{"Rate", windrow.Learned{Rate: math.NaN()}},
		{"Rate", windrow.Learned{Rate: math.Inf(1)}},
		{"Quota", windrow.Learned{Quota: -1, Window: time.Second}},
		{"Quota", windrow.Learned{Quota: 1}},
		{"Quota", windrow.Learned{Window: time.Second}},
		{"Window", windrow.Learned{Quota: 1, Window: -1}},
		{"Window", windrow.Learned{Quota: 1, Window: math.MaxInt64}},
		{"Left", windrow.Learned{Quota: 1, Window: time.Second, Left: 2}},
		{"Left", windrow.Learned{Left: -1}},
	} {
		l := windrow.NewLimiter(windrow.StartFrom(tt.learned))
		for _, err := range []error{
			l.Wait(t.Context(), 1),
			errorOf(windrow.NewBatchProcessor(never(t), windrow.StartFrom(tt.learned)).Run(t.Context(), ids(1))),
		} {
			if e, ok := errors.AsType[*windrow.OptionError](err); !ok || e.Option != "StartFrom" || e.Field != tt.field {
				t.Errorf("%+v: error %v, want one about %s", tt.learned, err, tt.field)
			}
		}
	}
	beside := windrow.NewBatchProcessor(never(t), windrow.WithLimiter(windrow.NewLimiter()), windrow.StartFrom(windrow.Learned{Rate: 1}))
	if _, err := beside.Run(t.Context(), ids(1)); err == nil || !strings.Contains(err.Error(), "StartFrom is refused beside WithLimiter") {
		t.Errorf("beside a limiter: error %v", err)
	}
}

func errorOf[T any](_ T, err error) error { return err }
