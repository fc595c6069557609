package datocms_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/windrowtest"
)

// withoutReconcile are records that cannot be looked up outside a run, whose idempotency keys their ids are made of.
type withoutReconcile struct {
	windrow.Creator[draft, article]
	windrow.Updater[string, draft, article]
	windrow.Deleter[string]
	windrow.Getter[string, article]
	clients.BatchDeleter[string]
	clients.BatchGetter[string, article]
	clients.Describer
}

// Records whose ids the client makes.
func TestConformanceOfItemsWithoutIDs(t *testing.T) {
	t.Parallel()
	windrowtest.TestClient(t, windrowtest.ClientTest[string, draft, article]{
		API: apiOf,
		New: func(tb testing.TB, url string, hc *http.Client) any {
			s := datocms.NewItems[draft, article](connected(tb, url, hc), articleModel)
			return withoutReconcile{s, s, s, s, s, s, s}
		},
		Verbs:   []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpDelete, windrow.OpGet},
		Batches: []windrow.OpKind{windrow.OpDelete, windrow.OpGet},
		Input:   func(n int) draft { return draft{Title: fmt.Sprintf("title <%d> ü", n), Slug: fmt.Sprint("slug-", n)} },
		Same:    func(in draft, out article) bool { return in.Title == out.Title && in.Slug == out.Slug && out.ID != "" },
		ID:      func(out article) string { return out.ID },
		Missing: datocms.NewID(),
		Bad:     func(int) draft { return draft{} },
		Count:   func(api http.Handler) int { return api.(*datocmstest.Server).Len("") },
		Secrets: []string{secret}, ErrorBody: refusalBody,
		DeletesMissing: true, // in bulk it only counts
	})
}

// transitions are a processor as a client that updates, and whose updates say nothing but whether they were done.
type transitions struct {
	processor *windrow.BatchProcessor[string, struct{}]
}

func (p transitions) Update(ctx context.Context, id string, _ struct{}) (struct{}, error) {
	return p.processor.Do(ctx, id)
}

// What publishes and unpublishes records, one by one. The suite wants a batch to name what is not there, which DatoCMS only
// counts; and of a move it wants the same.
func TestConformanceOfTransitions(t *testing.T) {
	t.Parallel()
	for name, processor := range map[string]func(*datocms.Items[article, article]) *windrow.BatchProcessor[string, struct{}]{
		"publish": func(s *datocms.Items[article, article]) *windrow.BatchProcessor[string, struct{}] {
			return s.PublishProcessor()
		},
		"unpublish": func(s *datocms.Items[article, article]) *windrow.BatchProcessor[string, struct{}] {
			return s.UnpublishProcessor()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32 // of records, whose slugs differ
			windrowtest.TestClient(t, windrowtest.ClientTest[string, struct{}, struct{}]{
				API: apiOf,
				New: func(tb testing.TB, url string, hc *http.Client) any {
					return transitions{processor(datocms.NewItems[article, article](connected(tb, url, hc), articleModel))}
				},
				Verbs: []windrow.OpKind{windrow.OpUpdate},
				Input: func(int) struct{} { return struct{}{} },
				Same:  func(_, _ struct{}) bool { return true },
				Put: func(_ testing.TB, api http.Handler, _ struct{}) string {
					return api.(*datocmstest.Server).Add(articleModel, map[string]any{"title": "a", "slug": fmt.Sprint(n.Add(1))}, name == "unpublish")
				},
				Missing: datocms.NewID(),
				Secrets: []string{secret}, ErrorBody: refusalBody,
			})
		})
	}
}
