package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

type Draft struct {
	Title string `json:"title"`
}

type Article struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// cms is a small API: it refuses articles without a title, and takes each idempotency key once.
func cms() *httptest.Server {
	var mu sync.Mutex
	byKey := map[string]Article{}
	var all []Article
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("POST /api/articles", func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		key := req.Header.Get("Idempotency-Key")
		a, again := byKey[key]
		if !again {
			_ = json.NewDecoder(req.Body).Decode(&a)
			if a.Title == "" {
				answer(w, http.StatusUnprocessableEntity, map[string]any{"code": "INVALID", "errors": []any{
					map[string]string{"field": "title", "message": "must not be empty"},
				}})
				return
			}
			a.ID = fmt.Sprint(len(all) + 1)
			all, byKey[key] = append(all, a), a
		}
		answer(w, http.StatusCreated, a)
	})
	mux.HandleFunc("GET /api/articles", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"items": all, "total": len(all)})
	})
	return httptest.NewServer(mux)
}

func Example() {
	server := cms()
	defer server.Close()
	ctx := context.Background()

	limiter := windrow.NewLimiter(windrow.Concurrency(1)) // one for the account
	client, err := rest.New(server.URL+"/api", rest.WithToken("token"), rest.WithLimiter(limiter))
	if err != nil {
		fmt.Println(err)
		return
	}
	articles := rest.NewResource[Draft, Article](client, "/articles",
		rest.WithCapabilities(windrow.Capabilities{IdempotencyKeys: true})) // a lost answer is asked for again

	res, err := windrow.CreateMany(ctx, articles, []Draft{{"One"}, {""}, {"Three"}}, windrow.WithLimiter(limiter))
	fmt.Println(err)
	for _, field := range windrow.FieldErrors(res.At(1).Err) {
		fmt.Println(field)
	}
	for _, a := range res.Values() {
		fmt.Println(a.ID, a.Title)
	}
	// Output:
	// windrow: of 3 items 1 failed; first: item 1 failed: rest: POST /api/articles: status 422 (INVALID)
	// title: must not be empty
	// 1 One
	// 2 Three
}

// An SDK that knows nothing of windrow, but takes an http.Client.
type sdk struct {
	url  string
	http *http.Client
}

func (s *sdk) CreateArticle(ctx context.Context, title string) (Article, error) {
	body, _ := json.Marshal(Draft{title})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/articles", strings.NewReader(string(body)))
	if err != nil {
		return Article{}, err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return Article{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return Article{}, errors.New("sdk: no article")
	}
	var a Article
	return a, json.NewDecoder(res.Body).Decode(&a)
}

func ExampleTransport() {
	server := cms()
	defer server.Close()

	limiter := windrow.NewLimiter(windrow.Concurrency(8))
	cms := &sdk{server.URL + "/api", &http.Client{Transport: &rest.Transport{Limiter: limiter}}}

	titles := []string{"One", "Two", "Three"}
	res, err := windrow.CreateMany(context.Background(), windrow.CreateFunc(cms.CreateArticle), titles, windrow.WithLimiter(limiter))
	fmt.Println(res.Stats().Succeeded, err)
	// Output: 3 <nil>
}

func ExampleResource_List() {
	server := cms()
	defer server.Close()
	ctx := context.Background()
	client, err := rest.New(server.URL + "/api")
	if err != nil {
		fmt.Println(err)
		return
	}
	articles := rest.NewResource[Draft, Article](client, "/articles")
	if _, err := articles.Create(ctx, Draft{"One"}); err != nil {
		fmt.Println(err)
	}
	page, err := articles.List(ctx, url.Values{"page": {"1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Items)
	fmt.Printf("%s", page.Body)
	// Output:
	// [{1 One}]
	// {"items":[{"id":"1","title":"One"}],"total":1}
}

// encoding/json escapes <, > and & for use in HTML. Here it does not. A faster package goes in the same way.
func ExampleWithCodec() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(os.Stdout, req.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()

	client, err := rest.New(server.URL, rest.WithCodec(rest.Codec{
		Encode: func(w io.Writer, v any) error {
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			return enc.Encode(v)
		},
		Unmarshal: json.Unmarshal,
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Do(context.Background(), rest.Request{Method: "POST", Path: "/articles", In: Draft{"Q & A"}}, nil)
	if err != nil {
		fmt.Println(err)
	}
	// Output: {"title":"Q & A"}
}

func ExampleWithClassifier() {
	busy := rest.WithClassifier(func(e *rest.Error) error {
		if e.Status == http.StatusForbidden && strings.Contains(string(e.Body), "secondary rate limit") {
			return windrow.Throttled(e, time.Minute)
		}
		return nil
	})
	_, err := rest.New("https://cms.example/api", busy)
	fmt.Println(err)
	// Output: <nil>
}

// An endpoint that takes several requests in one has each of its answers read, and judged, as if it had come alone.
func ExampleClient_ReadPart() {
	client, err := rest.New("https://cms.example/api")
	if err != nil {
		fmt.Println(err)
		return
	}
	var answers []struct {
		Status int
		Body   json.RawMessage
	}
	batch := `[{"status":201,"body":{"id":"1","title":"One"}},{"status":429,"body":{"code":"too_fast"}}]`
	if err := json.Unmarshal([]byte(batch), &answers); err != nil {
		fmt.Println(err)
		return
	}
	out := make([]windrow.Outcome[Article], len(answers))
	for k, part := range answers {
		out[k].Err = client.ReadPart(rest.Request{Method: "POST", Path: "/articles"}, rest.Response{Status: part.Status, Body: part.Body}, &out[k].Value)
		fmt.Printf("%q %v\n", out[k].Value.ID, out[k].Err)
	}
	// Output:
	// "1" <nil>
	// "" rest: POST /articles: status 429 (too_fast)
}

func ExampleError() {
	server := cms()
	defer server.Close()
	client, err := rest.New(server.URL + "/api")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = rest.NewResource[Draft, Article](client, "/articles").Get(context.Background(), "7")
	if e, ok := errors.AsType[*rest.Error](err); ok {
		fmt.Println(e.Method, e.Path, e.Status, errors.Is(err, windrow.ErrNotFound))
	}
	// Output: GET /api/articles/7 404 true
}
