package objectstack_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
)

// A value that does not fit the caller's type was written all the same.
func TestUnreadableValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		type wrong struct {
			Name int `json:"name"`
		}
		r := objectstack.NewResource[account, wrong](w.client, "account")
		res, err := windrow.CreateMany(t.Context(), r, []account{{Name: "secret"}, {Name: "secret"}}, testkit.Quick)
		testkit.Check(t, "states", []windrow.State{lost, lost}, testkit.States(t, res))
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows what the record holds: %v", err)
		}
		if _, err := r.Get(t.Context(), "1"); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
	})
}

// The single calls.
func TestSingleCalls(t *testing.T) {
	t.Parallel()
	w := start(t, &objectstacktest.Server{})
	ctx := t.Context()
	w.accounts.ExternalID = func(a account) string { return a.Name }
	a, err1 := w.accounts.Create(ctx, account{Name: "A"})
	b, err2 := w.accounts.Update(ctx, a.ID, account{Email: "a@example.com"})
	c, err3 := w.accounts.Get(ctx, a.ID)
	d, err4 := w.accounts.Upsert(ctx, account{Name: "D"})
	err5 := w.accounts.Delete(ctx, a.ID)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	full := account{ID: "1", Name: "A", Email: "a@example.com"}
	testkit.Check(t, "values", []account{{ID: "1", Name: "A"}, full, full, {ID: "2", Name: "D"}}, []account{a, b, c, d})
	testkit.Check(t, "requests", []string{
		"POST /data/account", "PATCH /data/account/1", "GET /data/account/1", "POST /data/account/batch", "DELETE /data/account/1",
	}, w.paths())
	if _, err := w.accounts.Get(ctx, a.ID); !errors.Is(err, windrow.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if err := w.accounts.Delete(ctx, a.ID); !errors.Is(err, windrow.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	for _, id := range []string{"", ".", ".."} {
		if _, err := w.accounts.Get(ctx, id); err == nil {
			t.Errorf("the id %q was sent", id)
		}
	}
	if _, err := w.accounts.Get(ctx, "a/b"); testkit.ErrorOf[*objectstack.Error](t, err).HTTPStatus != 404 || w.http.Requests()[len(w.http.Requests())-1].Target != "/api/v1/data/account/a%2Fb" {
		t.Errorf("error %v", err)
	}
	res, err := windrow.GetMany(ctx, w.accounts, []string{"2", "9"}, once)
	testkit.Check(t, "states", []windrow.State{ok, bad}, testkit.States(t, res))
	if !errors.Is(err, windrow.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	bare := objectstack.NewResource[account, account](w.client, "account", objectstack.WithoutRecords())
	if v, err := bare.Create(ctx, account{Name: "E"}); err != nil || v != (account{ID: "3"}) {
		t.Errorf("%+v, %v", v, err)
	}
	w.always("/account", testkit.Respond(200, `{"ok":true}`))
	if _, err := w.accounts.Create(ctx, account{}); windrow.Classify(err).Class != windrow.ClassAmbiguous {
		t.Errorf("error %v", err)
	}
}

// What is wrong with a resource stops a run before anything is sent.
func TestResourceRefuses(t *testing.T) {
	t.Parallel()
	w := start(t, &objectstacktest.Server{})
	for name, r := range map[string]*objectstack.Resource[account, account]{
		"the client is nil":               objectstack.NewResource[account, account](nil, "account"),
		"WithMaxRecords (0)":              objectstack.NewResource[account, account](w.client, "account", objectstack.WithMaxRecords(0)),
		"WithMaxRecords (1001)":           objectstack.NewResource[account, account](w.client, "account", objectstack.WithMaxRecords(1001)),
		"option 0 is nil":                 objectstack.NewResource[account, account](w.client, "account", nil),
		"the object has no name":          objectstack.NewResource[account, account](w.client, ""),
		"the Resource is empty: make one": {},
	} {
		_, err1 := windrow.CreateMany(t.Context(), r, make([]account, 2))
		_, err2 := windrow.GetMany(t.Context(), r, []string{"1"})
		_, err3 := windrow.DeleteMany(t.Context(), r, []string{"1", "2"})
		_, err4 := windrow.CreateMany(t.Context(), r.Inserter(), make([]account, 2))
		_, err5 := r.DryRun(t.Context(), make([]account, 2))
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if err == nil || !strings.Contains(err.Error(), name) || i < 4 && !errors.Is(err, windrow.ErrFatal) {
				t.Errorf("%s: error %d is %v", name, i, err)
			}
		}
	}
	testkit.Check(t, "requests", 0, len(w.http.Requests()))
	if _, err := w.client.Batch(t.Context(), "account", objectstack.BatchUpdateRequest{Operation: "merge", Records: make([]objectstack.BatchRecord, 1)}); len(windrow.FieldErrors(err)) != 1 {
		t.Errorf("error %v", err)
	}
	for url, want := range map[string]string{"": "is empty", "https://user:pw@crm.example": "user name"} {
		if _, err := objectstack.New(url, token, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := objectstack.New("https://crm.example", "", nil); err == nil {
		t.Error("a client without a token was made")
	}
	if c, err := objectstack.New("https://crm.example", token, nil); err != nil || c.Limiter() != nil {
		t.Errorf("%v", err)
	}
}
