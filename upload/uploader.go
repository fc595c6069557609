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

// ErrLost is matched by the error of a file whose answer was lost and which was not found afterwards: it may still come
// to be. To upload it again, first make sure that it did not.
var ErrLost = errors.New("upload: the answer was lost, and the file cannot be found on the server")

// Client sends one file, and returns what the server made of it. It reads the file with [Task.Content]. Where it makes
// several requests it makes each in a [Step] or a [Once]; without these the whole method counts as one Once. A client that
// is a [clients.Describer] whose requests are harmless to repeat is called again in any case.
type Client[Out any] interface {
	Upload(ctx context.Context, task *Task) (Out, error)
}

// ClientFunc makes a [Client] of a function. It is no [Finder].
func ClientFunc[Out any](f func(ctx context.Context, task *Task) (Out, error)) Client[Out] {
	return clientFunc[Out](f)
}

type clientFunc[Out any] func(context.Context, *Task) (Out, error)

func (f clientFunc[Out]) Upload(ctx context.Context, task *Task) (Out, error) { return f(ctx, task) }

// defaultConcurrency is how many files are on their way at once.
const defaultConcurrency = 3

// Uploader uploads files, three at a time if no option says otherwise: as soon as one has ended the next begins. Make one
// with [New], set the hooks that are wanted, and then use its methods, from several goroutines if need be.
type Uploader[Out any] struct {
	// SkipExisting says when a file is not sent, since the server has it: then it ends as Skipped (already exists), with
	// what was found as its value. Of several such files in one run one is sent, and the others are Skipped (duplicate)
	// while it is on its way. Defaults to Never. Any other value needs a client that is a [Finder].
	SkipExisting Match
	// OnTransfer is told how far each file has come: at its beginning, about ten times a second, and at its end. It is
	// called from the goroutines that send, at the same time for different files, and slows them down.
	OnTransfer func(Transfer)
	// ResultID names what the server made of a file, such as its id: see [windrow.Result.ID]. It is what a journal stores.
	// Nil means that nothing is stored but how the file ended.
	ResultID func(out Out) string
	// OnResult is called once with each result, as soon as the file has ended, from one goroutine.
	OnResult func(windrow.Result[*Task, Out])

	client Client[Out]
	opts   []windrow.Option

	mu    sync.Mutex
	queue []File
}

// New returns an uploader for a client. The options are those of a run, such as [windrow.Concurrency], which defaults to
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

// Process uploads the files in the queue, which is empty from then on: a second call uploads what was added meanwhile, and
// nothing twice. Results and errors are those of [windrow.BatchProcessor.Run], in the order in which the files were added.
// A request of the statistics is an attempt of a file, with its look-up and all its steps, or a look-up after a lost answer.
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

// Rerun uploads again what may be uploaded again of an earlier result, each file from the step at which it failed, and
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

// processor returns what uploads the tasks.
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

// run is what the tasks of one run share.
type run[Out any] struct {
	client Client[Out]
	finder Finder[Out] // nil when the client is none
	match  Match

	mu     sync.Mutex
	claims map[Query]*claim[Out]
}

// claim is a file that is sent, or was, in this run.
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

// queryFor returns what to look for; false when nothing is.
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

// skip returns an error, mostly that there is nothing to do, or nil when the file is to be sent.
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

// claimFor returns who sends a file, or has sent it. When nobody has, that is t from now on, unless t is nil.
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

// finished notes that a file is on the server.
func (r *run[Out]) finished(q Query, out Out) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims[q.identity()] = &claim[Out]{done: true, out: out}
}

// identity is what two files that are the same have in common.
func (q Query) identity() Query {
	if q.Checksum != "" {
		q.Name = ""
	}
	return q
}

// resolve finds out what became of a file after an answer was lost.
func (r *run[Out]) resolve(ctx context.Context, t *Task) (out Out, applied bool, err error) {
	sent, stepped, created, doubt := t.progress()
	// A look-up before the first attempt: an earlier run has begun it, of which only its journal knows.
	attempt, _ := clients.AttemptFrom(ctx)
	begunBefore := !sent && attempt.Number == 1
	switch {
	case begunBefore:
	case !sent, stepped && !created && doubt == "":
		return out, false, nil // nothing that must not be done again was begun
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
