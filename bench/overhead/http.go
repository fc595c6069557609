package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow/bench/ratio"
)

const (
	httpConcurrency = 50
	handlerTime     = 5 * time.Millisecond
	recordSize      = 500

	newConnections ratio.Metric = "new connections"
)

// posts are creates of single records through real HTTP.
func posts() workload {
	return workload{
		name:  "post",
		about: fmt.Sprintf("HTTP on loopback: POSTs of %d bytes, a handler that takes %v, concurrency %d", recordSize, handlerTime, httpConcurrency),
		items: 10_000,
		contenders: []contender{
			{"hand-written, tuned", false, posting(handWritten, 0)},
			{"errgroup, tuned", true, posting(errgroupTuned, 0)},
			{"errgroup, net/http defaults", true, posting(errgroupUntuned, 0)},
			{"windrow", false, posting(windrowCreates, 0)},
		},
		goals: []ratio.Goal{
			{Case: "windrow", Metric: ratio.Wall, Baseline: "hand-written, tuned", Max: 1.03},
			{Case: "windrow", Metric: newConnections, Max: httpConcurrency},
		},
	}
}

// waves is the same in waves, between which all connections are idle.
func waves() workload {
	return workload{
		name:  "waves",
		about: "the same, 50 at a time and then all that are idle",
		items: 2_000,
		contenders: []contender{
			{"hand-written, tuned", false, posting(handWritten, httpConcurrency)},
			{"errgroup, net/http defaults", true, posting(errgroupUntuned, httpConcurrency)},
			{"windrow", false, posting(windrowCreates, httpConcurrency)},
		},
		goals: []ratio.Goal{
			{Case: "windrow", Metric: newConnections, Max: httpConcurrency},
			{Case: "windrow", Metric: ratio.CPU, Baseline: ratio.BestPeer, Max: 1},
		},
	}
}

// record is what is sent: 500 bytes of JSON.
type record struct {
	Number int    `json:"number"`
	Slug   string `json:"slug"`
	Text   string `json:"text"`
}

// created is the server's response for one record.
type created struct {
	ID string `json:"id"`
}

func newRecords(n int) []record {
	records := make([]record, n)
	for i := range records {
		r := record{Number: i, Slug: fmt.Sprintf("record-%08d", i)}
		bare, _ := json.Marshal(r) // texts and numbers: there is no error
		r.Text = strings.Repeat("x", max(0, recordSize-len(bare)))
		records[i] = r
	}
	return records
}

// idOf is what the server calls a record.
func idOf(number int) string { return fmt.Sprintf("id-%d", number) }

// checkIDs says whether each record got its own id, and empties them for the next run.
func checkIDs(ids []string) error {
	defer clear(ids)
	for i, id := range ids {
		if id != idOf(i) {
			return fmt.Errorf("record %d was answered with %q", i, id)
		}
	}
	return nil
}

// server is a handler on a loopback address that counts the connections that are opened.
type server struct {
	*httptest.Server
	opened atomic.Int64
}

func newServer(handler http.Handler) *server {
	s := &server{Server: httptest.NewUnstartedServer(handler)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.Start()
	return s
}

// collection handles the POST of one record.
func collection(w http.ResponseWriter, r *http.Request) {
	var in record
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	time.Sleep(handlerTime)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"id":%q}`, idOf(in.Number))
}

// sender sends records and fills in what the server calls them.
type sender func(records []record, ids []string) error

// posting makes a contender of what opens a client for the server: with a client of its own for each run, it sends all
// records, in waves of so many, 0 for one wave.
func posting(open func(url string) (send sender, closeIdle func()), wave int) func(items int) (ratio.Work, error) {
	return func(items int) (ratio.Work, error) {
		backend := newServer(http.HandlerFunc(collection))
		records, ids := newRecords(items), make([]string, items)
		size := items
		if wave > 0 {
			size = wave
		}
		return ratio.Work{
			Run: func() error {
				backend.opened.Store(0)
				send, closeIdle := open(backend.URL)
				defer closeIdle()
				at := 0
				for part := range slices.Chunk(records, size) {
					if err := send(part, ids[at:at+len(part)]); err != nil {
						return err
					}
					at += len(part)
				}
				return nil
			},
			Figures: func() map[ratio.Metric]float64 {
				return map[ratio.Metric]float64{newConnections: float64(backend.opened.Load())}
			},
			Check: func() error { return checkIDs(ids) },
			Close: backend.Close,
		}, nil
	}
}

// loopback returns an HTTP client as one tunes it for such a run, with as many idle connections as calls; or, with 0, as
// net/http has it.
func loopback(idle int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if idle > 0 {
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost = idle, idle
	}
	return &http.Client{Transport: transport}
}

// post sends a body and decodes the response, as a careful program does: the response is read to its end and closed.
func post(ctx context.Context, client *http.Client, url, contentType string, body io.Reader, decode func([]byte) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("status %d: %s", res.StatusCode, data)
	}
	return decode(data)
}
