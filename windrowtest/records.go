package windrowtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/windrow-go/windrow"
)

// Fields is a decoded JSON record.
type Fields = map[string]any

// Records is an API that keeps JSON records in memory: a correct server to put behind the faults. The zero Records is empty.
// It may be used from many goroutines; its fields must be set before. It has any collection, here "articles":
//
//	POST   /articles              creates a record; status 201
//	GET    /articles/{id}         reads one
//	PATCH  /articles/{id}         changes the fields that are sent
//	PUT    /articles/{id}         creates or replaces it
//	DELETE /articles/{id}         deletes it; status 204
//	GET    /articles?limit=&offset=&after=     lists {"items":[...],"total":3,"next":"17"}; next is the next after
//	POST   /articles/batch        {"operation":"create","records":[{"id":"1","data":{...}},...]} does several, and returns
//	                              {"results":[{"index":0,"id":"1","success":true,"record":{...}},
//	                                          {"index":1,"success":false,"error":{"status":422,"code":"REFUSED"}}]}
//
// A list is in the order in which the records were created. Errors are {"code":...,"message":...} with a status.
type Records struct {
	// Ledger gets every change. Its name of a record is the field "key", or the id if there is none.
	Ledger Ledger
	// Refuse returns the status with which fields are refused, 0 to accept them. Nil refuses fields with a "bad" with 422.
	Refuse func(op windrow.OpKind, fields Fields) int
	// IdempotencyKeys repeats the response to an earlier request with the same Idempotency-Key, and refuses a different
	// request with that key with 422.
	IdempotencyKeys bool
	// ClientIDs makes a create use the field "id" as the id, and refuses it with 409 if that record exists.
	ClientIDs bool
	// Atomic refuses a batch as a whole if one of its records is refused.
	Atomic bool
	// MaxItems is how many records a batch may have. Zero means no bound.
	MaxItems int

	mu          sync.Mutex
	collections map[string]*collection
	responses   map[string]keptResponse
	ids         int
}

// collection is the records at a path.
type collection struct {
	records map[string]*stored
	first   int // place of the first record
	last    int
}

type stored struct {
	id     string
	place  int // in lists
	fields Fields
}

// keptResponse is the response to a request with an idempotency key.
type keptResponse struct {
	request  string
	response Answer
}

// ServeHTTP implements [http.Handler].
func (r *Records) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.mu.Lock()
	a := r.respond(req, string(body))
	r.mu.Unlock()
	a.ServeHTTP(w, req)
}

// respond handles a request once for each idempotency key.
func (r *Records) respond(req *http.Request, body string) Answer {
	key := req.Header.Get("Idempotency-Key")
	if !r.IdempotencyKeys || key == "" || req.Method == http.MethodGet {
		return r.handle(req, body)
	}
	request := req.Method + " " + req.URL.RequestURI() + "\n" + body
	if kept, ok := r.responses[key]; ok {
		if kept.request != request {
			return refusal(http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
		}
		return kept.response
	}
	a := r.handle(req, body)
	if r.responses == nil {
		r.responses = map[string]keptResponse{}
	}
	r.responses[key] = keptResponse{request, a}
	return a
}

func refusal(status int, code string) Answer {
	return JSON(status, fmt.Sprintf(`{"code":%q,"message":%q}`, code, http.StatusText(status)))
}

func jsonResponse(status int, value any) Answer {
	text, err := json.Marshal(value)
	if err != nil {
		return refusal(http.StatusInternalServerError, "NOT_JSON")
	}
	return JSON(status, string(text))
}

// handle applies a request.
func (r *Records) handle(req *http.Request, body string) Answer {
	path := strings.TrimSuffix(req.URL.Path, "/")
	at := strings.LastIndexByte(path, '/')
	switch {
	case req.Method == http.MethodPost && strings.HasSuffix(path, "/batch") && at > 0:
		return r.batch(path[:at], body)
	case req.Method == http.MethodPost:
		fields, ok := fieldsOf(body)
		if !ok {
			return refusal(http.StatusBadRequest, "NOT_JSON")
		}
		return r.do(windrow.OpCreate, path, "", fields)
	case req.Method == http.MethodGet && r.collections[path] != nil, at <= 0:
		return r.list(path, req)
	}
	op, known := map[string]windrow.OpKind{
		http.MethodGet: windrow.OpGet, http.MethodPatch: windrow.OpUpdate, http.MethodPut: windrow.OpUpsert, http.MethodDelete: windrow.OpDelete,
	}[req.Method]
	if !known {
		return refusal(http.StatusMethodNotAllowed, "METHOD")
	}
	var fields Fields
	if op == windrow.OpUpdate || op == windrow.OpUpsert {
		var ok bool
		if fields, ok = fieldsOf(body); !ok {
			return refusal(http.StatusBadRequest, "NOT_JSON")
		}
	}
	return r.do(op, path[:at], path[at+1:], fields)
}

func fieldsOf(body string) (fields Fields, ok bool) {
	return fields, json.Unmarshal([]byte(body), &fields) == nil && fields != nil
}

// do applies one operation.
func (r *Records) do(op windrow.OpKind, path, id string, fields Fields) Answer {
	c := r.collection(path)
	if a, refused := r.refuses(op, c, id, fields); refused {
		return a
	}
	record := c.records[id]
	switch op {
	case windrow.OpGet:
		return jsonResponse(http.StatusOK, record.view())
	case windrow.OpDelete:
		delete(c.records, id)
		r.Ledger.Apply(op, record.name())
		return Answer{Status: http.StatusNoContent}
	case windrow.OpUpdate:
		maps.Copy(record.fields, fields)
		delete(record.fields, "id")
		r.Ledger.Apply(op, record.name())
		return jsonResponse(http.StatusOK, record.view())
	}
	status := http.StatusCreated
	if record != nil {
		status = http.StatusOK
	}
	if own, ok := fields["id"].(string); ok && op == windrow.OpCreate && r.ClientIDs {
		id = own
	}
	record = r.put(c, id, fields, record)
	r.Ledger.Apply(op, record.name())
	return jsonResponse(status, record.view())
}

// refuses returns the response to an operation that is refused.
func (r *Records) refuses(op windrow.OpKind, c *collection, id string, fields Fields) (Answer, bool) {
	if fields != nil {
		status := 0
		if _, bad := fields["bad"]; bad {
			status = http.StatusUnprocessableEntity
		}
		if r.Refuse != nil {
			status = r.Refuse(op, fields)
		}
		if status != 0 {
			return refusal(status, "REFUSED"), true
		}
	}
	if own, ok := fields["id"].(string); ok && op == windrow.OpCreate && r.ClientIDs && c.records[own] != nil {
		return refusal(http.StatusConflict, "EXISTS"), true
	}
	if c.records[id] == nil && (op == windrow.OpGet || op == windrow.OpUpdate || op == windrow.OpDelete) {
		if op == windrow.OpDelete {
			r.Ledger.Absent(id)
		}
		return refusal(http.StatusNotFound, "NOT_FOUND"), true
	}
	return Answer{}, false
}

// collection returns the records at a path.
func (r *Records) collection(path string) *collection {
	if r.collections == nil {
		r.collections = map[string]*collection{}
	}
	c := r.collections[path]
	if c == nil {
		c = &collection{records: map[string]*stored{}}
		r.collections[path] = c
	}
	return c
}

// put stores a record in the place of before, or at the end. It makes an id if that is "".
func (r *Records) put(c *collection, id string, fields Fields, before *stored) *stored {
	for id == "" || before == nil && c.records[id] != nil {
		r.ids++
		id = strconv.Itoa(r.ids)
	}
	record := &stored{id: id, fields: Fields{}}
	maps.Copy(record.fields, fields)
	delete(record.fields, "id")
	if before != nil {
		record.place = before.place
	} else {
		c.last++
		record.place = c.last
	}
	c.records[id] = record
	return record
}

// view returns a record in the form of responses.
func (s *stored) view() Fields {
	view := maps.Clone(s.fields)
	view["id"] = s.id
	return view
}

// name returns the ledger's name of a record.
func (s *stored) name() string {
	key, _ := s.fields["key"].(string)
	return cmp.Or(key, s.id)
}

// sorted returns the records in the order of lists.
func (c *collection) sorted() []*stored {
	return slices.SortedFunc(maps.Values(c.records), func(a, b *stored) int { return cmp.Compare(a.place, b.place) })
}

// list responds with a page.
func (r *Records) list(path string, req *http.Request) Answer {
	if req.Method != http.MethodGet {
		return refusal(http.StatusMethodNotAllowed, "METHOD")
	}
	query := req.URL.Query()
	number := func(name string, otherwise int) int {
		n, err := strconv.Atoi(query.Get(name))
		if err != nil {
			return otherwise
		}
		return max(0, n)
	}
	all := r.collection(path).sorted()
	total := len(all)
	if after, err := strconv.Atoi(query.Get("after")); err == nil {
		all = slices.DeleteFunc(all, func(s *stored) bool { return s.place <= after })
	}
	all = all[min(number("offset", 0), len(all)):]
	page := all[:min(number("limit", 30), len(all))]
	items, next := []Fields{}, ""
	for _, s := range page {
		items = append(items, s.view())
	}
	if len(page) > 0 && len(page) < len(all) {
		next = strconv.Itoa(page[len(page)-1].place)
	}
	return jsonResponse(http.StatusOK, Fields{"items": items, "total": total, "next": next})
}

// Put stores a record at a path, such as "/articles", without an entry in the ledger, and returns its id: that of the field
// "id", or a new one.
func (r *Records) Put(path string, fields Fields) (id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.collection(path)
	id, _ = fields["id"].(string)
	return r.put(c, id, fields, c.records[id]).id
}

// PutFirst is like Put, and stores the record before all others, as in lists with the newest first.
func (r *Records) PutFirst(path string, fields Fields) (id string) {
	id = r.Put(path, fields)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.collection(path)
	c.first--
	c.records[id].place = c.first
	return id
}

// Remove removes a record without an entry in the ledger.
func (r *Records) Remove(path, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.collection(path).records, id)
}

// All returns the records at a path, in the order of lists, each with its id.
func (r *Records) All(path string) []Fields {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []Fields{}
	for _, s := range r.collection(path).sorted() {
		all = append(all, s.view())
	}
	return all
}

// Len returns how many records there are at a path.
func (r *Records) Len(path string) int { return len(r.All(path)) }
