package journal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/journal"
)

// Draft is what is imported.
type Draft struct{ Slug, Title string }

// Article is what the server makes of it.
type Article struct{ ID string }

// An import that is started twice: the second time only what is new is sent.
func Example() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	articles := windrow.CreateFunc(func(_ context.Context, d Draft) (Article, error) {
		fmt.Println("POST", d.Title)
		return Article{ID: "article-" + d.Slug}, nil
	})
	ctx := context.Background()
	walden, emma := Draft{"walden", "Walden"}, Draft{"emma", "Emma"}
	for _, drafts := range [][]Draft{{walden}, {emma, walden}} {
		j, err := journal.Open(filepath.Join(dir, "import.journal"), "import articles")
		if err != nil {
			fmt.Println(err)
			return
		}
		res, err := windrow.CreateMany(ctx, articles, drafts, windrow.WithJournal(j),
			windrow.WithKey(func(d Draft) string { return d.Slug }),
			windrow.WithResultID(func(a Article) string { return a.ID }))
		for r := range res.All() {
			fmt.Println(r.Key, r.State, r.Reason, r.ID)
		}
		fmt.Println(err, j.Close())
	}
	// Output:
	// POST Walden
	// walden succeeded  article-walden
	// <nil> <nil>
	// POST Emma
	// emma succeeded  article-emma
	// walden skipped done_before article-walden
	// <nil> <nil>
}

// A process is killed between sending one item and hearing of it. The next one finds out what it knows.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "import.journal")

	j, err := journal.Open(path, "import articles", journal.KeyScheme("slug"))
	if err != nil {
		fmt.Println(err)
		return
	}
	// This is what a run does.
	ctx := context.Background()
	_ = j.Begin(windrow.OpCreate)
	_ = j.Intend(ctx, windrow.JournalIntent{Keys: []string{"first"}, IdempotencyKey: "first", Attempt: 1})
	_ = j.Record(windrow.JournalEntry{Key: "first", State: windrow.Succeeded, ID: "4711"})
	_ = j.Intend(ctx, windrow.JournalIntent{Keys: []string{"second"}, IdempotencyKey: "second", Attempt: 1})
	_ = j.Close()

	j, err = journal.Open(path, "import articles", journal.KeyScheme("slug"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer j.Close()
	for _, key := range []string{"first", "second", "third"} {
		e, err := j.Find(key)
		fmt.Println(e.Key, e.State, e.ID, err)
	}
	_, err = journal.Open(filepath.Join(dir, "import.journal"), "import articles")
	fmt.Println("open twice:", err != nil)
	// Output:
	// first succeeded 4711 <nil>
	// second unknown  <nil>
	// third not_attempted  <nil>
	// open twice: true
}

// An inspection tells what is done, and what was begun and has not ended.
func ExampleInspect() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "import.journal")
	j, err := journal.Open(path, "import articles")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = j.Begin(windrow.OpCreate)
	_ = j.Record(windrow.JournalEntry{Key: "first", State: windrow.Succeeded, ID: "4711"})
	_ = j.Record(windrow.JournalEntry{Key: "second", State: windrow.Failed})
	_ = j.Intend(context.Background(), windrow.JournalIntent{Keys: []string{"third", "fourth"}, Attempt: 1})
	_ = j.Close()

	i, err := journal.Inspect(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s (%v): %d done, %d failed, %d unknown\n", i.Job, i.Op, i.Count(windrow.Succeeded), i.Count(windrow.Failed), i.Count(windrow.Unknown))
	for e, err := range i.Entries(windrow.Failed, windrow.Unknown) {
		fmt.Println(e.Key, e.State, err)
	}
	// Output:
	// import articles (create): 1 done, 1 failed, 2 unknown
	// second failed <nil>
	// third unknown <nil>
	// fourth unknown <nil>
}
