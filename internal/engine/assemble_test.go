package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/adapt"
)

// batches makes the run of a configuration one of batches that all succeed.
func batches(cfg *Config, items int, batch func(items []int)) *Config {
	cfg.ChunkItems = items
	cfg.Batch = func(_ context.Context, items []int, _ *Answers) (int, error) {
		if batch != nil {
			batch(items)
		}
		return len(items), nil
	}
	return cfg
}

// To put a request together takes a few steps for each item, whatever its size, its order, and what shares a key.
func TestChunksTakeLinearTime(t *testing.T) {
	t.Parallel()
	const n = 20_000
	pairs, chain := map[int]int{}, map[int]int{}
	for i := range n - 1 {
		chain[i] = i + 1
		if i < n/2 {
			pairs[i] = i + n/2
		}
	}
	heads := make([]int, n/2)
	for i := range heads {
		heads[i] = i
	}
	for _, test := range []struct {
		name string
		set  func(*Config)
	}{
		{"plain", func(*Config) {}},
		{"in order", func(c *Config) { c.InOrder = true }},
		{"in order, equal keys", func(c *Config) { c.InOrder, c.Follower = true, pairs }},
		{"in order, one key, together", func(c *Config) { c.InOrder, c.Follower, c.Together = true, chain, true }},
		{"equal keys", func(c *Config) { c.Order, c.Follower = heads, pairs }},
		{"one key, together", func(c *Config) { c.Order, c.Follower, c.Together = []int{0}, chain, true }},
		{"atomic", func(c *Config) { c.InOrder, c.Atomic = true, true }},
		{"all fail, one key, together", func(c *Config) {
			c.Order, c.Follower, c.Together = []int{0}, chain, true
			c.Batch = func(_ context.Context, items []int, a *Answers) (int, error) {
				for k := range items {
					a.Set(k, Answer{Err: errRefused})
				}
				return len(items), nil
			}
		}},
		{"all but the last fail, one key, together", func(c *Config) {
			c.Order, c.Follower, c.Together = []int{0}, chain, true
			c.Batch = func(_ context.Context, items []int, a *Answers) (int, error) {
				for k := range items[1:] {
					a.Set(k, Answer{Err: errUnsent})
				}
				return len(items), nil
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var looks, sizes, judged atomic.Int64
			cfg := batches(config(n, nil), n, nil)
			cfg.Call, cfg.Workers = nil, 1
			cfg.Size, cfg.ChunkBytes = func(int) int { sizes.Add(1); return 1 }, n
			cfg.followerRead = func() { looks.Add(1) }
			judge := cfg.Judge
			cfg.Judge = func(a *Attempt, err error) Judgement { judged.Add(1); return judge(a, err) }
			test.set(cfg)
			if err := New(t.Context(), cfg).Wait(); err != nil {
				t.Fatal(err)
			}
			for i := range cfg.Table.Slots {
				if cfg.Table.Slots[i].State == NotAttempted {
					t.Fatalf("item %d was not sent", i)
				}
			}
			for what, got := range map[string]int64{"looks at what follows an item": looks.Load(), "measurements": sizes.Load(), "judgements": judged.Load()} {
				if got > 4*n {
					t.Errorf("%d %s for %d items", got, what, n)
				}
			}
		})
	}
}

// While a run puts a request together, and while it settles one, whoever else uses the gate is not kept waiting: its lock
// is not held while anything is called that is called for each item.
func TestNothingIsDoneForItemsUnderTheGatesLock(t *testing.T) {
	t.Parallel()
	for _, cost := range []func(int) int{nil, func(n int) int { return n }} {
		for _, mode := range []string{"plain", "in order", "keys", "stream"} {
			name := mode
			if cost != nil {
				name += ", by cost"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				const n = 60
				cfg := batches(config(n, nil), 10, nil)
				cfg.Call, cfg.Cost = nil, cost
				if mode == "stream" {
					cfg.Table = NewRing(64)
					cfg.Todo, cfg.Stream = 0, true
				}
				var once sync.Once
				bystander := func() {
					passed := make(chan struct{})
					go func() {
						cfg.Gate.Stats()
						cfg.Gate.Observe(adapt.Signal{})
						close(passed)
					}()
					select {
					case <-passed:
					case <-time.After(10 * time.Second):
						once.Do(func() { t.Error("somebody else who uses the gate had to wait") })
					}
				}
				cfg.Size, cfg.ChunkBytes = func(int) int { bystander(); return 1 }, 7
				cfg.TraitsOf = func(int) Traits { bystander(); return Traits{} }
				cfg.Hooks.Final = func(int, int) { bystander() }
				cfg.followerRead = bystander
				switch mode {
				case "in order":
					cfg.InOrder, cfg.Workers = true, 1
				case "keys":
					cfg.Follower, cfg.Order = map[int]int{}, []int{}
					for i := range n / 2 {
						cfg.Order = append(cfg.Order, i)
						cfg.Follower[i] = i + n/2
					}
				}
				r := New(t.Context(), cfg)
				if mode == "stream" {
					for i := range n {
						r.Feed(i)
					}
					r.EndFeed(n)
				}
				if err := r.Wait(); err != nil {
					t.Fatal(err)
				}
				if r.Count(Succeeded) != n {
					t.Errorf("%d of %d succeeded", r.Count(Succeeded), n)
				}
			})
		}
	}
}

// A request holds what came until the gate let it through, unless what it costs was said before.
func TestChunksFillUpWhileTheyWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cost func(int) int
		want [][]int
	}{
		{nil, [][]int{{0, 1, 2}, {3}}},
		{func(n int) int { return n }, [][]int{{0}, {1, 2, 3}}},
	} {
		cfg := batches(&Config{Table: NewRing(64), Stream: true, Cost: test.cost}, 3, nil)
		r := New(t.Context(), cfg)
		w := &worker{run: r}
		var got [][]int
		r.Feed(0)
		for next := 1; ; next = 4 {
			w.prepare()
			for i := next; i < 4; i++ {
				r.Feed(i)
			}
			if w.take(1); w.unit == nil {
				break
			}
			r.fillUp(w.unit)
			got = append(got, w.unit.items())
			w.unit = nil
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// What was put together is left for others when there is something that comes before it.
func TestOlderWorkGoesFirst(t *testing.T) {
	t.Parallel()
	r := New(t.Context(), batches(&Config{Table: NewTable(5), Todo: 5}, 2, nil))
	w := &worker{run: r}
	w.prepare()
	r.resend(&unit{jobs: []*job{{item: 4}}})
	var got [][]int
	for {
		w.take(1)
		w.queueDraft()
		if w.unit == nil {
			break
		}
		got = append(got, w.unit.items())
		w.unit = nil
		w.prepare()
	}
	if diff := cmp.Diff([][]int{{4}, {0, 1}, {2, 3}, {4}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
