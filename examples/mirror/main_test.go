package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

// symbols returns made-up input.
func symbols(n int) []stdlib.Symbol {
	list := make([]stdlib.Symbol, n)
	for i := range list {
		name := fmt.Sprintf("F%04d", i)
		list[i] = stdlib.Symbol{FullName: "p." + name, ImportPath: "p", Name: name, Kind: "func", Synopsis: "s", Doc: "d\n", Deprecated: i%2 == 0}
	}
	return list
}

// start runs a server that ends with the test and has the symbols.
func start(t *testing.T, rate int, symbols ...stdlib.Symbol) *pocket.Server {
	t.Helper()
	server, err := pocket.Start(t.Context(), pocket.Config{Rate: rate})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := pocket.Load(server, slices.Values(symbols)); err != nil {
		t.Fatal(err)
	}
	return server
}

func mirrorOf(t *testing.T, from, to *pocket.Server) *mirror {
	t.Helper()
	m, err := newMirror(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// counts is what a run did, without what it took.
type counts struct{ Created, Updated, Deleted, Sent int }

func countsOf(c changes) counts {
	return counts{c.created, c.updated, c.deletes.Succeeded, c.upserts.Total + c.deletes.Total}
}

func check[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A68, A74: a list goes into another page by page, under the limits of both
// servers, and the second time there is nothing to do.
func TestA68A74MirrorUnderTwoLimits(t *testing.T) {
	t.Parallel()
	input := symbols(1000)
	from, to := start(t, 3, input...), start(t, 50, slices.Collect(outdated(input))...)
	m := mirrorOf(t, from, to)
	done, err := m.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "first run", counts{200, 100, 100, 400}, countsOf(done))
	same, err := m.verify(t.Context())
	if err != nil || same != 1000 {
		t.Errorf("%d are the same, error %v, want 1000", same, err)
	}
	if m.fromLimit.Stats().Throttled == 0 || m.toLimit.Stats().Throttled == 0 {
		t.Errorf("%d and %d requests were throttled: the limits did not count", m.fromLimit.Stats().Throttled, m.toLimit.Stats().Throttled)
	}
	writes := func() (n [3]pocket.Traffic) {
		for i, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
			n[i] = to.Traffic(method)
		}
		return n
	}
	before := writes()
	if done, err = m.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "second run", counts{}, countsOf(done))
	check(t, "requests to write", before, writes())
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
		check(t, method+" to the first server", pocket.Traffic{}, from.Traffic(method))
	}
}

func TestMirrorOfEmptyAndEqualLists(t *testing.T) {
	t.Parallel()
	input := symbols(5)
	for _, tt := range []struct {
		from, to []stdlib.Symbol
		want     counts
	}{
		{nil, nil, counts{}},
		{input, input, counts{}},
		{input, nil, counts{Created: 5, Sent: 5}},
		{nil, input, counts{Deleted: 5, Sent: 5}},
		{input[:2], input[3:], counts{Created: 2, Deleted: 2, Sent: 4}},
	} {
		m := mirrorOf(t, start(t, 0, tt.from...), start(t, 0, tt.to...))
		done, err := m.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(t, "counts", tt.want, countsOf(done))
		if same, err := m.verify(t.Context()); err != nil || same != len(tt.from) {
			t.Errorf("%d are the same, error %v, want %d", same, err, len(tt.from))
		}
	}
}

// A run that was stopped in the middle is taken up by the next.
func TestMirrorGoesOnAfterAStop(t *testing.T) {
	t.Parallel()
	from, to := start(t, 0, symbols(400)...), start(t, 100)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel)
	done, err := mirrorOf(t, from, to).run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want %v: the run was to be stopped", err, context.Canceled)
	}
	if _, ok := errors.AsType[*windrow.StopError](err); !ok {
		t.Errorf("error %v, want that of the stream", err)
	}
	if done.created == 0 || done.created == 400 {
		t.Errorf("%d created: not in the middle", done.created)
	}
	again := mirrorOf(t, from, to)
	if _, err := again.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if same, err := again.verify(t.Context()); err != nil || same != 400 {
		t.Errorf("%d are the same, error %v, want 400", same, err)
	}
}

func TestVerifyNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	input := symbols(4)
	old := slices.Clone(input)
	old[1].Doc = "x"
	m := mirrorOf(t, start(t, 0, input[:3]...), start(t, 0, old[1:]...))
	same, err := m.verify(t.Context())
	want := "3 records differ, the first of them:\n" +
		"  p.F0000: record: want one, got none\n  p.F0001: doc: want \"d\\n\", got \"x\"\n  p.F0003: record: want none, got one"
	if same != 1 || err == nil || err.Error() != want {
		t.Errorf("%d are the same, error\n%v\nwant\n%s", same, err, want)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-n", "500", "-from-rate", "50", "-to-rate", "100"}, &stdout, &stderr); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, want := range []string{
		"First run: 100 created, 50 updated, 50 deleted, in ", "Second run: 0 created, 0 updated, 0 deleted, in ",
		"Compared: 500 records are the same on both servers, field by field.",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("standard output lacks %q:\n%s", want, &stdout)
		}
	}
	check(t, "standard error", "", stderr.String())
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx    context.Context
		args   string
		status int
		want   string
	}{
		{t.Context(), "-n 0", 2, "-n 0: must be at least 1"},
		{t.Context(), "-from-rate -1", 2, "-from-rate -1: must be at least 1"},
		{t.Context(), "-to-rate 0", 2, "-to-rate 0: must be at least 1"},
		{t.Context(), "more", 2, `unexpected argument "more"`},
		{t.Context(), "-unheard-of", 2, "-unheard-of"},
		{t.Context(), "-help", 0, "default 3000"},
		{ctx, "-n 5", 1, "mirror: "},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(tt.ctx, strings.Fields(tt.args), &stdout, &stderr); status != tt.status {
			t.Errorf("%s: exit status %d, want %d", tt.args, status, tt.status)
		}
		if !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s: standard error %q, want %q", tt.args, &stderr, tt.want)
		}
	}
}
