package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// A bulk endpoint takes one JSON value a line, and answers in the same form.
func ExampleLines() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		fmt.Printf("%s\n%s", req.Header.Get("Content-Type"), body)
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, `{"id":"1","title":"One"}`+"\n"+`{"id":"2","title":"Two"}`+"\n")
	}))
	defer server.Close()
	client, err := rest.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	var made rest.Lines[Article]
	_, err = client.Do(context.Background(), rest.Request{Method: "POST", Path: "/import", In: rest.Lines[Draft]{{"One"}, {"Two"}}}, &made)
	fmt.Println(made, err)
	// Output:
	// application/x-ndjson
	// {"title":"One"}
	// {"title":"Two"}
	// [{1 One} {2 Two}] <nil>
}

// What is no JSON is sent, and read, as it is.
func ExampleRaw() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", req.Header.Get("Content-Type"))
		_, _ = io.Copy(w, req.Body)
	}))
	defer server.Close()
	client, err := rest.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	var got rest.Raw
	_, err = client.Do(context.Background(), rest.Request{Method: "PUT", Path: "/list", In: rest.Raw{ContentType: "text/csv", Data: []byte("a,b")}}, &got)
	fmt.Printf("%s: %s, %v\n", got.ContentType, got.Data, err)
	// Output: text/csv: a,b, <nil>
}

// A server says with status 200 that it is too much: the run waits, and sends the item again.
func ExampleTransport_classify() {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			w.Header().Set("X-Quota", "exceeded")
		}
	}))
	defer server.Close()
	limiter := windrow.NewLimiter()
	sdk := &http.Client{Transport: &rest.Transport{
		Limiter: limiter,
		Classify: func(res *http.Response) error {
			if res.Header.Get("X-Quota") == "exceeded" {
				return windrow.Throttled(errors.New("over quota"), 0)
			}
			return nil
		},
	}}
	create := func(ctx context.Context, title string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, "POST", server.URL, nil)
		if err != nil {
			return "", err
		}
		res, err := sdk.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		if res.Header.Get("X-Quota") == "exceeded" {
			return "", errors.New("sdk: the quota is exceeded")
		}
		return title, nil
	}
	res, err := windrow.CreateMany(context.Background(), windrow.CreateFunc(create), []string{"One"}, windrow.WithLimiter(limiter))
	fmt.Println(res.Values(), err, calls)
	// Output: [One] <nil> 2
}
