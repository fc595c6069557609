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

// Items are the records of a model. In is sent and Out is read, in the simplified form: see the package. Make one with
// [NewItems]. It may be used from many goroutines.
//
// Each method sends one request, waits for its job, and repeats nothing. A method that reads records again says so.
type Items[In, Out any] struct {
	collection
	model string
}

// NewItems returns the records of the model with that id, which DatoCMS shows beside the API key of a model. Invalid
// arguments are the error of every call, which stops a run before anything is sent.
func NewItems[In, Out any](client *Client, model string) *Items[In, Out] {
	// Without a version, a list has only published records in projects from before 2026.
	s := &Items[In, Out]{collection: newCollection(client, "/items", "item", url.Values{"version": {"current"}}), model: model}
	if model == "" {
		s.err = errors.Join(s.err, errors.New("datocms: NewItems: the model is empty: give the id of one"))
	}
	return s
}

// Capabilities implements [clients.Describer]: 200 ids in a bulk operation, 300 in a read, and ids that the client chooses,
// so that creates may be repeated.
func (s *Items[In, Out]) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: maxBulk, MaxReads: maxIDs, DistinctKeys: true, ClientIDs: true}
}

// Create creates a record. If its id is empty it gets one: in a run the [IDFor] its [clients.Attempt.RecordName], the same
// in each attempt, and with a Key in each run; otherwise a random one.
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

// draft returns the record to create, with its id.
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

// Reconcile implements [clients.Reconciler]: a record was created if one with its id exists.
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

// Update changes only the fields of a record that are in the JSON form of in. If in has a version in its meta, or the plan
// has one ([plan.VersionFrom]), and it is outdated, the record is read again. If the record has the new values already,
// perhaps by an attempt whose response was lost, Update succeeds; otherwise the error matches [ErrStaleVersion].
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

// hasFields reports whether a record has those values.
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

// sameValue reports whether two JSON values are equal.
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

// GetBatch implements [clients.BatchGetter]. A record that is not in the response does not exist: its error is
// [windrow.ErrNotFound]. Records of other models are found, too.
func (s *Items[In, Out]) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[Out], error) {
	return getBatch[Out](ctx, &s.collection, ids)
}

// Delete deletes a record, and waits for the job.
func (s *Items[In, Out]) Delete(ctx context.Context, id string) error { return s.delete(ctx, id) }

// DeleteBatch implements [clients.BatchDeleter]. If DatoCMS counts failures the records are read again, and the error of
// those that still exist is ClassTooLarge: a run deletes them one by one, and each has its own error. An id that never
// existed counts as deleted, with a warning, unless none of the request existed.
func (s *Items[In, Out]) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	return s.bulk(ctx, destroy, nil, ids, isGone)
}

// transition is a change of the state of records, of one or of many.
type transition struct {
	one  func(ctx context.Context, id string) error
	many func(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error)
}

// processor returns a processor that applies the transition to the ids of a run.
func (t transition) processor(opts []windrow.Option) *windrow.BatchProcessor[string, struct{}] {
	all := append([]windrow.Option{windrow.Repeatable(), windrow.Duplicates(windrow.KeepFirst)}, opts...)
	p := windrow.NewBatchProcessor(windrow.NoOutput(func(ctx context.Context, id string) error {
		err := t.one(ctx, id)
		if err != nil && windrow.Classify(err).Class == windrow.ClassPermanent {
			return marked(err) // a retry must not take "exists already" for its own work
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

// PublishProcessor returns a processor that publishes the records with the ids of a run, many with one request. Publishing
// may be repeated. A repeated id ends as Skipped the second time.
func (s *Items[In, Out]) PublishProcessor(opts ...windrow.Option) *windrow.BatchProcessor[string, struct{}] {
	return s.state("publish", opts, func(e *entity) bool { return e != nil && sameValue(e.Meta["status"], quoted("published")) })
}

// UnpublishProcessor returns a processor that turns the records with the ids of a run into drafts. Otherwise it is like
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
			_, err = s.client.request(ctx, rest.Request{Method: http.MethodPut, Path: path + "/" + operation}) // no body: that would publish only parts
			return err
		},
		many: func(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
			return s.bulk(ctx, operation, nil, ids, applied)
		},
	}.processor(opts)
}

// MoveToStageProcessor returns a processor that moves the records with the ids of a run to a stage of their workflow. The
// error of a record that cannot be moved matches [ErrNotMoved]: DatoCMS gives no reason. Otherwise it is like
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
		one: func(ctx context.Context, id string) error { // the API has no request for one record
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

// ErrNotMoved is matched by the error of a record that DatoCMS counts as failed when moving it to a stage.
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
