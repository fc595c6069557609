package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	gojson "github.com/goccy/go-json"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/bench/ratio"
)

const (
	bulkConcurrency = 8
	chunkSize       = 200

	// bulkPasses is how often the records are sent in a round. Once is about as much work as the runtime lets pass between
	// two garbage collections: a collection more or less would decide.
	bulkPasses = 5
)

// The codecs, in the form of adapters/rest.
var (
	standardCodec = rest.Codec{
		Marshal: json.Marshal, Unmarshal: json.Unmarshal,
		Encode: func(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) },
	}
	goccyCodec = rest.Codec{
		Marshal: gojson.Marshal, Unmarshal: gojson.Unmarshal,
		Encode: func(w io.Writer, v any) error { return gojson.NewEncoder(w).Encode(v) },
	}
)

// bulk is a native bulk endpoint, JSON both ways.
func bulk() workload {
	return workload{
		name:  "bulk",
		about: fmt.Sprintf("native bulk over HTTP on loopback: records of %d bytes, %d in a request, JSON both ways, concurrency %d", recordSize, chunkSize, bulkConcurrency),
		items: 100_000,
		contenders: []contender{
			{"hand-written", false, bulkSending(handBulk(standardCodec))},
			{"windrow", false, bulkSending(windrowBulk(standardCodec))},
			{"hand-written, goccy", false, bulkSending(handBulk(goccyCodec))},
			{"windrow, goccy", false, bulkSending(windrowBulk(goccyCodec))},
		},
		baselines: []string{"hand-written", "hand-written, goccy"},
		goals: []ratio.Goal{
			{Case: "windrow", Metric: ratio.Wall, Baseline: "hand-written", Max: 1.05},
			{Case: "windrow, goccy", Metric: ratio.Wall, Baseline: "hand-written, goccy", Max: 1.05},
		},
	}
}

// bulkSending makes a contender of a function that sends records to a bulk endpoint.
func bulkSending(open func(url string) (send sender, closeIdle func())) func(items int) (ratio.Work, error) {
	return func(items int) (ratio.Work, error) {
		return inPasses(items, http.HandlerFunc(bulkEndpoint), open), nil
	}
}

// inPasses is the work of sending records to a server again and again.
func inPasses(items int, handler http.Handler, open func(url string) (send sender, closeIdle func())) ratio.Work {
	backend := newServer(handler)
	records, ids := newRecords(items), make([]string, items)
	return ratio.Work{
		Run: func() error {
			send, closeIdle := open(backend.URL)
			defer closeIdle()
			for range bulkPasses {
				if err := send(records, ids); err != nil {
					return err
				}
			}
			return nil
		},
		Items: bulkPasses * items,
		Check: func() error { return checkIDs(ids) },
		Close: backend.Close,
	}
}

// bulkEndpoint responds to a JSON array of records with an array of the created ones. It looks for the numbers only, so that
// the time is the client's.
func bulkEndpoint(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := []byte{'['}
	for _, number := range fieldsAfter(body, `{"number":`, ',') {
		if len(answer) > 1 {
			answer = append(answer, ',')
		}
		answer = append(append(append(answer, `{"id":"id-`...), number...), `"}`...)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)+1))
	_, _ = w.Write(append(answer, ']'))
}

// fieldsAfter returns what stands between each mark and the next end.
func fieldsAfter(body []byte, mark string, end byte) [][]byte {
	var fields [][]byte
	for {
		_, rest, found := bytes.Cut(body, []byte(mark))
		if !found {
			return fields
		}
		field := rest[:max(0, bytes.IndexByte(rest, end))]
		fields = append(fields, field)
		body = rest[len(field):]
	}
}

// handBulk is a fixed set of goroutines, each of which sends chunk after chunk.
func handBulk(codec rest.Codec) func(url string) (sender, func()) {
	return func(url string) (sender, func()) {
		client := loopback(bulkConcurrency)
		return func(records []record, ids []string) error {
			chunks := (len(records) + chunkSize - 1) / chunkSize
			return fixedWorkers(bulkConcurrency, chunks, func(chunk int) error {
				at := chunk * chunkSize
				in := records[at:min(at+chunkSize, len(records))]
				body, err := codec.Marshal(in)
				if err != nil {
					return err
				}
				return post(context.Background(), client, url+"/bulk", "application/json", bytes.NewReader(body), func(data []byte) error {
					var out []created
					if err := codec.Unmarshal(data, &out); err != nil {
						return err
					}
					if len(out) != len(in) {
						return fmt.Errorf("%d answers for %d records", len(out), len(in))
					}
					for k := range out {
						ids[at+k] = out[k].ID
					}
					return nil
				})
			})
		}, client.CloseIdleConnections
	}
}

// bulkClient is what a user writes for such an endpoint.
type bulkClient struct{ api *rest.Client }

// Create implements [windrow.Creator].
func (c bulkClient) Create(ctx context.Context, in record) (created, error) {
	out, err := c.CreateBatch(ctx, []record{in})
	if err != nil {
		return created{}, err
	}
	return out[0].Value, out[0].Err
}

// CreateBatch implements [clients.BatchCreator].
func (c bulkClient) CreateBatch(ctx context.Context, in []record) ([]windrow.Outcome[created], error) {
	var out []created
	if _, err := c.api.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/bulk", In: in}, &out); err != nil {
		return nil, err
	}
	outcomes := make([]windrow.Outcome[created], len(out))
	for k := range out {
		outcomes[k].Value = out[k]
	}
	return outcomes, nil
}

// Capabilities implements [clients.Describer].
func (c bulkClient) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: chunkSize}
}

// windrowBulk is windrow with a client of adapters/rest.
func windrowBulk(codec rest.Codec) func(url string) (sender, func()) {
	return func(url string) (sender, func()) {
		limiter := windrow.NewLimiter(windrow.Concurrency(bulkConcurrency))
		api, err := rest.New(url, rest.WithLimiter(limiter), rest.WithCodec(codec))
		if err != nil {
			return func([]record, []string) error { return err }, func() {}
		}
		return func(records []record, ids []string) error {
			result, err := windrow.CreateMany(context.Background(), bulkClient{api}, records, windrow.WithLimiter(limiter))
			for i, out := range result.Values() {
				ids[i] = out.ID
			}
			return err
		}, api.CloseIdleConnections
	}
}
