package rest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/windrow-go/windrow"
)

// ReadPart reads a response inside another one, such as a part of a batch response, as [Client.Do] reads a response of its
// own: into out, a pointer, or nil when only success matters. A refusal, or a part that cannot be read, is an [*Error],
// classified by the function of [WithClassifier]: the error for the [windrow.Outcome] of the part's item.
//
// Only the Method of r, which defaults to GET, and its Path are used: those of the part's request. A part without a
// Content-Type is JSON, unless WithCodec says otherwise. A part is not reported to the limiter, but to the run, by the
// outcome. The error of a status outside 100 to 599 is ambiguous. ReadPart does not block, and may be called from many
// goroutines.
func (c *Client) ReadPart(r Request, part Response, out any) error {
	if part.Status < 100 || part.Status > 599 {
		return windrow.Ambiguous(fmt.Errorf("rest: the status of a part is %d, which is not an HTTP status", part.Status))
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
