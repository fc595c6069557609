package rest

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// keptPayload is how large a buffer is kept for other requests.
const keptPayload = 1 << 20

// payload is the body of a request and of its repetitions. Its buffer is used again when each reader that was opened has
// been read to its end: net/http may go on reading when the answer has come.
type payload struct {
	buf         bytes.Buffer
	data        []byte // of buf, or of a codec without Encode
	contentType string
	opened      atomic.Int64 // readers
	written     atomic.Int64 // readers whose request was written whole: as many, when the buffer is used again
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
	p.data = bytes.TrimSuffix(p.buf.Bytes(), []byte{'\n'}) // encoders end each value with one
	return p, err
}

// attach makes p the body of a request.
func (p *payload) attach(req *http.Request) {
	req.ContentLength = int64(len(p.data))
	req.GetBody = func() (io.ReadCloser, error) {
		p.opened.Add(1)
		return io.NopCloser(bytes.NewReader(p.data)), nil // as net/http knows it: it sends the header with it
	}
	req.Body, _ = req.GetBody()
}

// release gives the buffer to other requests, if nobody can still read it.
func (p *payload) release() {
	if p.opened.Load() != p.written.Load() || p.buf.Cap() > keptPayload {
		return
	}
	p.buf.Reset()
	p.data = nil
	payloads.Put(p)
}
