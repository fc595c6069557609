package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// The test's own program is the server, too, when it is told so.
func TestMain(m *testing.M) {
	if isServer() {
		os.Exit(runServer(os.Stderr))
	}
	os.Exit(m.Run())
}

// A server refuses while it is down, loses what is in flight when it is killed, and remembers what it did.
func TestWorld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1, 4, fault{from: 5 * time.Second, until: 10 * time.Second, fail: refused(), kills: true})
		if err := w.call(t.Context(), 0, 1); err != nil || w.applied[1] != 1 {
			t.Errorf("before the outage: %v, applied %v", err, w.applied)
		}
		last := w.last
		if last < 20*time.Millisecond || last > 120*time.Millisecond {
			t.Errorf("a call took %v", last)
		}
		time.Sleep(5*time.Second - time.Millisecond - last)
		if err := w.call(t.Context(), 2); !errors.Is(err, syscall.ECONNRESET) || w.cut != 1 {
			t.Errorf("a call that was cut: %v, cut %d", err, w.cut)
		}
		time.Sleep(2 * time.Second)
		done := make(chan error)
		for range 2 {
			go func() { done <- w.call(t.Context(), 2) }()
		}
		for range 2 {
			if err := <-done; !errors.Is(err, syscall.ECONNREFUSED) || windrow.Classify(err).Class != windrow.ClassTransient {
				t.Errorf("in the outage: %v", err)
			}
		}
		if w.crowd != 2 || w.during != 2 || w.after != 2 || w.most != 2 {
			t.Errorf("two calls at once in the outage: %+v", w)
		}
		time.Sleep(4 * time.Second)
		if err := w.call(t.Context(), 2); err != nil || w.applied[2] != 1 || w.sent[2] != 4 || w.requests != 5 {
			t.Errorf("after the outage: %v; %+v", err, w)
		}
	})
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		figure figure
		ok     bool
		text   string
	}{
		{atMost("took", 1.5, 2, "s"), true, "took 1.50 s (<= 2.00 s)"},
		{atMost("took", 2.5, 2, "s"), false, "took 2.50 s (<= 2.00 s)"},
		{from(300, 310, "ends after", 299, "s"), false, "ends after 299.00 s (300.00 s to 310.00 s)"},
		{exactly("Failed", 1_234, 0), false, "Failed 1,234 for 0"},
		{exactly("Failed", 0, 0), true, "Failed 0"},
		{holds("logged", true, "x"), true, "logged"},
		{holds("logged", false, "x"), false, "not: logged: x"},
	} {
		if got := tt.figure.String(); tt.figure.ok() != tt.ok || got != tt.text {
			t.Errorf("%q, ok %t; want %q, %t", got, tt.figure.ok(), tt.text, tt.ok)
		}
		if used := tt.figure.used(); used > 1 == tt.ok {
			t.Errorf("%q uses up %v of its bound", tt.figure, used)
		}
	}
}

// A row is as good as its worst variant, and what misses is shown.
func TestShow(t *testing.T) {
	t.Parallel()
	rows := []row{{section: "all", name: "good", goal: "g"}, {section: "all", name: "bad", goal: "g"}}
	lines := [][]line{
		{{"a", []figure{atMost("took", 1, 2, "s")}}, {"b", []figure{atMost("took", 2, 2, "s")}}},
		{{"c", []figure{atMost("took", 1, 2, "s")}}, {"d", []figure{atMost("took", 3, 2, "s")}}},
	}
	var out bytes.Buffer
	missed, err := show(&out, rows, lines, false)
	if missed != 1 || err != nil {
		t.Errorf("%d missed, %v", missed, err)
	}
	for _, want := range []string{"b: took 2.00 s", "ok", "d: ! took 3.00 s", "MISSED by 1 of 2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "a: ") {
		t.Errorf("the better variant is shown:\n%s", &out)
	}
}

// What a run says that is not so is found.
func TestBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(1, 3)
	w.applied = []int{2, 0, 1}
	end := ending{state: []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed}}
	if figures := broken(job{items: 3}, w, end); len(figures) != 2 || figures[0].got != 1 || figures[1].got != 2 {
		t.Errorf("%v", figures)
	}
	w.applied = []int{1, 1, 0}
	if figures := broken(job{items: 3}, w, end); len(figures) != 0 {
		t.Errorf("%v", figures)
	}
}

// A job without faults ends well, and as soon each time.
func TestFloor(t *testing.T) {
	t.Parallel()
	for _, j := range jobs(200) {
		b := newBench(3)
		end := b.bubble(t, j, nil, nil)
		if end.states[windrow.Succeeded] != j.items || end.err != nil || end.cause != nil {
			t.Errorf("%s: %+v", j, end)
		}
		if floor := b.floor(t, j); floor != b.floor(t, j) || floor < end.elapsed/2 || floor > 2*end.elapsed {
			t.Errorf("%s: the floor is %v, another run took %v", j, floor, end.elapsed)
		}
	}
}

// A server that was killed comes back at its address, with its ledger.
func TestProcess(t *testing.T) {
	t.Parallel()
	p := &process{address: "127.0.0.1:0", ledger: filepath.Join(t.TempDir(), "ledger")}
	for range 2 {
		if err := p.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		response, err := http.Post("http://"+p.address+"/items/7", "application/json", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusCreated {
			t.Errorf("status %d, %v", response.StatusCode, err)
		}
		if err := p.kill(); err != nil {
			t.Fatal(err)
		}
	}
	if applied, err := p.applied(); err != nil || applied[7] != 2 {
		t.Errorf("applied %v, %v", applied, err)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"x"}, {"-seed", "-1"}, {"-nonsense"}} {
		if _, err := parse(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	var out, errs bytes.Buffer
	if status := run(t, settings{name: "no such case"}, &out, &errs); status != 2 || errs.Len() == 0 {
		t.Errorf("status %d, %q", status, &errs)
	}
	set, err := parse([]string{"-check", "-real=false", "-seed", "7"}, &out)
	if err != nil || !set.check || set.real || set.seed != 7 {
		t.Errorf("%+v, %v", set, err)
	}
}
