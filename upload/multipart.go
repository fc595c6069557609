package upload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
)

// Form is the body of a multipart/form-data request (RFC 7578) with one file. Close it after reading.
type Form struct {
	io.ReadCloser
	// ContentType is the value of the Content-Type header.
	ContentType string
	// Length is the length in bytes, -1 if it is not known.
	Length int64
}

// Multipart returns a form with values, in the order of their names, and the file as the field of that name. The file is
// read when the form is read.
func Multipart(ctx context.Context, task *Task, field string, values map[string]string) (*Form, error) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := w.WriteField(name, values[name]); err != nil {
			return nil, fmt.Errorf("upload: write the form: %w", err)
		}
	}
	part := textproto.MIMEHeader{}
	part.Set("Content-Disposition", multipart.FileContentDisposition(field, task.Name))
	part.Set("Content-Type", task.ContentType())
	if _, err := w.CreatePart(part); err != nil {
		return nil, fmt.Errorf("upload: write the form: %w", err)
	}
	content, err := task.Content(ctx)
	if err != nil {
		return nil, err
	}
	tail := "\r\n--" + w.Boundary() + "--\r\n"
	form := &Form{ContentType: w.FormDataContentType(), Length: -1}
	if task.Size > 0 {
		form.Length = int64(head.Len()) + task.Size + int64(len(tail))
	}
	form.ReadCloser = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&head, content, strings.NewReader(tail)), content}
	return form, nil
}
