package plan_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

type article struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Body    string `json:"body,omitempty"`
	Version int    `json:"version,omitempty"`
}

func articleID(a article) string { return a.ID }

func withPrefix(a article) (article, error) {
	a.Title = "[Updated] " + a.Title
	return a, nil
}

// status is an error as HTTP clients have them.
type status int

func (s status) Error() string   { return fmt.Sprintf("status %d", int(s)) }
func (s status) StatusCode() int { return int(s) }

// server is a CMS in memory. Its methods are those of a client.
type server struct {
	t testing.TB

	mu       sync.Mutex
	records  map[string]article
	order    []string
	log      []string // what was called, in order
	readOnly bool     // a write fails the test
	// fail returns the error of a call; nil means that there is none.
	fail func(call string) error
}

func newServer(t testing.TB, n int) *server {
	s := &server{t: t, records: map[string]article{}}
	for i := range n {
		s.add(article{ID: fmt.Sprintf("a%d", i), Title: fmt.Sprintf("Title %d", i)})
	}
	return s
}

func (s *server) add(a article) {
	s.records[a.ID] = a
	s.order = append(s.order, a.ID)
}

// call notes a call and returns its error.
func (s *server) call(write bool, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	s.log = append(s.log, text)
	if write && s.readOnly {
		s.t.Errorf("%s in a dry run", text)
	}
	if s.fail != nil {
		return s.fail(text)
	}
	return nil
}

func (s *server) Get(_ context.Context, id string) (article, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(false, "get %s", id); err != nil {
		return article{}, err
	}
	a, ok := s.records[id]
	if !ok {
		return article{}, status(404)
	}
	return a, nil
}

func (s *server) Create(_ context.Context, a article) (article, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(true, "create %s", a.ID); err != nil {
		return article{}, err
	}
	if _, ok := s.records[a.ID]; ok {
		return article{}, fmt.Errorf("create: %w", windrow.ErrAlreadyExists)
	}
	s.add(a)
	return a, nil
}

func (s *server) Upsert(_ context.Context, a article) (article, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(true, "upsert %s", a.ID); err != nil {
		return article{}, err
	}
	s.records[a.ID] = a
	return a, nil
}

func (s *server) Update(_ context.Context, id string, a article) (article, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(true, "update %s", id); err != nil {
		return article{}, err
	}
	if _, ok := s.records[id]; !ok {
		return article{}, status(404)
	}
	s.records[id] = a
	return a, nil
}

func (s *server) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(true, "delete %s", id); err != nil {
		return err
	}
	if _, ok := s.records[id]; !ok {
		return status(404)
	}
	delete(s.records, id)
	s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == id })
	return nil
}

// list returns a page of the records that match.
func (s *server) list(match func(article) bool, offset, limit int) []article {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.call(false, "list %d", offset)
	var all []article
	for _, id := range s.order {
		if a := s.records[id]; match == nil || match(a) {
			all = append(all, a)
		}
	}
	return all[min(offset, len(all)):min(offset+limit, len(all))]
}

// pager pages the records that match by offset.
func (s *server) pager(match func(article) bool, size int) *pages.Pager[article] {
	return pages.Offset(size, func(_ context.Context, offset, limit int) (pages.Page[article], error) {
		return pages.Page[article]{Items: s.list(match, offset, limit)}, nil
	})
}

// source reads all records in pages of 100.
func (s *server) source(ctx context.Context) iter.Seq2[article, error] {
	return pages.Read(ctx, s.pager(nil, 100))
}

// snapshot copies the records.
func (s *server) snapshot() map[string]article {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.records)
}

// calls returns the calls of one kind, in order.
func (s *server) calls(kind string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for _, text := range s.log {
		if strings.HasPrefix(text, kind+" ") {
			found = append(found, text)
		}
	}
	return found
}

// updates plans the update of every record of the server.
func (s *server) updates(t *testing.T, change func(article) (article, error), opts ...plan.Option) *plan.UpdatePlan[string, article] {
	t.Helper()
	p, err := plan.Updates(t.Context(), s.source(t.Context()), articleID, change, opts...)
	if err != nil {
		t.Fatalf("Updates: %v", err)
	}
	return p
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// noContext is what a caller passes who has none.
var noContext context.Context

func (s *server) snapshotIDs() []string { return slices.Clone(s.order) }
