package rest

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// maxPooledPayload is the size of the largest buffer that is kept for reuse.
const maxPooledPayload = 1 << 20

// payload is the body of a request and of its repetitions. Its buffer is reused only when each reader was read to its end:
// net/http may go on reading after the response has arrived.
type payload struct {
	buf         bytes.Buffer
	data        []byte // of buf, or of a codec without Encode
	contentType string
	opened      atomic.Int64 // readers
	written     atomic.Int64 // readers whose request was written completely
}

var payloads = sync.Pool{New: func() any { return new(payload) }}

// payload returns the body that carries v.
func (c Codec) payload(v any) (_ *payload, err error) {
	p := payloads.Get().(*payload)
	p.contentType = "application/json"
	if own, ok := v.(sender); ok {
		p.contentType, err = own.send(&p.buf, c)
		p.data = p.buf.Bytes()
		return p, err
	}
	if c.Encode == nil {
		p.data, err = c.Marshal(v)
		return p, err
	}
	err = c.Encode(&p.buf, v)
	p.data = bytes.TrimSuffix(p.buf.Bytes(), []byte{'\n'}) // encoders end each value with a line feed
	return p, err
}

// attach makes p the body of a request.
func (p *payload) attach(req *http.Request) {
	req.ContentLength = int64(len(p.data))
	req.GetBody = func() (io.ReadCloser, error) {
		p.opened.Add(1)
		return io.NopCloser(bytes.NewReader(p.data)), nil // net/http recognizes this type and writes it together with the header
	}
	req.Body, _ = req.GetBody()
}

// release returns the buffer to the pool, unless a reader of it may still be in use.
func (p *payload) release() {
	if p.opened.Load() != p.written.Load() || p.buf.Cap() > maxPooledPayload {
		return
	}
	p.buf.Reset()
	p.data = nil
	payloads.Put(p)
}
