package datocms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/upload"
)

// Asset is an asset in the simplified form, for callers without a type of their own.
type Asset struct {
	ID       string `json:"id"`                  // its id
	Filename string `json:"filename"`            // the name of its file, as DatoCMS writes it
	Basename string `json:"basename,omitempty"`  // the name without the extension
	URL      string `json:"url,omitempty"`       // from which it can be fetched
	Path     string `json:"path,omitempty"`      // where it is in the bucket
	Size     int64  `json:"size,omitempty"`      // in bytes
	MD5      string `json:"md5,omitempty"`       // its checksum, in hexadecimal
	MimeType string `json:"mime_type,omitempty"` // its media type
	// DefaultFieldMetadata is the title, the text and so on, as DatoCMS has it: by locale and then by name, or the other
	// way round.
	DefaultFieldMetadata json.RawMessage `json:"default_field_metadata,omitempty"`
}

// Attributes are the attributes of a new asset by their API names, such as "default_field_metadata", "tags", "author",
// "copyright" and "notes". See [Uploads.Upload].
type Attributes map[string]any

// Uploads are the assets of a project. Out is read, in the simplified form: [Asset], or a type of the caller. Make one with
// [NewUploads]. It may be used from many goroutines.
//
// It is a client for package upload: see [NewUploader]. It deletes and reads like [Items].
type Uploads[Out any] struct{ collection }

// NewUploads returns the assets of the client's project. An invalid client is the error of every call.
func NewUploads[Out any](client *Client) *Uploads[Out] {
	return &Uploads[Out]{newCollection(client, "/uploads", "upload", url.Values{})}
}

// NewUploader returns an uploader of files to the assets: three at a time, without files that exist already by their MD5
// checksum. Set its SkipExisting to upload.SameName to compare only names, as DatoCMS's guide does: then a file that has
// changed is skipped, too. The uploader uses the client's limiter if there is one.
func NewUploader[Out any](s *Uploads[Out], opts ...windrow.Option) *upload.Uploader[Out] {
	var all []windrow.Option
	if s != nil && s.client != nil {
		all = s.client.runOptions()
	}
	u := upload.New[Out](s, append(all, opts...)...)
	u.SkipExisting = upload.SameMD5
	return u
}

// Capabilities implements [clients.Describer].
func (s *Uploads[Out]) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: maxBulk, MaxReads: maxIDs, DistinctKeys: true}
}

// Upload implements [upload.Client]: it asks for a URL in the bucket, puts the file there, creates the asset and waits for
// its job. A retry goes on at the step that failed.
//
// The Metadata of a file is the asset's default_field_metadata, sent as it is, or [Attributes].
func (s *Uploads[Out]) Upload(ctx context.Context, task *upload.Task) (out Out, err error) {
	if err := s.ready(); err != nil {
		return out, err
	}
	path, err := upload.Step(ctx, task, "put the bytes", func(ctx context.Context) (string, error) {
		path, err := s.put(ctx, task)
		if err != nil && windrow.Classify(err).Class == windrow.ClassAmbiguous {
			return "", windrow.Transient(err) // no asset exists before create
		}
		return path, marked(err)
	})
	if err != nil {
		return out, err
	}
	// A job with a transient failure is followed by another, with steps of its own.
	for try := 1; ; try++ {
		began, err := upload.Once(ctx, task, step("create the asset", try), func(ctx context.Context) (*begun, error) {
			return s.create(ctx, task, path)
		})
		if err != nil {
			return out, err
		}
		asked := false
		end, err := upload.Step(ctx, task, step("wait for the job", try), func(ctx context.Context) (end, error) {
			asked = true
			return s.await(ctx, began)
		})
		switch {
		case err != nil:
			return out, err
		case end.Failure == nil:
			return one[Out](&document{method: http.MethodPost, path: s.path, status: http.StatusOK, data: end.Data})
		case asked:
			return out, end.Failure.err()
		case !end.Failure.Transient:
			return out, windrow.Permanent(end.Failure.err()) // a stored failure
		}
	}
}

// step returns the name of a step that may be repeated.
func step(name string, try int) string {
	if try == 1 {
		return name
	}
	return name + " " + strconv.Itoa(try)
}

// begun is an asset that is being created: its job, or its record if there is no job.
type begun struct {
	Job  string          `json:"job,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

// end is the result of a job.
type end struct {
	Data    json.RawMessage `json:"data,omitempty"`
	Failure *failure        `json:"failure,omitempty"`
}

// failure is the failure of a job in a form that can be stored.
type failure struct {
	Path      string     `json:"path"`
	Status    int        `json:"status"`
	Job       string     `json:"job"`
	Errors    []APIError `json:"errors,omitempty"`
	Transient bool       `json:"transient,omitempty"`
}

func (f *failure) err() error {
	e := &Error{Method: http.MethodPost, Path: f.Path, Status: f.Status, Job: f.Job, Errors: f.Errors}
	for _, one := range f.Errors {
		if field := fieldOf(one); field != nil {
			e.Fields = append(e.Fields, field)
		}
	}
	return marked(judged(e))
}

// create creates an asset from a file in the bucket.
func (s *Uploads[Out]) create(ctx context.Context, task *upload.Task, path string) (*begun, error) {
	attributes := Attributes{}
	switch metadata := task.Metadata.(type) {
	case nil:
	case Attributes:
		maps.Copy(attributes, metadata)
	default:
		attributes["default_field_metadata"] = metadata
	}
	attributes["path"] = path
	in, err := complexify(attributes, s.kind)
	if err != nil {
		return nil, err
	}
	doc, err := s.client.ask(ctx, rest.Request{Method: http.MethodPost, Path: s.path, In: body{in}})
	if err != nil {
		return nil, marked(err)
	}
	if doc.job != "" {
		return &begun{Job: doc.job}, nil
	}
	return &begun{Data: doc.data}, nil
}

// await waits until an asset is created.
func (s *Uploads[Out]) await(ctx context.Context, b *begun) (end, error) {
	if b.Job == "" {
		return end{Data: b.Data}, nil
	}
	out, err := clients.Poll(ctx, s.client.Poll, func(ctx context.Context) (ended, error) {
		return s.client.jobResult(ctx, b.Job, rest.Request{Method: http.MethodPost, Path: s.path})
	})
	if job, ok := errors.AsType[*clients.JobError](err); ok {
		job.Handle = b.Job
	}
	if err != nil {
		return end{}, err
	}
	if e, ok := errors.AsType[*Error](out.err); ok {
		return end{Failure: &failure{Path: e.Path, Status: e.Status, Job: e.Job, Errors: e.Errors, Transient: e.transient()}}, nil
	}
	if out.err != nil {
		return end{}, out.err
	}
	return end{Data: out.doc.data}, nil
}

// Find implements [upload.Finder]: by the MD5 checksum, or by the name.
func (s *Uploads[Out]) Find(ctx context.Context, q upload.Query) (found Out, ok bool, err error) {
	if err := s.ready(); err != nil {
		return found, false, err
	}
	query := url.Values{"page[limit]": {"1"}}
	switch q.Match {
	case upload.SameMD5:
		query.Set("filter[fields][md5][eq]", q.Checksum)
	case upload.SameName:
		query.Set("filter[fields][filename][eq]", q.Name)
	default:
		return found, false, fmt.Errorf("datocms: look for a file by %v: %w: use upload.SameMD5 or upload.SameName", q.Match, errors.ErrUnsupported)
	}
	doc, err := s.client.ask(ctx, rest.Request{Path: s.path, Query: query})
	if err != nil {
		return found, false, err
	}
	list, err := many(doc)
	if err != nil || len(list) == 0 {
		return found, false, err
	}
	found, err = simple[Out](doc, list[0])
	return found, err == nil, err
}

// Get reads the asset with that id.
func (s *Uploads[Out]) Get(ctx context.Context, id string) (out Out, err error) {
	doc, err := s.get(ctx, id)
	if err != nil {
		return out, err
	}
	return one[Out](doc)
}

// GetBatch implements [clients.BatchGetter]. See [Items.GetBatch].
func (s *Uploads[Out]) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[Out], error) {
	return getBatch[Out](ctx, &s.collection, ids)
}

// Update changes only the given attributes of an asset.
func (s *Uploads[Out]) Update(ctx context.Context, id string, in Attributes) (out Out, err error) {
	path, err := s.pathOf(id)
	if err != nil {
		return out, err
	}
	e, err := complexify(in, s.kind)
	if err != nil {
		return out, err
	}
	e.ID, e.Relationships, e.Meta = id, nil, nil
	doc, err := s.client.request(ctx, rest.Request{Method: http.MethodPut, Path: path, In: body{e}})
	if err != nil {
		return out, err
	}
	return one[Out](doc)
}

// Delete deletes an asset, and waits for the job.
func (s *Uploads[Out]) Delete(ctx context.Context, id string) error { return s.delete(ctx, id) }

// DeleteBatch implements [clients.BatchDeleter]. See [Items.DeleteBatch].
func (s *Uploads[Out]) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	return s.bulk(ctx, destroy, nil, ids, isGone)
}

var (
	_ upload.Client[bool]                       = (*Uploads[bool])(nil)
	_ upload.Finder[bool]                       = (*Uploads[bool])(nil)
	_ windrow.Updater[string, Attributes, bool] = (*Uploads[bool])(nil)
	_ windrow.Deleter[string]                   = (*Uploads[bool])(nil)
	_ clients.BatchDeleter[string]              = (*Uploads[bool])(nil)
	_ windrow.Getter[string, bool]              = (*Uploads[bool])(nil)
	_ clients.BatchGetter[string, bool]         = (*Uploads[bool])(nil)
	_ clients.Describer                         = (*Uploads[bool])(nil)
)
