package datocms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/plan"
)

// Items are the records of a model. In is what is sent and Out what comes back, in the simplified form: see the package.
// Make one with [NewItems]. It may be used from many goroutines.
//
// Each method makes one request, waits for its job, and repeats nothing. A method that has to read something again says so.
type Items[In, Out any] struct {
	collection
	model string
}

// NewItems returns the records of the model with that id, which is what DatoCMS shows beside the API key of a model. What
// is wrong with the arguments is the error of every call, which stops a run before anything is sent.
func NewItems[In, Out any](client *Client, model string) *Items[In, Out] {
	// Without a version a list leaves out what is not published, in projects from before 2026.
	s := &Items[In, Out]{collection: newCollection(client, "/items", "item", url.Values{"version": {"current"}}), model: model}
	if model == "" {
		s.err = errors.Join(s.err, errors.New("datocms: NewItems: the model is empty: give the id of one"))
	}
	return s
}

// Capabilities implements [clients.Describer]: 200 ids in a bulk operation, 300 in a read, and ids that the client gives,
// so that creates may be repeated.
func (s *Items[In, Out]) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: maxBulk, MaxReads: maxIDs, DistinctKeys: true, ClientIDs: true}
}

// Create creates a record. When its id is empty it gets one: in a run that of its name ([clients.Attempt.RecordName]), so
// that each attempt names the same record, and with a Key of the caller's each run does; otherwise a random one.
func (s *Items[In, Out]) Create(ctx context.Context, in In) (out Out, err error) {
	e, err := s.draft(ctx, in)
	if err != nil {
		return out, err
	}
	doc, err := s.client.request(ctx, rest.Request{Method: http.MethodPost, Path: s.path, In: body{e}})
	if err != nil {
		return out, err
	}
	return one[Out](doc)
}

// draft returns a record as it is created.
func (s *Items[In, Out]) draft(ctx context.Context, in In) (entity, error) {
	if err := s.ready(); err != nil {
		return entity{}, err
	}
	e, err := complexify(in, s.kind, "item_type", "creator")
	if err != nil {
		return entity{}, err
	}
	if _, there := e.Relationships["item_type"]; !there {
		ref, _ := json.Marshal(Ref{Type: "item_type", ID: s.model}) // two strings
		e.Relationships["item_type"] = linkage{Data: ref}
	}
	e.Meta = keep(e.Meta, "created_at", "first_published_at")
	if e.ID == "" {
		e.ID = NewID()
		if attempt, ok := clients.AttemptFrom(ctx); ok {
			e.ID = IDFor(s.model, attempt.RecordName())
		}
	}
	return e, nil
}

// Reconcile implements [clients.Reconciler]: a record was created when there is one with its id.
func (s *Items[In, Out]) Reconcile(ctx context.Context, in In) (out Out, applied bool, err error) {
	e, err := s.draft(ctx, in)
	if err != nil {
		return out, false, err
	}
	out, err = s.Get(ctx, e.ID)
	if errors.Is(err, windrow.ErrNotFound) {
		return out, false, nil
	}
	return out, err == nil, err
}

// Update changes the fields of a record that the JSON form of in holds, and no others. When in has a version in its meta,
// or the plan that is applied has one ([plan.VersionFrom]), the update is refused if that is not the current one: the
// error matches [ErrStaleVersion], unless the record, which is read again then, has the new values already. It may have
// got them by an attempt whose answer was lost.
func (s *Items[In, Out]) Update(ctx context.Context, id string, in In) (out Out, err error) {
	path, err := s.pathOf(id)
	if err != nil {
		return out, err
	}
	e, err := complexify(in, s.kind, "item_type", "creator")
	if err != nil {
		return out, err
	}
	e.ID, e.Relationships, e.Meta = id, nil, keep(e.Meta, "current_version")
	if version, ok := plan.VersionFrom[string](ctx, id); ok && version != "" && e.Meta["current_version"] == nil {
		e.Meta["current_version"] = quoted(version)
	}
	doc, err := s.client.request(ctx, rest.Request{Method: http.MethodPut, Path: path, In: body{e}})
	if errors.Is(err, ErrStaleVersion) {
		if now, readErr := s.get(ctx, id); readErr == nil && hasFields(now, e.Attributes) {
			doc, err = now, nil
		}
	}
	if err != nil {
		return out, err
	}
	return one[Out](doc)
}

// hasFields reports whether a record has the values.
func hasFields(doc *document, want object) bool {
	var is entity
	if json.Unmarshal(doc.data, &is) != nil {
		return false
	}
	for field, value := range want {
		if !sameValue(is.Attributes[field], value) {
			return false
		}
	}
	return true
}

// sameValue reports whether two values in JSON mean the same.
func sameValue(a, b json.RawMessage) bool {
	var x, y any
	read := func(data json.RawMessage, into *any) bool {
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		return d.Decode(into) == nil
	}
	return read(a, &x) && read(b, &y) && reflect.DeepEqual(x, y)
}

// Get reads the record with that id, in its current version.
func (s *Items[In, Out]) Get(ctx context.Context, id string) (out Out, err error) {
	doc, err := s.get(ctx, id)
	if err != nil {
		return out, err
	}
	return one[Out](doc)
}

// GetBatch implements [clients.BatchGetter]. A record that is not in the answer does not exist: its error is
// [windrow.ErrNotFound]. Records of other models are found, too.
func (s *Items[In, Out]) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[Out], error) {
	return getBatch[Out](ctx, &s.collection, ids)
}

// Delete deletes a record, and waits for that.
func (s *Items[In, Out]) Delete(ctx context.Context, id string) error { return s.delete(ctx, id) }

// DeleteBatch implements [clients.BatchDeleter]. When DatoCMS counts failures the records are read again, and those that
// are still there end as too large a chunk: a run deletes them one by one, and each has its own error. An id that there
// never was counts as deleted, with a warning, unless none of the request was there.
func (s *Items[In, Out]) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	return s.bulk(ctx, destroy, nil, ids, isGone)
}

// transition is a change of the state of records, for one or for many.
type transition struct {
	one  func(ctx context.Context, id string) error
	many func(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error)
}

// processor returns what makes the change for the ids of a run.
func (t transition) processor(opts []windrow.Option) *windrow.BatchProcessor[string, struct{}] {
	all := append([]windrow.Option{windrow.Repeatable(), windrow.Duplicates(windrow.KeepFirst)}, opts...)
	p := windrow.NewBatchProcessor(windrow.NoOutput(func(ctx context.Context, id string) error {
		err := t.one(ctx, id)
		if err != nil && windrow.Classify(err).Class == windrow.ClassPermanent {
			return marked(err) // "exists already" means nothing here
		}
		return err
	}), all...)
	p.Batch = t.many
	if p.Key == nil {
		p.Key = func(id string) string { return id }
	}
	p.Capabilities = windrow.Capabilities{MaxItems: maxBulk, DistinctKeys: true}
	return p
}

// PublishProcessor returns a processor that publishes the records with the ids of a run: many with one request, one alone
// with one of its own. Publishing twice does no harm. An id that is named twice ends as Skipped the second time.
func (s *Items[In, Out]) PublishProcessor(opts ...windrow.Option) *windrow.BatchProcessor[string, struct{}] {
	return s.state("publish", opts, func(e *entity) bool { return e != nil && sameValue(e.Meta["status"], quoted("published")) })
}

// UnpublishProcessor returns a processor that takes the records with the ids of a run back to drafts. Otherwise it is as
// [Items.PublishProcessor].
func (s *Items[In, Out]) UnpublishProcessor(opts ...windrow.Option) *windrow.BatchProcessor[string, struct{}] {
	return s.state("unpublish", opts, func(e *entity) bool { return e != nil && sameValue(e.Meta["status"], quoted("draft")) })
}

func (s *Items[In, Out]) state(operation string, opts []windrow.Option, applied func(*entity) bool) *windrow.BatchProcessor[string, struct{}] {
	return transition{
		one: func(ctx context.Context, id string) error {
			path, err := s.pathOf(id)
			if err != nil {
				return err
			}
			_, err = s.client.request(ctx, rest.Request{Method: http.MethodPut, Path: path + "/" + operation}) // with a body only parts are
			return err
		},
		many: func(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
			return s.bulk(ctx, operation, nil, ids, applied)
		},
	}.processor(opts)
}

// MoveToStageProcessor returns a processor that moves the records with the ids of a run to a stage of their workflow. Of a
// record that cannot be moved DatoCMS does not say why: its error matches [ErrNotMoved]. Otherwise it is as
// [Items.PublishProcessor].
func (s *Items[In, Out]) MoveToStageProcessor(stage string, opts ...windrow.Option) *windrow.BatchProcessor[string, struct{}] {
	many := func(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
		if stage == "" {
			return nil, windrow.Fatal(errors.New("datocms: MoveToStageProcessor: the stage is empty"))
		}
		return s.bulk(ctx, "move-to-stage", map[string]string{"stage": stage}, ids, func(e *entity) bool {
			return e != nil && sameValue(e.Meta["stage"], quoted(stage))
		})
	}
	return transition{
		one: func(ctx context.Context, id string) error { // there is no request for one
			outcomes, err := many(ctx, []string{id})
			if err != nil || outcomes[0].Err == nil {
				return err
			}
			if windrow.Classify(outcomes[0].Err).Class == windrow.ClassTooLarge {
				return windrow.Permanent(ErrNotMoved)
			}
			return outcomes[0].Err
		},
		many: many,
	}.processor(opts)
}

// ErrNotMoved is matched by the error of a record that DatoCMS counts as one that could not be moved to another stage.
var ErrNotMoved = errors.New("datocms: the record could not be moved to the stage, and DatoCMS does not say why")

var (
	_ windrow.Creator[int, bool]         = (*Items[int, bool])(nil)
	_ windrow.Updater[string, int, bool] = (*Items[int, bool])(nil)
	_ windrow.Deleter[string]            = (*Items[int, bool])(nil)
	_ clients.BatchDeleter[string]       = (*Items[int, bool])(nil)
	_ windrow.Getter[string, bool]       = (*Items[int, bool])(nil)
	_ clients.BatchGetter[string, bool]  = (*Items[int, bool])(nil)
	_ clients.Reconciler[int, bool]      = (*Items[int, bool])(nil)
	_ clients.Describer                  = (*Items[int, bool])(nil)
)
