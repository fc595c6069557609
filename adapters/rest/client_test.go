package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const good = "https://cms.test/api"
	one, two := &windrow.Limiter{}, &windrow.Limiter{}
	for _, test := range []struct {
		url  string
		opts []Option
		want string // part of the error
	}{
		{"", nil, "is empty"},
		{"  ", nil, "is empty"},
		{"cms.test/api", nil, `scheme ""`},
		{"ftp://cms.test", nil, `scheme "ftp"`},
		{"https://", nil, "no host"},
		{"https://:443/", nil, "no host"},
		{"https:cms.test", nil, "no host"},
		{"https://user:secret@cms.test", nil, "user name"},
		{"https://cms.test?token=secret", nil, "query"},
		{"https://cms.test?", nil, "query"},
		{"https://cms.test#secret", nil, "fragment"},
		{"https://user:secret@cms.test:port", nil, "cannot be read"},
		{"https://cms.test/%zz", nil, "cannot be read"},
		{good, []Option{nil}, "option 0 is nil"},
		{good, []Option{WithLimiter(nil)}, "WithLimiter (nil)"},
		{good, []Option{WithHTTPClient(nil)}, "WithHTTPClient (nil)"},
		{good, []Option{WithConnections(0)}, "WithConnections (0)"},
		{good, []Option{WithConnections(8), WithHTTPClient(&http.Client{Transport: NewBase(1)})}, "WithConnections does not go"},
		{good, []Option{WithToken("")}, "WithToken"},
		{good, []Option{WithTokenSource(noToken), WithToken("")}, "WithToken"},
		{good, []Option{WithToken("secret\r\nX: y")}, "WithToken"},
		{good, []Option{WithTokenSource(nil)}, "WithTokenSource (nil)"},
		{good, []Option{WithAuthScheme("two words")}, `WithAuthScheme ("two words")`},
		{good, []Option{WithHeader("", "x")}, "WithHeader"},
		{good, []Option{WithHeader("X Y", "x")}, `WithHeader ("X Y")`},
		{good, []Option{WithHeader("X-Y", "secret\x00")}, `WithHeader ("X-Y")`},
		{good, []Option{WithHeader("X-Y", "secret\x7f")}, `WithHeader ("X-Y")`},
		{good, []Option{WithHeader("host", "x")}, "net/http"},
		{good, []Option{WithMaxBody(0)}, "WithMaxBody (0)"},
		{good, []Option{WithCodec(Codec{Marshal: json.Marshal})}, "WithCodec"},
		{good, []Option{WithCodec(Codec{Unmarshal: json.Unmarshal})}, "WithCodec"},
		{good, []Option{WithClassifier(nil)}, "WithClassifier (nil)"},
		{good, []Option{WithLimiter(one), WithHTTPClient(&http.Client{Transport: &Transport{Limiter: two}})}, "two limiters"},
		{"", []Option{WithMaxBody(0)}, "WithMaxBody (0)"}, // all that is wrong, at once
	} {
		c, err := New(test.url, test.opts...)
		if c != nil || err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "rest: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q) = %v, %v, want an error with %q", test.url, c, err, test.want)
		}
	}
}

// Whatever the base URL's path and the resource's, and whatever an id holds, the request goes where it should.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ base, path, id, want string }{
		{"http://cms.test", "/articles", "1", "/articles/1"},
		{"http://cms.test/", "articles", "1", "/articles/1"},
		{"http://cms.test/api", "/articles", "1", "/api/articles/1"},
		{"http://cms.test/api/", "/articles", "1", "/api/articles/1"},
		{"http://cms.test/api/v1//", "/articles", "1", "/api/v1/articles/1"},
		{"http://cms.test/api", "/articles/", "1", "/api/articles/1/"},
		{"http://cms.test/api", "", "1", "/api/1"},
		{"http://cms.test", "/", "1", "/1/"},
		{"http://cms.test/a%2Fb", "/c%2Fd", "e/f", "/a%2Fb/c%2Fd/e%2Ff"},
		{"http://cms.test/ü", "/ö", "ä", "/%C3%BC/%C3%B6/%C3%A4"},
		{"http://cms.test", "/articles", "a b?c#d%2F&=;+", "/articles/a%20b%3Fc%23d%252F&=%3B+"},
		{"http://cms.test", "/articles", "...", "/articles/..."},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, good)
			c, err := New(test.base, WithHTTPClient(&http.Client{Transport: s.base}))
			if err != nil {
				t.Fatal(err)
			}
			articles := NewResource[draft, article](c, test.path)
			if _, err := articles.Get(t.Context(), test.id); err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "target", test.want, s.requests()[0].Target)
		})
	}
}

// An empty port is none (RFC 3986 section 6.2.3): it must not be part of the Host that the server is asked for.
func TestAnEmptyPortIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var host string
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			host = r.Host
			good(w, r)
		})
		c, err := New("http://cms.test:/api", WithHTTPClient(&http.Client{Transport: s.base}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), Request{Path: "/articles/1"}, nil); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "Host", "cms.test", host)
	})
}

func TestPathsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, good)
		c := s.client(t)
		articles := articlesOf(c)
		for _, id := range []string{"", ".", ".."} {
			_, getErr := articles.Get(t.Context(), id)
			_, updateErr := articles.Update(t.Context(), id, draft{})
			_, upsertErr := articles.Upserter(func(draft) string { return id }).Upsert(t.Context(), draft{})
			for _, err := range []error{getErr, updateErr, upsertErr, articles.Delete(t.Context(), id)} {
				if c := windrow.Classify(err); err == nil || c.Class != windrow.ClassPermanent || c.Kind != windrow.KindValidation {
					t.Errorf("id %q: %v", id, err)
				}
			}
		}
		for _, path := range []string{"/articles?a=b", "/articles#a", "/%zz"} {
			_, err := c.Do(t.Context(), Request{Path: path}, nil)
			if windrow.Classify(err).Kind != windrow.KindValidation {
				t.Errorf("path %q: %v", path, err)
			}
		}
		testkit.Check(t, "requests", 0, len(s.requests()))
	})
}

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got http.Header
		s := serve(t, func(w http.ResponseWriter, req *http.Request) {
			got = req.Header.Clone()
			good(w, req)
		})
		c := s.client(t, WithHeader("x-api-version", "2"), WithHeader("X-Api-Version", "3"), WithHeader("accept", "application/vnd.api+json"), WithHeader("X-Environment", "main"))
		_, err := c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/x", Query: url.Values{"a": {"b c"}}, In: draft{"a"},
			Header: http.Header{"x-environment": {"sandbox"}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"User-Agent", "Content-Length", "Accept-Encoding"} {
			got.Del(name)
		}
		testkit.Check(t, "header", http.Header{
			"Accept": {"application/vnd.api+json"}, "Content-Type": {"application/json"}, "X-Api-Version": {"3"}, "X-Environment": {"sandbox"},
		}, got)
		testkit.Check(t, "target", "/api/x?a=b+c", s.requests()[0].Target)

		if _, err := c.Do(t.Context(), Request{}, nil); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "request of nothing", seen{Method: "GET", Target: "/api"}, s.requests()[1])
		testkit.Check(t, "Content-Type of no body", "", got.Get("Content-Type"))
	})
}

func TestDoAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Total", "7")
			answer(w, http.StatusAccepted, article{ID: "1"})
		})
		var got article
		res, err := s.client(t).Do(t.Context(), Request{Method: http.MethodPost, Path: "/jobs"}, &got)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "value", article{ID: "1"}, got)
		testkit.Check(t, "status", http.StatusAccepted, res.Status)
		testkit.Check(t, "header", "7", res.Header.Get("X-Total"))
		testkit.Check(t, "body", `{"id":"1"}`+"\n", string(res.Body))
	})
}

func TestWithCodec(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		marshals, unmarshals := 0, 0
		s := serve(t, good)
		_, err := articlesOf(s.client(t, WithCodec(Codec{
			Marshal:   func(v any) ([]byte, error) { marshals++; return json.Marshal(v) },
			Unmarshal: func(data []byte, v any) error { unmarshals++; return json.Unmarshal(data, v) },
		}))).Create(t.Context(), draft{"a"})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "calls", []int{1, 1}, []int{marshals, unmarshals})
	})
}

// The caller's http.Client is copied; its redirect policy is asked about reads.
func TestWithHTTPClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, each(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "/api/articles/2", http.StatusFound)
		}, good))
		refused := errors.New("no redirects")
		given := &http.Client{Transport: s.base, Timeout: time.Hour, CheckRedirect: func(*http.Request, []*http.Request) error { return refused }}
		c, err := New("http://cms.test/api", WithHTTPClient(given))
		if err != nil {
			t.Fatal(err)
		}
		if given.Transport != s.base {
			t.Error("the caller's client was changed")
		}
		testkit.Check(t, "timeout", time.Hour, c.timeout)
		if _, err := articlesOf(c).Get(t.Context(), "1"); !errors.Is(err, refused) {
			t.Errorf("error %v does not match that of the policy", err)
		}
		c.CloseIdleConnections()
	})
}

// A client whose transport is windrow's already has it once.
func TestWithHTTPClientOfATransport(t *testing.T) {
	t.Parallel()
	limiter := &windrow.Limiter{}
	base := roundTripper(func(*http.Request) (*http.Response, error) { return nil, http.ErrNotSupported })
	for _, test := range []struct {
		name  string
		given *Transport
		opts  []Option
		same  bool
	}{
		{"as it is", &Transport{Limiter: limiter}, nil, true},
		{"with its limiter", &Transport{Limiter: limiter}, []Option{WithLimiter(limiter)}, true},
		{"without a limiter", &Transport{Base: base, KeyHeader: "X-Key", QuoteKey: true}, []Option{WithLimiter(limiter)}, false},
	} {
		c, err := New("http://cms.test", append(test.opts, WithHTTPClient(&http.Client{Transport: test.given}))...)
		if err != nil {
			t.Fatal(err)
		}
		got := c.transport
		if c.Limiter() != limiter || (got == test.given) != test.same || got.KeyHeader != test.given.KeyHeader || got.QuoteKey != test.given.QuoteKey {
			t.Errorf("%s: transport %+v", test.name, got)
		}
		if _, nested := got.Base.(*Transport); nested {
			t.Errorf("%s: a transport in a transport", test.name)
		}
	}
	for _, test := range []struct {
		opts []Option
		want int
	}{
		{nil, 64},
		{[]Option{WithConnections(5)}, 5},
		{[]Option{WithLimiter(windrow.NewLimiter(windrow.Concurrency(100)))}, 100},
		{[]Option{WithConnections(5), WithHTTPClient(&http.Client{})}, 5},
	} {
		c, err := New("http://cms.test", test.opts...)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "connections", test.want, c.transport.Base.(*http.Transport).MaxIdleConnsPerHost)
		testkit.Check(t, "timeout", 0, c.timeout)
	}
}
