package proptest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/rest"
)

// tidy is a server that does with the path of a request what nginx and many frameworks do: it decodes it, takes a backslash
// for a slash, and then removes dot segments and empty ones.
type tidy struct {
	raw  []string // the paths as they came
	seen []string // and what they name
}

func (s *tidy) RoundTrip(req *http.Request) (*http.Response, error) {
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, err
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, err
	}
	raw, _, _ := strings.Cut(got.RequestURI, "?")
	s.raw = append(s.raw, raw)
	s.seen = append(s.seen, path.Clean(strings.ReplaceAll(got.URL.Path, `\`, "/")))
	return &http.Response{
		StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{}`)), Request: req,
	}, nil
}

// bad says independently of the code which ids name no record of a resource.
func bad(id string) bool {
	named := false
	for part := range strings.SplitSeq(strings.ReplaceAll(id, `\`, "/"), "/") {
		if part == "." || part == ".." {
			return true
		}
		named = named || part != ""
	}
	return !named
}

// anyID draws ids, many of which try to leave their resource.
func anyID(r *rapid.T, label string) string {
	part := rapid.SampledFrom([]string{
		"..", ".", "/", `\`, "%", "%2e%2e", "%2F", "%5c", "é", " ", "|", "a", "users", "admin", "?", "#", ";", ":", "\x00", "\n", "日本", "\xff", "...", "-1",
	})
	if rapid.IntRange(0, 9).Draw(r, label+" kind") == 0 {
		return rapid.String().Draw(r, label)
	}
	return strings.Join(rapid.SliceOfN(part, 0, 6).Draw(r, label), "")
}

// anyName draws one segment of a path, decoded, that is no dot segment.
func anyName(r *rapid.T, label string) string {
	part := rapid.SampledFrom([]string{"articles", "é", " ", "|", "a", `"`, "<", "^", "日本", "(", "~", "1"})
	return strings.Join(rapid.SliceOfN(part, 1, 4).Draw(r, label), "")
}

// TestNoRequestLeavesItsResource: whatever the resource is called and whatever the ids are, each request names the resource
// or one record in it, or is refused before it leaves.
func TestNoRequestLeavesItsResource(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		server := &tidy{}
		client, err := rest.New("https://cms.test/"+anyName(r, "base"), rest.WithHTTPClient(&http.Client{Transport: server}))
		if err != nil {
			return // a name that a URL cannot have as it is
		}
		names := make([]string, rapid.IntRange(1, 3).Draw(r, "depth"))
		written, decoded := "", ""
		for i := range names {
			names[i] = anyName(r, "name")
			decoded += "/" + names[i]
			if rapid.Bool().Draw(r, "escaped") {
				written += "/" + url.PathEscape(names[i])
			} else {
				written += "/" + names[i]
			}
		}
		slash := rapid.SampledFrom([]string{"", "/"}).Draw(r, "slash")
		articles := rest.NewResource[map[string]string, map[string]string](client, written+slash)
		id := anyID(r, "id")
		ctx, in := t.Context(), map[string]string{"title": "x"}
		base := ""
		_, _ = articles.Create(ctx, in)
		if len(server.seen) != 1 || !strings.HasSuffix(server.seen[0], decoded) {
			r.Fatalf("Create: %q", server.raw)
		}
		base = server.seen[0]
		calls := map[string]func() error{
			"get":    func() error { _, err := articles.Get(ctx, id); return err },
			"delete": func() error { return articles.Delete(ctx, id) },
			"update": func() error { _, err := articles.Update(ctx, id, in); return err },
			"upsert": func() error {
				_, err := articles.Upserter(func(map[string]string) string { return id }).Upsert(ctx, in)
				return err
			},
			"do": func() error { // escaped as its documentation says
				_, err := client.Do(ctx, rest.Request{Path: written + "/" + url.PathEscape(id) + slash}, nil)
				return err
			},
		}
		for name, call := range calls {
			if name == "do" && strings.Trim(id, `/\`) == "" {
				continue // the path of the collection, which Do cannot tell from what the caller wants
			}
			server.one(r, name, id, base, slash, call)
		}
	})
}

// one makes a call with an id, and checks that it names a record below base, in one segment, or sends nothing.
func (s *tidy) one(r *rapid.T, name, id, base, after string, call func() error) {
	s.raw, s.seen = nil, nil
	err := call()
	if bad(id) {
		if len(s.raw) != 0 {
			r.Fatalf("%s %q was sent: %q", name, id, s.raw)
		}
		if err == nil || id != "" && len(id) > 3 && strings.Contains(err.Error(), id) {
			r.Fatalf("%s %q: error %v", name, id, err)
		}
		return
	}
	if len(s.raw) != 1 {
		r.Fatalf("%s %q: %d requests, error %v", name, id, len(s.raw), err)
	}
	if !strings.HasPrefix(s.seen[0], base+"/") {
		r.Fatalf("%s %q left %q: %q", name, id, base, s.raw[0])
	}
	raw := strings.TrimSuffix(s.raw[0], after)
	if got, err := url.PathUnescape(raw[strings.LastIndex(raw, "/")+1:]); err != nil || got != id {
		r.Fatalf("%s %q is not the last segment: %q", name, id, s.raw[0])
	}
}

// TestNoRequestLeavesItsAdapter is the same for the other adapters: names of collections and objects are the caller's too.
func TestNoRequestLeavesItsAdapter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		server := &tidy{}
		web := &http.Client{Transport: server}
		ctx := t.Context()
		name, id := anyID(r, "name"), anyID(r, "id")
		record := map[string]any{"title": "x"}

		dato, err := datocms.New("https://cms.test/api", "token", web)
		if err != nil {
			t.Fatal(err)
		}
		items, uploads := datocms.NewItems[map[string]any, map[string]any](dato, "model"), datocms.NewUploads[map[string]any](dato)
		for what, call := range map[string]func() error{
			"items":   func() error { _, err := items.Get(ctx, id); return err },
			"updates": func() error { _, err := items.Update(ctx, id, record); return err },
			"deletes": func() error { return items.Delete(ctx, id) },
			"uploads": func() error { return uploads.Delete(ctx, id) },
		} {
			base := "/api/items"
			if what == "uploads" {
				base = "/api/uploads"
			}
			server.one(r, what, id, base, "", call)
		}
		server.one(r, "publish", id, "/api/items", "/publish", func() error {
			_, err := items.PublishProcessor().Run(ctx, []string{id})
			if e, ok := errors.AsType[*windrow.ItemError](err); ok {
				return e.Err // without the key, which a run's error tells
			}
			return err
		})

		db, err := appery.New("https://cms.test/api", "database", web)
		if err != nil {
			t.Fatal(err)
		}
		store, err := objectstack.New("https://cms.test/api", "token", web)
		if err != nil {
			t.Fatal(err)
		}
		collection, object := appery.NewCollection[map[string]any, map[string]any](db, name), objectstack.NewResource[map[string]any, map[string]any](store, name)
		for base, calls := range map[string][]func(context.Context) error{
			"/api/collections": {
				func(ctx context.Context) error { _, err := collection.Get(ctx, id); return err },
				func(ctx context.Context) error { _, err := collection.Update(ctx, id, record); return err },
				func(ctx context.Context) error { return collection.Delete(ctx, id) },
			},
			"/api/data": {
				func(ctx context.Context) error { _, err := object.Get(ctx, id); return err },
				func(ctx context.Context) error { _, err := object.Update(ctx, id, record); return err },
				func(ctx context.Context) error { return object.Delete(ctx, id) },
			},
		} {
			for _, call := range calls {
				server.raw, server.seen = nil, nil
				err := call(ctx)
				if bad(name) || bad(id) {
					if len(server.raw) != 0 || err == nil {
						r.Fatalf("%s %q %q was sent: %q, error %v", base, name, id, server.raw, err)
					}
					continue
				}
				want := base + "/" + url.PathEscape(name) + "/" + url.PathEscape(id)
				if len(server.raw) != 1 || server.raw[0] != want {
					r.Fatalf("%s %q %q: %q, want %q", base, name, id, server.raw, want)
				}
			}
		}

		number := rapid.Int().Draw(r, "number")
		meetings, err := bloomy.New("https://cms.test/api", "key", web)
		if err != nil {
			t.Fatal(err)
		}
		server.raw, server.seen = nil, nil
		if _, err := meetings.Todos.Get(ctx, number); err == nil {
			t.Fatal("a refusal is no error")
		}
		for _, raw := range server.raw {
			if raw != "/api/todo/"+strconv.Itoa(number) {
				r.Fatalf("%d: %q", number, raw)
			}
		}
	})
}
