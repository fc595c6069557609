package datocms_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

// updatesOf makes an update for each id.
func updatesOf[In any](ids []string, in ...In) []windrow.Update[string, In] {
	all := make([]windrow.Update[string, In], len(ids))
	for k, id := range ids {
		all[k] = windrow.Update[string, In]{ID: id, Data: in[k%len(in)]}
	}
	return all
}

// An update holds what changes, and the id; each has its own outcome.
func TestA18_A23_UpdatesOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 3)
		var bodies []string
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			bodies = append(bodies, r.Method+" "+r.Path+" "+string(r.Body))
			return nil
		})
		gone := datocms.NewID()
		in := updatesOf(append(ids, gone), draft{Title: "new"}, draft{Slug: "slug-0"})
		res, err := windrow.UpdateMany(t.Context(), articlesOf(client), in, windrow.PreserveOrder())
		accounts(t, 4, res)
		testkit.Check(t, "ends", []string{"succeeded", "failed", "succeeded", "failed"}, ends(res))
		testkit.Check(t, "first request", `PUT /items/`+ids[0]+` {"data":{"id":"`+ids[0]+`","type":"item","attributes":{"title":"new"}}}`, bodies[0])
		testkit.Check(t, "value", "new slug-0", res.At(0).Value.Title+" "+res.At(0).Value.Slug)
		testkit.Check(t, "field", `"Title 1"`, server.Field(ids[1], "title"))
		testkit.Check(t, "errors", "datocms: PUT /items/"+ids[1]+": status 422 (INVALID_FIELD slug VALIDATION_UNIQUE)\ndatocms: PUT /items/"+gone+": status 404 (NOT_FOUND)",
			res.At(1).Err.Error()+"\n"+res.At(3).Err.Error())
		if !errors.Is(err, windrow.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
}

// The guide sends whole records back, with their id, meta and item_type as fields. What is no field stays behind, but for
// the version.
func TestA24_AWholeRecordIsSentBackAsItsFields(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		id := fill(server, 1)[0]
		items := datocms.NewItems[article, article](client, articleModel)
		record, err := items.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		record.Title = "[Updated] " + record.Title
		var sent string
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault { sent = string(r.Body); return nil })
		if _, err := items.Update(t.Context(), id, record); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "request", `{"data":{"id":"`+id+`","type":"item","attributes":{"pages":0,"slug":"slug-0","title":"[Updated] Title 0"},`+
			`"meta":{"current_version":"`+record.Meta.CurrentVersion+`"}}}`, sent)
	})
}

// With a version an update that comes too late is refused, and says so.
func TestStaleVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		id := fill(server, 1)[0]
		items := datocms.NewItems[article, article](client, articleModel)
		mine, err := items.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		other := mine
		other.Title = "somebody else's"
		if _, err := items.Update(t.Context(), id, other); err != nil {
			t.Fatal(err)
		}
		mine.Title = "mine"
		res, err := windrow.UpdateMany(t.Context(), items, updatesOf([]string{id}, mine))
		testkit.Check(t, "ends", []string{"failed"}, ends(res))
		testkit.Check(t, "attempts", 1, res.At(0).Attempts)
		testkit.Check(t, "field", `"somebody else's"`, server.Field(id, "title"))
		if e, ok := errors.AsType[*datocms.Error](err); !ok || !errors.Is(err, datocms.ErrStaleVersion) || e.Status != http.StatusUnprocessableEntity || e.StatusCode() != http.StatusPreconditionFailed {
			t.Errorf("error %v", err)
		}
		fresh := datocms.NewItems[map[string]any, article](client, articleModel)
		if _, err := fresh.Update(t.Context(), id, map[string]any{"title": "mine, without a version"}); err != nil {
			t.Error(err)
		}
	})
}

// The answer to an update with a version is lost. The next attempt is refused since the version is its own: the record is
// read again, and has the values.
func TestALostUpdateWithAVersion(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			server, client := start(t, datocmstest.Config{})
			id := fill(server, 1)[0]
			items := datocms.NewItems[article, article](client, articleModel)
			record, err := items.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
				if r.Method == http.MethodPut && r.N == 1 {
					return &datocmstest.Fault{Cut: applied, Lose: !applied}
				}
				return nil
			})
			record.Title = "new"
			res, err := windrow.UpdateMany(t.Context(), items, updatesOf([]string{id}, record))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "value", "new", res.At(0).Value.Title)
			testkit.Check(t, "attempts", 2, res.At(0).Attempts)
			want := []string{"GET /items/1 200", "PUT /items/1 0", "PUT /items/1 200"}
			if applied {
				want = []string{"GET /items/1 200", "PUT /items/1 0", "PUT /items/1 422", "GET /items/1 200"}
			}
			testkit.Check(t, "requests", want, requests(server, id, "1"))
		})
	}
}

// prefix puts a prefix before a title, as the guide's conditional update does.
func prefix(a article) (article, error) {
	if !strings.HasPrefix(a.Title, "[Updated] ") { // or a second run would put it there again
		a.Title = "[Updated] " + a.Title
	}
	return a, nil
}

// The guide's conditional update, whole: list, compare, plan, write what changed and nothing else, with the version of the
// plan.
func TestA24_A25_A30_A31_A33_A34_A35_ConditionalUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 250)
		server.Add(authorModel, map[string]any{"title": "not an article"}, true)
		items := articlesOf(client)
		made := func(opts ...plan.Option) *plan.UpdatePlan[string, article] {
			p, err := plan.Updates(t.Context(), pages.Read(t.Context(), items.Pager(datocms.Query{})), func(a article) string { return a.ID }, prefix, opts...)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		dry := made(plan.MaxItems(1000))
		testkit.Check(t, "planned", 250, dry.Len())
		testkit.Check(t, "writes of a dry run", 0, server.Count(http.MethodPut, "/"))
		testkit.Check(t, "shape", "[Updated] Title 0 was Title 0", dry.Changes[0].Updated.Title+" was "+dry.Changes[0].Original.Title)

		p := made(plan.MaxItems(120))
		p.Version = func(a article) string { return a.Meta.CurrentVersion }
		var body string
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.Path == "/items/"+ids[7] {
				body = string(r.Body)
			}
			return nil
		})
		res, err := plan.ApplyPatches(t.Context(), p, datocms.NewItems[plan.Patch, article](client, articleModel))
		if err != nil {
			t.Fatal(err)
		}
		accounts(t, 120, res.BulkResult)
		testkit.Check(t, "writes", 120, server.Count(http.MethodPut, "/items/"))
		testkit.Check(t, "request", `{"data":{"id":"`+ids[7]+`","type":"item","attributes":{"title":"[Updated] Title 7"},"meta":{"current_version":"`+
			p.Changes[7].Original.Meta.CurrentVersion+`"}}}`, body)
		testkit.Check(t, "last of them", `"[Updated] Title 119"`, server.Field(ids[119], "title"))
		testkit.Check(t, "first behind", `"Title 120"`, server.Field(ids[120], "title"))
		testkit.Check(t, "left", 130, made().Len())
	})
}

// What somebody else changed after the plan was made is not overwritten.
func TestA75_AStalePlanIsRefusedByTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 3)
		items := articlesOf(client)
		p, err := plan.Updates(t.Context(), pages.Read(t.Context(), items.Pager(datocms.Query{})), func(a article) string { return a.ID }, prefix)
		if err != nil {
			t.Fatal(err)
		}
		p.Version = func(a article) string { return a.Meta.CurrentVersion }
		var backup []article
		p.Backup = func(_ context.Context, originals []article) error { backup = originals; return nil }
		if _, err := items.Update(t.Context(), ids[1], draft{Title: "meanwhile"}); err != nil {
			t.Fatal(err)
		}
		res, err := plan.ApplyPatches(t.Context(), p, datocms.NewItems[plan.Patch, article](client, articleModel))
		testkit.Check(t, "ends", []string{"succeeded", "failed", "succeeded"}, ends(res.BulkResult))
		testkit.Check(t, "field", `"meanwhile"`, server.Field(ids[1], "title"))
		testkit.Check(t, "backed up", 3, len(backup))
		if !errors.Is(err, plan.ErrChanged) || !errors.Is(err, datocms.ErrStaleVersion) {
			t.Errorf("error %v", err)
		}
	})
}

// In order, one at a time, and on after an error.
func TestA20_A21_PreserveOrderOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{Latency: latency})
		ids := fill(server, 4)
		server.Refuse("update", "ITEM_LOCKED", ids[1])
		res, _ := windrow.UpdateMany(t.Context(), articlesOf(client), updatesOf(ids, draft{Title: "new"}), windrow.PreserveOrder(), windrow.Concurrency(8))
		testkit.Check(t, "ends", []string{"succeeded", "failed", "succeeded", "succeeded"}, ends(res))
		testkit.Check(t, "requests", []string{"PUT /items/0 200", "PUT /items/1 422", "PUT /items/2 200", "PUT /items/3 200"},
			requests(server, ids[0], "0", ids[1], "1", ids[2], "2", ids[3], "3"))
	})
}
