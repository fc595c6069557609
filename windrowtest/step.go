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

// Step is what a [Server] does with one request. The zero Step, [Pass], lets the API answer.
//
// The API carries the request out unless Instead is set: so Step{Ending: CutHead} is a request that was carried out and
// whose answer was lost, and a client that takes longer than Delay allows to wait gives up on one that succeeds.
type Step struct {
	// Before is called when the request has come, before anything else happens to it: to change the list that it is
	// about to read. It is called from the goroutine that serves the request. Nil does nothing.
	Before func()
	// Delay is how long the server takes, whether the client waits or not. Zero means no time.
	Delay time.Duration
	// Instead answers in place of the API, which does not see the request. Nil lets the API answer.
	Instead http.Handler
	// Applied makes the API carry the request out, too, before Instead answers.
	Applied bool
	// EditRequest returns the body that the API sees in place of the one that was sent. When it is another, the request
	// loses its Idempotency-Key. Nil leaves it as it is.
	EditRequest func(body string) string
	// Edit changes the answer. Nil leaves it as it is.
	Edit func(a *Answer)
	// Ending is how the answer ends. The zero Ending, [Whole], sends it as it is.
	Ending Ending
	// At is after how many bytes it ends, of the part that Ending names.
	At int
}

// Pass is the zero Step: the API answers.
var Pass Step

// Ending is how the server ends an answer. The zero Ending is [Whole].
type Ending uint8

// The endings.
const (
	Whole     Ending = iota // the whole answer is sent
	CutHead                 // the connection ends after Step.At bytes of the status line and the header; 0 means without an answer
	CutBody                 // it ends after the header and Step.At bytes of the body
	StallBody               // nothing comes after the header and Step.At bytes of the body, and the connection stays
	Silence                 // nothing comes at all, and the connection stays
	HangUp                  // the whole answer is sent, and the connection ends although it need not
)

// String returns the name of the ending.
func (e Ending) String() string {
	names := [...]string{"Whole", "CutHead", "CutBody", "StallBody", "Silence", "HangUp"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("Ending(%d)", uint8(e))
}

// Answer is an answer of a server. It is an [http.Handler] that gives it to any request.
type Answer struct {
	Status int         // of the answer; 0 means 200
	Header http.Header // without Content-Length; nil means none
	Body   string      // of the answer
}

// JSON returns an answer with a JSON body.
func JSON(status int, body string) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// Set sets a field of the header, and returns the answer.
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
	_, _ = io.WriteString(w, a.Body) // who asked may have gone
}

func (a Answer) status() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// wire returns the answer as it is sent.
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

// answer returns what is to be answered.
func (s Step) answer(api http.Handler, req *http.Request, body string) *Answer {
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

// capture returns what a handler answers.
func capture(h http.Handler, req *http.Request, body string) *Answer {
	req.Body = io.NopCloser(strings.NewReader(body))
	r := &recorder{answer: Answer{Header: http.Header{}}}
	h.ServeHTTP(r, req)
	r.WriteHeader(http.StatusOK)
	r.answer.Body = r.body.String()
	return &r.answer
}

// recorder is an [http.ResponseWriter] that keeps the answer.
type recorder struct {
	answer Answer
	header http.Header // up to the status
	body   strings.Builder
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
	if r.answer.Status == 0 && status >= 200 {
		r.answer.Status = status
		r.answer.Header = r.Header().Clone()
		r.answer.Header.Del("Content-Length") // the body may be edited
	}
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
