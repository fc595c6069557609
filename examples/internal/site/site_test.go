package site_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/pages"
)

func TestSiteHoldsTheSymbols(t *testing.T) {
	t.Parallel()
	symbols, err := site.Symbols(t.Context(), 250)
	if err != nil {
		t.Fatal(err)
	}
	s, err := site.Start(t.Context(), symbols, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	rows, err := s.Rows(t.Context())
	if err != nil || len(rows) != 250 || len(symbols) != 250 {
		t.Errorf("%d rows of %d symbols, error %v", len(rows), len(symbols), err)
	}
	n := 0
	for record, err := range pages.Read(t.Context(), site.Pager[readback.Record](s, "deprecated=true")) {
		if err != nil || !record.Deprecated || rows[record.ID] == nil {
			t.Fatalf("record %q, error %v", record.ID, err)
		}
		n++
	}
	if n == 0 {
		t.Error("no deprecated symbols")
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	row := func(s string) json.RawMessage { return json.RawMessage(s) }
	a := site.Rows{"same": row("1"), "changed": row("2"), "removed": row("3")}
	b := site.Rows{"same": row("1"), "changed": row("9"), "added": row("4")}
	if diff := cmp.Diff([]string{"added", "changed", "removed"}, a.Differences(b)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}
