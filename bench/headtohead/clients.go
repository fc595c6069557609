package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// clients are windrow and what it is compared with.
var clients = []struct {
	name  string
	goals bool
	send  func(ctx context.Context, n int, c *counter) error
}{
	{"windrow, told nothing", true, withWindrow},
	{"errgroup of 20, backoff, 8 tries", false, withErrgroup},
}

// withWindrow is all that a user has to write.
func withWindrow(ctx context.Context, n int, c *counter) error {
	limiter := windrow.NewLimiter()
	client := &http.Client{Transport: &rest.Transport{Limiter: limiter}}
	p := windrow.NewBatchProcessor(func(ctx context.Context, item int) (struct{}, error) {
		return struct{}{}, c.create(ctx, client, item)
	}, windrow.WithLimiter(limiter))
	_, err := p.Run(ctx, numbers(n))
	return err
}

// withErrgroup is what most people write.
func withErrgroup(ctx context.Context, n int, c *counter) error {
	client := &http.Client{Transport: rest.NewBase(20)}
	var g errgroup.Group
	g.SetLimit(20)
	for _, item := range numbers(n) {
		g.Go(func() error {
			var err error
			for try := range 8 {
				if err = c.create(ctx, client, item); err == nil {
					return nil
				}
				time.Sleep(time.Duration(rand.Float64() * float64(100*time.Millisecond<<try)))
			}
			return err
		})
	}
	return g.Wait()
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// counter makes requests and counts them.
type counter struct {
	url, token          string
	requests, throttled atomic.Int64
}

// create creates one record.
func (c *counter) create(ctx context.Context, client *http.Client, item int) error {
	body, err := json.Marshal(map[string]string{"name": fmt.Sprintf("item %d", item)})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/collections/"+collection+"/records", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", c.token)
	c.requests.Add(1)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode == http.StatusTooManyRequests {
		c.throttled.Add(1)
	}
	if res.StatusCode != http.StatusOK {
		return statusError(res.StatusCode)
	}
	return nil
}

// statusError is a response that is no success.
type statusError int

func (e statusError) Error() string   { return fmt.Sprintf("%d %s", int(e), http.StatusText(int(e))) }
func (e statusError) StatusCode() int { return int(e) }
