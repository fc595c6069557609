package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the program prints is what the guide's programs print, with some words more where these leave a reader guessing. In
// virtual time all of it is known.
func TestA61_TheGuide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stdout bytes.Buffer
		began := time.Now()
		if err := demonstrate(t.Context(), &stdout); err != nil {
			t.Fatalf("%v\n%s", err, &stdout)
		}
		t.Logf("it takes %v", time.Since(began))
		got := regexp.MustCompile(`Total time: \d+ms`).ReplaceAllString(stdout.String(), "Total time: Nms")
		want := `== Basic batch create
Processed 20/45 items
Processed 40/45 items
Processed 45/45 items

== Advanced batch creation with error handling
Progress: 10/30 (33%)
Progress: 20/30 (67%)
Progress: 30/30 (100%)
Created: 28 items
Failed: 2 items
Total time: Nms
  item 7: title VALIDATION_REQUIRED
  item 22: slug VALIDATION_UNIQUE

== Efficient batch updates
Updating 5 items in parallel, the last of which does not exist:
  success: true, title: "Renamed 35", not found: false
  success: true, title: "Renamed 36", not found: false
  success: true, title: "Renamed 37", not found: false
  success: true, title: "Renamed 38", not found: false
  success: false, title: "", not found: true
Updating the same 5 once more, one after the other:
  success: true, title: "Renamed 35", not found: false
  success: true, title: "Renamed 36", not found: false
  success: true, title: "Renamed 37", not found: false
  success: true, title: "Renamed 38", not found: false
  success: false, title: "", not found: true

== Conditional batch updates
Found 73 items to update among the 73 on page 1
Dry run - would update: 73 items, the first: "Article 1" -> "[Updated] Article 1"
Updated 10 items, the first of the plan

== Safe batch delete
Found 25 of 26 items to delete: 1 is missing
About to delete 25 items. Go on? no
Deletion cancelled
About to delete 25 items. Go on? yes
Creating backup...
Deleted 24/26 items: 1 failed, 1 was missing
  failed: item 3, REQUIRED_BY_ASSOCIATION

== Batch upload processing
Processing file 1/5
Processing file 2/5
Processing file 3/5
Processing file 4/5
Processing file 5/5
Uploaded: 4
Skipped: 1 (the same content under another name)
Failed: 0
The same files a second time:
Processing file 1/5
Processing file 2/5
Processing file 3/5
Processing file 4/5
Processing file 5/5
Uploaded: 0, skipped: 5 (they are there)

== Parallel processing with concurrency control
Processed 20 items, at most 5 at once

== Memory-efficient streaming
Processed 100 items
Processed 200 items
Processed 299 items, which are all
`
		if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"-help": 0, "-bad": 2, "extra": 2} {
		if got := run(t.Context(), []string{args}, &bytes.Buffer{}, &bytes.Buffer{}); got != want {
			t.Errorf("%s: status %d, want %d", args, got, want)
		}
	}
}
