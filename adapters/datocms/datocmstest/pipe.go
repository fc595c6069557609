package datocmstest

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"sync"
	"time"
)

// pipe is a listener whose connections are pipes in memory.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	busy  sync.WaitGroup // handlers
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), done: make(chan struct{})} }

// transport returns a transport whose connections to any host lead here.
func (p *pipe) transport() *http.Transport {
	return &http.Transport{
		DialContext: p.dial, DialTLSContext: p.dial, // pipes need no TLS
		MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
	}
}

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: ctx.Err()}
	}
}

// Accept implements [net.Listener].
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr implements [net.Listener].
func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// wait waits for the handlers.
func (p *pipe) wait() { p.busy.Wait() }

// idOf returns an id that holds a number.
func idOf(n uint64) string {
	var b [16]byte
	b[6], b[8] = 0x40, 0x80 // version 4, and the variant of RFC 9562
	binary.BigEndian.PutUint32(b[12:], uint32(n))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// isID reports whether a text is an id: a UUID of version 4, or a number as older records have it.
func isID(text string) bool {
	digits := text != ""
	for _, c := range []byte(text) {
		digits = digits && '0' <= c && c <= '9'
	}
	if digits {
		return len(text) <= 15
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(b) == 16 && b[6]&0xf0 == 0x40 && b[8]&0xc0 == 0x80
}
