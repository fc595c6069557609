package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	ceiling       = 64 // calls in flight that a client may have
	refusalTakes  = 30 * time.Millisecond
	tokenRounding = 1e-9
)

// answer is a response of a server.
type answer struct {
	throttled  bool
	retryAfter time.Duration
	quota      *quota // nil without headers
}

// quota is what the headers say.
type quota struct {
	limit, remaining int
	reset            time.Duration // whole seconds, rounded up; 0 when not said
}

// A server is a model of one, in virtual time. Several clients may call it.
type server struct {
	spec   spec
	offset time.Duration // when its first window ends

	mu        sync.Mutex
	random    *rand.Rand
	began     time.Time
	tokens    float64
	filled    time.Time // when tokens were counted last
	window    int
	used      int
	inFlight  int
	requests  int
	throttled int
	broken    []string // what a client did that it must not
}

// client is what a server remembers of one of its clients, to see that it keeps its promises.
type client struct {
	strict   bool // a closed gate lets nothing but one probe through
	inFlight int
	shut     bool
	cut      time.Time
	until    time.Time
	probes   int
}

func newServer(s spec, seed uint64) *server {
	random := rand.New(rand.NewPCG(seed, 0x736572766572))
	now := time.Now()
	return &server{
		spec: s, random: random, began: now, tokens: s.Burst, filled: now,
		offset: time.Duration(random.Float64() * s.Period * float64(time.Second)),
	}
}

// call returns the response to one request, after its latency.
func (s *server) call(c *client) answer {
	sent := time.Now()
	s.mu.Lock()
	probe := s.arrive(c, sent)
	a, takes := s.decide(sent)
	s.requests++
	if a.throttled {
		s.throttled++
	}
	s.mu.Unlock()

	time.Sleep(takes)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	c.inFlight--
	if probe {
		c.probes--
	}
	switch fresh := sent.After(c.cut); {
	case a.throttled && (fresh || !c.shut):
		c.shut, c.cut = true, time.Now()
		c.until = c.cut.Add(a.retryAfter)
	case !a.throttled && fresh:
		c.shut = false
	}
	return a
}

// arrive notes a request, and what it says of its client.
func (s *server) arrive(c *client, now time.Time) (probe bool) {
	s.inFlight++
	c.inFlight++
	if c.inFlight > ceiling {
		s.wrong(now, "%d in flight, ceiling %d", c.inFlight, ceiling)
	}
	if !c.strict || !c.shut || !now.After(c.cut) {
		return false
	}
	c.probes++
	if c.probes > 1 {
		s.wrong(now, "%d requests at once while the gate was closed", c.probes)
	}
	if now.Before(c.until) {
		s.wrong(now, "a request %v before the end of Retry-After", c.until.Sub(now))
	}
	return true
}

func (s *server) wrong(now time.Time, format string, args ...any) {
	if len(s.broken) < 5 {
		s.broken = append(s.broken, fmt.Sprintf("after %v: ", now.Sub(s.began))+fmt.Sprintf(format, args...))
	}
}

// decide returns the response to a request that arrives now.
func (s *server) decide(now time.Time) (answer, time.Duration) {
	latency := s.spec.Latency * math.Exp(s.spec.Sigma*s.random.NormFloat64())
	var a answer
	switch s.spec.Kind {
	case bucket:
		a = s.fromBucket(now)
	case window:
		a = s.fromWindow(now)
	case concurrency:
		a.throttled = s.inFlight > s.spec.Slots
		latency *= 1 + 0.05*float64(s.inFlight-1)
	case soft:
		latency *= max(1, float64(s.inFlight)/float64(s.spec.Slots))
	}
	if a.throttled {
		if a.retryAfter == 0 {
			a.retryAfter = seconds(s.spec.Retry)
		}
		return a, refusalTakes
	}
	return a, seconds(latency)
}

func (s *server) fromBucket(now time.Time) answer {
	at := s.began
	rate, from := s.spec.Rate, s.began
	for i := 0; ; i++ { // fill up at each rate that was in force since the last time
		end := now
		if i < len(s.spec.Shifts) {
			if at = s.began.Add(seconds(s.spec.Shifts[i].After)); at.Before(now) {
				end = at
			}
		}
		if start := later(from, s.filled); start.Before(end) {
			s.tokens = min(s.spec.Burst, s.tokens+rate*end.Sub(start).Seconds())
		}
		if end.Equal(now) {
			break
		}
		rate, from = s.spec.Shifts[i].Rate, at
	}
	s.filled = now
	a := answer{throttled: s.tokens+tokenRounding < 1}
	if !a.throttled || s.spec.Counts {
		s.tokens = max(s.tokens-1, -s.spec.Burst)
	}
	if s.spec.Headers != "" {
		s.tell(&a, int(s.spec.Burst), int(max(0, s.tokens+tokenRounding)), seconds((s.spec.Burst-s.tokens)/rate))
		if a.throttled {
			a.retryAfter = wholeSeconds(seconds((1 - s.tokens) / rate))
		}
	}
	return a
}

func (s *server) fromWindow(now time.Time) answer {
	period := seconds(s.spec.Period)
	into := now.Sub(s.began) - s.offset + period // the first window began before we did
	if number := int(into / period); number != s.window {
		s.window, s.used = number, 0
	}
	left := period - into%period
	a := answer{throttled: s.used >= s.spec.Quota}
	if !a.throttled || s.spec.Counts {
		s.used++
	}
	if s.spec.Headers != "" {
		s.tell(&a, s.spec.Quota, max(0, s.spec.Quota-s.used), left)
		if a.throttled {
			a.retryAfter = wholeSeconds(left)
		}
	}
	return a
}

// tell sets the headers.
func (s *server) tell(a *answer, limit, remaining int, reset time.Duration) {
	a.quota = &quota{limit: limit, remaining: remaining}
	if s.spec.Headers == "all" || a.throttled {
		a.quota.reset = wholeSeconds(reset)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func wholeSeconds(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
