package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// serverVariable tells a process that it is the server: its value is the address and the file of the ledger.
const serverVariable = "WINDROW_OUTAGE_SERVER"

func isServer() bool { return os.Getenv(serverVariable) != "" }

// runServer serves until it is killed: POST /items/7 creates item 7, which it writes down before it responds. It prints
// its address when it listens.
func runServer(stderr io.Writer) int {
	address, path, _ := strings.Cut(os.Getenv(serverVariable), " ")
	err := func() error {
		ledger, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		fmt.Println(l.Addr())
		s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
			pause := time.Duration(2+rand.IntN(8)) * time.Millisecond
			time.Sleep(pause)
			if _, err := ledger.WriteString(id + "\n"); err != nil { // one write a line: a kill tears none
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			time.Sleep(pause)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, id)
		})}
		return s.Serve(l)
	}()
	fmt.Fprintln(stderr, "outage: the server:", err)
	return 1
}

// A process is a server in a process of its own, which can be killed and started again at the same address.
type process struct {
	address, ledger string
	command         *exec.Cmd
}

// start starts the server, and returns when it listens.
func (p *process) start(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	p.command = exec.CommandContext(ctx, program)
	p.command.Env = append(os.Environ(), serverVariable+"="+p.address+" "+p.ledger)
	p.command.Stderr = os.Stderr
	out, err := p.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.command.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("the server did not start: %w", err), p.kill())
	}
	p.address = strings.TrimSpace(line)
	return nil
}

// kill ends the server with SIGKILL.
func (p *process) kill() error {
	err := p.command.Process.Kill()
	_ = p.command.Wait() // it says that it was killed
	return err
}

// applied counts how often each item is in the ledger.
func (p *process) applied() (map[int]int, error) {
	text, err := os.ReadFile(p.ledger)
	if err != nil {
		return nil, err
	}
	counts := map[int]int{}
	for line := range strings.Lines(string(text)) {
		item, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		counts[item]++
	}
	return counts, nil
}

// inFlight counts the calls in flight of an HTTP client.
type inFlight struct {
	base      http.RoundTripper
	now, most atomic.Int64

	restarting atomic.Bool  // the server has ended
	lost       atomic.Int64 // requests that were sent and not responded to
	lostBefore atomic.Int64 // those of them before the last response of the server that ended
}

// mayBeLost returns how many requests the kill may cost a client that cannot see it: a server that is being killed still
// responds on some connections while others break. It is known to be gone after its last response: the requests that were
// in flight then are lost, those lost before, and the evidence.
func (f *inFlight) mayBeLost() int {
	most := int(f.most.Load())
	return int(f.lostBefore.Load()) + most + evidence(most)
}

// RoundTrip implements [http.RoundTripper].
func (f *inFlight) RoundTrip(r *http.Request) (*http.Response, error) {
	now := f.now.Add(1)
	defer f.now.Add(-1)
	for most := f.most.Load(); now > most && !f.most.CompareAndSwap(most, now); {
		most = f.most.Load()
	}
	res, err := f.base.RoundTrip(r)
	dial, ok := errors.AsType[*net.OpError](err)
	switch {
	case ok && dial.Op == "dial": // not sent
	case err != nil:
		f.lost.Add(1)
	case !f.restarting.Load():
		f.lostBefore.Store(f.lost.Load())
	}
	return res, err
}
