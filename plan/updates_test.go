package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

// evenTitles changes every other record.
func evenTitles(a article) (article, error) {
	if strings.HasSuffix(a.ID, "0") || strings.HasSuffix(a.ID, "2") {
		return withPrefix(a)
	}
	return a, nil
}

// A30 too: what is unchanged is neither written nor listed.
func TestA24_WritesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	s := newServer(t, 10)
	before := s.snapshot()
	p := s.updates(t, evenTitles)
	if p.Len() != 2 || p.Read != 10 || p.Unchanged != 8 || p.Repeated != 0 || p.Limited {
		t.Errorf("plan of %d changes: %+v", p.Len(), p)
	}
	res, err := plan.ApplyUpdates(t.Context(), p, s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"update a0", "update a2"}, sorted(s.calls("update"))); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
	for _, c := range p.Changes {
		before[c.ID] = c.Updated
	}
	if diff := cmp.Diff(before, s.snapshot()); diff != "" {
		t.Errorf("records, and what the plan says (-want +got):\n%s", diff)
	}
	if got := res.Stats(); got.Total != 2 || got.Succeeded != 2 {
		t.Errorf("stats %+v", got)
	}
}

func TestA25_ADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, 250)
	s.readOnly = true
	before := s.snapshot()
	p := s.updates(t, withPrefix)
	if err := p.Print(&bytes.Buffer{}); err != nil || p.Len() != 250 {
		t.Errorf("%d changes, printed with %v", p.Len(), err)
	}
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
	if _, err := plan.Deletes(t.Context(), s, []string{"a1", "none"}); err != nil {
		t.Error(err)
	}
	// The option of the runs holds back the writes, too.
	res, err := plan.ApplyUpdates(t.Context(), p, s, windrow.DryRun())
	if err != nil || res.Stats().Skipped != 250 {
		t.Errorf("stats %+v, error %v", res.Stats(), err)
	}
	if diff := cmp.Diff(before, s.snapshot()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestA26_A29_MaxItemsBoundsWhatIsRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		max, records  int
		read, changes int
		limited       bool
	}{
		{1, 10, 1, 1, true},
		{5, 10, 5, 3, true},
		{10, 10, 10, 4, true}, // there might be an eleventh
		{11, 10, 10, 4, false},
		{150, 250, 150, 60, true}, // in the middle of a page
	} {
		s := newServer(t, tt.records)
		pulled, mapped := 0, 0
		source := func(yield func(article, error) bool) {
			for a, err := range s.source(t.Context()) {
				pulled++
				if !yield(a, err) {
					return
				}
			}
		}
		p, err := plan.Updates(t.Context(), source, articleID, func(a article) (article, error) {
			mapped++
			var n int
			if _, err := fmt.Sscanf(a.ID, "a%d", &n); err != nil {
				return a, err
			}
			if n%5 < 2 || n == 2 {
				a.Title += "!"
			}
			return a, nil
		}, plan.MaxItems(tt.max))
		if err != nil {
			t.Fatal(err)
		}
		changes := 0
		for n := range tt.read {
			if n%5 < 2 || n == 2 {
				changes++
			}
		}
		if p.Read != tt.read || p.Len() != changes || p.Limited != tt.limited || pulled != tt.read || mapped != tt.read {
			t.Errorf("MaxItems(%d) of %d: read %d, pulled %d, mapped %d, %d changes, limited %t; want %d read, %d changes, limited %t",
				tt.max, tt.records, p.Read, pulled, mapped, p.Len(), p.Limited, tt.read, changes, tt.limited)
		}
		if p.Len()+p.Unchanged+p.Repeated != p.Read {
			t.Errorf("%d + %d + %d records do not add up to %d", p.Len(), p.Unchanged, p.Repeated, p.Read)
		}
	}
}

// A guard of the row above: without the bound all is read.
func TestA26_NoBoundByDefault(t *testing.T) {
	t.Parallel()
	if p := newServer(t, 1234).updates(t, withPrefix); p.Read != 1234 || p.Len() != 1234 || p.Limited {
		t.Errorf("read %d, %d changes, limited %t", p.Read, p.Len(), p.Limited)
	}
}

// A27, A28: the pages of the source are read to a short one, and each gives a notice.
func TestA32_NoticeForEachPage(t *testing.T) {
	t.Parallel()
	s := newServer(t, 230)
	var pages []string
	p := s.updates(t, evenTitles, plan.ReportPages(100, func(page plan.PageReport) {
		pages = append(pages, fmt.Sprintf("%s of %d", page, page.Records))
	}))
	want := []string{
		"found 20 records to update on page 1 of 100",
		"found 20 records to update on page 2 of 100",
		"found 6 records to update on page 3 of 30",
	}
	if diff := cmp.Diff(want, pages); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"list 0", "list 100", "list 200"}, s.calls("list")); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if p.Len() != 46 {
		t.Errorf("%d changes", p.Len())
	}
	pages = nil
	newServer(t, 200).updates(t, evenTitles, plan.ReportPages(100, func(page plan.PageReport) { pages = append(pages, page.String()) }))
	if len(pages) != 2 {
		t.Errorf("notices of two full pages: %q", pages)
	}
}

func TestA31_A33_ThePlanHoldsBothRecordsAndCanBePrinted(t *testing.T) {
	t.Parallel()
	s := newServer(t, 2)
	s.records["a1"] = article{ID: "a1", Title: strings.Repeat("ü", 80), Body: "line\x1b[2J\u009b"}
	p := s.updates(t, func(a article) (article, error) {
		if a.ID == "a1" {
			a.Title, a.Body = "short", ""
		}
		return a, nil
	})
	want := []plan.Change[string, article]{{
		ID: "a1", Original: s.records["a1"], Updated: article{ID: "a1", Title: "short"},
		Differences: []plan.Difference{
			{Field: "body", Before: json.RawMessage(`"line\u001b[2J` + "\u009b" + `"`)},
			{Field: "title", Before: json.RawMessage(`"` + strings.Repeat("ü", 80) + `"`), After: json.RawMessage(`"short"`)},
		},
	}}
	if diff := cmp.Diff(want, p.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	var b strings.Builder
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	wantText := "1 of 2 records to update, 1 unchanged\n" +
		"  a1\n" +
		`    body: "line\u001b[2J\u009b" -> (none)` + "\n" +
		`    title: "` + strings.Repeat("ü", 59) + `... (82 characters) -> "short"` + "\n"
	if diff := cmp.Diff(wantText, b.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}

	b.Reset()
	if err := newServer(t, 103).updates(t, withPrefix).Print(&b); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(b.String(), "\n"); len(lines) != 1+2*100+1+1 || lines[201] != "  ... and 3 more" {
		t.Errorf("%d lines of a long plan, the last %q", len(lines), lines[len(lines)-2])
	}
	if err := p.Print(brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("error %v of a broken writer", err)
	}
}

var errBroken = errors.New("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

// A34, P-16: the preview is the very plan that is carried out, whoever makes it and however it travels.
func TestP16_ThePlanOfADryRunIsThatOfARealRun(t *testing.T) {
	t.Parallel()
	s := newServer(t, 300)
	dry := s.updates(t, evenTitles)
	real := s.updates(t, evenTitles)
	if diff := cmp.Diff(dry, real, cmp.Comparer(func(a, b func(plan.StageReport)) bool { return a == nil && b == nil })); diff != "" {
		t.Errorf("the plan of a dry run, and of a real run (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(dry)
	if err != nil {
		t.Fatal(err)
	}
	var stored plan.UpdatePlan[string, article]
	if err := json.Unmarshal(text, &stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dry, &stored); diff != "" {
		t.Errorf("a plan, and what its JSON form holds (-want +got):\n%s", diff)
	}
	want := s.snapshot()
	for _, c := range dry.Changes {
		want[c.ID] = c.Updated
	}
	if _, err := plan.ApplyUpdates(t.Context(), &stored, s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.snapshot()); diff != "" {
		t.Errorf("what the dry run said, and what is there (-want +got):\n%s", diff)
	}
}

func TestA35_TheGuidesUsage(t *testing.T) {
	t.Parallel()
	s := newServer(t, 1500)
	p := s.updates(t, withPrefix, plan.MaxItems(1000))
	if p.Len() != 1000 || p.Changes[999].Updated.Title != "[Updated] Title 999" {
		t.Errorf("%d changes, the last to %q", p.Len(), p.Changes[p.Len()-1].Updated.Title)
	}
}

// A36, P-1: as the guide does it, every other page is missed.
func TestF46_AListThatShrinksWhileItIsWritten(t *testing.T) {
	t.Parallel()
	open := func(a article) bool { return !strings.HasPrefix(a.Title, "[Updated] ") }
	s := newServer(t, 1000)

	// The trap is there: reading and writing by turns leaves records behind.
	trap := newServer(t, 1000)
	for a, err := range pages.Read(t.Context(), trap.pager(open, 100), pages.Prefetch(0)) {
		if err != nil {
			t.Fatal(err)
		}
		a.Title = "[Updated] " + a.Title
		if _, err := trap.Update(t.Context(), a.ID, a); err != nil {
			t.Fatal(err)
		}
	}
	if left := len(trap.list(open, 0, 1000)); left == 0 {
		t.Fatal("the list does not shrink: nothing is tested")
	}

	p, err := plan.Updates(t.Context(), pages.Read(t.Context(), s.pager(open, 100)), articleID, withPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.ApplyUpdates(t.Context(), p, s); err != nil {
		t.Fatal(err)
	}
	if left := s.list(open, 0, 1000); len(left) != 0 {
		t.Errorf("%d records were skipped", len(left))
	}
	again, err := plan.Updates(t.Context(), pages.Read(t.Context(), s.pager(open, 100)), articleID, withPrefix)
	if err != nil || again.Len() != 0 || again.Read != 0 {
		t.Errorf("a second plan has %d changes, error %v", again.Len(), err)
	}
}

// A list that grows at the front hands records over twice: they are planned once.
func TestUpdatesCountsRepeatedRecordsOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t, 3)
	source := func(yield func(article, error) bool) {
		for _, id := range []string{"a0", "a1", "a0", "a2", "a1"} {
			if !yield(s.records[id], nil) {
				return
			}
		}
	}
	p, err := plan.Updates(t.Context(), source, articleID, evenTitles)
	if err != nil {
		t.Fatal(err)
	}
	if p.Read != 5 || p.Len() != 2 || p.Unchanged != 1 || p.Repeated != 2 {
		t.Errorf("plan %+v", p)
	}
	var b strings.Builder
	if err := p.Print(&b); err != nil || !strings.HasPrefix(b.String(), "2 of 5 records to update, 1 unchanged, 2 read twice\n") {
		t.Errorf("printed with %v:\n%s", err, &b)
	}
}

// A change in place must not pass as no change.
func TestUpdatesOfMapsInPlace(t *testing.T) {
	t.Parallel()
	type record = map[string]any
	p, err := plan.Updates(t.Context(), windrow.FromSlice([]record{{"id": "x", "n": 1, "deep": record{"a": []any{1, 2}}}}),
		func(r record) string { return r["id"].(string) },
		func(r record) (record, error) {
			r["deep"].(record)["a"].([]any)[1] = 3
			delete(r, "n")
			return r, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if p.Len() != 1 {
		t.Fatalf("%d changes", p.Len())
	}
	c := p.Changes[0]
	want := record{"id": "x", "n": json.Number("1"), "deep": record{"a": []any{json.Number("1"), json.Number("2")}}}
	if diff := cmp.Diff(want, c.Original); diff != "" {
		t.Errorf("the original (-want +got):\n%s", diff)
	}
	patch, err := c.Patch()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plan.Patch{"n": nil, "deep": record{"a": []any{json.Number("1"), json.Number("3")}}}, patch); diff != "" {
		t.Errorf("the patch (-want +got):\n%s", diff)
	}
}
