package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// socketItems is how many items a run over real sockets has.
const socketItems = 6_000

// sockets are the cases in real time.
func sockets() []row {
	r := row{
		section: "over real sockets", name: "the server is killed in the middle, and started again after 2 s",
		goal: "outage + 1.15 x floor + 3 s; Unknown <= lost until the last response, in flight then, and the evidence; the rest succeeds, none doubled",
	}
	for _, repeatable := range []bool{false, true} {
		j := job{items: socketItems, repeatable: repeatable}
		r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
			figures, err := overSockets(t.Context(), j)
			if err != nil {
				return []figure{holds("it could be measured", false, err.Error())}
			}
			return figures
		}})
	}
	return []row{r}
}

// overSockets runs a job twice against a process: undisturbed, and killed on the way.
func overSockets(ctx context.Context, j job) (_ []figure, err error) {
	folder, err := os.MkdirTemp("", "windrow-outage-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	server := &process{address: "127.0.0.1:0", ledger: filepath.Join(folder, "floor")}
	if err := server.start(ctx); err != nil {
		return nil, err
	}
	floor, _, err := j.overHTTP(ctx, server.address, nil)
	if err = errors.Join(err, server.kill()); err != nil {
		return nil, err
	}
	server.ledger = filepath.Join(folder, "ledger")
	if err := server.start(ctx); err != nil {
		return nil, err
	}
	var outage time.Duration
	restarted := make(chan error, 1)
	end, cut, err := j.overHTTP(ctx, server.address, func(flying *inFlight) (cut int) {
		time.Sleep(floor.elapsed / 2)
		began := time.Now()
		err := server.kill()
		flying.restarting.Store(true)
		time.Sleep(2 * time.Second)
		err = errors.Join(err, server.start(ctx))
		outage = time.Since(began)
		restarted <- err
		return flying.mayBeLost()
	})
	if err = errors.Join(err, <-restarted, server.kill()); err != nil {
		return nil, err
	}
	applied, err := server.applied()
	if err != nil {
		return nil, err
	}
	doubled, untrue := 0, 0
	for item, state := range end.state {
		if applied[item] > 1 && !j.repeatable {
			doubled++
		}
		if state == windrow.Succeeded != (applied[item] > 0) && state != windrow.Unknown {
			untrue++
		}
	}
	unknown := cut
	if j.repeatable {
		unknown = 0
	}
	return []figure{
		atMost("took", seconds(end.elapsed), seconds(outage+3*time.Second)+1.15*seconds(floor.elapsed), "s"),
		exactly("Failed", end.states[windrow.Failed], 0),
		exactly("NotAttempted", end.states[windrow.NotAttempted], 0),
		atMost("Unknown", float64(end.states[windrow.Unknown]), float64(unknown), ""),
		exactly("doubled", doubled, 0),
		exactly("untrue", untrue, 0),
	}, nil
}

// overHTTP runs the job through the REST client. disturb goes on beside it.
func (j job) overHTTP(ctx context.Context, address string, disturb func(*inFlight) int) (end ending, cut int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	base := rest.NewBase(64)
	defer base.CloseIdleConnections()
	flying := &inFlight{base: base}
	client, err := rest.New("http://"+address, rest.WithHTTPClient(&http.Client{Transport: flying}))
	if err != nil {
		return end, 0, err
	}
	call := func(ctx context.Context, item int) (id int, err error) {
		_, err = client.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/items/" + strconv.Itoa(item)}, &id)
		if err == nil && id != item {
			err = fmt.Errorf("the server created %d", id)
		}
		return id, err
	}
	p := windrow.NewCreateProcessor(windrow.CreateFunc(call))
	if j.repeatable {
		p = windrow.NewUpsertProcessor(windrow.UpsertFunc(call))
	}
	done := make(chan int, 1)
	if disturb == nil {
		done <- 0
	} else {
		go func() { done <- disturb(flying) }()
	}
	end = j.run(ctx, p)
	return end, <-done, end.err
}
