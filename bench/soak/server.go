package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// records is a client that creates many records in a request, under ids that it chooses.
type records struct {
	client *rest.Client
	items  int
}

// Capabilities implements [clients.Describer].
func (r records) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: r.items, ClientIDs: true}
}

// answer is the server's response for one record.
type answer struct {
	ID     string `json:"id,omitempty"`
	Status int    `json:"status,omitempty"`
}

// Create implements [windrow.Creator].
func (r records) Create(ctx context.Context, item int) (string, error) {
	out, err := r.CreateBatch(ctx, []int{item})
	if err != nil {
		return "", err
	}
	return out[0].Value, out[0].Err
}

// CreateBatch implements [clients.BatchCreator].
func (r records) CreateBatch(ctx context.Context, items []int) ([]windrow.Outcome[string], error) {
	var answers []answer
	if _, err := r.client.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/records", In: items}, &answers); err != nil {
		return nil, err
	}
	out := make([]windrow.Outcome[string], len(answers))
	for k, a := range answers {
		out[k].Value = a.ID
		if a.Status != 0 {
			out[k].Err = itemError(a.Status)
		}
	}
	return out, nil
}

// itemError is the error of one record in a good response.
type itemError int

func (e itemError) Error() string   { return http.StatusText(int(e)) }
func (e itemError) StatusCode() int { return int(e) }

// server has a bit for each record, and misbehaves.
type server struct {
	url  string
	http *http.Server
	has  []atomic.Bool
}

func startServer(n int) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + listener.Addr().String(), has: make([]atomic.Bool, n)}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

func (s *server) close() { _ = s.http.Close() }

// bad reports whether a record is one that the server refuses.
func bad(item int) bool { return item%1009 == 17 }

// agrees reports whether what was told of a record is true.
func (s *server) agrees(item int, state windrow.State) bool {
	has := s.has[item].Load()
	switch state {
	case windrow.Succeeded:
		return has
	case windrow.Failed:
		return !has && bad(item)
	case windrow.Unknown:
		return true
	default:
		return false
	}
}

// ServeHTTP injects faults: it creates the records or not, and responds or not.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var items []int
	if err := json.NewDecoder(r.Body).Decode(&items); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fault := rand.IntN(1000)
	switch {
	case fault < 2:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case fault < 4:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case fault < 6:
		panic(http.ErrAbortHandler) // the connection ends before anything was done
	case fault < 12:
		time.Sleep(50 * time.Millisecond)
	}
	answers := make([]answer, len(items))
	for k, item := range items {
		switch {
		case bad(item):
			answers[k].Status = http.StatusUnprocessableEntity
		case rand.IntN(5000) == 0:
			answers[k].Status = http.StatusTooManyRequests
		default:
			s.has[item].Store(true)
			answers[k].ID = "x"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case fault < 14:
		panic(http.ErrAbortHandler) // it ends when everything was done
	case fault < 16: // it ends in the middle of the response
		text, _ := json.Marshal(answers) // strings and numbers
		_, _ = w.Write(text[:len(text)/2])
		panic(http.ErrAbortHandler)
	case fault < 18:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>a proxy's page</html>"))
		return
	}
	_ = json.NewEncoder(w).Encode(answers) // an error is the client's to see
}
