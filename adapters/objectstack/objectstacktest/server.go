// Package objectstacktest is a fake ObjectStack server for tests: the data API with its batches, of both generations. It is
// strict about headers, bodies and options, to find clients that are not.
//
// For faults put a windrowtest.Server in front of it, whose script loses responses, throttles, cuts connections, delays and
// more:
//
//	server := windrowtest.NewServer(t, &objectstacktest.Server{})
//	server.On(windrowtest.Is("POST", path), windrowtest.RetryAfter(429, "2"), windrowtest.LostAnswer())
package objectstacktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Record is a record as the server stores it.
type Record = map[string]any

// Refusal is the reason why the server refuses a record.
type Refusal struct {
	Code    string         // such as VALIDATION_ERROR
	Message string         // for people
	Status  int            // httpStatus of the record; 0 leaves it out
	More    map[string]any // further fields of the error, such as retryable
}

// Server is the fake: an [http.Handler] with the API below /api/v1. The zero value is a server of the present generation
// that can roll back and takes any token. Set the fields before the first request. It may be used from many goroutines.
type Server struct {
	// Old makes it a server before 17: it omits the records after the one that ended a batch, never rolls back, writes in
	// spite of validateOnly, refuses empty batches, has no /discovery, and writes codes in lower case.
	Old bool
	// Token is the bearer token of valid requests. "" means any token, but not none.
	Token string
	// MaxRecords is how many records a batch may hold. 0 means 200.
	MaxRecords int
	// NoTransactions makes it a server of the present generation that cannot roll back.
	NoTransactions bool
	// DryRuns makes it a server whose validateOnly works. No real server does yet.
	DryRuns bool
	// Nested makes refusals {"success": false, "error": {…}} instead of {"error": "…", "code": "…"}.
	Nested bool
	// ReadOnly are fields that updates and creates leave out.
	ReadOnly []string
	// Refuse returns why a record is refused, nil to accept it. A nil Refuse refuses an email without an @.
	Refuse func(object, operation string, data Record) *Refusal

	once sync.Once
	mux  *http.ServeMux

	mu    sync.Mutex
	last  int                          // id
	data  map[string]map[string]Record // by object and id
	order map[string][]string          // ids by object, in the order of their creation
	extID map[string]string            // ids by object and external id
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.once.Do(s.start)
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || token == "" || s.Token != "" && token != s.Token:
		s.refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED", "Authentication required", nil)
	case req.ContentLength > 0 && req.Header.Get("Content-Type") != "application/json":
		s.refuse(w, http.StatusUnsupportedMediaType, "INVALID_REQUEST", "Content-Type must be application/json", nil)
	default:
		s.mux.ServeHTTP(w, req)
	}
}

func (s *Server) start() {
	s.data, s.order, s.extID = map[string]map[string]Record{}, map[string][]string{}, map[string]string{}
	s.mux = http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /api/v1/discovery":                 s.discovery,
		"POST /api/v1/batch":                    s.transaction,
		"POST /api/v1/data/{object}":            s.create,
		"GET /api/v1/data/{object}/{id}":        s.get,
		"PATCH /api/v1/data/{object}/{id}":      s.update,
		"DELETE /api/v1/data/{object}/{id}":     s.delete,
		"POST /api/v1/data/{object}/batch":      s.batch,
		"POST /api/v1/data/{object}/createMany": s.createMany,
		"POST /api/v1/data/{object}/updateMany": s.updateMany,
		"POST /api/v1/data/{object}/deleteMany": s.deleteMany,
	} {
		s.mux.HandleFunc(pattern, handler)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.refuse(w, http.StatusNotFound, "ENDPOINT_NOT_FOUND", "Not found", nil)
	})
}

// Records returns the records of an object in the order of their creation.
func (s *Server) Records(object string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Record
	for _, id := range s.order[object] {
		all = append(all, maps.Clone(s.data[object][id]))
	}
	return all
}

// Add stores a record, and returns its id.
func (s *Server) Add(object string, data Record) string {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	record, _, _ := s.insert(object, data)
	return record["id"].(string)
}

// respond writes a JSON response.
func respond(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client may have gone
}

// code returns a code in the case of the server's generation.
func (s *Server) code(code string) string {
	if s.Old {
		return strings.ToLower(code)
	}
	return code
}

// refuse writes a refusal of a request.
func (s *Server) refuse(w http.ResponseWriter, status int, code, message string, more map[string]any) {
	body := map[string]any{"code": s.code(code)}
	maps.Copy(body, more)
	if s.Nested {
		body["message"] = message
		respond(w, status, map[string]any{"success": false, "error": body})
		return
	}
	body["error"] = message
	respond(w, status, body)
}

// decode reads a body strictly: only with fields of into.
func (s *Server) decode(w http.ResponseWriter, req *http.Request, into any) bool {
	decoder := json.NewDecoder(req.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		s.refuse(w, http.StatusBadRequest, "VALIDATION_FAILED", "Invalid request: "+err.Error(), nil)
		return false
	}
	return true
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	if s.Old {
		s.refuse(w, http.StatusNotFound, "ENDPOINT_NOT_FOUND", "Not found", nil)
		return
	}
	respond(w, http.StatusOK, map[string]any{"success": true, "data": map[string]any{
		"version": "17.0.0", "capabilities": map[string]any{"transactionalBatch": map[string]bool{"enabled": !s.NoTransactions}},
	}})
}

func (s *Server) create(w http.ResponseWriter, req *http.Request) {
	var data Record
	if !s.decode(w, req, &data) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	object := req.PathValue("object")
	record, dropped, bad := s.insert(object, data)
	s.single(w, http.StatusCreated, object, record, dropped, bad)
}

func (s *Server) update(w http.ResponseWriter, req *http.Request) {
	var data Record
	if !s.decode(w, req, &data) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	object := req.PathValue("object")
	record, dropped, bad := s.change(object, req.PathValue("id"), data)
	s.single(w, http.StatusOK, object, record, dropped, bad)
}

func (s *Server) get(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, id := req.PathValue("object"), req.PathValue("id")
	record, ok := s.data[object][id]
	if !ok {
		s.single(w, 0, object, nil, nil, notFound(object, id))
		return
	}
	s.single(w, http.StatusOK, object, record, nil, nil)
}

func (s *Server) delete(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, id := req.PathValue("object"), req.PathValue("id")
	if bad := s.remove(object, id); bad != nil {
		s.single(w, 0, object, nil, nil, bad)
		return
	}
	respond(w, http.StatusOK, map[string]any{"object": object, "id": id, "deleted": true})
}

// single writes the response to a request for one record.
func (s *Server) single(w http.ResponseWriter, status int, object string, record Record, dropped []any, bad *Refusal) {
	if bad != nil {
		status = bad.Status
		if status == 0 {
			status = http.StatusBadRequest
		}
		s.refuse(w, status, bad.Code, bad.Message, bad.More)
		return
	}
	body := map[string]any{"object": object, "id": record["id"], "record": record}
	if len(dropped) > 0 && !s.Old {
		body["droppedFields"] = dropped
	}
	respond(w, status, body)
}

func notFound(object, id string) *Refusal {
	return &Refusal{Code: "RECORD_NOT_FOUND", Message: fmt.Sprintf("Record %s not found in %s", id, object), Status: http.StatusNotFound}
}

// check returns why a record is refused.
func (s *Server) check(object, operation string, data Record) *Refusal {
	if s.Refuse != nil {
		return s.Refuse(object, operation, data)
	}
	if email, ok := data["email"].(string); ok && !strings.Contains(email, "@") {
		return &Refusal{Code: "VALIDATION_ERROR", Message: "Invalid email format", Status: http.StatusBadRequest,
			More: map[string]any{"category": "validation", "fieldErrors": []any{map[string]any{
				"field": "email", "code": s.code("INVALID_FORMAT"), "message": "Email format is invalid", "value": email,
			}}}}
	}
	return nil
}

// strip leaves out the fields that are read-only.
func (s *Server) strip(object string, data Record) (Record, []any) {
	data = maps.Clone(data)
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if slices.Contains(s.ReadOnly, name) {
			fields = append(fields, name)
			delete(data, name)
		}
	}
	if len(fields) == 0 {
		return data, nil
	}
	return data, []any{map[string]any{"object": object, "fields": fields, "reason": "readonly"}}
}

// insert creates a record. The lock is held, as for the next two.
func (s *Server) insert(object string, data Record) (Record, []any, *Refusal) {
	if bad := s.check(object, "create", data); bad != nil {
		return nil, nil, bad
	}
	data, dropped := s.strip(object, data)
	id, _ := data["id"].(string)
	if id == "" {
		s.last++
		id = fmt.Sprint(s.last)
	}
	if _, there := s.data[object][id]; there {
		return nil, nil, &Refusal{Code: "DUPLICATE_RECORD", Message: "Record already exists", Status: http.StatusConflict}
	}
	record := maps.Clone(data)
	if record == nil {
		record = Record{}
	}
	record["id"] = id
	if s.data[object] == nil {
		s.data[object] = map[string]Record{}
	}
	s.data[object][id] = record
	s.order[object] = append(s.order[object], id)
	return record, dropped, nil
}

func (s *Server) change(object, id string, data Record) (Record, []any, *Refusal) {
	record, ok := s.data[object][id]
	if !ok {
		return nil, nil, notFound(object, id)
	}
	if bad := s.check(object, "update", data); bad != nil {
		return nil, nil, bad
	}
	data, dropped := s.strip(object, data)
	changed := maps.Clone(record) // do not change the snapshot
	maps.Copy(changed, data)
	s.data[object][id] = changed
	return changed, dropped, nil
}

func (s *Server) remove(object, id string) *Refusal {
	if _, ok := s.data[object][id]; !ok {
		return notFound(object, id)
	}
	if bad := s.check(object, "delete", s.data[object][id]); bad != nil {
		return bad
	}
	delete(s.data[object], id)
	s.order[object] = slices.DeleteFunc(s.order[object], func(other string) bool { return other == id })
	return nil
}

// snapshot returns a function that restores all records.
func (s *Server) snapshot() (undo func()) {
	data, order, extID := map[string]map[string]Record{}, map[string][]string{}, maps.Clone(s.extID)
	for object, records := range s.data {
		data[object], order[object] = maps.Clone(records), slices.Clone(s.order[object])
	}
	return func() { s.data, s.order, s.extID = data, order, extID }
}
