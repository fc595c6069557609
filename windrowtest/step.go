package windrowtest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Step is what a [Server] does with one request. The zero Step, [Pass], lets the API respond.
//
// The API applies the request unless Instead is set. So Step{Ending: CutHead} is a request that was applied and whose
// response was lost, and with a long Delay a client gives up on a request that succeeds.
type Step struct {
	// Before is called when the request has arrived, before anything else, such as to change the list that it is about to
	// read. It is called from the goroutine that serves the request. It may be nil.
	Before func()
	// Delay is how long the server waits before it handles the request, even if the client has gone.
	Delay time.Duration
	// Instead responds instead of the API, which does not see the request. Nil lets the API respond.
	Instead http.Handler
	// Applied makes the API apply the request, too, before Instead responds.
	Applied bool
	// EditRequest returns the body that the API sees instead of the one that was sent. If it differs, the request loses its
	// Idempotency-Key. Nil leaves the body as it is.
	EditRequest func(body string) string
	// Edit changes the response. Nil leaves it as it is.
	Edit func(a *Answer)
	// Ending is how the response ends. The zero Ending, [Whole], sends it completely.
	Ending Ending
	// At is the number of bytes, of the part that Ending names, after which it ends.
	At int
}

// Pass is the zero Step: the API responds.
var Pass Step

// Ending is how the server ends a response. The zero Ending is [Whole].
type Ending uint8

// The endings.
const (
	Whole     Ending = iota // the whole response is sent
	CutHead                 // the connection ends after Step.At bytes of the status line and the header; 0 means no response
	CutBody                 // it ends after the header and Step.At bytes of the body
	StallBody               // nothing more is sent after the header and Step.At bytes of the body; the connection stays open
	Silence                 // nothing is sent at all; the connection stays open
	HangUp                  // the whole response is sent, and then the connection ends although it need not
)

// String returns the name of the ending.
func (e Ending) String() string {
	names := [...]string{"Whole", "CutHead", "CutBody", "StallBody", "Silence", "HangUp"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("Ending(%d)", uint8(e))
}

// Answer is a response of a server. It is an [http.Handler] that sends it for any request.
type Answer struct {
	Status int         // of the response; 0 means 200
	Header http.Header // without Content-Length; nil means none
	Body   string      // of the response
}

// JSON returns a response with a JSON body.
func JSON(status int, body string) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// Set returns the response with a header field set.
func (a Answer) Set(name, value string) Answer {
	if a.Header = maps.Clone(a.Header); a.Header == nil {
		a.Header = http.Header{}
	}
	a.Header.Set(name, value)
	return a
}

// ServeHTTP implements [http.Handler].
func (a Answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), a.Header)
	if a.Body != "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.status())
	_, _ = io.WriteString(w, a.Body) // the client may have gone
}

func (a Answer) status() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// wire returns the bytes of the response.
func (a Answer) wire(req *http.Request) (head, body []byte) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status(), http.StatusText(a.status()))
	header := a.Set("Content-Length", strconv.Itoa(len(a.Body))).Header
	if header.Get("Date") == "" {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	_ = header.Write(&b) // to memory
	b.WriteString("\r\n")
	if req.Method == http.MethodHead {
		return b.Bytes(), nil
	}
	return b.Bytes(), []byte(a.Body)
}

// respond returns the response to a request.
func (s Step) respond(api http.Handler, req *http.Request, body string) *Answer {
	if s.EditRequest != nil {
		if edited := s.EditRequest(body); edited != body {
			body, req.ContentLength = edited, int64(len(edited))
			req.Header.Del("Idempotency-Key")
		}
	}
	if s.Instead == nil {
		return s.edited(capture(api, req, body))
	}
	if s.Applied {
		capture(api, req, body)
	}
	return s.edited(capture(s.Instead, req, body))
}

func (s Step) edited(a *Answer) *Answer {
	if s.Edit != nil {
		s.Edit(a)
	}
	return a
}

// capture returns a handler's response.
func capture(h http.Handler, req *http.Request, body string) *Answer {
	req.Body = io.NopCloser(strings.NewReader(body))
	r := &recorder{response: Answer{Header: http.Header{}}}
	h.ServeHTTP(r, req)
	r.WriteHeader(http.StatusOK)
	r.response.Body = r.body.String()
	return &r.response
}

// recorder is an [http.ResponseWriter] that keeps the response.
type recorder struct {
	response Answer
	header   http.Header // up to the status
	body     strings.Builder
}

// Header implements [http.ResponseWriter].
func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	if r.response.Status == 0 && status >= 200 {
		r.response.Status = status
		r.response.Header = r.Header().Clone()
		r.response.Header.Del("Content-Length") // the body may be edited
	}
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
