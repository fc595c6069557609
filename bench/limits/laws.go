package main

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// A law sends n items through one client of a server. call sends one item once.
type law struct {
	name   string
	strict bool // it promises to send nothing but a probe after a 429
	run    func(n int, seed uint64, call func(item int) answer) ending
}

// An ending is how a law ended.
type ending struct {
	lost  int // items that did not succeed
	stops int // runs that ended before all items had, and were gone on with
	err   error
}

// endless is the ending of a law that goes on until all is done.
func endless(run func(n int, seed uint64, call func(int) answer)) func(int, uint64, func(int) answer) ending {
	return func(n int, seed uint64, call func(int) answer) ending {
		run(n, seed, call)
		return ending{}
	}
}

// laws are windrow and what it is compared with.
var laws = []law{
	{"windrow", true, runWindrow},
	{"chunks of 20, sleep 1 s", false, endless(chunks)},
	{"fixed 20, exponential backoff", false, endless(fixed)},
	{"AIMD on concurrency", false, endless(aimdConcurrency)},
	{"AIMD on rate", false, endless(aimdRate)},
	{"AWS adaptive", false, endless(awsAdaptive)},
}

// backoffFor is full jitter: a random part of 0.5 s, 1 s, 2 s … 20 s.
func backoffFor(r *rand.Rand, n int) time.Duration {
	return time.Duration(r.Float64() * min(20, 0.5*math.Pow(2, float64(n))) * float64(time.Second))
}

// each calls do for each item from a fixed number of workers.
func each(n, workers int, seed uint64, do func(r *rand.Rand, item int)) {
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := range next {
				do(r, i)
			}
		})
	}
	wg.Wait()
}

// chunks is the loop of the DatoCMS guide, with the repetition that it lacks: 20 at once, then a second's sleep.
func chunks(n int, seed uint64, call func(int) answer) {
	for from := 0; from < n; from += 20 {
		each(min(20, n-from), 20, seed, func(r *rand.Rand, k int) {
			for try := 0; call(from + k).throttled; try++ {
				time.Sleep(backoffFor(r, try))
			}
		})
		if from+20 < n {
			time.Sleep(time.Second)
		}
	}
}

// fixed is what most people write: workers, and backoff for each item.
func fixed(n int, seed uint64, call func(int) answer) {
	each(n, 20, seed, func(r *rand.Rand, i int) {
		for try := 0; ; try++ {
			a := call(i)
			if !a.throttled {
				return
			}
			time.Sleep(max(a.retryAfter, backoffFor(r, try)))
		}
	})
}

// aimdConcurrency adds one slot a round and halves them once for each round with a 429.
func aimdConcurrency(n int, seed uint64, call func(int) answer) {
	var mu sync.Mutex
	free := sync.NewCond(&mu)
	limit, inFlight, cut := 4.0, 0, time.Time{}
	each(n, ceiling, seed, func(r *rand.Rand, i int) {
		for try := 0; ; try++ {
			mu.Lock()
			for inFlight >= int(limit) {
				free.Wait()
			}
			inFlight++
			mu.Unlock()
			sent := time.Now()
			a := call(i)
			mu.Lock()
			inFlight--
			if !a.throttled {
				limit = min(ceiling, limit+1/limit)
			} else if sent.After(cut) {
				limit, cut = max(1, limit/2), time.Now()
			}
			free.Broadcast()
			mu.Unlock()
			if !a.throttled {
				return
			}
			time.Sleep(max(a.retryAfter, backoffFor(r, try)))
		}
	})
}

// pacer spaces calls evenly at a rate that may change. Make one with newPacer.
type pacer struct {
	turn chan struct{} // its holder goes next
	mu   sync.Mutex
	rate float64
	last time.Time
}

func newPacer(rate float64) *pacer { return &pacer{turn: make(chan struct{}, 1), rate: rate} }

func (p *pacer) wait() {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	for {
		p.mu.Lock()
		wait := time.Until(p.last.Add(seconds(1 / p.rate)))
		if wait <= 0 {
			p.last = time.Now()
		}
		p.mu.Unlock()
		if wait <= 0 {
			return
		}
		time.Sleep(min(wait, 50*time.Millisecond)) // the rate may have changed by then
	}
}

// aimdRate doubles the rate each second until the first 429. From then on it adds 2 % a second, and takes 15 % off once
// for each round with a 429.
func aimdRate(n int, seed uint64, call func(int) answer) {
	p := newPacer(5)
	cut, grown, step := time.Time{}, time.Now(), 0.0
	each(n, ceiling, seed, func(r *rand.Rand, i int) {
		for try := 0; ; try++ {
			p.wait()
			sent := time.Now()
			a := call(i)
			p.mu.Lock()
			if now := time.Now(); !a.throttled {
				grow := step
				if grow == 0 {
					grow = p.rate // doubles until it is refused
				}
				p.rate += grow * now.Sub(grown).Seconds()
				grown = now
			} else if sent.After(cut) {
				p.rate, cut = max(0.2, 0.85*p.rate), now
				step = max(0.05, 0.02*p.rate)
			}
			p.mu.Unlock()
			if !a.throttled {
				return
			}
			time.Sleep(max(a.retryAfter, backoffFor(r, min(try, 2))))
		}
	})
}

// awsAdaptive is the adaptive retry mode of the AWS SDKs (botocore's ClientRateLimiter): CUBIC on the measured rate,
// a token bucket of that rate, 20 workers, exponential backoff.
func awsAdaptive(n int, seed uint64, call func(int) answer) {
	const scale, beta, smooth = 0.4, 0.7, 0.8
	p := newPacer(math.Inf(1))
	lastMax, k, lastThrottle, measured, count, bin := 0.0, 0.0, time.Now(), 0.0, 0.0, 0.0
	began := time.Now()
	each(n, 20, seed, func(r *rand.Rand, i int) {
		for try := 0; ; try++ {
			p.wait()
			a := call(i)
			p.mu.Lock()
			now := time.Now()
			count++
			if b := math.Floor(now.Sub(began).Seconds()*2) / 2; b > bin {
				measured = smooth*count/(b-bin) + (1-smooth)*measured
				count, bin = 0, b
			}
			var next float64
			if a.throttled {
				lastMax = measured
				if !math.IsInf(p.rate, 1) {
					lastMax = min(measured, p.rate)
				}
				k = math.Cbrt(lastMax * (1 - beta) / scale)
				lastThrottle, next = now, lastMax*beta
			} else {
				next = scale*math.Pow(now.Sub(lastThrottle).Seconds()-k, 3) + lastMax
			}
			if a.throttled || !math.IsInf(p.rate, 1) {
				p.rate = max(0.5, min(next, 2*measured))
			}
			p.mu.Unlock()
			if !a.throttled {
				return
			}
			time.Sleep(max(a.retryAfter, backoffFor(r, min(try, 5))))
		}
	})
}
