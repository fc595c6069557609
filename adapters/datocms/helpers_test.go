package datocms_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/rest"
)

const (
	articleModel = "UZyfjdBES8y2W2ruMEHSoA"
	authorModel  = "DxMaW10UQiCmZcuuA-IkkA"
)

// models are those of the tests' project.
func models() []datocmstest.Model {
	return []datocmstest.Model{
		{ID: articleModel, APIKey: "article", Fields: []datocmstest.Field{
			{APIKey: "title", Required: true}, {APIKey: "slug", Unique: true}, {APIKey: "pages"},
		}},
		{ID: authorModel, APIKey: "author"},
	}
}

// draft is an article that is to be created.
type draft struct {
	Title string `json:"title,omitempty"`
	Slug  string `json:"slug,omitempty"`
	Pages int    `json:"pages,omitempty"`
}

// article is one as it comes back.
type article struct {
	datocms.Record
	Title string `json:"title"`
	Slug  string `json:"slug"`
	Pages int    `json:"pages"`
}

// start runs a server until the test ends, and returns it with a client. Without a word of limits it has none.
func start(t *testing.T, config datocmstest.Config, opts ...rest.Option) (*datocmstest.Server, *datocms.Client) {
	t.Helper()
	if config.Models == nil {
		config.Models = models()
	}
	if config.Requests == 0 {
		config.Requests = -1
	}
	server := datocmstest.New(config)
	t.Cleanup(server.Close)
	return server, clientOf(t, server, opts...)
}

func clientOf(t *testing.T, server *datocmstest.Server, opts ...rest.Option) *datocms.Client {
	t.Helper()
	client, err := datocms.New("", server.Token(), server.Client(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func articlesOf(client *datocms.Client) *datocms.Items[draft, article] {
	return datocms.NewItems[draft, article](client, articleModel)
}

// drafts returns n of them.
func drafts(n int) []draft {
	all := make([]draft, n)
	for k := range all {
		all[k] = draft{Title: fmt.Sprintf("Title %d", k), Slug: fmt.Sprintf("slug-%d", k), Pages: k}
	}
	return all
}

// fill puts n articles on the server, and returns their ids.
func fill(server *datocmstest.Server, n int) []string {
	ids := make([]string, n)
	for k := range ids {
		ids[k] = server.Add(articleModel, map[string]any{"title": fmt.Sprintf("Title %d", k), "slug": fmt.Sprintf("slug-%d", k), "pages": k}, false)
	}
	return ids
}

// latency is how long answers take: about 120 ms, some much longer.
func latency() time.Duration {
	return time.Duration(float64(120*time.Millisecond) * (0.6 + 0.8*rand.Float64()))
}

// accounts checks that each of n items ended once.
func accounts[In, Out any](t *testing.T, n int, res *windrow.BulkResult[In, Out]) {
	t.Helper()
	s := res.Stats()
	if res.Len() != n || s.Total != n || s.Succeeded+s.Failed+s.Skipped+s.NotAttempted+s.Unknown != n {
		t.Errorf("%d items, and the counts are %+v", n, s)
	}
}

// ends returns how the items of a result ended, such as "succeeded" and "failed".
func ends[In, Out any](res *windrow.BulkResult[In, Out]) []string {
	var all []string
	for r := range res.All() {
		text := r.State.String()
		if r.Reason != windrow.NoReason {
			text += " " + r.Reason.String()
		}
		all = append(all, text)
	}
	return all
}

// requests returns what the server has answered: method, path and status, without throttles, and with the ids of records
// as names.
func requests(server *datocmstest.Server, names ...string) []string {
	var all []string
	replace := strings.NewReplacer(names...)
	for _, r := range server.Seen() {
		path, _, _ := strings.Cut(r.Target, "?")
		all = append(all, fmt.Sprintf("%s %s %d", r.Method, replace.Replace(path), r.Status))
	}
	return all
}

// fast sends again without a delay.
var fast = windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0)})

// bodyOf reads the body of a request.
func bodyOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var form map[string]any
	if err := json.Unmarshal(text, &form); err != nil {
		t.Fatal(err)
	}
	return form
}

// handled returns a client whose requests a function answers.
func handled(t *testing.T, handler http.HandlerFunc, opts ...rest.Option) *datocms.Client {
	t.Helper()
	client, err := datocms.New("", "token", &http.Client{Transport: direct(handler)}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// direct is a handler as a transport.
type direct http.HandlerFunc

// RoundTrip implements [http.RoundTripper].
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	asked := r
	if r.Body == nil { // a server's request always has one
		asked = r.WithContext(r.Context())
		asked.Body = http.NoBody
	}
	d(w, asked)
	res := w.Result()
	res.Request = r
	return res, nil
}
