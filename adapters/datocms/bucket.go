package datocms

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/upload"
)

// place is a signed URL for a file in the bucket, and its headers. The URL is a credential for some minutes, so it is not
// kept after the attempt.
type place struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"request_headers"`
}

// put puts a file into the bucket, and returns its path there.
func (s *Uploads[Out]) put(ctx context.Context, task *upload.Task) (path string, err error) {
	doc, err := s.client.ask(ctx, rest.Request{Method: http.MethodPost, Path: "/upload-requests", In: body{entity{
		Type: "upload_request", Attributes: object{"filename": quoted(task.Name)},
	}}})
	if err != nil {
		return "", err
	}
	var granted struct {
		ID         string `json:"id"`
		Attributes place  `json:"attributes"`
	}
	if json.Unmarshal(doc.data, &granted) != nil || granted.ID == "" || granted.Attributes.URL == "" {
		return "", doc.unreadable()
	}
	size, err := sizeOf(ctx, task)
	if err != nil {
		return "", err
	}
	content, err := task.Content(ctx)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, granted.Attributes.URL, content)
	if err != nil {
		_ = content.Close() // nothing was read
		return "", doc.unreadable()
	}
	if req.ContentLength = size; size == 0 {
		req.Body = http.NoBody // so that net/http sends a Content-Length of 0: the bucket refuses an unknown length
	}
	defer content.Close()
	req.GetBody = func() (io.ReadCloser, error) { return task.Content(ctx) }
	req.Header.Set("Content-Type", task.ContentType())
	for name, value := range granted.Attributes.Headers {
		req.Header.Set(name, value)
	}
	res, err := s.client.bucket.Do(req)
	if err != nil {
		return "", withoutURL(err)
	}
	defer res.Body.Close()
	response, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // the status is enough
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return "", newBucketError(res.StatusCode, response)
	}
	return granted.ID, nil
}

// sizeOf returns the length of a file, which the bucket needs in advance.
func sizeOf(ctx context.Context, task *upload.Task) (int64, error) {
	if task.Size > 0 {
		return task.Size, nil
	}
	open := task.Open // not its Content, which calls OnTransfer
	if open == nil {
		open = func() (io.ReadCloser, error) { return os.Open(task.Path) }
	}
	content, err := open()
	if err != nil {
		return 0, fmt.Errorf("datocms: read the file: %w", err)
	}
	defer content.Close()
	size, err := io.Copy(io.Discard, readerFunc(func(b []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return content.Read(b)
	}))
	if err != nil {
		return 0, fmt.Errorf("datocms: read the file: %w", err)
	}
	return size, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// withoutURL removes the URL, a credential, from an error of net/http.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return fmt.Errorf("datocms: put the file into the bucket: %w", err)
}

// BucketError is an error response of the bucket that holds the files, a separate server. Its text does not hold the URL.
type BucketError struct {
	// Status is the HTTP status.
	Status int
	// Code is the bucket's code for the error, such as AccessDenied; "" when there is none.
	Code string
}

func newBucketError(status int, response []byte) error {
	var form struct {
		Code string `xml:"Code"`
	}
	_ = xml.Unmarshal(response, &form) // without a code the status is enough
	e := &BucketError{Status: status, Code: name(form.Code)}
	if status == http.StatusForbidden || status == http.StatusUnauthorized {
		return windrow.Permanent(e) // it concerns only this file's URL, so it must not stop the run
	}
	return e
}

// Error implements error.
func (e *BucketError) Error() string {
	text := fmt.Sprintf("datocms: put the file into the bucket: status %d", e.Status)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// StatusCode returns the HTTP status, for [windrow.Classify].
func (e *BucketError) StatusCode() int { return e.Status }
