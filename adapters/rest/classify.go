package rest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
)

// maxClassifiedBody is how many bytes of a body a classifier of a [Transport] can read.
const maxClassifiedBody = 64 << 10

// reading is what a response says about the server's load, and about itself.
type reading struct {
	limits
	inconclusive bool                    // it does not show whether the server can take more requests
	notFoundPage bool                    // HTML with "not found" to a repeatable request: see [Error.isNotFoundPage]
	meaning      *windrow.Classification // by Classify, which overrides the status; nil when it returned nil
}

// limits returns what a response says about the server's limits.
func (t *Transport) limits(res *http.Response, err error) limits {
	if err != nil {
		return limits{}
	}
	l := limitsOf(res.StatusCode, res.Header, time.Now(), t.Dialect, &t.units)
	for k := range l.quotas {
		l.quotas[k].Window = cmp.Or(l.quotas[k].Window, max(0, t.Window))
	}
	return l
}

// read returns what a response says.
func (t *Transport) read(req *http.Request, res *http.Response, err error) reading {
	s := reading{limits: t.limits(res, err), inconclusive: err != nil}
	if err != nil {
		return s
	}
	x := exchangeOf(req.Context())
	if x != nil {
		x.meaning = nil
	}
	s.inconclusive = res.StatusCode >= 500 || res.StatusCode == http.StatusRequestTimeout
	if (res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone) && repeatable(req.Method) && isHTMLType(mediaType(res.Header.Get("Content-Type"))) {
		s.notFoundPage = true
	}
	if t.Classify == nil || res.StatusCode == http.StatusSwitchingProtocols {
		return s
	}
	judged := askClassifier(t.Classify, res)
	if judged == nil {
		return s
	}
	c := windrow.Classify(judged)
	if s.throttled = c.Class == windrow.ClassThrottled; s.throttled {
		c.After = cmp.Or(c.After, s.after)
		s.after = c.After
	}
	if x != nil {
		x.meaning = &c
	}
	s.inconclusive = c.Class != windrow.ClassPermanent && c.Class != windrow.ClassTooLarge
	s.meaning = &c
	return s
}

// askClassifier calls a classifier with a response, of whose body the classifier may read the beginning.
func askClassifier(ask func(*http.Response) error, res *http.Response) error {
	if res.Body == nil || res.Body == http.NoBody {
		return ask(res)
	}
	seen := *res
	head := &headReader{body: res.Body}
	var body io.Reader = head
	if isPacked(res) {
		body = &unpacker{from: head}
	}
	seen.Body = io.NopCloser(io.LimitReader(body, maxClassifiedBody))
	err := ask(&seen)
	if len(head.read) > 0 || head.err != nil {
		res.Body = &resumedBody{Reader: io.MultiReader(bytes.NewReader(head.read), head), Closer: res.Body}
		head.again = true
	}
	return err
}

// headReader reads the beginning of a body for a classifier, and keeps the bytes for the caller, who reads the body again.
type headReader struct {
	body  io.Reader
	read  []byte
	err   error // with which the body ended
	again bool  // the caller is reading: keep no more
}

// Read implements [io.Reader].
func (r *headReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if !r.again {
		if len(r.read) >= maxClassifiedBody {
			return 0, io.EOF
		}
		p = p[:min(len(p), maxClassifiedBody-len(r.read))]
	}
	n, err := r.body.Read(p)
	if !r.again {
		r.read, r.err = append(r.read, p[:n]...), err
	}
	return n, err
}

// resumedBody is a body whose beginning is replayed from memory.
type resumedBody struct {
	io.Reader
	io.Closer
}

// isPacked reports whether the body is gzip that net/http has not unpacked.
func isPacked(res *http.Response) bool {
	switch strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
		return !res.Uncompressed
	}
	return false
}

// unpacker unpacks gzip, from the first Read on.
type unpacker struct {
	from io.Reader
	zip  *gzip.Reader
	err  error
}

// Read implements [io.Reader].
func (u *unpacker) Read(p []byte) (int, error) {
	if u.zip == nil && u.err == nil {
		u.zip, u.err = gzip.NewReader(u.from)
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.zip.Read(p)
}
