package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

// drafts returns articles to create, from one number on.
func drafts(from, n int) []draft {
	all := make([]draft, n)
	for k := range all {
		all[k] = draft{Title: fmt.Sprintf("Article %d", from+k), Slug: fmt.Sprintf("article-%d", from+k)}
	}
	return all
}

// basicCreate is batchCreateItems. There is no sleep between batches: a limiter knows when to wait (A7). An answer that is
// lost makes no second record, since each has its id before it is sent (A72).
func (p *program) basicCreate(ctx context.Context) error {
	items := drafts(1, 45)
	processed := 0
	processor := windrow.NewCreateProcessor(p.articles(), windrow.WithLimiter(p.limiter))
	processor.OnResult = func(windrow.Result[draft, article]) { // one at a time (A8)
		if processed++; processed%20 == 0 || processed == len(items) {
			p.printf("Processed %d/%d items", processed, len(items))
		}
	}
	res, err := processor.Run(ctx, items)
	if err != nil {
		return err
	}
	return expect("first article", "Article 1", res.At(0).Value.Title) // in the order of the input (A2, A6)
}

// advancedCreate is the class BatchProcessor. Failures have their index and their input, and successes too (A10, A11).
func (p *program) advancedCreate(ctx context.Context) error {
	articlesData := drafts(101, 30)
	articlesData[7].Title = ""          // which every article must have
	articlesData[22].Slug = "article-1" // which is taken
	const step = 10                     // lines come every ten articles
	processor := windrow.NewCreateProcessor(p.articles(), windrow.WithLimiter(p.limiter))
	processed := 0
	processor.OnResult = func(windrow.Result[draft, article]) {
		if processed++; processed%step == 0 {
			progress := windrow.Progress{Done: processed, Total: len(articlesData)} // 100 % of nothing is done (A16)
			p.printf("Progress: %d/%d (%d%%)", progress.Done, progress.Total, progress.Percent())
		}
	}
	result, err := processor.Run(ctx, articlesData)
	stats := result.Stats()
	p.printf("Created: %d items", stats.Succeeded)
	p.printf("Failed: %d items", stats.Failed)
	p.printf("Total time: %dms", stats.Elapsed.Milliseconds())
	for r := range result.Failed() {
		field := windrow.FieldErrors(r.Err)[0]
		p.printf("  item %d: %s %s", r.Index, field.Field, field.Code)
	}
	if _, ok := errors.AsType[*windrow.BulkError](err); !ok {
		return errors.Join(errors.New("no error of the two"), err)
	}
	return expect("created", 28, stats.Succeeded)
}

// updates is batchUpdateItems, in parallel and in order. Two updates of one record never race (A22).
func (p *program) updates(ctx context.Context) error {
	ids, err := p.articles().IDs(ctx, datocms.Query{}.Where("slug", "matches", "article-1"))
	if err != nil {
		return err
	}
	updates := make([]windrow.Update[string, draft], len(ids))
	for k, id := range ids {
		updates[k] = windrow.Update[string, draft]{ID: id, Data: draft{Title: fmt.Sprintf("Renamed %d", k)}}
	}
	updates = append(updates, windrow.Update[string, draft]{ID: datocms.NewID(), Data: draft{Title: "nothing"}})
	for _, mode := range []struct {
		title string
		order windrow.Option
	}{
		{"Updating %d items in parallel, the last of which does not exist:", windrow.Options()},
		{"Updating the same %d once more, one after the other:", windrow.PreserveOrder()},
	} {
		last := updates[len(updates)-5:] // these are enough to see
		p.printf(mode.title, len(last))
		res, _ := windrow.UpdateMany(ctx, p.articles(), last, windrow.WithLimiter(p.limiter), mode.order)
		for r := range res.All() { // one entry for each, in the input's order (A23)
			p.printf("  success: %t, title: %q, not found: %t", r.State == windrow.Succeeded, r.Value.Title, errors.Is(r.Err, windrow.ErrNotFound))
		}
		if err := expect("failed", 1, res.Stats().Failed); err != nil {
			return err
		}
	}
	return nil
}

// conditionalUpdate is conditionalBatchUpdate: first as a dry run, then that very plan. All matches are read before the
// first write, or pages would be missed (A36); records are compared by their meaning (A30); only what has changed is sent,
// not whole records with their id and meta (A24), and not over a change made meanwhile by another program (A75).
func (p *program) conditionalUpdate(ctx context.Context) error {
	prefix := func(a article) (article, error) {
		if !strings.HasPrefix(a.Title, "[Updated] ") { // or a second run would put it there again (A35)
			a.Title = "[Updated] " + a.Title
		}
		return a, nil
	}
	matches := pages.Read(ctx, p.articles().Pager(datocms.Query{Values: url.Values{"order_by": {"slug_ASC"}}}))
	planned, err := plan.Updates(ctx, matches, func(a article) string { return a.ID }, prefix, plan.MaxItems(1000), plan.ReportPages(100, func(page plan.PageReport) {
		p.printf("Found %d items to update among the %d on page %d", page.Changes, page.Records, page.Number)
	}))
	if err != nil {
		return err
	}
	p.printf("Dry run - would update: %d items, the first: %q -> %q", planned.Len(), planned.Changes[0].Original.Title, planned.Changes[0].Updated.Title)

	planned.Changes = planned.Changes[:10] // it is a plan: some of it will do for today
	planned.Version = func(a article) string { return a.Meta.CurrentVersion }
	planned.Backup = plan.BackupFile[article](filepath.Join(p.dir, "before-update.json")) // (A75)
	res, err := plan.ApplyPatches(ctx, planned, datocms.NewItems[plan.Patch, article](p.client, articleModel), windrow.WithLimiter(p.limiter))
	if err != nil {
		return err
	}
	p.printf("Updated %d items, the first of the plan", res.Stats().Succeeded)
	return expect("title", `"`+planned.Changes[9].Updated.Title+`"`, p.server.Field(planned.Changes[9].ID, "title"))
}

// safeDelete is batchDeleteItems. Only what DatoCMS says does not exist is missing; a server that is down is not (A39).
// The records are read in bulk (A40) and deleted in bulk, where DatoCMS only counts failures: they are found and named
// (A47). Missing ids are neither deleted nor failed (A46), and a backup is whole or not there (A50).
func (p *program) safeDelete(ctx context.Context) error {
	itemIDsToDelete := append(p.server.IDs()[:25:25], datocms.NewID())
	p.server.Refuse("destroy", "REQUIRED_BY_ASSOCIATION", itemIDsToDelete[3])
	articles := datocms.NewItems[article, article](p.client, articleModel)
	planned, err := plan.Deletes(ctx, articles, itemIDsToDelete, windrow.WithLimiter(p.limiter))
	if err != nil {
		return err
	}
	p.printf("Found %d of %d items to delete: %d is missing", planned.Len(), len(itemIDsToDelete), len(planned.Missing))
	agrees := false
	planned.Confirm = func(_ context.Context, planned *plan.DeletePlan[string, article]) (bool, error) {
		answer := "no"
		if agrees {
			answer = "yes"
		}
		p.printf("About to delete %d items. Go on? %s", planned.Len(), answer)
		return agrees, nil // in a real program, ask
	}
	backup := plan.BackupFile[article](filepath.Join(p.dir, fmt.Sprintf("backup-%d.json", time.Now().UnixMilli())))
	planned.Backup = func(ctx context.Context, items []article) error {
		p.printf("Creating backup...")
		return backup(ctx, items)
	}
	res, err := plan.ApplyDeletes(ctx, planned, articles, windrow.WithLimiter(p.limiter))
	if err != nil || !res.Cancelled {
		return errors.Join(errors.New("the operator said no"), err)
	}
	p.printf("Deletion cancelled")

	agrees = true
	res, _ = plan.ApplyDeletes(ctx, planned, articles, windrow.WithLimiter(p.limiter))
	p.printf("Deleted %d/%d items: %d failed, %d was missing", res.Stats().Succeeded, len(itemIDsToDelete), res.Stats().Failed, len(planned.Missing))
	for r := range res.Failed() {
		e, _ := errors.AsType[*datocms.Error](r.Err)
		p.printf("  failed: item %d, %s", r.Index, e.Code())
	}
	p.server.Refuse("destroy", "", itemIDsToDelete[3])
	return errors.Join(expect("deleted", 24, res.Stats().Succeeded), expect("failed", 1, res.Stats().Failed))
}

// concurrency is the class ConcurrencyManager: what waits is let through first come, first served, and woken when a place
// is free (A63), also after a panic (A64).
func (p *program) concurrency(ctx context.Context) error {
	manager := windrow.NewLimiter(windrow.Concurrency(5))
	results := make(chan error, 20)
	for range cap(results) {
		go func() {
			results <- manager.Do(ctx, 1, func(ctx context.Context) error {
				time.Sleep(10 * time.Millisecond) // the work
				return ctx.Err()
			})
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			return err
		}
	}
	if err := manager.Drain(ctx); err != nil { // (A65)
		return err
	}
	p.printf("Processed %d items, at most %d at once", cap(results), 5)
	return expect("in flight", 0, manager.Stats().InFlight)
}

// stream is streamItems and processLargeDataset. One page is read ahead, and no more is held (A68).
func (p *program) stream(ctx context.Context) error {
	for k := range 250 {
		p.server.Add(articleModel, map[string]any{"title": fmt.Sprintf("Old article %d", k)}, k%2 == 0)
	}
	processed := 0
	for a, err := range pages.Read(ctx, p.articles().Pager(datocms.Query{PageSize: 100})) {
		if err != nil {
			return err
		}
		if a.ID == "" {
			return errors.New("an article without an id")
		}
		if processed++; processed%100 == 0 {
			p.printf("Processed %d items", processed)
		}
	}
	p.printf("Processed %d items, which are all", processed)
	return expect("articles", p.server.Len(""), processed)
}
