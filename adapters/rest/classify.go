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

// classifiedBody is how much of a body a classifier of a [Transport] can read.
const classifiedBody = 64 << 10

// said is what an answer says of the server, and of itself.
type said struct {
	limits
	nothing bool                    // whether the server can take more
	page    bool                    // a page says "not found", where the request may be repeated: see [Error.isPage]
	meaning *windrow.Classification // of the answer, when it is known whatever its status and its error say
}

// limits is what the answer to a request says of the server's limits.
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

// read returns what the answer to a request says.
func (t *Transport) read(req *http.Request, res *http.Response, err error) said {
	s := said{limits: t.limits(res, err), nothing: err != nil}
	if err != nil {
		return s
	}
	x := exchangeOf(req.Context())
	if x != nil {
		x.meaning = nil
	}
	s.nothing = res.StatusCode >= 500 || res.StatusCode == http.StatusRequestTimeout
	if (res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone) && repeatable(req.Method) && isHTMLType(mediaType(res.Header.Get("Content-Type"))) {
		s.page = true
	}
	if t.Classify == nil || res.StatusCode == http.StatusSwitchingProtocols {
		return s
	}
	judged := classify(t.Classify, res)
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
	s.nothing = c.Class != windrow.ClassPermanent && c.Class != windrow.ClassTooLarge
	s.meaning = &c
	return s
}

// classify asks a classifier about an answer, of which it may read the beginning.
func classify(ask func(*http.Response) error, res *http.Response) error {
	if res.Body == nil || res.Body == http.NoBody {
		return ask(res)
	}
	seen := *res
	head := &headReader{body: res.Body}
	var body io.Reader = head
	if isPacked(res) {
		body = &unpacker{from: head}
	}
	seen.Body = io.NopCloser(io.LimitReader(body, classifiedBody))
	err := ask(&seen)
	if len(head.read) > 0 || head.err != nil {
		res.Body = &resumedBody{Reader: io.MultiReader(bytes.NewReader(head.read), head), Closer: res.Body}
		head.again = true
	}
	return err
}

// headReader reads the beginning of a body, and keeps what it has read for those who read the body afterwards.
type headReader struct {
	body  io.Reader
	read  []byte
	err   error // that ended the body, or broke it off
	again bool  // it is read by those by now
}

// Read implements [io.Reader].
func (r *headReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if !r.again {
		if len(r.read) >= classifiedBody {
			return 0, io.EOF
		}
		p = p[:min(len(p), classifiedBody-len(r.read))]
	}
	n, err := r.body.Read(p)
	if !r.again {
		r.read, r.err = append(r.read, p[:n]...), err
	}
	return n, err
}

// resumedBody is a body whose beginning was read before.
type resumedBody struct {
	io.Reader
	io.Closer
}

// isPacked reports whether the body is gzip that whoever asked for it has to unpack.
func isPacked(res *http.Response) bool {
	switch strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
		return !res.Uncompressed
	}
	return false
}

// unpacker unpacks gzip. It begins when it is read. Of nothing it makes nothing.
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
