package rest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/pages"
)

// What is nil, or a nil pointer in an interface, is refused: by New where it can tell, and by every call otherwise.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	type cancelled struct{ context.Context }
	var noContext *cancelled
	newWith := func(opts ...rest.Option) func() error {
		return func() error { _, err := rest.New("https://cms.invalid", opts...); return err }
	}
	httpClient := func(base http.RoundTripper) rest.Option {
		return rest.WithHTTPClient(&http.Client{Transport: base})
	}
	client, err := rest.New("https://cms.invalid")
	if err != nil {
		t.Fatal(err)
	}
	create := func(c *rest.Client) func() error {
		return func() error {
			_, err := windrow.CreateMany(t.Context(), rest.NewResource[int, int](c, "/articles"), []int{1})
			return err
		}
	}
	read := func(c *rest.Client) func() error {
		return func() (last error) {
			for _, last = range pages.Read(t.Context(), rest.NewResource[int, int](c, "/articles").ByOffset(10)) {
			}
			return last
		}
	}
	through := func(transport *rest.Transport) func() error {
		return func() error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://cms.invalid/articles", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			res, err := transport.RoundTrip(req)
			if err == nil {
				_ = res.Body.Close()
			}
			return err
		}
	}
	for name, tt := range map[string]struct {
		got  func() error
		want string
	}{
		"WithLimiter":           {newWith(rest.WithLimiter(nil)), "rest: WithLimiter (nil) must be a limiter"},
		"WithHTTPClient":        {newWith(rest.WithHTTPClient(nil)), "rest: WithHTTPClient (nil) must be a client"},
		"its transport":         {newWith(httpClient((*http.Transport)(nil))), "rest: WithHTTPClient: its transport is a nil pointer: give one, or none"},
		"its rest.Transport":    {newWith(httpClient((*rest.Transport)(nil))), "rest: WithHTTPClient: its transport is a nil pointer: give one, or none"},
		"its base":              {newWith(httpClient(&rest.Transport{Base: (*http.Transport)(nil)})), "rest: WithHTTPClient: its transport is a nil pointer: give one, or none"},
		"WithTokenSource":       {newWith(rest.WithTokenSource(nil)), "rest: WithTokenSource (nil) must be a function"},
		"WithClassifier":        {newWith(rest.WithClassifier(nil)), "rest: WithClassifier (nil) must be a function"},
		"WithCodec":             {newWith(rest.WithCodec(rest.Codec{})), "rest: WithCodec: Unmarshal must be a function"},
		"an option":             {newWith(nil), "rest: option 0 is nil: remove it"},
		"Do, nil client":        {func() error { _, err := (*rest.Client)(nil).Do(t.Context(), rest.Request{}, nil); return err }, "make one with New"},
		"Do, empty client":      {func() error { _, err := new(rest.Client).Do(t.Context(), rest.Request{}, nil); return err }, "make one with New"},
		"Do, context":           {func() error { _, err := client.Do(noContext, rest.Request{}, nil); return err }, "context is nil"},
		"resource, nil client":  {create(nil), "rest: NewResource: the client is nil or empty: make one with New"},
		"resource, empty":       {create(new(rest.Client)), "rest: NewResource: the client is nil or empty: make one with New"},
		"pages, nil client":     {read(nil), "rest: NewResource: the client is nil or empty: make one with New"},
		"pages, empty client":   {read(new(rest.Client)), "rest: NewResource: the client is nil or empty: make one with New"},
		"a nil transport":       {through(nil), "rest: the transport is a nil pointer: give one, or none"},
		"a transport, nil base": {through(&rest.Transport{Base: (*http.Transport)(nil)}), "rest: the transport is a nil pointer: give one, or none"},
		"Upserter": {func() error {
			_, err := windrow.UpsertMany(t.Context(), rest.NewResource[int, int](client, "/a").Upserter(nil), []int{1})
			return err
		}, "rest: Upserter (nil) must have a function"},
	} {
		err := tt.got()
		if _, panicked := errors.AsType[*windrow.PanicError](err); panicked || err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(tt.want, "rest: ")) {
			t.Errorf("%s: error %v\nwant  %s", name, err, tt.want)
		}
	}
	if (*rest.Client)(nil).Limiter() != nil || new(rest.Client).Limiter() != nil {
		t.Error("an empty client has a limiter")
	}
}
