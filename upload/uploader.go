package upload

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/refusal"
)

// ErrLost is matched by the error of a file whose response was lost and which was not found afterwards: the server may still
// create it. Before uploading it again, make sure that it does not exist.
var ErrLost = errors.New("upload: the response was lost, and the file cannot be found on the server")

// Client sends one file, and returns the server's value for it. It reads the file with [Task.Content]. If it sends several
// requests it makes each a [Step] or a [Once]; without these the whole method counts as one Once. A client that is a
// [clients.Describer] whose requests are harmless to repeat is called again in any case.
type Client[Out any] interface {
	Upload(ctx context.Context, task *Task) (Out, error)
}

// ClientFunc turns a function into a [Client] that is not a [Finder].
func ClientFunc[Out any](f func(ctx context.Context, task *Task) (Out, error)) Client[Out] {
	return clientFunc[Out](f)
}

type clientFunc[Out any] func(context.Context, *Task) (Out, error)

func (f clientFunc[Out]) Upload(ctx context.Context, task *Task) (Out, error) { return f(ctx, task) }

// defaultConcurrency is how many files are uploaded at once.
const defaultConcurrency = 3

// Uploader uploads files, three at a time by default. Make one with [New], set its hooks, and then call its methods, from
// any number of goroutines.
type Uploader[Out any] struct {
	// SkipExisting says when the server has a file already: then the file ends as Skipped (already exists), with the
	// existing one as its value. Of several equal files in one run one is sent; the others are Skipped, as duplicates until
	// it is complete. Defaults to Never. Any other value needs a client that is a [Finder].
	SkipExisting Match
	// OnTransfer gets the progress of each file: at its beginning, about ten times a second, and at its end. It is called
	// from the goroutines that send, at the same time for different files, and slows them down.
	OnTransfer func(Transfer)
	// ResultID returns the id of a file on the server: see [windrow.Result.ID]. A journal stores it. If it is nil, a journal
	// stores only how the file ended.
	ResultID func(out Out) string
	// OnResult is called once with each result, as soon as the file has ended, from one goroutine.
	OnResult func(windrow.Result[*Task, Out])

	client Client[Out]
	opts   []windrow.Option

	mu    sync.Mutex
	queue []File
}

// New returns an uploader for a client. The options are those of a run, such as [windrow.Concurrency], here with the default
// 3, [windrow.WithLimiter] and [windrow.OnProgress].
func New[Out any](client Client[Out], opts ...windrow.Option) *Uploader[Out] {
	return &Uploader[Out]{
		client: client,
		opts: slices.Concat([]windrow.Option{
			windrow.Concurrency(defaultConcurrency), windrow.Duplicates(windrow.KeepAllInOrder),
		}, refusal.ForRun(opts)),
	}
}

// Files uploads the files and returns how each ended. It is what an [Uploader] without hooks does.
func Files[Out any](ctx context.Context, client Client[Out], files []File, opts ...windrow.Option) (*windrow.BulkResult[*Task, Out], error) {
	u := New(client, opts...)
	u.Add(files...)
	return u.Process(ctx)
}

// Add puts files into the queue.
func (u *Uploader[Out]) Add(files ...File) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = append(u.queue, files...)
}

// Queued returns how many files wait for [Uploader.Process].
func (u *Uploader[Out]) Queued() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.queue)
}

// Process empties the queue and uploads its files: a second call uploads the files that were added meanwhile. Results and
// errors are those of [windrow.BatchProcessor.Run], in the order in which the files were added. In the statistics a request
// is an attempt of a file, with its look-up and all its steps, or a look-up after a lost response.
func (u *Uploader[Out]) Process(ctx context.Context) (*windrow.BulkResult[*Task, Out], error) {
	u.mu.Lock()
	files := u.queue
	u.queue = nil
	u.mu.Unlock()
	tasks := make([]*Task, len(files))
	for i := range files {
		tasks[i] = &Task{File: files[i]}
	}
	processor, err := u.processor(tasks)
	if err == nil || inspect.IsNil(ctx) {
		return processor.Run(ctx, tasks)
	}
	return processor.Run(refusal.Context(ctx, err), tasks)
}

// Rerun uploads the files of an earlier result that may be uploaded again, each from the step at which it failed, and
// returns one result for all. See [windrow.BatchProcessor.Rerun].
func (u *Uploader[Out]) Rerun(ctx context.Context, earlier *windrow.BulkResult[*Task, Out]) (*windrow.BulkResult[*Task, Out], error) {
	var tasks []*Task
	if earlier != nil {
		tasks = earlier.Inputs()
	}
	processor, err := u.processor(tasks)
	if err == nil || inspect.IsNil(ctx) {
		return processor.Rerun(ctx, earlier)
	}
	return processor.Rerun(refusal.Context(ctx, err), earlier)
}

// processor returns the processor that uploads the tasks.
func (u *Uploader[Out]) processor(tasks []*Task) (*windrow.BatchProcessor[*Task, Out], error) {
	r := &run[Out]{client: u.client, match: u.SkipExisting, claims: map[Query]*claim[Out]{}}
	r.finder, _ = u.client.(Finder[Out])
	for _, t := range tasks {
		t.notify = u.OnTransfer
		if r.matchOf(t) > SameSHA256 {
			return windrow.NewCreateProcessor(windrow.CreateFunc(r.do), u.opts...), &windrow.OptionError{
				Option: "SkipExisting", Value: r.matchOf(t), Problem: "must be one of the matches, such as SameMD5",
			}
		}
		if r.finder == nil && r.matchOf(t) != Never {
			return windrow.NewCreateProcessor(windrow.CreateFunc(r.do), u.opts...), &windrow.OptionError{
				Option: "SkipExisting", Value: r.matchOf(t), Problem: "needs a client that is a Finder",
			}
		}
	}
	if inspect.IsNil(u.client) {
		return windrow.NewCreateProcessor[*Task, Out](nil, u.opts...), nil
	}
	p := windrow.NewCreateProcessor(windrow.CreateFunc(r.do), u.opts...)
	if p.Key == nil {
		p.Key = func(t *Task) string { return t.key() }
	}
	p.Validate = func(t *Task) error { return t.check() }
	p.Reconcile, p.OnResult = r.resolve, u.OnResult
	if u.ResultID != nil {
		p.ResultID = u.ResultID
	}
	if d, ok := u.client.(clients.Describer); ok {
		p.Capabilities = d.Capabilities()
	}
	return p, nil
}

// run is the state that the tasks of one run share.
type run[Out any] struct {
	client Client[Out]
	finder Finder[Out] // nil if the client is not a Finder
	match  Match

	mu     sync.Mutex
	claims map[Query]*claim[Out]
}

// claim is a file that this run sends or has found on the server.
type claim[Out any] struct {
	task *Task
	done bool
	out  Out
}

func (r *run[Out]) matchOf(t *Task) Match {
	if t.SkipExisting != AsUploader {
		return t.SkipExisting
	}
	return max(r.match, Never)
}

// queryFor returns the query for a file; false if SkipExisting is Never.
func (r *run[Out]) queryFor(ctx context.Context, t *Task) (Query, bool, error) {
	match := r.matchOf(t)
	if match == Never {
		return Query{}, false, nil
	}
	sum, err := t.Checksum(ctx, match)
	return Query{Match: match, Name: t.Name, Checksum: sum}, err == nil, err
}

// do makes one attempt of a file.
func (r *run[Out]) do(ctx context.Context, t *Task) (out Out, err error) {
	q, seek, err := r.queryFor(ctx, t)
	if err != nil {
		return out, err
	}
	if sent, _, _, _ := t.progress(); seek && !sent {
		if out, err := r.skip(ctx, t, q); err != nil {
			return out, err
		}
	}
	t.mu.Lock()
	t.sent = true
	t.mu.Unlock()
	if out, err = r.client.Upload(ctx, t); err == nil && seek {
		r.finished(q, out)
	}
	return out, err
}

// skip returns nil if the file is to be sent, a Skip if it exists or is a duplicate, or the error of the look-up.
func (r *run[Out]) skip(ctx context.Context, t *Task, q Query) (out Out, err error) {
	exists := clients.Skip(windrow.ReasonAlreadyExists)
	if c := r.claimFor(q, nil); c != nil && c.done {
		return c.out, exists
	}
	found, ok, err := r.finder.Find(ctx, q)
	if err != nil {
		return out, err
	}
	if ok {
		r.finished(q, found)
		return found, exists
	}
	switch c := r.claimFor(q, t); {
	case c.task == t:
		return out, nil
	case c.done:
		return c.out, exists
	}
	return out, clients.Skip(windrow.ReasonDuplicate)
}

// claimFor returns a copy of the claim of a file, nil if there is none. It makes t the task of an unclaimed file, unless t
// is nil.
func (r *run[Out]) claimFor(q Query, t *Task) *claim[Out] {
	id := q.identity()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[id]
	if c == nil && t != nil {
		c = &claim[Out]{task: t}
		r.claims[id] = c
	}
	if c == nil {
		return nil
	}
	now := *c
	return &now
}

// finished records that a file is on the server.
func (r *run[Out]) finished(q Query, out Out) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims[q.identity()] = &claim[Out]{done: true, out: out}
}

// identity returns a key that equal files share.
func (q Query) identity() Query {
	if q.Checksum != "" {
		q.Name = ""
	}
	return q
}

// resolve finds out whether a file was uploaded after its response was lost.
func (r *run[Out]) resolve(ctx context.Context, t *Task) (out Out, applied bool, err error) {
	sent, stepped, created, doubt := t.progress()
	// A look-up before the first attempt: an earlier run has begun the file, according to the journal.
	attempt, _ := clients.AttemptFrom(ctx)
	begunBefore := !sent && attempt.Number == 1
	switch {
	case begunBefore:
	case !sent, stepped && !created && doubt == "":
		return out, false, nil // no Once was begun
	case stepped && created && doubt == "":
		out, err = r.client.Upload(ctx, t) // from the step that failed
		return out, err == nil, err
	}
	q, seek, err := r.queryFor(ctx, t)
	if err != nil {
		return out, false, err
	}
	if seek && r.finder != nil {
		if out, ok, err := r.finder.Find(ctx, q); err != nil || ok {
			return out, ok && err == nil, err
		}
	}
	return out, false, windrow.Permanent(ErrLost)
}
