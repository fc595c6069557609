package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

// symbols returns made-up input.
func symbols(n int) []stdlib.Symbol {
	list := make([]stdlib.Symbol, n)
	for i := range list {
		name := fmt.Sprintf("F%d", i)
		list[i] = stdlib.Symbol{FullName: "p." + name, ImportPath: "p", Name: name, Kind: "func", Synopsis: "Synopsis.", Doc: "d\n"}
	}
	return list
}

var requests = regexp.MustCompile(`Requests: (\d+), (\d+) of them throttled`)

// Exactly the spoiled ones fail, and it takes a small part of the requests that single calls would.
func TestBatch(t *testing.T) {
	t.Parallel()
	for _, cfg := range []config{
		{n: 500, bad: 5, rate: 1000, batch: 50}, // never over the limit
		{n: 200, bad: 0, rate: 60, batch: 50},   // throttled by a 400 that holds the 429
		{n: 90, bad: 1, rate: 20, batch: 50},    // a whole batch can never pass
		{n: 20, bad: 20, rate: 1000, batch: 10}, // nothing is good
	} {
		t.Run(fmt.Sprintf("%+v", cfg), func(t *testing.T) {
			t.Parallel()
			var stdout bytes.Buffer
			if err := demonstrate(t.Context(), symbols(cfg.n), cfg, &stdout); err != nil {
				t.Fatalf("%v\n%s", err, &stdout)
			}
			for _, want := range []string{
				fmt.Sprintf("Created %d, failed %d, unknown 0, not attempted 0,", cfg.n-cfg.bad, cfg.bad),
				fmt.Sprintf("Read back: %d records, each field as it was sent", cfg.n-cfg.bad),
			} {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("the output does not hold %q:\n%s", want, &stdout)
				}
			}
			found := requests.FindStringSubmatch(stdout.String())
			if found == nil {
				t.Fatalf("no requests in the output:\n%s", &stdout)
			}
			sent, _ := strconv.Atoi(found[1])
			throttled, _ := strconv.Atoi(found[2])
			// Each bad record costs one request more: the server names one at a time.
			if most := cfg.n/cfg.batch + cfg.bad + 1; cfg.rate == 1000 && sent-throttled > most {
				t.Errorf("%d requests and %d throttled, want at most %d:\n%s", sent, throttled, most, &stdout)
			}
			if cfg.rate < cfg.batch*2 && throttled == 0 {
				t.Errorf("the server throttled nothing:\n%s", &stdout)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-n", "0"}, {"-bad", "-1"}, {"-n", "5", "-bad", "6"}, {"-rate", "0"}, {"-batch", "0"}, {"more"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 || stdout.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q", args, status, &stdout, &stderr)
		}
	}
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"-help"}, &stderr, &stderr); status != 0 {
		t.Errorf("help: status %d", status)
	}
}
