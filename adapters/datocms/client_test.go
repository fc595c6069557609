package datocms_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
)

func TestBadArguments(t *testing.T) {
	t.Parallel()
	limited := &http.Client{Transport: &rest.Transport{Limiter: &windrow.Limiter{}}}
	for want, tt := range map[string]struct {
		url, token string
		http       *http.Client
		opts       []rest.Option
	}{
		"the token is empty":                {"", "", nil, nil},
		"holds characters that no header":   {"", "to\nken", nil, nil},
		"WithLimiter (nil)":                 {"", "token", nil, []rest.Option{rest.WithLimiter(nil)}},
		"option 3 is nil":                   {"", "token", nil, []rest.Option{datocms.WithEnvironment(""), nil}},
		`must begin with https:// or http`:  {"ftp://x", "token", nil, nil},
		"two limiters":                      {"", "token", limited, []rest.Option{rest.WithLimiter(&windrow.Limiter{})}},
		`WithHeader ("X-Environment")`:      {"", "token", nil, []rest.Option{datocms.WithEnvironment("a\nb")}},
		"holds a user name: use WithHeader": {"https://me:pass@site-api.datocms.com", "token", nil, nil},
	} {
		if c, err := datocms.New(tt.url, tt.token, tt.http, tt.opts...); c != nil || err == nil || !strings.HasPrefix(err.Error(), "datocms: ") ||
			!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass") || strings.Contains(err.Error(), "ken\"") {
			t.Errorf("want an error with %q: %v", want, err)
		}
	}
}

// A source of tokens takes the place of the argument of New.
func TestTokenSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := start(t, datocmstest.Config{})
		client, err := datocms.New("", "", server.Client(), rest.WithTokenSource(func(context.Context) (string, error) { return server.Token(), nil }))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := articlesOf(client).Create(t.Context(), draft{Title: "a"}); err != nil {
			t.Error(err)
		}
	})
}

// What is wrong with a resource stops a run before anything is sent.
func TestBadResources(t *testing.T) {
	t.Parallel()
	client, err := datocms.New("", "token", nil)
	if err != nil {
		t.Fatal(err)
	}
	var zero datocms.Items[draft, article]
	for name, items := range map[string]*datocms.Items[draft, article]{
		"no client": datocms.NewItems[draft, article](nil, articleModel), "no model": datocms.NewItems[draft, article](client, ""), "zero": &zero,
	} {
		res, err := windrow.CreateMany(t.Context(), items, drafts(2))
		if err == nil || res.Stats().Succeeded > 0 {
			t.Errorf("%s: create: %v", name, err)
		}
		for verb, err := range map[string]error{
			"get": second(items.Get(t.Context(), "1")), "update": second(items.Update(t.Context(), "1", draft{})), "delete": items.Delete(t.Context(), "1"),
			"get many": second(items.GetBatch(t.Context(), []string{"1"})), "delete many": second(items.DeleteBatch(t.Context(), []string{"1"})),
			"ids": second(items.IDs(t.Context(), datocms.Query{})),
		} {
			if err == nil {
				t.Errorf("%s: no error of %s", name, verb)
			}
		}
	}
	if _, err := datocms.NewUploads[datocms.Asset](nil).Get(t.Context(), "1"); err == nil {
		t.Error("no error of uploads without a client")
	}
}

func second[T any](_ T, err error) error { return err }

// A transport that is windrow's own keeps its limiter, and is not put into another.
func TestATransportOfWindrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Rate(1, time.Second))
		server, _ := start(t, datocmstest.Config{})
		client, err := datocms.New("", server.Token(), &http.Client{Transport: &rest.Transport{Base: server.Client().Transport, Limiter: limiter}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := windrow.CreateMany(t.Context(), articlesOf(client), drafts(4), windrow.WithLimiter(limiter)); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "time", 3*time.Second, time.Since(began))
		client.CloseIdleConnections()
	})
}

// No idempotency key is sent, which DatoCMS does not know.
func TestHeaders(t *testing.T) {
	t.Parallel()
	var header http.Header
	client := handled(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"data":{"id":"1","type":"item","attributes":{}}}`))
	}, datocms.WithEnvironment("sandbox"))
	if _, err := windrow.CreateMany(t.Context(), articlesOf(client), drafts(1)); err != nil {
		t.Fatal(err)
	}
	testkit.Check(t, "header", http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "Authorization": {"Bearer token"}, "X-Api-Version": {"3"}, "X-Environment": {"sandbox"},
	}, header)
}
