package intercept

import (
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/windrowtest"
)

func TestAPI(t *testing.T) {
	t.Parallel()
	served := 0
	api := &API{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served++
		_, _ = io.WriteString(w, "served")
	})}
	server := windrowtest.NewServer(t, api)
	ask := func(path string) string {
		res, err := server.Client().Get(server.URL + path)
		if err != nil {
			return "cut"
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	got := []string{ask("/")}
	api.Intercept(func(req *http.Request) http.HandlerFunc {
		return map[string]http.HandlerFunc{
			"/gone": HangUp, "/lost": api.Applied,
			"/late": func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.WriteString(w, "at last ")
				api.Pass(w, req)
			},
		}[req.URL.Path]
	})
	got = append(got, ask("/"), ask("/gone"), ask("/late"), ask("/lost"))
	if diff := cmp.Diff([]string{"served", "served", "cut", "at last served", "cut"}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if served < 4 { // net/http asks again for a read whose connection ended
		t.Errorf("%d requests were served", served)
	}
}
