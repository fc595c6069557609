package datocms_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/upload"
	"github.com/windrow-go/windrow/windrowtest"
)

const secret = "s3cr3t-t0k3n-of-datocms"

// apiOf returns a server for a conformance test.
func apiOf(tb testing.TB) http.Handler {
	server := datocmstest.New(datocmstest.Config{Token: secret, Models: models(), Requests: -1})
	tb.Cleanup(server.Close)
	return server
}

func connected(tb testing.TB, url string, hc *http.Client) *datocms.Client {
	client, err := datocms.New(url, secret, hc)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// refusalBody is how DatoCMS names an error.
func refusalBody(status int) windrowtest.Answer {
	return windrowtest.JSON(status, `{"data":[{"id":"6b1","type":"api_error","attributes":{"code":"SOMETHING","details":{}}}]}`)
}

// Records, with ids of the caller's.
func TestConformanceOfItems(t *testing.T) {
	t.Parallel()
	windrowtest.TestClient(t, windrowtest.ClientTest[string, article, article]{
		API: apiOf,
		New: func(tb testing.TB, url string, hc *http.Client) any {
			return datocms.NewItems[article, article](connected(tb, url, hc), articleModel)
		},
		Verbs:   []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpDelete, windrow.OpGet},
		Batches: []windrow.OpKind{windrow.OpDelete, windrow.OpGet},
		Input: func(n int) article {
			return article{Record: datocms.Record{ID: datocms.IDFor(fmt.Sprint(n))}, Title: fmt.Sprintf("title <%d> ü", n)}
		},
		Same: func(in, out article) bool { return in.Title == out.Title && out.ID != "" },
		Put: func(_ testing.TB, api http.Handler, in article) string {
			return api.(*datocmstest.Server).Add(articleModel, map[string]any{"title": in.Title}, false)
		},
		Missing:        datocms.NewID(),
		Bad:            func(int) article { return article{} },
		Count:          func(api http.Handler) int { return api.(*datocmstest.Server).Len("") },
		Secrets:        []string{secret},
		ErrorBody:      refusalBody,
		DeletesMissing: true, // in bulk it only counts
	})
}

// Assets, but for their creation, which takes several requests: a lost answer to the first is no doubt, where the suite wants
// one.
func TestConformanceOfUploads(t *testing.T) {
	t.Parallel()
	windrowtest.TestClient(t, windrowtest.ClientTest[string, datocms.Attributes, datocms.Asset]{
		API: apiOf,
		New: func(tb testing.TB, url string, hc *http.Client) any {
			return datocms.NewUploads[datocms.Asset](connected(tb, url, hc))
		},
		Verbs:   []windrow.OpKind{windrow.OpUpdate, windrow.OpDelete, windrow.OpGet},
		Batches: []windrow.OpKind{windrow.OpDelete, windrow.OpGet},
		Input: func(n int) datocms.Attributes {
			return datocms.Attributes{"default_field_metadata": map[string]any{"en": map[string]any{"title": fmt.Sprint(n)}}}
		},
		Same: func(in datocms.Attributes, out datocms.Asset) bool {
			return string(out.DefaultFieldMetadata) == fmt.Sprintf(`{"en":{"title":%q}}`, in["default_field_metadata"].(map[string]any)["en"].(map[string]any)["title"])
		},
		Put: func(tb testing.TB, api http.Handler, in datocms.Attributes) string {
			server := api.(*datocmstest.Server)
			client, err := datocms.New("", secret, server.Client())
			if err != nil {
				tb.Fatal(err)
			}
			file := upload.FromBytes("a.png", fmt.Append(nil, in))
			file.Metadata = in
			u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
			u.SkipExisting = upload.Never
			u.Add(file)
			res, err := u.Process(tb.Context())
			if err != nil {
				tb.Fatal(err)
			}
			return res.At(0).Value.ID
		},
		Missing:        datocms.NewID(),
		Secrets:        []string{secret},
		ErrorBody:      refusalBody,
		DeletesMissing: true, // in bulk it only counts
	})
}
