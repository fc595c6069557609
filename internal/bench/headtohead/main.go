// Command headtohead sends creates through a real nginx with limit_req, which
// windrow is told nothing about, beside what most people would write: an
// errgroup of 20 with exponential backoff. Behind nginx is a plain handler that
// stores what it is sent.
//
//	go run ./internal/bench/headtohead [flags]
//
//	-n items    creates (default 300)
//	-rate r     requests a second that nginx lets through (default 50)
//	-burst b    its burst, with nodelay (default 10)
//	-check      exit 1 unless windrow loses nothing, takes at most 1.25 x the
//	            floor and wastes at most 5 % of its requests
//
// The floor is (n - burst - 1) / rate: nobody can be faster. A 429 has an HTML
// body and no Retry-After. The exit status is 3 where nginx is missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

func main() {
	n := flag.Int("n", 300, "`items` to create")
	rate := flag.Int("rate", 50, "requests a second that nginx lets through")
	burst := flag.Int("burst", 10, "the burst of nginx, with nodelay")
	check := flag.Bool("check", false, "compare with the goals")
	flag.Parse()
	if *n < 1 || *rate < 1 || *burst < 0 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "headtohead: -n and -rate must be at least 1, -burst at least 0, and nothing else is taken")
		os.Exit(2)
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			fmt.Fprintln(os.Stderr, "headtohead: nginx is missing; it is a package of Debian, Ubuntu and most others")
			os.Exit(3)
		}
	}
	met, err := run(nginx, *n, *rate, *burst, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "headtohead:", err)
		os.Exit(1)
	}
	if *check && !met {
		fmt.Fprintln(os.Stderr, "headtohead: MISSED 0 lost, at most 1.25 x the floor and 5 % wasted")
		os.Exit(1)
	}
}

// store is the server behind nginx. It counts what it was sent.
type store struct {
	mu   sync.Mutex
	seen map[string]int
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	time.Sleep(5 * time.Millisecond)
	s.mu.Lock()
	s.seen[string(body)]++
	s.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
}

// statusError is an answer that is no success.
type statusError int

func (e statusError) Error() string   { return http.StatusText(int(e)) }
func (e statusError) StatusCode() int { return int(e) }

// counter sees every request.
type counter struct{ requests, throttled atomic.Int64 }

func (c *counter) post(ctx context.Context, client *http.Client, url string, item int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(fmt.Sprintf("item %d", item)))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	c.requests.Add(1)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode == http.StatusTooManyRequests {
		c.throttled.Add(1)
	}
	if res.StatusCode >= 300 {
		return statusError(res.StatusCode)
	}
	return nil
}

// run measures both, each with an nginx of its own, and reports whether windrow meets its goals.
func run(nginx string, n, rate, burst int, w io.Writer) (met bool, err error) {
	floor := time.Duration(float64(max(0, n-burst-1)) / float64(rate) * float64(time.Second))
	fmt.Fprintf(w, "%d creates through nginx limit_req at %d/s, burst=%d nodelay; floor %.1f s\n", n, rate, burst, floor.Seconds())
	fmt.Fprintf(w, "%-32s %9s %9s %6s %9s %6s\n", "", "elapsed", "x floor", "lost", "requests", "429s")
	for _, c := range []struct {
		name string
		send func(ctx context.Context, url string, n int, c *counter) error
	}{
		{"windrow, told nothing", withWindrow},
		{"errgroup of 20, backoff, 8 tries", withErrgroup},
	} {
		backend := &store{seen: map[string]int{}}
		url, stop, err := start(nginx, rate, burst, backend)
		if err != nil {
			return false, err
		}
		var count counter
		began := time.Now()
		sendErr := c.send(context.Background(), url, n, &count)
		took := time.Since(began)
		stop()
		lost := n - len(backend.seen)
		fmt.Fprintf(w, "%-32s %7.2f s %9.2f %6d %9d %6d\n", c.name, took.Seconds(), took.Seconds()/floor.Seconds(), lost,
			count.requests.Load(), count.throttled.Load())
		if c.name == "windrow, told nothing" {
			if sendErr != nil {
				return false, sendErr
			}
			met = lost == 0 && took.Seconds() <= 1.25*floor.Seconds() && float64(count.throttled.Load()) <= 0.05*float64(count.requests.Load())
		}
	}
	return met, nil
}

// start runs an nginx in front of the handler.
func start(nginx string, rate, burst int, handler http.Handler) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "headtohead")
	if err != nil {
		return "", nil, err
	}
	back := httptest.NewServer(handler)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	limit := ""
	if burst > 0 {
		limit = fmt.Sprintf(" burst=%d nodelay", burst)
	}
	config := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  limit_req_zone $binary_remote_addr zone=z:1m rate=%[2]dr/s;
  limit_req_status 429;
  server { listen %[3]s; location / { limit_req zone=z%[4]s; proxy_pass %[5]s; } }
}
`, dir, rate, address, limit, back.URL)
	name := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		return "", nil, err
	}
	var words strings.Builder
	command := exec.Command(nginx, "-p", dir, "-c", name)
	command.Stderr = &words
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
		back.Close()
		_ = os.RemoveAll(dir)
	}
	for range 100 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address + "/", stop, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("nginx does not start: " + words.String())
}

// withWindrow is all that a user has to write.
func withWindrow(ctx context.Context, url string, n int, c *counter) error {
	limiter := windrow.NewLimiter()
	client := &http.Client{Transport: &rest.Transport{Limiter: limiter}}
	p := windrow.NewBatchProcessor(func(ctx context.Context, item int) (struct{}, error) {
		return struct{}{}, c.post(ctx, client, url, item)
	}, windrow.WithLimiter(limiter))
	_, err := p.Run(ctx, items(n))
	return err
}

// withErrgroup is what most people write.
func withErrgroup(ctx context.Context, url string, n int, c *counter) error {
	client := &http.Client{Transport: rest.NewBase(20)}
	var g errgroup.Group
	g.SetLimit(20)
	for _, item := range items(n) {
		g.Go(func() error {
			var err error
			for try := range 8 {
				if err = c.post(ctx, client, url, item); err == nil {
					return nil
				}
				time.Sleep(time.Duration(rand.Float64() * float64(100*time.Millisecond<<try)))
			}
			return err
		})
	}
	return g.Wait()
}

func items(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
