package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Raw is a body that is sent or read as it is. As the In of a [Request] or a [Resource] it is sent with its ContentType; a
// *Raw as out takes a response of any media type. A success that is read into a *Raw is not searched for an error.
type Raw struct {
	// ContentType is the media type. "" sends application/octet-stream.
	ContentType string
	// Data is the body, unpacked.
	Data []byte
}

// Lines is JSON Lines: one JSON value a line, as many bulk endpoints read and write it. As In it is sent as
// application/x-ndjson, unless a header says otherwise. A *Lines as out reads responses of the types
// application/x-ndjson, application/ndjson, application/jsonl, application/x-jsonlines, application/jsonlines,
// application/json-lines, text/x-ndjson and application/x-ldjson, and those that a client reads as JSON, also one
// array. Empty lines are skipped. A line that cannot be read fails the whole response, and so does a single line that
// holds nothing but an error (see [Error]). With several lines each is a value, also one that holds an error: give T a
// field for it.
type Lines[T any] []T

// sender is an input that writes its own body.
type sender interface {
	// send writes the body, and returns its media type.
	send(w io.Writer, codec Codec) (contentType string, err error)
}

// receiver is an out that reads the body itself.
type receiver interface {
	// accept returns the value of the Accept header.
	accept() string
	// receive reads a body. isJSON says whether the client takes the media type for JSON.
	receive(contentType string, isJSON bool, body []byte, codec Codec) error
}

const linesType = "application/x-ndjson"

func (r Raw) send(w io.Writer, _ Codec) (string, error) {
	_, err := w.Write(r.Data)
	if r.ContentType == "" {
		return "application/octet-stream", err
	}
	return r.ContentType, err
}

func (*Raw) accept() string { return "*/*" }

func (r *Raw) receive(contentType string, _ bool, body []byte, _ Codec) error {
	r.ContentType, r.Data = contentType, body
	return nil
}

func (l Lines[T]) send(w io.Writer, codec Codec) (string, error) {
	for i := range l {
		if err := codec.line(w, l[i]); err != nil {
			return "", err
		}
	}
	return linesType, nil
}

// line writes a value and a line feed.
func (c Codec) line(w io.Writer, v any) error {
	var data []byte
	if c.Encode != nil {
		var buf bytes.Buffer
		if err := c.Encode(&buf, v); err != nil {
			return err
		}
		data = bytes.TrimRight(buf.Bytes(), "\r\n")
	} else {
		var err error
		if data, err = c.Marshal(v); err != nil {
			return err
		}
	}
	if bytes.ContainsAny(data, "\r\n") {
		return errors.New("rest: the codec writes a value on more than one line")
	}
	_, err := w.Write(append(data, '\n'))
	return err
}

func (*Lines[T]) accept() string { return linesType + ", application/jsonl, application/json;q=0.5" }

func (l *Lines[T]) receive(contentType string, isJSON bool, body []byte, codec Codec) error {
	if !isJSON && !isLines(contentType) {
		return ErrContentType
	}
	body = bytes.Trim(body, space)
	*l = nil
	if isJSON && len(body) > 0 && body[0] == '[' {
		var whole []T
		err := codec.Unmarshal(body, &whole)
		if err == nil {
			*l = whole
			return nil
		}
	}
	n := 0
	for line := range bytes.Lines(body) {
		n++
		if line = bytes.Trim(line, space); len(line) == 0 {
			continue
		}
		var value T
		if err := codec.Unmarshal(line, &value); err != nil {
			*l = nil
			return &lineError{n, &decodeError{err}}
		}
		*l = append(*l, value)
	}
	return nil
}

// lineError is the error of one line of a response.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

// isLines reports whether a media type is one of JSON Lines.
func isLines(contentType string) bool {
	switch mediaType(contentType) {
	case linesType, "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines", "application/json-lines", "text/x-ndjson", "application/x-ldjson":
		return true
	}
	return false
}

// mediaType returns a Content-Type without its parameters, in lower case. (Servers send parameters that package mime
// refuses, and none matters here.)
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}
