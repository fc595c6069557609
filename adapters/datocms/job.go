package datocms

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/segment"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
)

// ended is the result of a request or a job.
type ended struct {
	doc *document
	err error // of a failed job

	refusal *rest.Error // the failed job, for the user's classifier; nil if there is none
}

// request sends a request, and waits for its job if the response has one, as that of any endpoint may. A retry of an attempt
// that has started a job only polls the job. An attempt has at most one job.
func (c *Client) request(ctx context.Context, r rest.Request) (*document, error) {
	var direct *document
	out, err := clients.SubmitAndPoll(ctx, c.Poll, func(ctx context.Context) (string, error) {
		doc, err := c.ask(ctx, r)
		if err != nil {
			return "", err
		}
		if doc.job == "" {
			direct = doc
		}
		return doc.job, nil
	}, func(ctx context.Context, job string) (ended, error) {
		if direct != nil {
			return ended{doc: direct}, nil
		}
		return c.jobResult(ctx, job, r)
	})
	if err != nil {
		return nil, err
	}
	if out.err != nil {
		if attempt, ok := clients.AttemptFrom(ctx); ok {
			attempt.SetHandle("") // a retry starts another job
		}
		if out.refusal != nil {
			if err := c.user.Ask(out.refusal); err != nil {
				return nil, marked(err)
			}
		}
		return nil, out.err
	}
	return out.doc, nil
}

// jobResult asks for the result of a job that r has started. It is pending while the job runs.
func (c *Client) jobResult(ctx context.Context, job string, r rest.Request) (ended, error) {
	if problem := segment.Problem(job); problem != "" { // the job has started, and cannot be polled
		return ended{err: windrow.Ambiguous(errors.New("datocms: the id of the job " + problem))}, nil
	}
	doc, err := c.ask(ctx, rest.Request{Path: "/job-results/" + url.PathEscape(job)})
	if errors.Is(err, windrow.ErrNotFound) {
		return ended{}, clients.Pending(0)
	}
	if err != nil {
		return ended{}, err
	}
	var result struct {
		Attributes struct {
			Status  int             `json:"status"`
			Payload json.RawMessage `json:"payload"`
		} `json:"attributes"`
	}
	if json.Unmarshal(doc.data, &result) != nil || result.Attributes.Status == 0 {
		return ended{err: windrow.Ambiguous(doc.unreadable())}, nil
	}
	inner := &document{method: r.Method, path: r.Path, status: result.Attributes.Status}
	// The status of the job is that of the result, not that of the response.
	if inner.status < 200 || inner.status > 299 {
		e := &Error{Method: r.Method, Path: r.Path, Status: inner.status, Job: job}
		e.read(result.Attributes.Payload)
		refusal := &rest.Error{Method: r.Method, Path: r.Path, Status: inner.status, Code: e.Code(), Fields: e.Fields, Body: result.Attributes.Payload}
		return ended{err: marked(judged(e)), refusal: refusal}, nil
	}
	if payload := result.Attributes.Payload; len(payload) > 0 && inner.UnmarshalJSON(payload) != nil {
		return ended{err: windrow.Ambiguous(doc.unreadable())}, nil
	}
	return ended{doc: inner}, nil
}
