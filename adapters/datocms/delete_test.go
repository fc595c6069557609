package datocms_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/plan"
)

// A single delete is a job, and ends when that has.
func TestA47_ASingleDeleteIsAJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{JobTime: 2500 * time.Millisecond})
		id := fill(server, 1)[0]
		began := time.Now()
		if err := articlesOf(client).Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "time", 3*time.Second, time.Since(began)) // asked at 0, 1 and 3 s
		testkit.Check(t, "records", 0, server.Len(""))
		testkit.Check(t, "requests", []string{"DELETE /items/1 202", "GET /job-results/4237 404", "GET /job-results/4237 404", "GET /job-results/4237 200"}, requests(server, id, "1"))
	})
}

// The acceptance of this adapter: of a thousand records that are deleted in bulk seven are refused, which the server only
// counts. Exactly those are named, each with its own error.
func TestA47_A49_BulkDestroyNamesThoseThatFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 1000) // drafts: not in a list of what is published
		kept := []string{ids[0], ids[199], ids[200], ids[201], ids[555], ids[998], ids[999]}
		server.Refuse("destroy", "REQUIRED_BY_ASSOCIATION", kept...)
		res, err := windrow.DeleteMany(t.Context(), articlesOf(client), ids)
		accounts(t, 1000, res)
		testkit.Check(t, "succeeded", 993, res.Stats().Succeeded)
		var failed []string
		for r := range res.Failed() {
			failed = append(failed, r.Input)
			testkit.Check(t, "text", "datocms: DELETE /items/"+r.Input+": job "+jobOf(r.Err)+" ended with status 422 (REQUIRED_BY_ASSOCIATION)", r.Err.Error())
		}
		testkit.Check(t, "failed", kept, failed)
		testkit.Check(t, "left on the server", kept, server.IDs())
		testkit.Check(t, "bulk operations", 5, server.Count(http.MethodPost, "/items/bulk/destroy"))
		testkit.Check(t, "look-ups", 4, server.Count(http.MethodGet, "/items?")) // of the chunks with failures
		testkit.Check(t, "single deletes", 7, server.Count(http.MethodDelete, "/items/"))
		if bulk, ok := errors.AsType[*windrow.BulkError](err); !ok || len(bulk.Items()) != 7 || bulk.Cause != nil {
			t.Errorf("error %v", err)
		}
	})
}

func jobOf(err error) string {
	e, _ := errors.AsType[*datocms.Error](err)
	return e.Job
}

// A record that is not published is not in a list unless its current version is asked for. One that is still there must
// not pass for deleted.
func TestADraftIsNotTakenForDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 2)
		server.Refuse("destroy", "ITEM_LOCKED", ids[0])
		res, _ := windrow.DeleteMany(t.Context(), articlesOf(client), ids)
		testkit.Check(t, "ends", []string{"failed", "succeeded"}, ends(res))
	})
}

// What bulk could not do a single request can: the record was only locked for a while.
func TestBulkDestroyGoesOnAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 10)
		server.Refuse("destroy", "ITEM_LOCKED", ids[4])
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.Method == http.MethodGet && r.Path == "/items" {
				server.Refuse("destroy", "", ids[4])
			}
			return nil
		})
		res, err := windrow.DeleteMany(t.Context(), articlesOf(client), ids)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "attempts", []int{1, 1}, []int{res.At(0).Attempts, res.At(4).Attempts})
		testkit.Check(t, "records", 0, server.Len(""))
	})
}

// A result without counts is looked up, too, and a look-up that fails leaves the chunk in doubt until the next attempt.
func TestBulkDestroyWithoutCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 10)
		server.FailJobs(func(j datocmstest.Job) *datocmstest.JobFault {
			return &datocmstest.JobFault{NoCounts: j.Operation == "bulk destroy"}
		})
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.Method == http.MethodGet && r.Path == "/items" && r.N == 1 {
				return &datocmstest.Fault{Status: http.StatusBadGateway, HTML: true}
			}
			return nil
		})
		if _, err := windrow.DeleteMany(t.Context(), articlesOf(client), ids); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "records", 0, server.Len(""))
		testkit.Check(t, "look-ups", 2, server.Count(http.MethodGet, "/items?"))
	})
}

// Ids that do not exist: alone they are Skipped, and in bulk when none of them exists. Otherwise the server only counts how
// many failed: they are gone, which is what was wanted, and a warning says so.
func TestA46_MissingIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		items := articlesOf(client)
		res, err := windrow.DeleteMany(t.Context(), items, []string{datocms.NewID()})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "alone", []string{"skipped not_found"}, ends(res))
		ids := append(fill(server, 3), datocms.NewID(), "")
		res, err = windrow.DeleteMany(t.Context(), items, ids)
		testkit.Check(t, "in bulk", []string{"succeeded", "succeeded", "succeeded", "succeeded", "failed"}, ends(res))
		if err == nil || res.At(4).Kind != windrow.KindValidation {
			t.Errorf("error %v", err)
		}
		testkit.Check(t, "warnings", []string{"DatoCMS deleted 3 of the 4 ids of one request that are gone now: the others were not there before"}, res.At(0).Warnings)
		if res, err = windrow.DeleteMany(t.Context(), items, ids[:4]); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "all missing", []string{"skipped not_found", "skipped not_found", "skipped not_found", "skipped not_found"}, ends(res))
	})
}

// What the server says it deleted is what is gone: there is nothing to warn of, whether others were refused or not.
func TestBulkDestroyThatCountsAllThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 5)
		server.Refuse("destroy", "ITEM_LOCKED", ids[1])
		res, _ := windrow.DeleteMany(t.Context(), articlesOf(client), ids)
		testkit.Check(t, "ends", []string{"succeeded", "failed", "succeeded", "succeeded", "succeeded"}, ends(res))
		for r := range res.All() {
			testkit.Check(t, "warnings", nil, r.Warnings)
		}
	})
}

// The answer to a bulk operation is lost after it was carried out. The next attempt finds nothing: that was this run's
// doing.
func TestBulkDestroyWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{JobTime: time.Millisecond})
		ids := fill(server, 5)
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			return &datocmstest.Fault{Cut: r.Method == http.MethodPost && r.N == 1}
		})
		res, err := windrow.DeleteMany(t.Context(), articlesOf(client), ids)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "succeeded", 5, res.Stats().Succeeded)
		testkit.Check(t, "bulk operations", 2, server.Count(http.MethodPost, "/items/bulk/destroy"))
	})
}

// The guide's safe delete: fetch in bulk, show, back up, delete, in that order; what is missing is its own.
func TestA37_A40_A41_A43_A46_A50_SafeDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		items := datocms.NewItems[article, article](client, articleModel)
		ids := append(fill(server, 310), datocms.NewID())
		var steps []string
		p, err := plan.Deletes(t.Context(), items, ids)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "reads", 2, server.Count(http.MethodGet, "/items?")) // 300 ids at a time
		testkit.Check(t, "single reads", 0, server.Count(http.MethodGet, "/items/"))
		testkit.Check(t, "missing", ids[310:], p.Missing)
		p.OnStage = func(s plan.StageReport) { steps = append(steps, s.String()) }
		p.Confirm = func(_ context.Context, p *plan.DeletePlan[string, article]) (bool, error) {
			steps = append(steps, fmt.Sprintf("About to delete %d items", p.Len()))
			return true, nil
		}
		path := filepath.Join(t.TempDir(), "backup.json")
		p.Backup = plan.BackupFile[article](path)
		res, err := plan.ApplyDeletes(t.Context(), p, items)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "deleted", 310, res.Stats().Succeeded)
		testkit.Check(t, "records", 0, server.Len(""))
		testkit.Check(t, "steps", []string{
			"found 310 records to delete, 1 missing", "About to delete 310 items", "backing up 310 records", "deleting 310 records",
		}, steps)

		// The backup brings them back, with their ids.
		restored, err := plan.Restore(t.Context(), path, items, windrow.Concurrency(16))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "restored", 310, restored.Stats().Succeeded)
		now := server.IDs()
		slices.Sort(now)
		slices.Sort(ids)
		testkit.Check(t, "ids", slices.DeleteFunc(ids, func(id string) bool { return id == p.Missing[0] }), now)
		if restored, err = plan.Restore(t.Context(), path, items, windrow.Concurrency(16)); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "restored a second time", 310, restored.Stats().Skipped)
		if text, err := os.ReadFile(path); err != nil || !json.Valid(text) {
			t.Errorf("backup: %v", err)
		}
	})
}

// A read that fails is no record that is missing: nothing is planned, and nothing deleted.
func TestA39_OnlyAbsentIsMissing(t *testing.T) {
	t.Parallel()
	for _, fault := range []datocmstest.Fault{
		{Status: http.StatusUnauthorized, Code: "INVALID_AUTHORIZATION_HEADER"}, {Status: http.StatusInternalServerError}, {Status: http.StatusForbidden}, {Cut: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			server, client := start(t, datocmstest.Config{})
			ids := fill(server, 3)
			server.Fault(func(datocmstest.Request) *datocmstest.Fault { return &fault })
			if p, err := plan.Deletes(t.Context(), articlesOf(client), ids, fast); err == nil || p != nil {
				t.Errorf("%+v: a plan of %d", fault, p.Len())
			}
			testkit.Check(t, "records", 3, server.Len(""))
		})
	}
}

// No by whoever is asked, and a backup that fails: nothing is deleted.
func TestA42_A44_NothingIsDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		p, err := plan.Deletes(t.Context(), articlesOf(client), fill(server, 3))
		if err != nil {
			t.Fatal(err)
		}
		full := errors.New("the disk is full")
		backups := 0
		p.Backup = func(context.Context, []article) error { backups++; return full }
		if res, err := plan.ApplyDeletes(t.Context(), p, articlesOf(client)); !errors.Is(err, full) || res.Stats().NotAttempted != 3 {
			t.Errorf("error %v", err)
		}
		p.Confirm = func(context.Context, *plan.DeletePlan[string, article]) (bool, error) { return false, nil }
		if res, err := plan.ApplyDeletes(t.Context(), p, articlesOf(client)); err != nil || !res.Cancelled {
			t.Errorf("error %v", err)
		}
		testkit.Check(t, "backups", 1, backups)
		testkit.Check(t, "records", 3, server.Len(""))
		testkit.Check(t, "deletes", 0, server.Count(http.MethodPost, "/")+server.Count(http.MethodDelete, "/"))
	})
}

// Publish, unpublish and move to a stage: in bulk, counts only, and each failure with its own error.
func TestPublishUnpublishMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		items := articlesOf(client)
		ids := fill(server, 450)
		server.Refuse("publish", "UNPUBLISHED_LINK", ids[3], ids[449])
		server.Refuse("unpublish", "LINKED_FROM_PUBLISHED_ITEMS", ids[7])
		server.Refuse("move-to-stage", "X", ids[9])

		res, _ := items.PublishProcessor().Run(t.Context(), append(ids, ids[0]))
		accounts(t, 451, res)
		testkit.Check(t, "failed", []int{3, 449}, indexes(res))
		testkit.Check(t, "named twice", "skipped duplicate", ends(res)[450])
		testkit.Check(t, "text", "datocms: PUT /items/"+ids[3]+"/publish: status 422 (UNPUBLISHED_LINK)", res.At(3).Err.Error())
		testkit.Check(t, "bulk operations", 3, server.Count(http.MethodPost, "/items/bulk/publish"))
		testkit.Check(t, "single ones", 2, server.Count(http.MethodPut, "/items/"))
		testkit.Check(t, "states", []string{"published", "draft"}, []string{server.Status(ids[0]), server.Status(ids[3])})

		res, _ = items.UnpublishProcessor().Run(t.Context(), ids)
		testkit.Check(t, "failed", []int{7}, indexes(res))
		testkit.Check(t, "states", []string{"draft", "published"}, []string{server.Status(ids[0]), server.Status(ids[7])})

		res, err := items.MoveToStageProcessor("in_review").Run(t.Context(), ids)
		testkit.Check(t, "failed", []int{9}, indexes(res))
		if !errors.Is(err, datocms.ErrNotMoved) {
			t.Errorf("error %v", err)
		}
		got, err := items.Get(t.Context(), ids[0])
		testkit.Check(t, "stage", "in_review", got.Meta.Stage)
		if err != nil {
			t.Error(err)
		}
		if _, err := items.MoveToStageProcessor("").Run(t.Context(), ids); !errors.Is(err, windrow.ErrFatal) {
			t.Errorf("no stage: error %v", err)
		}
	})
}

// A record that was changed since it was published is "updated", which is not unpublished.
func TestUnpublishOfAnUpdatedRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		items := articlesOf(client)
		var ids []string
		for k := range 3 {
			id := server.Add(articleModel, map[string]any{"title": "old", "slug": fmt.Sprint(k)}, true)
			if _, err := items.Update(t.Context(), id, draft{Title: "new"}); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		server.Refuse("unpublish", "LINKED_FROM_PUBLISHED_ITEMS", ids[1])
		testkit.Check(t, "state before", "updated", server.Status(ids[1]))
		res, _ := items.UnpublishProcessor().Run(t.Context(), ids)
		testkit.Check(t, "ends", []string{"succeeded", "failed", "succeeded"}, ends(res))
		testkit.Check(t, "state", "updated", server.Status(ids[1]))
	})
}

// One record alone is changed with a request of its own, which has no body; a lost answer is asked for again.
func TestPublishAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		id := fill(server, 1)[0]
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault { return &datocmstest.Fault{Cut: r.N == 1} })
		p := articlesOf(client).PublishProcessor()
		if _, err := p.Run(t.Context(), []string{id}); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "state", "published", server.Status(id))
		testkit.Check(t, "requests", []string{"PUT /items/1/publish 0", "PUT /items/1/publish 200"}, requests(server, id, "1"))
		res, _ := p.Run(t.Context(), []string{datocms.NewID()})
		testkit.Check(t, "ends", []string{"failed"}, ends(res))
		if _, err := articlesOf(client).MoveToStageProcessor("done").Run(t.Context(), []string{id}); err != nil {
			t.Error(err)
		}
	})
}

func indexes[In, Out any](res *windrow.BulkResult[In, Out]) []int {
	var all []int
	for r := range res.Failed() {
		all = append(all, r.Index)
	}
	return all
}

// A refusal after a lost answer is one: that a status stands for "exists already" elsewhere means nothing here.
func TestPublishRefusedAfterALostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		id := fill(server, 1)[0]
		server.Refuse("publish", "UNPUBLISHED_LINK", id)
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault { return &datocmstest.Fault{Lose: r.N == 1} })
		res, _ := articlesOf(client).PublishProcessor().Run(t.Context(), []string{id})
		testkit.Check(t, "ends", []string{"failed"}, ends(res))
	})
}
