package windrowtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/mixed"
	"github.com/windrow-go/windrow/windrowtest"
)

// note is what the clients of these tests create.
type note struct {
	ID   string `json:"id,omitempty"`
	Key  string `json:"key"`
	Text string `json:"text,omitempty"`
	Bad  bool   `json:"bad,omitempty"`
}

func keyOf(n note) string { return n.Key }

const (
	secret = "s3cret-token"
	notes  = "/notes"
)

// notesAPI is a client of windrowtest.Records, with a defect if it has one.
type notesAPI struct {
	*wire
	defect string
	can    windrow.Capabilities
	mu     sync.Mutex
	last   note // for a client that mixes calls up
}

// wire is what makes the requests. It is apart, so that nothing of it is printed.
type wire struct {
	url, token string
	http       *http.Client
}

func newNotes(url string, hc *http.Client, defect string, can windrow.Capabilities) *notesAPI {
	return &notesAPI{wire: &wire{url, secret, hc}, defect: defect, can: can}
}

func (c *notesAPI) is(defect string) bool { return c.defect == defect }

// apiError is an error of the API.
type apiError struct {
	status int
	after  time.Duration
	text   string
	err    error
}

func (e *apiError) Error() string             { return "notes: " + e.text }
func (e *apiError) StatusCode() int           { return e.status }
func (e *apiError) RetryAfter() time.Duration { return e.after }
func (e *apiError) Unwrap() error             { return e.err }

// send makes a request, and reads the answer into out unless that is nil.
func (c *notesAPI) send(ctx context.Context, method, path string, in, out any) error {
	if c.is("ignores the context") {
		ctx = context.WithoutCancel(ctx)
	}
	if c.is("leaves a goroutine") {
		go func() { select {} }()
	}
	err := c.once(ctx, method, path, in, out)
	if status, ok := errors.AsType[*apiError](err); ok && c.is("sends again") && status.status >= 500 {
		err = c.once(ctx, method, path, in, out)
	}
	if status, ok := errors.AsType[*apiError](err); ok && c.is("waits") && status.after > 0 {
		time.Sleep(status.after)
	}
	if err != nil && c.is("drops the cause") {
		return errors.New(err.Error())
	}
	return err
}

func (c *notesAPI) once(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	base := c.url
	if c.is("forgets the path of its URL") {
		u, _ := url.Parse(base)
		base = u.Scheme + "://" + u.Host
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if attempt, ok := clients.AttemptFrom(ctx); ok && !c.is("forgets the idempotency key") {
		name := "idempotency-key" // which net/http does not know
		if c.is("sends keys that the server ignores") {
			name = "Idempotency-Key"
		}
		req.Header[name] = []string{attempt.IdempotencyKey()}
	}
	res, err := c.http.Do(req)
	if err != nil {
		if c.is("tells its token") {
			return fmt.Errorf("with %v: %w", req.Header, err)
		}
		return err
	}
	if !c.is("leaves bodies open") {
		defer res.Body.Close()
	}
	return c.read(res, out)
}

func (c *notesAPI) read(res *http.Response, out any) error {
	text, err := io.ReadAll(res.Body)
	failure := &apiError{status: res.StatusCode, text: "status " + strconv.Itoa(res.StatusCode), err: err}
	if res.StatusCode >= 300 {
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && !c.is("does not tell how long to wait") {
			failure.after = time.Duration(seconds) * time.Second
		}
		if c.is("takes 500 for well") && res.StatusCode == 500 {
			return nil
		}
		if c.is("does not tell the status") {
			return errors.New(failure.text)
		}
		return failure
	}
	if out == nil && len(text) == 0 {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind != "application/json" && !c.is("takes any page for a response") {
		failure.text = "not JSON"
		return failure
	}
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil && !c.is("takes any page for a response") && !c.is("takes half a response for a whole") {
		failure.err, failure.text = err, "the answer cannot be read"
		return failure
	}
	return nil
}

func (c *notesAPI) Capabilities() windrow.Capabilities { return c.can }

func (c *notesAPI) Create(ctx context.Context, in note) (out note, err error) {
	if c.is("mixes calls up") {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			out, c.last = c.last, out
		}()
	}
	if c.is("does not send ids") {
		in.ID = ""
	}
	err = c.send(ctx, http.MethodPost, notes, in, &out)
	if c.is("returns nothing") {
		out = note{}
	}
	return out, err
}

func (c *notesAPI) Update(ctx context.Context, id string, in note) (out note, err error) {
	return out, c.send(ctx, http.MethodPatch, notes+"/"+url.PathEscape(id), in, &out)
}

func (c *notesAPI) Upsert(ctx context.Context, in note) (out note, err error) {
	if c.is("upserts twice") {
		return c.Create(ctx, in)
	}
	return out, c.send(ctx, http.MethodPut, notes+"/"+url.PathEscape(in.Key), in, &out)
}

func (c *notesAPI) Get(ctx context.Context, id string) (out note, err error) {
	return out, c.send(ctx, http.MethodGet, notes+"/"+url.PathEscape(id), nil, &out)
}

func (c *notesAPI) Delete(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, notes+"/"+url.PathEscape(id), nil, nil)
}

func (c *notesAPI) CreateBatch(ctx context.Context, in []note) ([]windrow.Outcome[note], error) {
	return c.batch(ctx, windrow.OpCreate, make([]string, len(in)), in)
}

func (c *notesAPI) UpdateBatch(ctx context.Context, in []windrow.Update[string, note]) ([]windrow.Outcome[note], error) {
	ids, data := make([]string, len(in)), make([]note, len(in))
	for i := range in {
		ids[i], data[i] = in[i].ID, in[i].Data
	}
	return c.batch(ctx, windrow.OpUpdate, ids, data)
}

func (c *notesAPI) UpsertBatch(ctx context.Context, in []note) ([]windrow.Outcome[note], error) {
	ids := make([]string, len(in))
	for i := range in {
		ids[i] = in[i].Key
	}
	return c.batch(ctx, windrow.OpUpsert, ids, in)
}

func (c *notesAPI) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[note], error) {
	return c.batch(ctx, windrow.OpGet, ids, nil)
}

func (c *notesAPI) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	outcomes, err := c.batch(ctx, windrow.OpDelete, ids, nil)
	if err != nil {
		return nil, err
	}
	deleted := make([]windrow.Outcome[struct{}], len(outcomes))
	for i := range outcomes {
		deleted[i].Err = outcomes[i].Err
	}
	return deleted, nil
}

type (
	batchItem struct {
		ID   string `json:"id,omitempty"`
		Data *note  `json:"data,omitempty"`
	}
	batchResult struct {
		Index  int
		Record *note
		Error  *struct {
			Status int
			Code   string
		}
	}
)

func (c *notesAPI) batch(ctx context.Context, op windrow.OpKind, ids []string, in []note) ([]windrow.Outcome[note], error) {
	items := make([]batchItem, len(ids))
	for i := range items {
		if items[i].ID = ids[i]; in != nil {
			items[i].Data = &in[i]
		}
	}
	var answer struct{ Results []batchResult }
	err := c.send(ctx, http.MethodPost, notes+"/batch", map[string]any{"operation": op, "records": items}, &answer)
	if err != nil {
		return nil, err
	}
	var outcomes []windrow.Outcome[note]
	for _, result := range answer.Results {
		var o windrow.Outcome[note]
		if result.Record != nil {
			o.Value = *result.Record
		}
		if e := result.Error; e != nil {
			o.Err = &apiError{status: e.Status, text: e.Code}
			switch {
			case c.is("drops what failed"):
				continue
			case c.is("fails as a whole"):
				return nil, o.Err
			case c.is("does not see errors of items"):
				o.Err = nil
			case c.is("does not tell the status of items"):
				o.Err = windrow.Transient(errors.New(e.Code))
			}
		}
		outcomes = append(outcomes, o)
	}
	if c.is("sorts the response") {
		slices.SortFunc(outcomes, func(a, b windrow.Outcome[note]) int { return strings.Compare(a.Value.Key, b.Value.Key) })
	}
	if c.is("reports one more") {
		outcomes = append(outcomes, windrow.Outcome[note]{})
	}
	return outcomes, nil
}

// Reconcile looks a note up by its key, which is its id where the client chooses that.
func (c *notesAPI) Reconcile(ctx context.Context, in note) (note, bool, error) {
	var page struct{ Items []note }
	if err := c.send(ctx, http.MethodGet, notes+"?limit=1000", nil, &page); err != nil {
		if c.is("takes an error for nothing found") {
			err = nil
		}
		return note{}, false, err
	}
	i := slices.IndexFunc(page.Items, func(n note) bool { return n.Key == in.Key })
	switch {
	case i < 0:
		return note{}, false, nil
	case c.is("finds anything"):
		return note{}, true, nil
	}
	return page.Items[i], true, nil
}

// conformance tests the client with that defect, "" for none.
func conformance(defect string) windrowtest.ClientTest[string, note, note] {
	can := windrow.Capabilities{MaxItems: 10, IdempotencyKeys: true}
	records := windrowtest.Records{MaxItems: 10, IdempotencyKeys: true}
	switch defect {
	case "cost of nothing":
		can.Cost = func(int) int { return 0 }
	case "promises more items than fit":
		can.MaxItems = 20
	case "is said to be atomic":
		can.Atomicity = windrow.AtomicityAll
	case "is said not to be atomic":
		records.Atomic = true
	case "atomic":
		can.Atomicity, records.Atomic = windrow.AtomicityAll, true
	case "sends keys that the server ignores":
		can, records.IdempotencyKeys = windrow.Capabilities{MaxItems: 1}, false
	case "ids of the client", "does not send ids":
		can.IdempotencyKeys, can.ClientIDs = false, true
		records.IdempotencyKeys, records.ClientIDs = false, true
	}
	all := []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete, windrow.OpGet}
	c := windrowtest.ClientTest[string, note, note]{
		API: func(testing.TB) http.Handler {
			return &windrowtest.Records{MaxItems: records.MaxItems, IdempotencyKeys: records.IdempotencyKeys, ClientIDs: records.ClientIDs, Atomic: records.Atomic}
		},
		New: func(_ testing.TB, url string, hc *http.Client) any {
			c := newNotes(url, hc, defect, can)
			if defect == "can be printed" {
				return struct {
					*notesAPI
					Token string
				}{c, secret}
			}
			if defect == "hides what it can" {
				return struct{ windrow.Creator[note, note] }{c}
			}
			return c
		},
		Verbs: all, Batches: all,
		Input: func(n int) note {
			in := note{Key: fmt.Sprint("k", n), Text: fmt.Sprint("text ", n)}
			if can.ClientIDs {
				in.ID = fmt.Sprint("id", n)
			}
			return in
		},
		Bad:     func(n int) note { return note{Key: fmt.Sprint("k", n), Bad: true} },
		Same:    func(in, out note) bool { return in.Key == out.Key && in.Text == out.Text && out.ID != "" },
		ID:      func(out note) string { return out.ID },
		Missing: "missing",
		Count:   func(api http.Handler) int { return api.(*windrowtest.Records).Len(notes) },
		Secrets: []string{secret},
	}
	if strings.HasPrefix(defect, "executes") {
		c.Verbs = nil
		c.New = func(_ testing.TB, url string, hc *http.Client) any {
			return notesExecutor{newNotes(url, hc, defect, can)}
		}
		c.Operation = func(op windrow.OpKind, id string, in note) mixed.Operation {
			o := mixed.Operation{Kind: op, ID: id, Data: in}
			if op == windrow.OpUpsert {
				o.ID = in.Key
			}
			return o
		}
		c.Put = func(tb testing.TB, api http.Handler, in note) string {
			server := windrowtest.NewServer(tb, api)
			out, err := newNotes(server.URL, server.Client(), "", can).Create(tb.Context(), in)
			if err != nil {
				tb.Fatal(err)
			}
			return out.ID
		}
	}
	switch defect {
	case "executes and does not say how":
		c.Operation = nil
	case "said to execute":
		c.Operation = func(windrow.OpKind, string, note) mixed.Operation { return mixed.Operation{} }
	case "a verb that is not listed":
		c.Verbs = c.Verbs[:4]
	case "a secret that is not sent":
		c.Secrets = append(c.Secrets, "other")
	case "nobody counts":
		c.Count = nil
	}
	return c
}
