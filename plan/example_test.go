package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

type Article struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Body  string `json:"body"`
}

func (a Article) Key() string { return a.ID }

// cms is an API with three articles.
type cms struct{ articles map[string]Article }

func newCMS() *cms {
	return &cms{map[string]Article{
		"1": {"1", "Hay", "..."}, "2": {"2", "[Updated] Straw", "..."}, "3": {"3", "Grass", "..."},
	}}
}

// List is a page of the list, here the only one.
func (c *cms) List(context.Context, int, int) (pages.Page[Article], error) {
	return pages.Page[Article]{Items: []Article{c.articles["1"], c.articles["2"], c.articles["3"]}}, nil
}

func (c *cms) Get(_ context.Context, id string) (Article, error) {
	a, ok := c.articles[id]
	if !ok {
		return Article{}, windrow.ErrNotFound
	}
	return a, nil
}

func (c *cms) Create(_ context.Context, a Article) (Article, error) {
	c.articles[a.ID] = a
	return a, nil
}

func (c *cms) Update(_ context.Context, id string, a Article) (Article, error) {
	c.articles[id] = a
	return a, nil
}

func (c *cms) Delete(_ context.Context, id string) error {
	delete(c.articles, id)
	return nil
}

// addPrefix marks a title, once.
func addPrefix(a Article) (Article, error) {
	if !strings.HasPrefix(a.Title, "[Updated] ") {
		a.Title = "[Updated] " + a.Title
	}
	return a, nil
}

// A dry run: the plan is made and printed, and that is all.
func ExampleUpdates() {
	ctx, client := context.Background(), newCMS()
	articles := pages.Read(ctx, pages.Offset(100, client.List))

	p, err := plan.Updates(ctx, articles, Article.Key, addPrefix,
		plan.MaxItems(1000),
		plan.ReportPages(100, func(page plan.PageReport) { fmt.Println(page) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = p.Print(os.Stdout)
	// Output:
	// found 2 records to update on page 1
	// 2 of 3 records to update, 1 unchanged
	//   1
	//     title: "Hay" -> "[Updated] Hay"
	//   3
	//     title: "Grass" -> "[Updated] Grass"
}

func ExampleApplyUpdates() {
	ctx, client := context.Background(), newCMS()
	articles := pages.Read(ctx, pages.Offset(100, client.List))
	p, err := plan.Updates(ctx, articles, Article.Key, addPrefix)
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Confirm = func(_ context.Context, p *plan.UpdatePlan[string, Article]) (bool, error) {
		fmt.Printf("Update %d articles? Yes.\n", p.Len()) // ask somebody
		return true, nil
	}
	p.Current = client // refuse to overwrite what others change meanwhile
	p.OnStage = func(s plan.StageReport) { fmt.Println(s) }

	res, err := plan.ApplyUpdates(ctx, p, client, windrow.Concurrency(1))
	fmt.Println(res.Stats().Succeeded, "updated,", "error:", err)
	// Output:
	// found 2 records to update
	// Update 2 articles? Yes.
	// checking whether 2 records changed meanwhile
	// updating 2 records
	// 2 updated, error: <nil>
}

// A client that takes the changed fields alone.
func ExampleApplyPatches() {
	ctx, client := context.Background(), newCMS()
	patch := windrow.UpdateFunc(func(_ context.Context, id string, fields plan.Patch) (Article, error) {
		body, err := json.Marshal(fields)
		fmt.Printf("PATCH /articles/%s %s\n", id, body)
		return Article{}, err
	})
	p, err := plan.Updates(ctx, pages.Read(ctx, pages.Offset(100, client.List)), Article.Key, addPrefix)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = plan.ApplyPatches(ctx, p, patch, windrow.PreserveOrder())
	fmt.Println("error:", err)
	// Output:
	// PATCH /articles/1 {"title":"[Updated] Hay"}
	// PATCH /articles/3 {"title":"[Updated] Grass"}
	// error: <nil>
}

// A plan that is made today and applied tomorrow.
func ExampleUpdatePlan_MarshalJSON() {
	ctx, client := context.Background(), newCMS()
	p, err := plan.Updates(ctx, pages.Read(ctx, pages.Offset(100, client.List)), Article.Key, addPrefix, plan.MaxItems(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.MarshalIndent(p, "", " ")
	fmt.Printf("%s %v\n", text, err)

	var tomorrow plan.UpdatePlan[string, Article]
	if err := json.Unmarshal(text, &tomorrow); err != nil {
		fmt.Println(err)
		return
	}
	tomorrow.Current = client
	res, err := plan.ApplyUpdates(ctx, &tomorrow, client)
	fmt.Println(res.Stats().Succeeded, "updated,", "error:", err)
	// Output:
	// {
	//  "format": 1,
	//  "read": 1,
	//  "unchanged": 0,
	//  "limited": true,
	//  "changes": [
	//   {
	//    "id": "1",
	//    "original": {
	//     "id": "1",
	//     "title": "Hay",
	//     "body": "..."
	//    },
	//    "updated": {
	//     "id": "1",
	//     "title": "[Updated] Hay",
	//     "body": "..."
	//    },
	//    "differences": [
	//     {
	//      "field": "title",
	//      "before": "Hay",
	//      "after": "[Updated] Hay"
	//     }
	//    ]
	//   }
	//  ]
	// } <nil>
	// 1 updated, error: <nil>
}

// A safe delete: fetch, confirm, backup, delete; and everything back again.
func ExampleDeletes() {
	ctx, client := context.Background(), newCMS()
	folder, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	backup := filepath.Join(folder, "articles.json")

	p, err := plan.Deletes(ctx, client, []string{"1", "3", "9"}, windrow.Concurrency(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Confirm = func(_ context.Context, p *plan.DeletePlan[string, Article]) (bool, error) {
		return true, p.Print(os.Stdout)
	}
	p.Backup = plan.BackupFile[Article](backup)
	res, err := plan.ApplyDeletes(ctx, p, client, windrow.Concurrency(1))
	fmt.Println(res.Stats().Succeeded, "deleted, cancelled:", res.Cancelled, "error:", err)

	restored, err := plan.Restore(ctx, backup, client, windrow.Concurrency(1))
	fmt.Println(restored.Stats().Succeeded, "restored, error:", err)
	// Output:
	// 2 records to delete, 1 missing
	//   1
	//   3
	//   9 (missing)
	// 2 deleted, cancelled: false error: <nil>
	// 2 restored, error: <nil>
}

func ExampleBackupFile() {
	folder, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "articles.json")

	backup := plan.BackupFile[Article](file)
	if err := backup(context.Background(), []Article{{ID: "1", Title: "Hay"}}); err != nil {
		fmt.Println(err)
		return
	}
	text, err := os.ReadFile(file)
	fmt.Printf("%s%v\n", bytes.TrimSuffix(text, []byte("\n")), err)
	// Output:
	// [
	//   {
	//     "id": "1",
	//     "title": "Hay",
	//     "body": ""
	//   }
	// ]<nil>
}

// A client that has the server check the version of what it overwrites.
func ExampleVersionFrom() {
	ctx := context.Background()
	client := windrow.UpdateFunc(func(ctx context.Context, id string, a Article) (Article, error) {
		version, _ := plan.VersionFrom(ctx, id)
		fmt.Printf("PUT /articles/%s\nIf-Match: %q\n", id, version)
		return a, nil
	})
	p, err := plan.Updates(ctx, windrow.FromSlice([]Article{{ID: "1", Title: "Hay", Body: "v7"}}), Article.Key, addPrefix)
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Version = func(a Article) string { return a.Body }
	_, err = plan.ApplyUpdates(ctx, p, client)
	fmt.Println("error:", err)
	// Output:
	// PUT /articles/1
	// If-Match: "v7"
	// error: <nil>
}

// Two records are compared field by field, without a plan.
func ExampleDiff() {
	before := Article{ID: "1", Title: "Hay", Body: "..."}
	after := map[string]any{"id": "1", "title": "Hay and straw", "tags": []string{"feed"}, "body": "..."}
	changes, err := plan.Diff(before, after)
	for _, c := range changes {
		fmt.Printf("%s: %s -> %s\n", c.Field, c.Before, c.After)
	}
	fmt.Println(err)
	// Output:
	// tags:  -> ["feed"]
	// title: "Hay" -> "Hay and straw"
	// <nil>
}
