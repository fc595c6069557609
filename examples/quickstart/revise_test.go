package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/readback"
)

// A74, P-1: everything is read page by page while it is changed and deleted, and
// nothing is missed, under the server's limit.
func TestA74ReviseWhatIsRead(t *testing.T) {
	t.Parallel()
	server := startServer(t, 100)
	var output bytes.Buffer
	input := symbols(1200) // three pages
	w, rep, res := fill(t, server, input, &output, &output)
	rev := w.revise(t.Context(), input, res)
	rep.revision = rev
	changed := 0
	for _, s := range input {
		if revised := edition(s); revised != s && !s.Deprecated {
			changed++
			if edition(revised) != revised {
				t.Errorf("%v: the new edition has another one", s)
			}
		}
	}
	if rev.err != nil || !rep.good() || changed == 0 || rev.updates.Succeeded != changed || rev.deletes.Succeeded != 600 || rev.left != 600 {
		t.Errorf("%d updated, %d deleted, %d left, error %v, %d mismatches %v; want %d, 600, 600", rev.updates.Succeeded,
			rev.deletes.Succeeded, rev.left, rev.err, rev.mismatches, rev.found, changed)
	}
	if traffic := server.Traffic(http.MethodDelete); traffic.Requests != rev.deletes.Requests || traffic.Throttled != rev.deletes.Throttled {
		t.Errorf("windrow counts %+v, the server %+v", rev.deletes, traffic)
	}

	again := w.revise(t.Context(), input, res)
	if again.updates.Total+again.deletes.Total != 0 || again.left != 600 {
		t.Errorf("the second time %d updated, %d deleted, %d left, want nothing to do", again.updates.Total, again.deletes.Total, again.left)
	}
}

func TestReviseTellsWhatIsNotAsItShouldBe(t *testing.T) {
	t.Parallel()
	server := startServer(t, 100_000)
	var output bytes.Buffer
	input := symbols(40)
	w, rep, res := fill(t, server, input, &output, &output)
	// What should be there, what should not, and what should be other than it is.
	if err := w.symbols.Delete(t.Context(), res.At(1).Value.ID); err != nil {
		t.Fatal(err)
	}
	foreign := symbols(42)[41]
	if _, err := w.symbols.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	other := input[3]
	other.Kind, other.Doc = "var", "x"
	if _, err := w.symbols.Upsert(t.Context(), readback.Record{ID: res.At(3).Value.ID, Symbol: other}); err != nil {
		t.Fatal(err)
	}
	if err := w.symbols.Delete(t.Context(), res.At(5).Value.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.symbols.Create(t.Context(), input[5]); err != nil {
		t.Fatal(err)
	}
	rep.revision = w.revise(t.Context(), input, res)
	output.Reset()
	if err := rep.print(&output, false); err != nil {
		t.Fatal(err)
	}
	if rep.good() || rep.revision.err != nil {
		t.Errorf("good, or the error %v", rep.revision.err)
	}
	for _, want := range []string{
		"Read again: 20 records, with 6 mismatches", "p.F1: record: want id ", "p.F41: record: want none", "p.F3: kind: want \"func\", got \"var\"",
		"p.F3: doc: want", "p.F5: id: want", "all: updated: want",
	} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &output)
		}
	}
}

func TestReviseStops(t *testing.T) {
	t.Parallel()
	server := startServer(t, 100_000)
	var output bytes.Buffer
	input := symbols(20)
	w, rep, res := fill(t, server, input, &output, &output)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rep.revision = w.revise(ctx, input, res)
	output.Reset()
	if err := rep.print(&output, false); err != nil {
		t.Fatal(err)
	}
	stop, ok := errors.AsType[*windrow.StopError](rep.revision.err)
	if !ok || !errors.Is(stop, context.Canceled) || rep.good() || !strings.Contains(output.String(), "\nStopped: ") {
		t.Errorf("error %v\n%s", rep.revision.err, &output)
	}
}
