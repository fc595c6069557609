package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// wrote tells the trace of a request what became of writing it.
func wrote(req *http.Request, err error) {
	httptrace.ContextClientTrace(req.Context()).WroteRequest(httptrace.WroteRequestInfo{Err: err})
}

// A base may go on reading a request when it has answered it, which RoundTripper allows: until then nothing else may be
// written where its body is.
func TestBodiesThatAreReadLate(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(req *http.Request) io.Reader{
		"a base that says nothing": func(req *http.Request) io.Reader { return req.Body },
		"one that has failed to write, and goes on": func(req *http.Request) io.Reader {
			wrote(req, errors.New("broken"))
			return req.Body
		},
		"one that has written, and opens the body again": func(req *http.Request) io.Reader {
			_, _ = io.Copy(io.Discard, req.Body)
			wrote(req, nil)
			again, _ := req.GetBody()
			return again
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reading io.Reader = strings.NewReader("")
			var got strings.Builder
			c, err := New("http://cms.test/api", WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				_, _ = io.Copy(&got, reading) // of the request before
				reading = late(req)
				return reply(http.StatusCreated), nil
			})}))
			if err != nil {
				t.Fatal(err)
			}
			var drafts []draft
			var want strings.Builder
			for i := range 20 {
				drafts = append(drafts, draft{fmt.Sprint("number ", i)})
				fmt.Fprintf(&want, `{"title":"number %d"}`, i)
			}
			if _, err := windrow.CreateMany(t.Context(), articlesOf(c), drafts, windrow.Concurrency(1)); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(&got, reading)
			testkit.Check(t, "bodies", want.String(), got.String())
		})
	}
}

// encoding returns a codec that notes what it writes to.
func encoding(to *[]io.Writer) Codec {
	return Codec{
		Encode: func(w io.Writer, v any) error {
			*to = append(*to, w)
			return json.NewEncoder(w).Encode(v)
		},
		Unmarshal: json.Unmarshal,
	}
}

// distinct counts the different ones.
func distinct(writers []io.Writer) int {
	set := map[io.Writer]bool{}
	for _, w := range writers {
		set[w] = true
	}
	return len(set)
}

func TestBuffersAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writers []io.Writer
		c := serve(t, good).client(t, WithCodec(encoding(&writers)))
		if _, err := windrow.CreateMany(t.Context(), articlesOf(c), make([]draft, 100), windrow.Concurrency(1)); err != nil {
			t.Fatal(err)
		}
		if n := distinct(writers); len(writers) != 100 || n > 90 {
			t.Errorf("%d bodies were written into %d buffers", len(writers), n)
		}
	})
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writers []io.Writer
		c := serve(t, good).client(t, WithCodec(encoding(&writers)))
		large := draft{strings.Repeat("x", maxPooledPayload)}
		if _, err := windrow.CreateMany(t.Context(), articlesOf(c), []draft{large, large, large, large, large}, windrow.Concurrency(1)); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "buffers", 5, distinct(writers))
	})
}

// What a codec writes is sent as it is, but for the newline at its end; what it refuses is not sent.
func TestCodecThatEncodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, good)
		refused := errors.New("refused")
		articles := articlesOf(s.client(t, WithCodec(Codec{
			Encode: func(w io.Writer, v any) error {
				if v.(draft).Title == "" {
					_, _ = io.WriteString(w, "half of it")
					return refused
				}
				_, err := io.WriteString(w, "{\n}\n\n")
				return err
			},
			Unmarshal: json.Unmarshal,
		})))
		for range 3 {
			if _, err := articles.Create(t.Context(), draft{}); !errors.Is(err, refused) || windrow.Classify(err).Kind != windrow.KindValidation {
				t.Errorf("error %v is not that of the codec, for bad input", err)
			}
		}
		if _, err := articles.Create(t.Context(), draft{"a"}); err != nil {
			t.Error(err)
		}
		testkit.Check(t, "requests", []seen{{Method: "POST", Target: "/api/articles", Body: "{\n}\n"}}, s.requests())
	})
}
