package datocms_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/mixed"
)

// The guide's own pace: batches of 20 creates, or 10 updates, a second apart and none behind the last, with a progress of
// each, against the wire.
func TestA3_A4_A7_A16_A17_A19_A22_ThePaceOfTheGuide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		batches := func() (all []string) { // how many requests came at each instant
			n := 0
			seen := server.Seen()
			for k, r := range seen {
				if n++; k+1 == len(seen) || seen[k+1].At != r.At {
					all, n = append(all, fmt.Sprintf("%v: %d", r.At, n)), 0
				}
			}
			return all
		}
		var lines []string
		guide := windrow.Options(windrow.BatchDelay(1030*time.Millisecond), windrow.Concurrency(20), windrow.OnProgress(func(p windrow.Progress) {
			lines = append(lines, fmt.Sprintf("Progress: %d/%d (%d%%)", p.Done, p.Total, p.Percent()))
		}))
		began := time.Now()
		res, err := windrow.CreateMany(t.Context(), articlesOf(client), drafts(45), guide)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "time", 2060*time.Millisecond, time.Since(began))
		testkit.Check(t, "creates", []string{"0s: 20", "1.03s: 20", "2.06s: 5"}, batches())
		testkit.Check(t, "progress", []string{"Progress: 20/45 (44%)", "Progress: 40/45 (89%)", "Progress: 45/45 (100%)"}, slices.Compact(lines))

		var ids []string
		for _, a := range res.Values()[:25] {
			ids = append(ids, a.ID)
		}
		time.Sleep(940 * time.Millisecond)
		if _, err := windrow.UpdateMany(t.Context(), articlesOf(client), updatesOf(ids, draft{Title: "new"}), guide); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "updates", []string{"3s: 10", "4.03s: 10", "5.06s: 5"}, batches()[3:])
	})
}

// DatoCMS has no transactions: a run that must be all or nothing is refused before anything is sent.
func TestA73_AtomicIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 3)
		_, create := windrow.CreateMany(t.Context(), articlesOf(client), drafts(3), windrow.Atomic())
		_, destroy := windrow.DeleteMany(t.Context(), articlesOf(client), ids, windrow.Atomic())
		for _, err := range []error{create, destroy} {
			if problem, ok := errors.AsType[*windrow.OptionError](err); !ok || problem.Option != "Atomic" {
				t.Errorf("error %v", err)
			}
		}
		testkit.Check(t, "requests", 0, len(server.Seen()))
	})
}

// A mistake that every record has shows in the first.
func TestA76_ACanaryOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		in := make([]draft, 1000) // without a title
		res, err := windrow.CreateMany(t.Context(), articlesOf(client), in, windrow.Canary(1))
		accounts(t, 1000, res)
		testkit.Check(t, "requests", 1, server.Count(http.MethodPost, "/items"))
		testkit.Check(t, "left", 999, res.Stats().NotAttempted)
		if !errors.Is(err, windrow.ErrTooManyFailures) {
			t.Errorf("error %v", err)
		}
	})
}

// Two updates of one record keep their order, and the second does not meet the version of the first.
func TestA22_UpdatesOfOneRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{Latency: latency})
		ids := fill(server, 4)
		var in []windrow.Update[string, draft]
		for k := range 20 {
			in = append(in, windrow.Update[string, draft]{ID: ids[k%4], Data: draft{Title: fmt.Sprint(k)}})
		}
		if _, err := windrow.UpdateMany(t.Context(), articlesOf(client), in, windrow.Concurrency(20)); err != nil {
			t.Fatal(err)
		}
		for k, id := range ids {
			testkit.Check(t, "title", fmt.Sprintf(`"%d"`, 16+k), server.Field(id, "title"))
		}
	})
}

// Creates, updates, reads and deletes of several models in one run, each with its own outcome.
func TestMixedOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 3)
		type fields = map[string]any
		resources := mixed.Clients{
			"article": mixed.ClientOf[draft, article](articlesOf(client)),
			"author":  mixed.ClientOf[fields, fields](datocms.NewItems[fields, fields](client, authorModel)),
		}
		lost := false
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.Method == http.MethodPost && !lost { // the answer to a create
				lost = true
				return &datocmstest.Fault{Cut: true}
			}
			return nil
		})
		res, _ := mixed.Run(t.Context(), resources, []mixed.Operation{
			{Kind: windrow.OpCreate, Resource: "author", Data: fields{"name": "Ann"}},
			{Kind: windrow.OpUpdate, Resource: "article", ID: ids[0], Data: draft{Title: "new"}},
			{Kind: windrow.OpGet, Resource: "article", ID: ids[0]},
			{Kind: windrow.OpDelete, Resource: "article", ID: ids[1]},
			{Kind: windrow.OpDelete, Resource: "article", ID: datocms.NewID()},
			{Kind: windrow.OpUpdate, Resource: "article", ID: ids[2], Data: draft{Slug: "slug-0"}},
		})
		testkit.Check(t, "ends", []string{"succeeded", "succeeded", "succeeded", "succeeded", "skipped not_found", "failed"}, ends(res))
		testkit.Check(t, "read after the update", "new", res.At(2).Value.(article).Title)
		testkit.Check(t, "records", 3, server.Len(""))
	})
}
