package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"
)

// kind says how a server limits.
type kind string

const (
	bucket      kind = "bucket"      // a token bucket
	window      kind = "window"      // a fixed window
	concurrency kind = "concurrency" // refuses above so many in flight
	soft        kind = "soft"        // queues above so many in flight
	unlimited   kind = "unlimited"
)

// A spec describes a server, and is what -spec reads. Durations are seconds.
type spec struct {
	Name    string  `json:"name"`
	Kind    kind    `json:"kind"`
	Rate    float64 `json:"rate,omitempty"`    // bucket: tokens a second
	Burst   float64 `json:"burst,omitempty"`   // bucket: tokens at most
	Quota   int     `json:"quota,omitempty"`   // window: requests in each
	Period  float64 `json:"period,omitempty"`  // window: seconds
	Slots   int     `json:"slots,omitempty"`   // concurrency and soft
	Latency float64 `json:"latency,omitempty"` // seconds; 0: 0.12, and 0.15 for concurrency and soft
	Sigma   float64 `json:"sigma,omitempty"`   // of the lognormal latency; 0: 0.35, and 0.2 for concurrency
	Shifts  []shift `json:"shifts,omitempty"`  // bucket: the rate from some time on
	Headers string  `json:"headers,omitempty"` // "" for none, "all", or "throttled": Reset on a 429 only, as DatoCMS has it
	Retry   float64 `json:"retry,omitempty"`   // seconds of Retry-After on a 429, for servers without headers
	Clients int     `json:"clients,omitempty"` // that share the limit, each with its own items; 0: 1
	Counts  bool    `json:"counts,omitempty"`  // bucket and window: refused requests take from the limit too
	Items   int     `json:"items,omitempty"`   // of all clients; 0: what the server can take in 300 s, at least 1,000 and 20 windows
	Goal    string  `json:"goal,omitempty"`    // the row of the goals table that -check compares with; "" for none
	Factor  float64 `json:"-"`                 // what the goal's p99 is multiplied by; 0: 1
	Note    string  `json:"comment,omitempty"` // for the reader
}

// shift is a change of a bucket's rate.
type shift struct {
	After float64 `json:"after"` // seconds since the start
	Rate  float64 `json:"rate"`
}

const specHelp = `A spec file is a JSON array of server descriptions. Durations are seconds.

  name      shown in the table
  kind      "bucket": a token bucket; refuses when there is no token
            "window": a fixed window aligned to the server's clock
            "concurrency": refuses above so many in flight;
                latency grows by 5 % with each call in flight
            "soft": queues above so many in flight; latency grows in proportion
            "unlimited"
  rate      bucket: tokens a second
  burst     bucket: tokens at most
  quota     window: requests in each
  period    window: its length
  slots     concurrency, soft: calls in flight
  latency   median of a success (0.12; 0.15 for concurrency and soft); a 429 takes 0.03
  sigma     of the lognormal latency (0.35; 0.2 for concurrency)
  shifts    bucket: [{"after": 100, "rate": 4}]: the rate from some time on
  headers   "": none; "all": limit, remaining, reset (whole seconds, rounded up) and
            Retry-After on a 429; "throttled": limit and remaining, reset on a 429 only
  retry     Retry-After on a 429 of a server without headers
  clients   that share the limit, each with a limiter of its own (1)
  counts    refused requests take from the limit too
  items     of all clients together (what the server takes in 300 s, at least
            1,000 and those of 20 windows)
  goal      the row of goals to check: "headers", "bucket", "window", "concurrency", "soft", "drawn"

  [{"name": "mine", "kind": "bucket", "rate": 10, "burst": 30, "goal": "bucket"}]
`

// named are the servers of the goals table.
var named = []spec{
	{Name: "bucket 10/30 headers", Kind: bucket, Rate: 10, Burst: 30, Headers: "all", Goal: "headers"},
	{Name: "window 60/3 headers", Kind: window, Quota: 60, Period: 3, Headers: "all", Goal: "headers"},
	{Name: "window 60/3 datocms", Kind: window, Quota: 60, Period: 3, Headers: "throttled"},
	{Name: "bucket 10/30 bare", Kind: bucket, Rate: 10, Burst: 30, Goal: "bucket"},
	{Name: "bucket 10-4-10 bare", Kind: bucket, Rate: 10, Burst: 30, Shifts: []shift{{100, 4}, {200, 10}}, Goal: "bucket"},
	{Name: "window 60/3 bare", Kind: window, Quota: 60, Period: 3, Goal: "window"},
	{Name: "concurrency 8 bare", Kind: concurrency, Slots: 8, Goal: "concurrency"},
	{Name: "concurrency 8 retry 1", Kind: concurrency, Slots: 8, Retry: 1, Goal: "concurrency"},
	{Name: "soft 8", Kind: soft, Slots: 8, Goal: "soft"},
	{Name: "unlimited", Kind: unlimited, Latency: 0.005, Items: 20000},
}

// readSpecs reads a -spec file.
func readSpecs(name string) ([]spec, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var specs []spec
	if err := json.Unmarshal(text, &specs); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range specs {
		if err := specs[i].check(); err != nil {
			return nil, fmt.Errorf("%s: server %d: %w", name, i+1, err)
		}
	}
	return specs, nil
}

// check fills defaults in and says what makes no sense.
func (s *spec) check() error {
	latency, sigma := 0.12, 0.35
	switch s.Kind {
	case bucket:
		if s.Rate <= 0 || s.Burst < 1 {
			return errors.New("a bucket needs a rate above 0 and a burst of at least 1")
		}
		for i, next := range s.Shifts {
			if next.Rate <= 0 || next.After <= 0 || i > 0 && next.After <= s.Shifts[i-1].After {
				return errors.New("shifts need rates above 0 and rising times")
			}
		}
	case window:
		if s.Quota < 1 || s.Period <= 0 {
			return errors.New("a window needs a quota of at least 1 and a period above 0")
		}
	case concurrency, soft:
		if s.Slots < 1 {
			return fmt.Errorf("%s needs at least one slot", s.Kind)
		}
		latency = 0.15
		if s.Kind == concurrency {
			sigma = 0.2
		}
	case unlimited:
	default:
		return fmt.Errorf("kind %q is none of bucket, window, concurrency, soft, unlimited", s.Kind)
	}
	if _, known := goals[s.Goal]; s.Goal != "" && !known {
		return fmt.Errorf("goal %q is not in the table", s.Goal)
	}
	if s.Headers != "" && s.Headers != "all" && s.Headers != "throttled" {
		return fmt.Errorf("headers %q is none of all, throttled", s.Headers)
	}
	if s.Latency <= 0 {
		s.Latency = latency
	}
	if s.Sigma <= 0 {
		s.Sigma = sigma
	}
	s.Clients = max(1, s.Clients)
	if s.Items <= 0 {
		n := max(1000, s.capacity()*300)
		if s.Kind == window {
			n = max(n, 20*float64(s.Quota))
		}
		s.Items = int(n)
	}
	s.Items -= s.Items % s.Clients
	return nil
}

// mean is the mean latency of a success of a call that is alone.
func (s *spec) mean() float64 { return s.Latency * math.Exp(s.Sigma*s.Sigma/2) }

// capacity is how many requests a second the server takes in the long run.
func (s *spec) capacity() float64 {
	switch s.Kind {
	case bucket:
		return s.Rate
	case window:
		return float64(s.Quota) / s.Period
	case concurrency:
		return float64(s.Slots) / (s.mean() * (1 + 0.05*float64(s.Slots-1)))
	case soft:
		return float64(s.Slots) / s.mean()
	default:
		return ceiling / s.mean()
	}
}

// ideal is the shortest time in which the server takes all items. offset is when its first window ends.
func (s *spec) ideal(offset time.Duration) time.Duration {
	n := float64(s.Items)
	seconds := 0.0
	switch s.Kind {
	case bucket:
		left, rate, from := n-s.Burst, s.Rate, 0.0
		for _, next := range s.Shifts {
			if takes := rate * (next.After - from); takes < left {
				left, rate, from = left-takes, next.Rate, next.After
			}
		}
		seconds = from + max(0, left)/rate
	case window:
		// Of the first window there may be too little left for all of its quota, with as many calls at once as allowed.
		first := min(float64(s.Quota), float64(s.Clients*ceiling)*offset.Seconds()/s.mean())
		if more := math.Ceil((n - first) / float64(s.Quota)); more > 0 {
			seconds = offset.Seconds() + (more-1)*s.Period
		}
	default:
		seconds = n / s.capacity()
	}
	return time.Duration((seconds + s.Latency) * float64(time.Second))
}

// draw returns n servers with parameters that were not used for tuning.
func draw(seed uint64, n int) []spec {
	r := rand.New(rand.NewPCG(seed, 0x6c696d697473))
	between := func(lo, hi float64) float64 { return lo * math.Pow(hi/lo, r.Float64()) } // each octave is as likely
	round := func(x float64) float64 { return math.Round(x*100) / 100 }
	specs := make([]spec, n)
	for i := range specs {
		s := spec{Goal: "drawn"}
		switch k := r.IntN(10); k {
		case 0, 1, 2, 3, 4, 5: // buckets: bare, with headers, shifting, shared, counting what they refuse
			s.Kind, s.Rate, s.Burst = bucket, round(between(1, 200)), math.Round(between(1, 200))
			s.Name, s.Factor = fmt.Sprintf("bucket %v/%v", s.Rate, s.Burst), 0.6
			switch k {
			case 2:
				s.Headers, s.Factor = "all", 0.3
			case 3:
				for range 2 {
					s.Shifts = append(s.Shifts, shift{float64(len(s.Shifts)+1) * 100, round(max(1, min(200, s.Rate*between(0.25, 4))))})
				}
				s.Name += fmt.Sprintf(" -> %v -> %v", s.Shifts[0].Rate, s.Shifts[1].Rate)
			case 4:
				s.Clients = 2
			case 5:
				s.Counts = true
			}
		case 6, 7, 8: // windows: bare and with headers
			s.Kind, s.Period = window, math.Round(between(1, 60))
			s.Quota = max(1, int(between(1, 100)*s.Period))
			s.Name, s.Factor = fmt.Sprintf("window %v/%v", s.Quota, s.Period), 0.35
			switch {
			case k == 8:
				s.Headers, s.Factor = "all", 0.3
			case r.IntN(4) == 0:
				s.Clients = 2
			case r.IntN(4) == 0:
				s.Counts = true
			}
		default:
			s.Kind, s.Slots = concurrency, int(math.Round(between(2, 60)))
			s.Name, s.Factor = fmt.Sprintf("concurrency %d", s.Slots), 0.35
			if r.IntN(2) == 0 {
				s.Retry = 1
				s.Name += " retry 1"
			}
		}
		switch {
		case s.Clients > 1:
			s.Name += " shared"
		case s.Counts:
			s.Name += " counts"
		case s.Headers != "":
			s.Name += " headers"
		}
		s.Factor *= 3 // seconds
		specs[i] = s
		if err := specs[i].check(); err != nil {
			panic(err)
		}
	}
	return specs
}
