package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server makes a record of each request, and counts them.
type server struct {
	url  string
	http *http.Server
	keys bool          // it knows requests by their idempotency key
	ids  bool          // it refuses a record that is there
	late time.Duration // how long after the response a record is there

	mu      sync.Mutex
	made    map[int]int // by item
	known   map[string]bool
	count   int
	taken   int           // requests whose records are late
	changed chan struct{} // closed and renewed with each record
}

func startServer(m mode) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + listener.Addr().String(), keys: m.keys, ids: m.ids, late: m.late, made: map[int]int{}, known: map[string]bool{}, changed: make(chan struct{})}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

func (s *server) close() { _ = s.http.Close() }

// ServeHTTP creates the item that is the last part of the path, or with GET says whether it is there.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	item, err := strconv.Atoi(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
	if err != nil {
		http.Error(w, "no such item", http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodGet {
		if s.applied(item) == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
	} else {
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond) // on the way
		key := r.Header.Get("Idempotency-Key")
		if s.late > 0 {
			s.take()
			time.AfterFunc(s.late, func() { s.make(item, key) })
		} else if !s.make(item, key) {
			w.WriteHeader(http.StatusConflict)
			return
		}
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond) // on the way back
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"%d"}`, item)
}

// make makes the record of an item. It reports false when the server refuses that, since the record is there.
func (s *server) make(item int, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if s.keys {
		if s.known[key] {
			return true
		}
		s.known[key] = true
	}
	if s.ids && s.made[item] > 0 {
		return false
	}
	s.made[item]++
	close(s.changed)
	s.changed = make(chan struct{})
	return true
}

// take notes a request whose record will be there later.
func (s *server) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	close(s.changed)
	s.changed = make(chan struct{})
}

// applied returns how many records were made of an item.
func (s *server) applied(item int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made[item]
}

func (s *server) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// records returns how many items are there, or will be, and what is closed when there is another.
func (s *server) records() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(len(s.made), s.taken), s.changed
}

// live runs the import until it ends or is killed. It kills itself at its point; at a random time it is killed from here.
func (s *server) live(ctx context.Context, cfg childConfig, stderr io.Writer) (killed bool, _ error) {
	program, err := os.Executable()
	if err != nil {
		return false, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), cfg.env()...)
	cmd.Stderr = stderr
	before, _ := s.records()
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		there, more := s.records()
		if cfg.Point == anyTime && there-before >= cfg.After {
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return false, err
			}
			more = nil
		}
		select {
		case <-more:
			continue
		case err := <-ended:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok && !exit.Exited() {
				return true, nil // by a signal
			}
			return false, err
		}
	}
}
