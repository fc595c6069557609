package rest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/windrow-go/windrow"
)

// ReadPart reads a response that came inside of another one, as each part of a batch does, in the way in which [Client.Do]
// reads one that came by itself: into out, a pointer, or nil when only success matters. What is no success, or cannot be
// read, is an [*Error], judged by the function of [WithClassifier]: the error for the [windrow.Outcome] of the part's item.
//
// Of r the Method, which defaults to GET, and the Path are looked at: those of the request that the part answers. A part
// without a Content-Type is JSON, unless WithCodec says otherwise. The limiter hears nothing of a part: the run does, by the
// outcome. A status outside of 100 to 599 tells nothing; its error is ambiguous. ReadPart does not block, and may be called
// from many goroutines.
func (c *Client) ReadPart(r Request, part Response, out any) error {
	if part.Status < 100 || part.Status > 599 {
		return windrow.Ambiguous(fmt.Errorf("rest: the status of a part is %d, which is none", part.Status))
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	x := &exchange{client: c, method: r.Method, path: r.Path, dialect: c.transport.Dialect, out: out}
	x.res = &http.Response{
		StatusCode: part.Status, Header: part.Header,
		Body: io.NopCloser(bytes.NewReader(part.Body)), ContentLength: int64(len(part.Body)),
	}
	_, err := c.receive(x)
	return err
}
