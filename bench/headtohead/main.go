// Command headtohead creates records in a real PocketBase behind a limit that
// the client is told nothing about, with windrow and with what most people would
// write: an errgroup of 20 with exponential backoff.
//
//	go run ./bench/headtohead [flags]
//
//	-n items    creates; several numbers may be given (default 300,3000)
//	-rate r     requests a second that the limit lets through (default 50)
//	-burst b    the burst of nginx, with nodelay (default 10)
//	-server s   only the limits whose name contains it: nginx, pocketbase
//	-check      exit 1 unless windrow loses nothing, takes at most 1.25 x the
//	            floor (1.5 x through PocketBase) and wastes at most 5 % of its
//	            requests
//
// One limit is nginx with limit_req in front of PocketBase: a 429 has an HTML
// body and no Retry-After. The other is PocketBase's own, a window of one second
// without headers. Both clients meet a fresh server each.
//
// The floor is the shortest possible time: (n - burst - 1) / rate through nginx, and through PocketBase the seconds whose
// quota n creates need, the first of them already begun. windrow sends evenly within each second, which costs a short job up
// to one of them. The exit status is 3 where nginx is missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// mostWaste is which share of its requests may be refused.
const mostWaste = 0.05

func main() {
	set, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "headtohead:", err)
		os.Exit(2)
	}
	limits := set.limits()
	if len(limits) == 0 {
		fmt.Fprintf(os.Stderr, "headtohead: no limit's name contains %q\n", set.server)
		os.Exit(2)
	}
	met := true
	for _, l := range limits {
		for _, n := range set.counts {
			ok, err := compare(context.Background(), l, n, os.Stdout)
			switch {
			case errors.Is(err, errNoNginx):
				fmt.Fprintln(os.Stderr, "headtohead:", err)
				os.Exit(3)
			case err != nil:
				fmt.Fprintln(os.Stderr, "headtohead:", err)
				os.Exit(1)
			}
			met = met && ok
		}
	}
	if set.check && !met {
		fmt.Fprintln(os.Stderr, "headtohead: MISSED a goal: see above")
		os.Exit(1)
	}
}

// settings are the parsed flags.
type settings struct {
	counts      []int
	rate, burst int
	server      string
	check       bool
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (set settings, err error) {
	f := flag.NewFlagSet("headtohead", flag.ContinueOnError)
	f.SetOutput(stderr)
	counts := f.String("n", "300,3000", "`items` to create")
	f.IntVar(&set.rate, "rate", 50, "requests a second that the limit lets through")
	f.IntVar(&set.burst, "burst", 10, "the burst of nginx, with nodelay")
	f.StringVar(&set.server, "server", "", "only the limits whose `name` contains it")
	f.BoolVar(&set.check, "check", false, "compare with the goals")
	if err := f.Parse(args); err != nil {
		return set, err
	}
	for word := range strings.SplitSeq(*counts, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return set, fmt.Errorf("-n %s: %q is no number of items", *counts, word)
		}
		set.counts = append(set.counts, n)
	}
	switch {
	case f.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case set.rate < 1 || set.burst < 0:
		return set, errors.New("-rate must be at least 1, and -burst at least 0")
	}
	return set, nil
}

// A limit is what the clients have to find out.
type limit struct {
	name  string
	most  float64 // times the floor that windrow may take
	floor func(n int, began time.Time) time.Duration
	start func(ctx context.Context) (*server, error)
}

// limits are those that were asked for.
func (set settings) limits() []limit {
	rate := float64(set.rate)
	all := []limit{{
		name: fmt.Sprintf("nginx limit_req at %d/s, burst=%d nodelay", set.rate, set.burst),
		most: 1.25,
		floor: func(n int, _ time.Time) time.Duration {
			return seconds(float64(max(0, n-set.burst-1)) / rate)
		},
		start: func(ctx context.Context) (*server, error) { return startNginx(ctx, set.rate, set.burst) },
	}, {
		name: fmt.Sprintf("pocketbase's own limit of %d in each second", set.rate),
		most: 1.5,
		floor: func(n int, began time.Time) time.Duration {
			more := (n - 1) / set.rate // windows after the first
			if more == 0 {
				return 0
			}
			return began.Truncate(time.Second).Add(time.Duration(more) * time.Second).Sub(began)
		},
		start: func(ctx context.Context) (*server, error) { return startPocket(ctx, set.rate) },
	}}
	var chosen []limit
	for _, l := range all {
		if strings.Contains(l.name, set.server) {
			chosen = append(chosen, l)
		}
	}
	return chosen
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

var errNoNginx = errors.New("nginx is missing; it is a package of Debian, Ubuntu and most others")

// nginxNames are where nginx is looked for: often it is not in an ordinary user's PATH.
var nginxNames = []string{"nginx", "/usr/sbin/nginx"}

// findNginx returns the path of nginx.
func findNginx(names []string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoNginx
}

// compare sends n creates with each client, and reports whether windrow meets its goals.
func compare(ctx context.Context, l limit, n int, w io.Writer) (met bool, err error) {
	fmt.Fprintf(w, "%d creates through %s\n", n, l.name)
	fmt.Fprintf(w, "  %-32s %8s %9s %8s %6s %9s %6s %8s\n", "", "floor", "elapsed", "x floor", "lost", "requests", "429s", "wasted")
	for _, c := range clients {
		s, err := l.start(ctx)
		if err != nil {
			return false, err
		}
		count := &counter{url: s.url, token: s.token}
		began := time.Now()
		sendErr := c.send(ctx, n, count)
		took := time.Since(began)
		created, err := s.count()
		if err := errors.Join(err, s.stop()); err != nil {
			return false, err
		}
		floor, lost := l.floor(n, began), n-created
		requests, throttled := count.requests.Load(), count.throttled.Load()
		floors, waste := took.Seconds()/max(floor, time.Millisecond).Seconds(), float64(throttled)/float64(max(1, requests))
		fmt.Fprintf(w, "  %-32s %6.2f s %7.2f s %8.2f %6d %9d %6d %6.1f %%\n",
			c.name, floor.Seconds(), took.Seconds(), floors, lost, requests, throttled, 100*waste)
		if c.goals {
			if sendErr != nil {
				return false, fmt.Errorf("%s: %w", c.name, sendErr)
			}
			met = lost == 0 && floors <= l.most && waste <= mostWaste
			if !met {
				fmt.Fprintf(w, "  missed: 0 lost, at most %v x the floor, at most %v %% wasted\n", l.most, 100*mostWaste)
			}
		}
	}
	return met, nil
}
