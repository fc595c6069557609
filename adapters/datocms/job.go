package datocms

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/segment"
	"github.com/windrow-go/windrow/adapters/rest"
)

// ended is what came of a request or a job.
type ended struct {
	doc *document
	err error // of a job that failed

	refusal *rest.Error // what the user's classifier is asked about; nil when there is none
}

// request makes a request, and waits for its job if DatoCMS answers with one: any endpoint may. In a retry of an attempt
// that has begun a job only that is asked for. There is one job in an attempt.
func (c *Client) request(ctx context.Context, r rest.Request) (*document, error) {
	var direct *document
	out, err := windrow.SubmitAndPoll(ctx, c.Poll, func(ctx context.Context) (string, error) {
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
		if attempt, ok := windrow.AttemptFrom(ctx); ok {
			attempt.SetHandle("") // a retry begins another
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

// jobResult asks for the result of a job that the request has begun. As long as the job runs there is none.
func (c *Client) jobResult(ctx context.Context, job string, r rest.Request) (ended, error) {
	if problem := segment.Problem(job); problem != "" { // the job runs: it is its name that says nothing
		return ended{err: windrow.Ambiguous(errors.New("datocms: the id of the job " + problem))}, nil
	}
	doc, err := c.ask(ctx, rest.Request{Path: "/job-results/" + url.PathEscape(job)})
	if errors.Is(err, windrow.ErrNotFound) {
		return ended{}, windrow.Pending(0)
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
	// The status of the answer says nothing of the job: that of the result does.
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
