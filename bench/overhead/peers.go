package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/pool"

	"github.com/windrow-go/windrow/bench/ratio"
)

// values are what a library has returned, in the order of the input.
type values []int

// check reports whether every input got its own response.
func (v values) check(inputs []int) error {
	if len(v) != len(inputs) {
		return fmt.Errorf("got %d results for %d items", len(v), len(inputs))
	}
	for i, in := range inputs {
		if v[i] != in {
			return fmt.Errorf("item %d: got %d, want %d", i, v[i], in)
		}
	}
	return nil
}

// returning is the work of a library that returns the values in order.
func returning(j job, run func() ([]int, error)) ratio.Work {
	var got values
	return ratio.Work{
		Run: func() (err error) {
			got, err = run()
			return err
		},
		Check: func() error {
			defer func() { got = nil }()
			return got.check(j.inputs)
		},
	}
}

// concPool is a pool of github.com/sourcegraph/conc that collects results and errors. Its results have no order: each
// carries its index, and they are put in order when all are there.
func concPool(j job) ratio.Work {
	type indexed struct{ index, value int }
	return returning(j, func() ([]int, error) {
		workers := pool.NewWithResults[indexed]().WithErrors().WithMaxGoroutines(j.concurrency)
		ctx := context.Background()
		for i, in := range j.inputs {
			workers.Go(func() (indexed, error) {
				value, err := j.do(ctx, in)
				return indexed{i, value}, err
			})
		}
		unordered, err := workers.Wait()
		if err != nil {
			return nil, err
		}
		values := make([]int, len(unordered))
		for _, r := range unordered {
			values[r.index] = r.value
		}
		return values, nil
	})
}

// concIter is iter.MapErr of github.com/sourcegraph/conc.
func concIter(j job) ratio.Work {
	return returning(j, func() ([]int, error) {
		ctx := context.Background()
		mapper := iter.Mapper[int, int]{MaxGoroutines: j.concurrency}
		return mapper.MapErr(j.inputs, func(in *int) (int, error) { return j.do(ctx, *in) })
	})
}

// pondGroup is a result group of github.com/alitto/pond/v2.
func pondGroup(j job) ratio.Work {
	return returning(j, func() ([]int, error) {
		workers := pond.NewResultPool[int](j.concurrency)
		defer workers.StopAndWait()
		ctx := context.Background()
		tasks := workers.NewGroup()
		for _, in := range j.inputs {
			tasks.SubmitErr(func() (int, error) { return j.do(ctx, in) })
		}
		return tasks.Wait()
	})
}

// answer is the return value of a call.
type answer struct {
	value int
	err   error
}

// futures is a channel of as many channels as there may be calls in flight: the usual way to keep results in order.
func futures(j job) ratio.Work {
	return returning(j, func() ([]int, error) {
		ctx := context.Background()
		pending := make(chan chan answer, j.concurrency-1)
		go func() {
			defer close(pending)
			for _, in := range j.inputs {
				future := make(chan answer, 1)
				pending <- future
				go func() {
					value, err := j.do(ctx, in)
					future <- answer{value, err}
				}()
			}
		}()
		values := make([]int, 0, len(j.inputs))
		var errs []error
		for future := range pending {
			a := <-future
			values = append(values, a.value)
			if a.err != nil {
				errs = append(errs, a.err)
			}
		}
		return values, errors.Join(errs...)
	})
}

// pipeline is a channel of inputs, a fixed set of workers, and a channel of results.
func pipeline(j job) ratio.Work {
	results := make(slots, len(j.inputs))
	return ratio.Work{
		Run: func() error {
			type input struct{ index, value int }
			type result struct {
				index int
				answer
			}
			ctx := context.Background()
			in, out := make(chan input, j.concurrency), make(chan result, j.concurrency)
			go func() {
				defer close(in)
				for i, value := range j.inputs {
					in <- input{i, value}
				}
			}()
			var workers sync.WaitGroup
			for range j.concurrency {
				workers.Go(func() {
					for item := range in {
						value, err := j.do(ctx, item.value)
						out <- result{item.index, answer{value, err}}
					}
				})
			}
			go func() {
				workers.Wait()
				close(out)
			}()
			for r := range out {
				results.set(r.index, r.value, r.err)
			}
			return nil
		},
		Check: func() error { return results.check(j.inputs) },
	}
}
