package pipehttp

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The server works in a bubble, notes what it sees, and can be told to answer otherwise.
func TestServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := Serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			time.Sleep(time.Hour)
			body, _ := io.ReadAll(req.Body)
			_, _ = w.Write(append([]byte("you said "), body...))
		}))
		ask := func(path string) string {
			res, err := s.Client().Post(URL+path, "text/plain", strings.NewReader("hello"))
			if err != nil {
				return "cut"
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			return string(body)
		}
		s.Intercept(func(req *http.Request) http.HandlerFunc {
			switch req.URL.Path {
			case "/gone":
				return HangUp
			case "/late":
				return func(w http.ResponseWriter, req *http.Request) {
					_, _ = io.WriteString(w, "at last: ")
					s.Pass(w, req)
				}
			}
			return nil
		})
		got := []string{ask("/echo?q=1"), ask("/gone"), ask("/late")}
		if diff := cmp.Diff([]string{"you said hello", "cut", "at last: you said hello"}, got); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		var seen []string
		for _, r := range s.Requests() {
			seen = append(seen, r.Method+" "+r.Target+" "+r.Body+" "+r.Header.Get("Content-Type"))
		}
		want := []string{"POST /echo?q=1 hello text/plain", "POST /gone hello text/plain", "POST /late hello text/plain"}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("seen (-want +got):\n%s", diff)
		}
	})
}
