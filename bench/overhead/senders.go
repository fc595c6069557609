package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// postOne creates one record.
func postOne(ctx context.Context, client *http.Client, url string, r record) (id string, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	err = post(ctx, client, url+"/records", "application/json", bytes.NewReader(body), func(data []byte) error {
		var out created
		defer func() { id = out.ID }()
		return json.Unmarshal(data, &out)
	})
	return id, err
}

// handWritten is a fixed set of goroutines and a tuned client.
func handWritten(url string) (sender, func()) {
	client := loopback(httpConcurrency)
	return func(records []record, ids []string) error {
		return fixedWorkers(httpConcurrency, len(records), func(i int) (err error) {
			ids[i], err = postOne(context.Background(), client, url, records[i])
			return err
		})
	}, client.CloseIdleConnections
}

// fixedWorkers calls do for so many indexes from that many goroutines, which stop at an error.
func fixedWorkers(concurrency, n int, do func(i int) error) error {
	errs := make(chan error, concurrency)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	workers.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// errgroupTuned is an errgroup and a tuned client, and errgroupUntuned one as net/http has it.
func errgroupTuned(url string) (sender, func())   { return withErrgroup(url, loopback(httpConcurrency)) }
func errgroupUntuned(url string) (sender, func()) { return withErrgroup(url, loopback(0)) }

func withErrgroup(url string, client *http.Client) (sender, func()) {
	return func(records []record, ids []string) error {
		g, ctx := errgroup.WithContext(context.Background())
		g.SetLimit(httpConcurrency)
		for i, r := range records {
			g.Go(func() (err error) {
				ids[i], err = postOne(ctx, client, url, r)
				return err
			})
		}
		return g.Wait()
	}, client.CloseIdleConnections
}

// windrowCreates is windrow as its README has it: a client of adapters/rest, and CreateMany.
func windrowCreates(url string) (sender, func()) {
	limiter := windrow.NewLimiter(windrow.Concurrency(httpConcurrency))
	client, err := rest.New(url, rest.WithLimiter(limiter))
	if err != nil {
		return func([]record, []string) error { return err }, func() {}
	}
	resource := rest.NewResource[record, created](client, "/records")
	return func(records []record, ids []string) error {
		result, err := windrow.CreateMany(context.Background(), resource, records, windrow.WithLimiter(limiter))
		for i, out := range result.Values() {
			ids[i] = out.ID
		}
		return err
	}, client.CloseIdleConnections
}
