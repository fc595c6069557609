package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"x"}, {"-n", "0"}, {"-n", "3,many"}, {"-rate", "0"}, {"-burst", "-1"}, {"-nonsense"}} {
		if _, err := parse(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	set, err := parse([]string{"-n", "7, 8", "-server", "nginx"}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{7, 8}, set.counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if limits := set.limits(); len(limits) != 1 || !strings.HasPrefix(limits[0].name, "nginx") {
		t.Errorf("%d limits, want nginx alone", len(limits))
	}
}

// Nobody can be faster: nginx takes one call and the burst at once, and PocketBase the whole quota of each second.
func TestFloors(t *testing.T) {
	t.Parallel()
	limits := settings{rate: 50, burst: 10}.limits()
	second := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		limit, n int
		began    time.Time
		want     time.Duration
	}{
		{0, 11, second, 0},
		{0, 311, second, 6 * time.Second},
		{1, 50, second, 0},
		{1, 51, second.Add(900 * time.Millisecond), 100 * time.Millisecond},
		{1, 300, second.Add(900 * time.Millisecond), 4100 * time.Millisecond},
		{1, 300, second, 5 * time.Second},
	} {
		if got := limits[tt.limit].floor(tt.n, tt.began); got != tt.want {
			t.Errorf("%d through %s: floor %v, want %v", tt.n, limits[tt.limit].name, got, tt.want)
		}
	}
}

// Each create ends in the database, through a real server.
func TestCompare(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := settings{rate: 40}.limits()[1]
	if _, err := compare(t.Context(), l, 60, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		if !strings.Contains(out.String(), c.name) {
			t.Errorf("no line of %q in\n%s", c.name, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "windrow") {
			if words := strings.Fields(line); words[len(words)-5] != "0" {
				t.Errorf("lost some: %s", line)
			}
		}
	}
}

// Where nginx is missing the command says so, and exits with a status of its own.
func TestNginxIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := findNginx([]string{"no-such-nginx", "/no/such/nginx"}); !errors.Is(err, errNoNginx) {
		t.Errorf("error %v, want %v", err, errNoNginx)
	}
}
