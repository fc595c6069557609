package datocms_test

import (
	"errors"
	"fmt"
	"log/slog"
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
	"github.com/windrow-go/windrow/upload"
)

// What each refusal of a create means.
func TestA77_ClassesOfErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault datocmstest.Fault
		class windrow.Class
		kind  windrow.ErrorKind
	}{
		"401":                  {datocmstest.Fault{Status: 401, Code: "INVALID_AUTHORIZATION_HEADER"}, windrow.ClassFatal, windrow.KindResource},
		"403":                  {datocmstest.Fault{Status: 403, Code: "INSUFFICIENT_PERMISSIONS"}, windrow.ClassFatal, windrow.KindResource},
		"404":                  {datocmstest.Fault{Status: 404, Code: "NOT_FOUND"}, windrow.ClassPermanent, windrow.KindResource},
		"422":                  {datocmstest.Fault{Status: 422, Code: "INVALID_FIELD", Field: "title", FieldCode: "VALIDATION_REQUIRED"}, windrow.ClassPermanent, windrow.KindValidation},
		"422, stale":           {datocmstest.Fault{Status: 422, Code: "STALE_ITEM_VERSION"}, windrow.ClassPermanent, windrow.KindValidation},
		"422, transient":       {datocmstest.Fault{Status: 422, Code: "BATCH_DATA_VALIDATION_IN_PROGRESS", Transient: true}, windrow.ClassTransient, windrow.KindSystem},
		"400, transient":       {datocmstest.Fault{Status: 400, Code: "X", Transient: true}, windrow.ClassTransient, windrow.KindSystem},
		"401, transient":       {datocmstest.Fault{Status: 401, Code: "X", Transient: true}, windrow.ClassTransient, windrow.KindSystem},
		"404, transient":       {datocmstest.Fault{Status: 404, Code: "X", Transient: true}, windrow.ClassTransient, windrow.KindSystem},
		"413, transient":       {datocmstest.Fault{Status: 413, Code: "X", Transient: true}, windrow.ClassTransient, windrow.KindSystem},
		"429, transient":       {datocmstest.Fault{Status: 429, Code: "X", Transient: true}, windrow.ClassThrottled, windrow.KindSystem},
		"403, transient":       {datocmstest.Fault{Status: 403, Code: "X", Transient: true}, windrow.ClassTransient, windrow.KindSystem},
		"500, transient":       {datocmstest.Fault{Status: 500, Code: "X", Transient: true}, windrow.ClassTransient, windrow.KindSystem},
		"413":                  {datocmstest.Fault{Status: 413}, windrow.ClassTooLarge, windrow.KindValidation},
		"414":                  {datocmstest.Fault{Status: 414, HTML: true}, windrow.ClassTooLarge, windrow.KindValidation},
		"429":                  {datocmstest.Fault{Status: 429, Code: "RATE_LIMIT_EXCEEDED"}, windrow.ClassThrottled, windrow.KindSystem},
		"500":                  {datocmstest.Fault{Status: 500}, windrow.ClassAmbiguous, windrow.KindSystem},
		"502, a proxy's":       {datocmstest.Fault{Status: 502, HTML: true}, windrow.ClassAmbiguous, windrow.KindSystem},
		"200, a proxy's":       {datocmstest.Fault{Status: 200, HTML: true}, windrow.ClassAmbiguous, windrow.KindSystem},
		"302":                  {datocmstest.Fault{Status: 302}, windrow.ClassAmbiguous, windrow.KindSystem},
		"no answer":            {datocmstest.Fault{Cut: true}, windrow.ClassAmbiguous, windrow.KindSystem},
		"200, and no document": {datocmstest.Fault{Status: 200}, windrow.ClassAmbiguous, windrow.KindSystem},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := start(t, datocmstest.Config{})
				server.Fault(func(datocmstest.Request) *datocmstest.Fault { return &tt.fault })
				_, err := articlesOf(client).Create(t.Context(), draft{Title: "a"})
				if c := windrow.Classify(err); err == nil || c.Class != tt.class || c.Kind != tt.kind {
					t.Errorf("%v, %v, want %v, %v: %v", c.Class, c.Kind, tt.class, tt.kind, err)
				}
				e, ok := errors.AsType[*datocms.Error](err)
				if own := tt.fault.Status >= 300 && !tt.fault.HTML; own && (!ok || e.Status != tt.fault.Status || e.Code() == "") {
					t.Errorf("error %v", err)
				}
				if len(windrow.FieldErrors(err)) > 0 != (tt.fault.Field != "") {
					t.Errorf("fields %v", windrow.FieldErrors(err))
				}
			})
		})
	}
}

// The envelope, whole.
func TestErrorEnvelope(t *testing.T) {
	t.Parallel()
	const envelope = `{"data":[{"id":"6b1","type":"api_error","attributes":{"code":"INVALID_FIELD","details":{"field":"title","code":"VALIDATION_REQUIRED","message":"secret content"},"doc_url":"https://www.datocms.com/docs/x"}},
		{"id":"6b2","type":"api_error","attributes":{"code":"secret content","details":[1]}},
		{"id":"6b3","type":"item","attributes":{"code":"NO_ERROR"}},
		{"id":"6b4","type":"api_error","attributes":{"code":"ITEM_LOCKED","transient":false}}]}`
	client := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(envelope))
	})
	_, err := articlesOf(client).Get(t.Context(), "1")
	e, ok := errors.AsType[*datocms.Error](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	testkit.Check(t, "text", "datocms: GET /items/1: status 422 (INVALID_FIELD title VALIDATION_REQUIRED, ITEM_LOCKED)", err.Error())
	testkit.Check(t, "errors", 3, len(e.Errors))
	testkit.Check(t, "url", "https://www.datocms.com/docs/x", e.Errors[0].DocURL)
	testkit.Check(t, "fields", []*windrow.FieldError{{Field: "title", Code: "VALIDATION_REQUIRED"}}, windrow.FieldErrors(err))
	if answer, ok := errors.AsType[*rest.Error](err); !ok || len(answer.Body) == 0 {
		t.Error("no rest.Error")
	}
	for _, body := range []string{"", "[]", `{"data":"x"}`, `{"data":[7]}`, `{"data":[{"type":"api_error"}]}`, "<html>"} {
		client := handled(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(body))
		})
		if _, err := articlesOf(client).Get(t.Context(), "1"); err == nil || err.Error() != "datocms: GET /items/1: status 400" {
			t.Errorf("%s: error %v", body, err)
		}
	}
}

// X-RateLimit-Reset is in seconds from now, and what is no number of seconds says nothing.
func TestResetIsInSeconds(t *testing.T) {
	t.Parallel()
	for reset, want := range map[string]time.Duration{"3": 3 * time.Second, "6m30s": 0, "2200-01-01T00:00:00Z": 0} {
		client := handled(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Limit", "60")
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", reset)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := articlesOf(client).Get(t.Context(), "1")
		testkit.Check(t, reset, want, windrow.Classify(err).After)
	}
}

// Credentials that are refused with the first of a thousand records stop the run, and are no thousand failures.
func TestARefusedTokenStopsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := start(t, datocmstest.Config{})
		client, err := datocms.New("", "wrong", server.Client())
		if err != nil {
			t.Fatal(err)
		}
		res, err := windrow.CreateMany(t.Context(), articlesOf(client), drafts(1000), windrow.Concurrency(1))
		accounts(t, 1000, res)
		testkit.Check(t, "requests", 1, len(server.Seen()))
		testkit.Check(t, "left", 999, res.Stats().NotAttempted)
		if e, ok := errors.AsType[*datocms.Error](err); !ok || e.Code() != "INVALID_AUTHORIZATION_HEADER" || !errors.Is(err, windrow.ErrFatal) {
			t.Errorf("error %v", err)
		}
	})
}

// A 429 shuts the limiter for as long as DatoCMS says, in seconds from then; without a word, as under a heavy load, for as
// long as the limiter thinks right.
func TestThrottles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := &windrow.Limiter{}
		server, client := start(t, datocmstest.Config{Requests: 5}, rest.WithLimiter(limiter))
		time.Sleep(1300 * time.Millisecond)
		for range 5 {
			if _, err := articlesOf(client).Get(t.Context(), "1"); !errors.Is(err, windrow.ErrNotFound) {
				t.Fatal(err)
			}
		}
		_, err := articlesOf(client).Get(t.Context(), "1") // of which the limiter knows that none is left
		if !errors.Is(err, windrow.ErrNotFound) && windrow.Classify(err).Class != windrow.ClassThrottled {
			t.Fatal(err)
		}
		fresh := clientOf(t, server)
		for range 5 {
			_, err = articlesOf(fresh).Get(t.Context(), "1")
		}
		if c := windrow.Classify(err); c.Class != windrow.ClassThrottled || c.After < time.Second || c.After > 3*time.Second {
			t.Errorf("%v, after %v: %v", c.Class, c.After, err)
		}
		server.Fault(func(datocmstest.Request) *datocmstest.Fault { return &datocmstest.Fault{Status: 429, Code: "X"} })
		time.Sleep(3 * time.Second)
		_, err = articlesOf(fresh).Get(t.Context(), "1")
		if c := windrow.Classify(err); c.Class != windrow.ClassThrottled || c.After != 0 {
			t.Errorf("%v, after %v: %v", c.Class, c.After, err)
		}
	})
}

// The token is in no error, no line of a log and no form of a client, and neither is what lets one put a file into the
// bucket, or the content of a record.
func TestNoCredentialIsShown(t *testing.T) {
	t.Parallel()
	const token, content = "s3cr3t-t0k3n", "c0nt3nt"
	for _, fault := range []datocmstest.Fault{
		{}, {Status: 401}, {Status: 422, Field: "title", FieldCode: "X"}, {Status: 500}, {Status: 502, HTML: true}, {Status: 200, HTML: true}, {Status: 302}, {Cut: true}, {Lose: true}, {Status: 403},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			server, _ := start(t, datocmstest.Config{Token: token, Environments: []string{"sandbox"}})
			client, err := datocms.New("", token, server.Client(), datocms.WithEnvironment("sandbox"))
			if err != nil {
				t.Fatal(err)
			}
			server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
				if strings.HasPrefix(r.Path, "/upload-requests") { // the bucket is the interesting one
					return nil
				}
				return &fault
			})
			options := []windrow.Option{windrow.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), fast}
			items, uploads := articlesOf(client), datocms.NewUploads[datocms.Asset](client)
			var texts []string
			note := func(what ...any) {
				for _, v := range what {
					for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
						texts = append(texts, fmt.Sprintf(form, v))
					}
				}
			}
			note(client, *client, items, *items, uploads, *uploads)
			_, err = windrow.CreateMany(t.Context(), items, []draft{{Title: content}}, options...)
			note(err)
			_, err = windrow.DeleteMany(t.Context(), items, []string{datocms.NewID(), datocms.NewID()}, options...)
			note(err)
			_, err = windrow.GetMany(t.Context(), items, []string{datocms.NewID(), datocms.NewID()}, options...)
			note(err)
			_, err = items.PublishProcessor(options...).Run(t.Context(), []string{datocms.NewID()})
			note(err)
			_, err = items.IDs(t.Context(), datocms.Query{}.Where("title", "eq", content))
			note(err)
			u := datocms.NewUploader(uploads, options...)
			u.SkipExisting = upload.Never
			u.Add(upload.FromBytes("a.png", []byte(content)))
			res, err := u.Process(t.Context())
			note(err, res.At(0).Input, *res)
			texts = append(texts, log.String())
			stored, err := res.At(0).Input.MarshalJSON()
			if err != nil {
				t.Error(err)
			}
			texts = append(texts, string(stored))
			for _, text := range texts {
				for _, secret := range []string{token, "X-Amz", "Signature=", "public-read", "Bearer"} {
					if strings.Contains(text, secret) {
						t.Errorf("%+v: %q is shown: %s", fault, secret, text)
					}
				}
			}
			for _, text := range append(texts[6*5:len(texts)-2], log.String()) {
				if strings.Contains(text, content) && !strings.Contains(text, "a.png") { // a task holds its file
					t.Errorf("%+v: the content is shown: %s", fault, text)
				}
			}
		})
	}
}
