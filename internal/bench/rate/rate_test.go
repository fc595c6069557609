package main

import (
	"testing"
	"time"
)

// A result is judged by its median and by the worst second.
func TestResult(t *testing.T) {
	t.Parallel()
	r := result{rate: 100, burst: 5, span: 2 * time.Second, sent: []int{205, 100, 206}, most: 105}
	if got := r.share(); got != 1 {
		t.Errorf("share %v, want 1", got)
	}
	if !r.met() {
		t.Error("not met")
	}
	for name, change := range map[string]func(*result){
		"too slow":         func(r *result) { r.sent = []int{202} },
		"too fast":         func(r *result) { r.sent = []int{208} },
		"a second too far": func(r *result) { r.most = 106 },
	} {
		worse := r
		if change(&worse); worse.met() {
			t.Errorf("%s: met", name)
		}
	}
}

func TestMost(t *testing.T) {
	t.Parallel()
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	if got := most([]time.Duration{ms(0), ms(500), ms(999), ms(1000), ms(1400), ms(3000)}); got != 4 {
		t.Errorf("%d within a second, want 4", got)
	}
}

// The command measures all its cases and never sees the rate passed.
func TestMeasure(t *testing.T) {
	t.Parallel()
	r := result{rate: 1000, workers: 4, span: 1200 * time.Millisecond}
	if err := r.measure(); err != nil {
		t.Fatal(err)
	}
	if len(r.sent) != 1 || r.sent[0] == 0 || r.burst != 10 || r.most > 1010 {
		t.Errorf("%+v", r)
	}
}
