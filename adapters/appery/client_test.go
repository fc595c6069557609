package appery_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/mixed"
)

// What is wrong with a client or a collection is said before anything is sent.
func TestRefuses(t *testing.T) {
	t.Parallel()
	w := start(t, &apperytest.Server{})
	for want, c := range map[string]*appery.Collection[label, label]{
		"the client is nil":          appery.NewCollection[label, label](nil, "Labels"),
		"the collection has no name": appery.NewCollection[label, label](w.client, ""),
		"the Collection is empty":    {},
		"make one with New":          appery.NewCollection[label, label](&appery.Client{}, "Labels"),
	} {
		_, err1 := windrow.CreateMany(t.Context(), c, make([]label, 2))
		_, err2 := windrow.GetMany(t.Context(), c, []string{"1"})
		_, err3 := windrow.DeleteMany(t.Context(), c, []string{"1"})
		for _, err := range []error{err1, err2, err3} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
	}
	if _, err := mixed.Run(t.Context(), &appery.Client{}, documented()); err == nil || !strings.Contains(err.Error(), "the Client is empty") {
		t.Errorf("%v", err)
	}
	if _, err := appery.NewCollection[label, label](w.client, "..").Get(t.Context(), "1"); err == nil {
		t.Error("a dot segment was sent")
	}
	for _, id := range []string{"", ".", ".."} {
		if err := w.labels.Delete(t.Context(), id); len(windrow.FieldErrors(err)) != 1 {
			t.Errorf("%q: %v", id, err)
		}
	}
	testkit.Check(t, "requests", 0, len(w.http.Requests()))
	for _, args := range [][2]string{{"", ""}, {"ftp://x", "id"}, {"https://user:pw@x", "id"}, {"https://x", "bad\nid"}} {
		if _, err := appery.New(args[0], args[1], nil); err == nil || strings.Contains(err.Error(), "pw") || strings.Contains(err.Error(), "bad") {
			t.Errorf("%q: %v", args, err)
		}
	}
	for want, opt := range map[string]rest.Option{"WithSessionToken: it is empty": appery.WithSessionToken(""), "WithMasterKey: it is empty": appery.WithMasterKey("")} {
		if _, err := appery.New("", databaseID, nil, opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if c, err := appery.New("", databaseID, nil); err != nil || c.Limiter() != nil {
		t.Errorf("%v", err)
	}
}

// No credential, and nothing of an object, is in any error, log line or form of a client.
func TestNoSecretsAnywhere(t *testing.T) {
	t.Parallel()
	secrets := []string{databaseID, "session-secret", "master-secret", "hidden content"}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, nil))
		var texts []string
		for _, status := range []int{200, 400, 401, 403, 404, 413, 500, 503} {
			w := start(t, &apperytest.Server{}, appery.WithSessionToken("session-secret"), appery.WithMasterKey("master-secret"), rest.WithLimiter(windrow.NewLimiter()))
			w.always("/batch", testkit.Respond(status, `[{"error":{"code":"X","description":"hidden content"}},{"success":{"_id":7,"x":"hidden content"}}]`))
			res, err := windrow.CreateMany(t.Context(), w.labels, []label{{Name: "hidden content"}, {Name: "hidden content"}}, windrow.WithLogger(logger),
				windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1}))
			for r := range res.All() {
				texts = append(texts, fmt.Sprint(r.Err, r.Warnings))
			}
			logger.Error("failed", "err", err, "client", w.client, "collection", w.labels)
			texts = append(texts, fmt.Sprint(err))
			for _, v := range []any{w.client, w.labels, *w.client, *w.labels} {
				js, _ := json.Marshal(v)
				texts = append(texts, fmt.Sprintf("%v %+v %#v %s", v, v, v, js))
			}
		}
		w := start(t, &apperytest.Server{}, appery.WithSessionToken("session-secret"))
		w.always("/batch", intercept.HangUp)
		_, err := windrow.CreateMany(t.Context(), w.labels, []label{{Name: "hidden content"}, {}}, testkit.Quick)
		texts = append(texts, fmt.Sprint(err), log.String())
		for _, text := range texts {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows in %s", secret, text)
				}
			}
		}
	})
}
