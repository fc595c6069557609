package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/ratio"
)

// elastic is the bulk protocol of Elasticsearch, to a server that takes everything, beside Elastic's own indexer.
func elastic() workload {
	return workload{
		name:  "elastic",
		about: fmt.Sprintf("Elasticsearch's bulk protocol on loopback: records of %d bytes, about %d in a request, concurrency %d", recordSize, chunkSize, bulkConcurrency),
		items: 100_000,
		contenders: []contender{
			{"hand-written", false, indexing(handIndex)},
			{"esutil.BulkIndexer", true, indexing(bulkIndexer)},
			{"windrow", false, indexing(windrowIndex)},
		},
		goals: []ratio.Goal{
			{Case: "windrow", Metric: ratio.Wall, Baseline: "hand-written", Max: 1.05},
			{Case: "windrow", Metric: ratio.Wall, Baseline: ratio.BestPeer, Max: 1},
		},
	}
}

// indexing makes a contender of a function that sends records to the fake of Elasticsearch.
func indexing(open func(url string) (send sender, closeIdle func())) func(items int) (ratio.Work, error) {
	return func(items int) (ratio.Work, error) {
		return inPasses(items, http.HandlerFunc(fakeElastic), open), nil
	}
}

// fakeElastic says that every document was created. The client library asks for the header.
func fakeElastic(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPost {
		fmt.Fprint(w, `{"version":{"number":"8.3.0","build_flavor":"default"},"tagline":"You Know, for Search"}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := bytes.NewBufferString(`{"took":1,"errors":false,"items":[`)
	for k, id := range fieldsAfter(body, `{"create":{"_id":"`, '"') {
		if k > 0 {
			answer.WriteByte(',')
		}
		fmt.Fprintf(answer, `{"create":{"_index":"bench","_id":%q,"_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":%d,"_primary_term":1,"status":201}}`, id, k)
	}
	answer.WriteString("]}")
	_, _ = w.Write(answer.Bytes())
}

// appendDocument adds the two lines of a document to a request.
func appendDocument(body *bytes.Buffer, r record) error {
	document, err := json.Marshal(r)
	if err != nil {
		return err
	}
	body.WriteString(`{"create":{"_id":`)
	body.Write(strconv.AppendQuote(body.AvailableBuffer(), idOf(r.Number)))
	body.WriteString("}}\n")
	body.Write(document)
	body.WriteByte('\n')
	return nil
}

// postDocuments sends documents in one request, and returns what the server says of each.
func postDocuments(ctx context.Context, client *http.Client, url string, in []record) ([]windrow.Outcome[string], error) {
	var body bytes.Buffer
	body.Grow(len(in) * (recordSize + 64)) // the two lines of each
	for _, r := range in {
		if err := appendDocument(&body, r); err != nil {
			return nil, err
		}
	}
	var out esutil.BulkIndexerResponse
	err := post(ctx, client, url+"/bench/_bulk", "application/x-ndjson", &body, func(data []byte) error { return json.Unmarshal(data, &out) })
	if err != nil {
		return nil, err
	}
	outcomes := make([]windrow.Outcome[string], len(out.Items))
	for k, item := range out.Items {
		said := item["create"]
		outcomes[k].Value = said.DocumentID
		if said.Status >= 300 {
			outcomes[k].Err = errors.New(said.Error.Type)
		}
	}
	return outcomes, nil
}

// handIndex is a fixed set of goroutines, each of which sends chunk after chunk.
func handIndex(url string) (sender, func()) {
	client := loopback(bulkConcurrency)
	return func(records []record, ids []string) error {
		chunks := (len(records) + chunkSize - 1) / chunkSize
		return fixedWorkers(bulkConcurrency, chunks, func(chunk int) error {
			at := chunk * chunkSize
			in := records[at:min(at+chunkSize, len(records))]
			out, err := postDocuments(context.Background(), client, url, in)
			if err != nil || len(out) != len(in) {
				return errors.Join(err, fmt.Errorf("%d answers for %d documents", len(out), len(in)))
			}
			for k := range out {
				if ids[at+k] = out[k].Value; out[k].Err != nil {
					return out[k].Err
				}
			}
			return nil
		})
	}, client.CloseIdleConnections
}

// windrowIndex is windrow with the same client.
func windrowIndex(url string) (sender, func()) {
	client := loopback(bulkConcurrency)
	return func(records []record, ids []string) error {
		p := windrow.NewBatchProcessor[record, string](nil, windrow.Concurrency(bulkConcurrency))
		p.Batch = func(ctx context.Context, in []record) ([]windrow.Outcome[string], error) {
			return postDocuments(ctx, client, url, in)
		}
		p.Capabilities.MaxItems = chunkSize
		result, err := p.Run(context.Background(), records)
		copy(ids, result.Values())
		return err
	}, client.CloseIdleConnections
}

// bulkIndexer is Elastic's own indexer, whose requests are bounded by bytes.
func bulkIndexer(url string) (sender, func()) {
	transport := loopback(bulkConcurrency).Transport
	return func(records []record, ids []string) error {
		client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{url}, Transport: transport})
		if err != nil {
			return err
		}
		var mu sync.Mutex
		var failed error
		fail := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		}
		indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{
			Client: client, Index: "bench", NumWorkers: bulkConcurrency, FlushBytes: chunkSize * recordSize,
			OnError: func(_ context.Context, err error) { fail(err) },
		})
		if err != nil {
			return err
		}
		ctx := context.Background()
		for i, r := range records {
			document, err := json.Marshal(r)
			if err != nil {
				return err
			}
			err = indexer.Add(ctx, esutil.BulkIndexerItem{
				Action: "create", DocumentID: idOf(r.Number), Body: bytes.NewReader(document),
				OnSuccess: func(_ context.Context, _ esutil.BulkIndexerItem, said esutil.BulkIndexerResponseItem) {
					ids[i] = said.DocumentID
				},
				OnFailure: func(_ context.Context, _ esutil.BulkIndexerItem, _ esutil.BulkIndexerResponseItem, err error) {
					fail(err)
				},
			})
			if err != nil {
				return err
			}
		}
		return errors.Join(indexer.Close(ctx), failed)
	}, func() { transport.(*http.Transport).CloseIdleConnections() }
}
