package windrow_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/journal"
)

// A processor is a verb with hooks. It finds what the client can do, and keeps its limiter between runs.
func ExampleNewCreateProcessor() {
	ctx := context.Background()
	drafts := []Draft{{"tea", "On tea"}, {"", "Nameless"}, {"rice", ""}}

	p := windrow.NewCreateProcessor(NewArticles(), windrow.Concurrency(8))
	p.Key = func(d Draft) string { return d.Slug } // names items in errors; their idempotency keys are derived from it
	p.Validate = func(d Draft) error {             // is called for all of them before anything is sent
		var errs []error
		if d.Slug == "" {
			errs = append(errs, &windrow.FieldError{Field: "slug", Message: "is missing"})
		}
		if d.Title == "" {
			errs = append(errs, &windrow.FieldError{Field: "title", Message: "is missing"})
		}
		return errors.Join(errs...)
	}
	res, err := p.Run(ctx, drafts)

	fmt.Println(err)
	fmt.Println("created:", res.Values())
	// Output:
	// windrow: of 3 items 2 failed; first: item 1 failed: slug: is missing
	// created: [{id-tea tea On tea}]
}

// NewBatchProcessor takes any function. What it does is not repeated when its answer is lost, unless that is said to
// be harmless.
func ExampleNewBatchProcessor() {
	ctx := context.Background()
	shout := func(_ context.Context, word string) (string, error) { return strings.ToUpper(word), nil }

	p := windrow.NewBatchProcessor(shout, windrow.Repeatable(), windrow.PreserveOrder())
	p.OnResult = func(r windrow.Result[string, string]) { fmt.Println(r.Input, "->", r.Value) }
	res, err := p.Run(ctx, []string{"rake", "gather", "stack"})

	fmt.Println(res.Stats().Succeeded, err)
	// Output:
	// rake -> RAKE
	// gather -> GATHER
	// stack -> STACK
	// 3 <nil>
}

// Rerun sends what may be sent again, and merges the outcome into one result with the first indexes. A result can be
// stored in between.
func ExampleBatchProcessor_Rerun() {
	ctx := context.Background()
	articles := NewArticles()
	articles.busy = 1 // the server refuses one call
	p := windrow.NewCreateProcessor(articles, windrow.PreserveOrder(), windrow.MaxFailures(0), windrow.Retry(windrow.RetryPolicy{
		MaxAttempts: 1,
		Classify: func(err error) windrow.Classification { // this API's 503 says that nothing was done
			c := windrow.Classify(err)
			if e, ok := errors.AsType[*APIError](err); ok && e.Status == 503 {
				c.Class = windrow.ClassTransient
			}
			return c
		},
	}))

	res, err := p.Run(ctx, []Draft{{"tea", "On tea"}, {"rice", "On rice"}})
	fmt.Println(err)

	stored, err := json.Marshal(res)
	if err != nil {
		fmt.Println(err)
	}
	earlier := new(windrow.BulkResult[Draft, Article])
	if err := json.Unmarshal(stored, earlier); err != nil {
		fmt.Println(err)
	}

	res, err = p.Rerun(ctx, earlier)
	fmt.Println(res.Stats().Succeeded, "of", res.Len(), err)
	// Output:
	// windrow: the run was stopped: too many failures: 1 of the 1 items that ended; of 2 items 1 failed, 1 not attempted; first: item 0 failed: 503: busy
	// 2 of 2 <nil>
}

// What was refused is sent again after a correction.
func ExampleBulkResult_Correct() {
	ctx := context.Background()
	p := windrow.NewCreateProcessor(NewArticles())
	res, err := p.Run(ctx, []Draft{{"tea", "On tea"}, {"rice", ""}, {"salt", "On salt"}})
	fmt.Println(err)

	for r := range res.Failed() {
		corrected := r.Input
		corrected.Title = "Untitled"
		res.Correct(r.Index, corrected)
	}
	res, err = p.Rerun(ctx, res)
	fmt.Println(res.At(1).Value, err)
	// Output:
	// windrow: of 3 items 1 failed; first: item 1 failed: 422: the title is missing
	// {id-rice rice Untitled} <nil>
}

func ExampleBulkResult_Summary() {
	ctx := context.Background()
	res, _ := windrow.CreateMany(ctx, NewArticles(), []Draft{{"tea", "On tea"}, {"rice", ""}, {"salt", "On salt"}})

	if err := res.Summary(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Total: 3
	// Successful: 2 (66.7%)
	// Failed: 1
	//   Item 1: 422: the title is missing
	//     Data: {Slug:rice Title:}
}

func ExampleOnProgress() {
	ctx := context.Background()
	drafts := make([]Draft, 250)
	for i := range drafts {
		drafts[i] = Draft{Slug: fmt.Sprint("a", i), Title: fmt.Sprint("Article ", i)}
	}

	// The function is called about ten times a second; this run is over before that.
	_, err := windrow.CreateMany(ctx, NewArticles(), drafts, windrow.OnProgress(func(p windrow.Progress) {
		fmt.Printf("%d/%d (%d%%), %d failed\n", p.Done, p.Total, p.Percent(), p.Failed)
	}))
	fmt.Println(err)
	// Output:
	// 250/250 (100%), 0 failed
	// <nil>
}

// A dry run validates, looks for duplicate keys, and sends nothing.
func ExampleDryRun() {
	ctx := context.Background()
	p := windrow.NewCreateProcessor(NewArticles(), windrow.DryRun())
	p.Key = func(d Draft) string { return d.Slug }

	res, err := p.Run(ctx, []Draft{{"tea", "On tea"}, {"rice", "On rice"}})
	fmt.Println(res.At(0).State, res.At(0).Reason, err)

	_, err = p.Run(ctx, []Draft{{"tea", "On tea"}, {"tea", "On tea again"}})
	fmt.Println(err)
	// Output:
	// skipped dry_run <nil>
	// windrow: nothing was sent: items 0 and 1 have the same key "tea": remove one, or choose with the option Duplicates; of 2 items 2 not attempted
}

// What has the same key is the same thing: here the last one counts.
func ExampleDuplicates() {
	ctx := context.Background()
	p := windrow.NewCreateProcessor(NewArticles(), windrow.Duplicates(windrow.KeepLast))
	p.Key = func(d Draft) string { return d.Slug }

	res, err := p.Run(ctx, []Draft{{"tea", "On tea"}, {"rice", "On rice"}, {"tea", "On green tea"}})
	for r := range res.Succeeded() {
		fmt.Println(r.Index, r.Value.Title)
	}
	fmt.Println(res.At(0).State, res.At(0).Reason, err)
	// Output:
	// 1 On rice
	// 2 On green tea
	// skipped duplicate <nil>
}

// Stream is for more items than fit in memory. Results come in the order of the source, whatever the order of the work,
// and a loop that is left early has joined what was in flight.
func ExampleBatchProcessor_Stream() {
	ctx := context.Background()
	lines := strings.NewReader("tea,On tea\nrice\nsalt,On salt\n")
	source := func(yield func(Draft, error) bool) { // such as the rows of a file, or of a database
		for s := bufio.NewScanner(lines); s.Scan(); {
			slug, title, _ := strings.Cut(s.Text(), ",")
			if !yield(Draft{slug, title}, nil) {
				return
			}
		}
	}

	p := windrow.NewCreateProcessor(NewArticles(), windrow.Concurrency(8), windrow.Window(1000))
	stream := p.Stream(ctx, source)
	for r, err := range stream.All() {
		if err != nil {
			fmt.Println(r.Input.Slug, err)
			continue
		}
		fmt.Println(r.Input.Slug, r.Value.ID)
	}
	stats := stream.Stats()
	fmt.Println(stats.Succeeded, "created,", stats.Failed, "failed")
	// Output:
	// tea id-tea
	// rice item 1 failed: 422: the title is missing
	// salt id-salt
	// 2 created, 1 failed
}

// Any sequence of items is a source.
func ExampleFromSeq() {
	ctx := context.Background()
	titles := map[string]string{"tea": "On tea", "rice": "On rice", "salt": "On salt"}
	drafts := func(yield func(Draft) bool) {
		for _, slug := range slices.Sorted(maps.Keys(titles)) {
			if !yield(Draft{slug, titles[slug]}) {
				return
			}
		}
	}

	p := windrow.NewCreateProcessor(NewArticles())
	for r, err := range p.Stream(ctx, windrow.FromSeq(drafts)).All() {
		fmt.Println(r.Value.ID, err)
	}
	// Output:
	// id-rice <nil>
	// id-salt <nil>
	// id-tea <nil>
}

// With a journal the same program, started again, goes on where it was killed.
func ExampleWithJournal() {
	dir, err := os.MkdirTemp("", "windrow")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	articles := NewArticles()
	importAll := func(drafts ...Draft) {
		j, err := journal.Open(filepath.Join(dir, "import.journal"), "import articles")
		if err != nil {
			fmt.Println(err)
			return
		}
		p := windrow.NewCreateProcessor(articles, windrow.WithJournal(j))
		p.Key = func(d Draft) string { return d.Slug }
		p.ResultID = func(a Article) string { return a.ID }
		res, err := p.Run(context.Background(), drafts)
		for r := range res.All() {
			fmt.Println(r.Key, r.State, r.ID)
		}
		if err := errors.Join(err, j.Close()); err != nil {
			fmt.Println(err)
		}
	}

	importAll(Draft{"tea", "On tea"})
	importAll(Draft{"rice", "On rice"}, Draft{"tea", "On tea"})
	// Output:
	// tea succeeded id-tea
	// rice succeeded id-rice
	// tea skipped id-tea
}
