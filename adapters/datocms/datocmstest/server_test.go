package datocmstest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
)

const (
	model = "UZyfjdBES8y2W2ruMEHSoA"
	base  = "https://site-api.datocms.com"
)

// exchange is a request, and what the server is to response.
type exchange struct {
	name   string
	method string
	path   string
	body   string
	header []string // changes: name, value, …; a value "" removes it
	status int
	code   string // of the error
}

// send makes a request as DatoCMS wants it, with changes, and returns the status and the body.
func send(t *testing.T, server *datocmstest.Server, e exchange) (int, string, http.Header) {
	t.Helper()
	url := e.path
	if strings.HasPrefix(url, "/") {
		url = base + url
	}
	req, err := http.NewRequestWithContext(t.Context(), e.method, url, strings.NewReader(e.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + server.Token(), "Accept": "application/json", "X-Api-Version": "3", "Content-Type": "application/vnd.api+json",
	} {
		req.Header.Set(name, value)
	}
	for k := 0; k < len(e.header); k += 2 {
		if req.Header.Del(e.header[k]); e.header[k+1] != "" {
			req.Header.Set(e.header[k], e.header[k+1])
		}
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func codeOf(body string) string {
	var form struct {
		Data json.RawMessage `json:"data"`
	}
	var errors []struct {
		Type       string `json:"type"`
		Attributes struct {
			Code string `json:"code"`
		} `json:"attributes"`
	}
	if json.Unmarshal([]byte(body), &form) != nil || json.Unmarshal(form.Data, &errors) != nil || len(errors) == 0 || errors[0].Type != "api_error" {
		return ""
	}
	return errors[0].Attributes.Code
}

// create is the body of a create.
func create(more string) string {
	return fmt.Sprintf(`{"data":{"type":"item","attributes":{"title":"a"},"relationships":{"item_type":{"data":{"type":"item_type","id":%q}}}%s}}`, model, more)
}

// bulk is the body of a bulk operation on n records.
func bulk(kind string, n int) string {
	refs := make([]string, n)
	for k := range refs {
		refs[k] = fmt.Sprintf(`{"type":"item","id":"%d"}`, k+1)
	}
	return fmt.Sprintf(`{"data":{"type":%q,"relationships":{"items":{"data":[%s]}}}}`, kind, strings.Join(refs, ","))
}

// A sloppy client fails.
func TestItIsStrict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := datocmstest.New(datocmstest.Config{Requests: -1, Models: []datocmstest.Model{
			{ID: model, APIKey: "article", Fields: []datocmstest.Field{{APIKey: "title", Required: true}, {APIKey: "slug", Unique: true}}},
		}})
		defer server.Close()
		id := server.Add(model, map[string]any{"title": "a"}, false)
		for _, e := range []exchange{
			{"a good create", "POST", "/items", create(""), nil, 200, ""},
			{"no token", "POST", "/items", create(""), []string{"Authorization", ""}, 401, "INVALID_AUTHORIZATION_HEADER"},
			{"another scheme", "POST", "/items", create(""), []string{"Authorization", server.Token()}, 401, "INVALID_AUTHORIZATION_HEADER"},
			{"no version", "POST", "/items", create(""), []string{"X-Api-Version", ""}, 400, "INVALID_API_VERSION"},
			{"any response", "POST", "/items", create(""), []string{"Accept", "*/*"}, 406, "INVALID_ACCEPT_HEADER"},
			{"a form", "POST", "/items", create(""), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "INVALID_CONTENT_TYPE_HEADER"},
			{"plain JSON", "POST", "/items", create(""), []string{"Content-Type", "application/json"}, 200, ""},
			{"an environment that there is not", "POST", "/items", create(""), []string{"X-Environment", "x"}, 422, "INVALID_ENVIRONMENT"},
			{"a path that there is not", "POST", "/records", create(""), nil, 404, "INVALID_ENDPOINT"},
			{"a method that there is not", "PATCH", "/items/" + id, create(""), nil, 404, "INVALID_ENDPOINT"},
			{"the guide's form", "POST", "/items", `{"itemType":"article","title":"a"}`, nil, 422, "INVALID_FORMAT"},
			{"no JSON", "POST", "/items", `{`, nil, 422, "INVALID_FORMAT"},
			{"another type", "POST", "/items", strings.Replace(create(""), `"item"`, `"upload"`, 1), nil, 422, "INVALID_FORMAT"},
			{"the API key of the model", "POST", "/items", strings.Replace(create(""), model, "article", 1), nil, 422, "INVALID_FIELD"},
			{"a field that there is not", "POST", "/items", strings.Replace(create(""), `"title":"a"`, `"title":"a","x":1`, 1), nil, 422, "INVALID_ATTRIBUTES"},
			{"no title", "POST", "/items", strings.Replace(create(""), `"title":"a"`, ``, 1), nil, 422, "INVALID_FIELD"},
			{"meta that a create does not take", "POST", "/items", create(`,"meta":{"status":"draft"}`), nil, 422, "INVALID_FORMAT"},
			{"an id that is none", "POST", "/items", create(`,"id":"mine"`), nil, 422, "INVALID_FIELD"},
			{"a UUID of another version", "POST", "/items", create(`,"id":"AAAAAAAAEACAAAAAAAAAAA"`), nil, 422, "INVALID_FIELD"},
			{"an id that is taken", "POST", "/items", create(`,"id":"` + id + `"`), nil, 422, "INVALID_FIELD"},
			{"a query with a write", "POST", "/items?x=1", create(""), nil, 422, "INVALID_PARAMS"},
			{"an update of another id", "PUT", "/items/" + id, `{"data":{"type":"item","id":"1","attributes":{}}}`, nil, 422, "INVALID_FORMAT"},
			{"an update of nothing", "PUT", "/items/1", `{"data":{"type":"item","id":"1","attributes":{}}}`, nil, 404, "NOT_FOUND"},
			{"an update with the id as a field", "PUT", "/items/" + id, `{"data":{"type":"item","id":"` + id + `","attributes":{"id":"x"}}}`, nil, 422, "INVALID_ATTRIBUTES"},
			{"a version that is not the current one", "PUT", "/items/" + id, `{"data":{"type":"item","id":"` + id + `","attributes":{},"meta":{"current_version":"1"}}}`, nil, 422, "STALE_ITEM_VERSION"},
			{"a publication with a body", "PUT", "/items/" + id + "/publish", `{}`, nil, 422, "INVALID_FORMAT"},
			{"a publication of nothing", "PUT", "/items/1/publish", ``, nil, 404, "NOT_FOUND"},
			{"200 ids", "POST", "/items/bulk/destroy", bulk("item_bulk_destroy_operation", 200), nil, 202, ""},
			{"201 ids", "POST", "/items/bulk/destroy", bulk("item_bulk_destroy_operation", 201), nil, 422, "INVALID_FORMAT"},
			{"no ids", "POST", "/items/bulk/destroy", bulk("item_bulk_destroy_operation", 0), nil, 422, "INVALID_FORMAT"},
			{"the type of another operation", "POST", "/items/bulk/destroy", bulk("item_bulk_publish_operation", 2), nil, 422, "INVALID_FORMAT"},
			{"an operation that there is not", "POST", "/items/bulk/create", bulk("item_bulk_create_operation", 2), nil, 404, "INVALID_ENDPOINT"},
			{"a move without a stage", "POST", "/items/bulk/move-to-stage", bulk("item_bulk_move_to_stage_operation", 2), nil, 422, "INVALID_FORMAT"},
			{"a page of 501", "GET", "/items?page[limit]=501", "", nil, 422, "INVALID_PARAMS"},
			{"a negative offset", "GET", "/items?page[offset]=-1", "", nil, 422, "INVALID_PARAMS"},
			{"type and ids", "GET", "/items?filter[type]=article&filter[ids]=1", "", nil, 422, "INVALID_PARAMS"},
			{"a parameter that there is not", "GET", "/items?limit=5", "", nil, 422, "INVALID_PARAMS"},
			{"a model that there is not", "GET", "/items?filter[type]=x", "", nil, 422, "ITEM_TYPE_NOT_FOUND"},
			{"a version of assets", "GET", "/uploads?version=current", "", nil, 422, "INVALID_PARAMS"},
			{"a URL that is too long", "GET", "/items?filter[ids]=" + strings.Repeat("1,", 5000), "", nil, 414, ""},
			{"a job that there is not", "GET", "/job-results/1", "", nil, 404, "NOT_FOUND"},
			{"a file name with a slash", "POST", "/upload-requests", `{"data":{"type":"upload_request","attributes":{"filename":"a/b"}}}`, nil, 422, "INVALID_FORMAT"},
			{"an attribute of assets that there is not", "POST", "/uploads", `{"data":{"type":"upload","attributes":{"path":"/7/1-a","alt":"x"}}}`, nil, 422, "INVALID_FORMAT"},
		} {
			status, body, _ := send(t, server, e)
			if status != e.status || codeOf(body) != e.code {
				t.Errorf("%s: status %d, code %q, want %d and %q", e.name, status, codeOf(body), e.status, e.code)
			}
		}
	})
}

// Sixty requests in each window of three seconds, and headers that say so; Reset only with a refusal.
func TestTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := datocmstest.New(datocmstest.Config{})
		defer server.Close()
		time.Sleep(1200 * time.Millisecond)
		refused := 0
		for k := range 80 {
			status, _, header := send(t, server, exchange{method: "GET", path: "/uploads"})
			want, reset := fmt.Sprint(max(0, 59-k)), ""
			if k >= 60 {
				reset = "2" // of 1.8 s
			}
			if header.Get("X-RateLimit-Limit") != "60" || header.Get("X-RateLimit-Remaining") != want || header.Get("X-RateLimit-Reset") != reset || (status == 429) != (k >= 60) {
				t.Fatalf("request %d: status %d, %v", k, status, header)
			}
			if status == 429 {
				refused++
			}
		}
		if n := server.Throttled(); refused != 20 || n != 20 {
			t.Errorf("%d refused, %d counted", refused, n)
		}
		time.Sleep(1800 * time.Millisecond)
		if status, _, _ := send(t, server, exchange{method: "GET", path: "/uploads"}); status != 200 {
			t.Errorf("status %d in the next window", status)
		}
	})
}

// The bucket wants its headers, the length, and nobody's token.
func TestTheBucketIsStrict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := datocmstest.New(datocmstest.Config{Requests: -1})
		defer server.Close()
		_, body, _ := send(t, server, exchange{method: "POST", path: "/upload-requests", body: `{"data":{"type":"upload_request","attributes":{"filename":"a.png"}}}`})
		var granted struct {
			Data struct {
				ID         string `json:"id"`
				Attributes struct {
					URL     string            `json:"url"`
					Headers map[string]string `json:"request_headers"`
				} `json:"attributes"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(body), &granted); err != nil {
			t.Fatal(err)
		}
		url := granted.Data.Attributes.URL
		for _, e := range []exchange{
			{"with the token", "PUT", url, "x", []string{"X-Amz-Acl", "public-read"}, 400, ""},
			{"without the headers", "PUT", url, "x", []string{"Authorization", ""}, 403, ""},
			{"without the signature", "PUT", url[:strings.Index(url, "?")], "x", []string{"Authorization", "", "X-Amz-Acl", "public-read"}, 403, ""},
			{"with POST", "POST", url, "x", []string{"Authorization", "", "X-Amz-Acl", "public-read"}, 405, ""},
			{"as it is to be", "PUT", url, "x", []string{"Authorization", "", "X-Amz-Acl", "public-read"}, 200, ""},
		} {
			if status, _, _ := send(t, server, e); status != e.status {
				t.Errorf("%s: status %d, want %d", e.name, status, e.status)
			}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, io.MultiReader(strings.NewReader("x")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Acl", "public-read")
		res, err := server.Client().Do(req) // in chunks
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusLengthRequired {
			t.Errorf("without a length: status %d", res.StatusCode)
		}
		time.Sleep(16 * time.Minute)
		if status, _, _ := send(t, server, exchange{method: "PUT", path: url, body: "x", header: []string{"Authorization", "", "X-Amz-Acl", "public-read"}}); status != 403 {
			t.Errorf("after its time: status %d", status)
		}
		if string(server.Files()[granted.Data.ID]) != "x" {
			t.Errorf("files %v", server.Files())
		}
	})
}

// A job has no result while it runs; then its own status and counts are in it. Without a version a list holds what is
// published.
func TestJobsAndVersions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := datocmstest.New(datocmstest.Config{Requests: -1, JobTime: time.Second, Models: []datocmstest.Model{{ID: model, APIKey: "article"}}})
		defer server.Close()
		draft, live := server.Add(model, map[string]any{"title": "a"}, false), server.Add(model, map[string]any{"title": "b"}, true)
		for query, want := range map[string]int{"": 1, "?version=published": 1, "?version=current": 2, "?version=current&filter[type]=article&page[limit]=1&page[offset]=1": 2} {
			_, body, _ := send(t, server, exchange{method: "GET", path: "/items" + query})
			if !strings.Contains(body, fmt.Sprintf(`"total_count":%d`, want)) {
				t.Errorf("%s: %s", query, body)
			}
		}
		server.Refuse("destroy", "ITEM_LOCKED", draft)
		ids := fmt.Sprintf(`{"data":{"type":"item_bulk_destroy_operation","relationships":{"items":{"data":[{"type":"item","id":%q},{"type":"item","id":%q}]}}}}`, draft, live)
		status, body, _ := send(t, server, exchange{method: "POST", path: "/items/bulk/destroy", body: ids})
		_, id, _ := strings.Cut(body, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		if status != 202 {
			t.Fatalf("status %d: %s", status, body)
		}
		if status, _, _ := send(t, server, exchange{method: "GET", path: "/job-results/" + id}); status != 404 || server.Len("") != 2 {
			t.Errorf("status %d, %d records while it runs", status, server.Len(""))
		}
		time.Sleep(time.Second)
		want := fmt.Sprintf(`{"data":{"attributes":{"payload":{"data":[],"meta":{"failed":1,"successful":1}},"status":200},"id":%q,"type":"job_result"}}`, id)
		if status, body, _ := send(t, server, exchange{method: "GET", path: "/job-results/" + id}); status != 200 || body != want {
			t.Errorf("status %d: %s\nwant %s", status, body, want)
		}
	})
}
