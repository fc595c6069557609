package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/exact"
)

// Task is the upload of a [File] and its progress. It is the argument of a [Client], and the Input of a result. Its methods
// may be called from several goroutines.
type Task struct {
	File

	notify func(Transfer)

	mu      sync.Mutex
	sums    map[Match]string
	steps   map[string]any // by name: the values of completed steps
	created bool           // a Once is complete
	doubt   string         // name of a Once that has begun and not completed
	stepped bool           // the client uses Step or Once
	sent    bool           // the client was called
}

// Transfer is the progress of sending a file.
type Transfer struct {
	// Task is the file.
	Task *Task
	// Sent is how many bytes were read from it in this attempt.
	Sent int64
	// Size is the length of the file in bytes, 0 if it is not known.
	Size int64
	// Attempt counts the attempts of the file, from 1.
	Attempt int
	// Done says that the file was read to its end. The server may still refuse it.
	Done bool
}

// notifyEvery is the shortest interval between two calls of OnTransfer within a file.
const notifyEvery = 100 * time.Millisecond

// Content opens the file at its beginning, for a client to send. Reading fails when ctx ends, and if the file does not have
// its Size. [Uploader.OnTransfer] gets the number of bytes read.
func (t *Task) Content(ctx context.Context) (io.ReadCloser, error) {
	content, err := t.File.open()
	if err != nil {
		return nil, localError{err}
	}
	r := &contentReader{ctx: ctx, task: t, from: content, attempt: 1}
	if attempt, ok := clients.AttemptFrom(ctx); ok {
		r.attempt = attempt.Number
	}
	r.tell(false)
	return r, nil
}

// contentReader counts the bytes read.
type contentReader struct {
	ctx     context.Context
	task    *Task
	from    io.ReadCloser
	attempt int
	sent    int64
	told    time.Time
	ended   bool
}

// Read implements [io.Reader].
func (r *contentReader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.from.Read(b)
	r.sent += int64(n)
	size := r.task.Size
	if size > 0 && (r.sent > size || err == io.EOF && r.sent < size) {
		return 0, localError{fmt.Errorf("the file does not have its Size of %d bytes", size)}
	}
	switch {
	case err == io.EOF && !r.ended:
		r.ended = true
		r.tell(true)
	case err == nil && time.Since(r.told) >= notifyEvery:
		r.tell(false)
	}
	return n, err
}

// Close implements [io.Closer].
func (r *contentReader) Close() error { return r.from.Close() }

func (r *contentReader) tell(done bool) {
	if r.task.notify == nil {
		return
	}
	r.told = time.Now()
	r.task.notify(Transfer{Task: r.task, Sent: r.sent, Size: r.task.Size, Attempt: r.attempt, Done: done})
}

// localError is an error of reading the file, not of the server.
type localError struct{ err error }

func (e localError) Error() string { return "upload: read the file: " + e.err.Error() }
func (e localError) Unwrap() error { return e.err }

// StepError says which step of an upload failed. The steps before it are complete, and are not repeated.
type StepError struct {
	Step string // name of the step
	Err  error  // why it failed
}

// Error implements error.
func (e *StepError) Error() string { return fmt.Sprintf("step %q: %v", e.Step, e.Err) }

// Unwrap returns why the step failed.
func (e *StepError) Unwrap() error { return e.Err }

// Step performs a step of an upload that may be repeated after a lost response: asking for a URL, putting bytes there,
// reading the state of a job. Its value is kept: if a later step fails, and the client is called again with the same task,
// Step returns that value and does not call do. Steps of a task must have different names, and run one after the other.
//
// An error of do is returned as a [*StepError], which the client should return.
func Step[T any](ctx context.Context, task *Task, name string, do func(ctx context.Context) (T, error)) (T, error) {
	return take(ctx, task, name, false, do)
}

// Once performs the step of an upload that creates the file and must not be repeated, such as creating its record. If its
// response is lost, the file is looked up if the client is a [Finder] and SkipExisting is set; if it is not found it ends as
// Unknown. Otherwise Once is like [Step].
func Once[T any](ctx context.Context, task *Task, name string, do func(ctx context.Context) (T, error)) (T, error) {
	return take(ctx, task, name, true, do)
}

func take[T any](ctx context.Context, t *Task, name string, once bool, do func(context.Context) (T, error)) (out T, err error) {
	if t == nil || do == nil {
		return out, windrow.Fatal(&StepError{name, errors.New("it needs a task and a function")})
	}
	t.mu.Lock()
	t.stepped = true
	kept, done := t.steps[name]
	if !done && once {
		t.doubt = name
	}
	t.mu.Unlock()
	if done {
		return recall[T](name, kept)
	}
	if out, err = do(ctx); err != nil {
		return *new(T), t.failed(name, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.steps == nil {
		t.steps = map[string]any{}
	}
	t.steps[name] = out
	if once {
		t.created, t.doubt = true, ""
	}
	return out, nil
}

// recall returns the kept value of a completed step.
func recall[T any](name string, kept any) (out T, err error) {
	if out, ok := kept.(T); ok {
		return out, nil
	}
	text, ok := kept.(json.RawMessage)
	if !ok {
		return out, &StepError{name, fmt.Errorf("it returned a %T before: steps must have different names", kept)}
	}
	if err := exact.Unmarshal(text, &out); err != nil {
		return out, &StepError{name, errors.New("the value that it returned before cannot be read")}
	}
	return out, nil
}

// failed returns the error of a step. After a Once, an error that proves that nothing was applied is ambiguous: the file
// exists, and only the later steps failed.
func (t *Task) failed(name string, err error) error {
	t.mu.Lock()
	created := t.created
	t.mu.Unlock()
	class := windrow.Classify(err).Class
	err = &StepError{name, err}
	if created && class == windrow.ClassTransient {
		return windrow.Ambiguous(err)
	}
	return err
}

// progress returns the state of a task.
func (t *Task) progress() (sent, stepped, created bool, doubt string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent, t.stepped, t.created, t.doubt
}

// taskForm is the JSON form of a Task.
type taskForm struct {
	File
	Steps   map[string]json.RawMessage `json:"steps,omitempty"`
	Created bool                       `json:"created,omitempty"`
	Doubt   string                     `json:"doubt,omitempty"`
	Stepped bool                       `json:"stepped,omitempty"`
	Sent    bool                       `json:"sent,omitempty"`
}

// MarshalJSON implements [json.Marshaler]. It includes the values of completed steps, so that a later [Uploader.Rerun] goes
// on at the step that failed.
func (t *Task) MarshalJSON() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	form := taskForm{File: t.File, Created: t.created, Doubt: t.doubt, Stepped: t.stepped, Sent: t.sent}
	for name, kept := range t.steps {
		text, err := json.Marshal(kept)
		if err != nil {
			return nil, &StepError{name, errors.New("the value that it returned has no JSON form")}
		}
		if form.Steps == nil {
			form.Steps = map[string]json.RawMessage{}
		}
		form.Steps[name] = text
	}
	return json.Marshal(form)
}

// UnmarshalJSON implements [json.Unmarshaler]. The task then opens the file at its Path.
func (t *Task) UnmarshalJSON(data []byte) error {
	var form taskForm
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.File, t.created, t.doubt, t.stepped, t.sent = form.File, form.Created, form.Doubt, form.Stepped, form.Sent
	t.sums, t.steps = nil, make(map[string]any, len(form.Steps))
	for name, text := range maps.All(form.Steps) {
		t.steps[name] = text
	}
	return nil
}
