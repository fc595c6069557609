package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
)

// Numbers of an answer that no float64 holds come back as they are, and go out as they came, in records without a type.
func TestF77_NumbersInRecordsWithoutAType(t *testing.T) {
	t.Parallel()
	const record = `{"id":9007199254740993,"list":[18446744073709551615],"price":0.10,"sub":{"n":-9007199254740993}}`
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case req.Method != http.MethodGet:
			body, _ := io.ReadAll(req.Body)
			_, _ = w.Write(body) // what was sent
		case strings.HasSuffix(req.URL.Path, "/things"):
			_, _ = fmt.Fprintf(w, `{"items":[%s]}`, record)
		default:
			_, _ = io.WriteString(w, record)
		}
	})
	client, err := New("http://cms.test", WithHTTPClient(&http.Client{Transport: s.base}))
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, v any) {
		t.Helper()
		if text, err := json.Marshal(v); err != nil || string(text) != record {
			t.Errorf("%s: %s, %v, want %s", what, text, err, record)
		}
	}
	type object = map[string]any
	things := NewResource[object, object](client, "/things")
	one, err := things.Get(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	same("Get", one)
	page, err := things.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	same("List", page.Items[0])
	res, err := windrow.CreateMany(t.Context(), things, []object{one})
	if err != nil {
		t.Fatal(err)
	}
	same("created", res.At(0).Value)
	var free any
	if _, err := client.Do(t.Context(), Request{Method: http.MethodGet, Path: "/things/1"}, &free); err != nil {
		t.Fatal(err)
	}
	same("Do", free)

	// What a journal is told of a record without a type is its id, and not another number.
	p := windrow.NewCreateProcessor(things)
	p.ResultID = func(out object) string { return fmt.Sprint(out["id"]) }
	if res, err = p.Run(context.Background(), []object{one}); err != nil || res.At(0).ID != "9007199254740993" {
		t.Errorf("id %s, %v", res.At(0).ID, err)
	}
}
