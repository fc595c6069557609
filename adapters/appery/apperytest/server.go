// Package apperytest is a fake of the database API of Appery.io for tests. It is strict about headers and bodies, to find
// clients that are not.
//
// For faults put a windrowtest.Server in front of it, whose script loses responses, throttles, cuts connections, delays and
// more:
//
//	server := windrowtest.NewServer(t, &apperytest.Server{})
//	server.On(windrowtest.Is("POST", path), windrowtest.RetryAfter(429, "2"), windrowtest.LostAnswer())
package apperytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Object is an object as the server stores it.
type Object = map[string]any

// Server is the fake: an [http.Handler] with the API below /rest/1/db. The zero value takes any database id. Set the
// fields before the first request. It may be used from many goroutines.
type Server struct {
	// DatabaseID is the X-Appery-Database-Id of valid requests. "" means any id, but not none.
	DatabaseID string
	// SessionToken is the X-Appery-Session-Token of valid requests without the MasterKey. "" means that they need none.
	SessionToken string
	// MasterKey is the key that allows every request.
	MasterKey string
	// MaxOperations is how many operations a batch may have. 0 means no bound.
	MaxOperations int
	// Now is the server's clock. Nil means the real one.
	Now func() time.Time
	// NewID returns the _id of a new object. Nil uses a counter.
	NewID func() string
	// Refuse returns why an operation is refused, nil to accept it. A nil Refuse accepts all.
	Refuse func(method, collection, id string, data Object) *Refusal

	once sync.Once
	mux  *http.ServeMux

	mu    sync.Mutex
	data  map[string]map[string]Object // by collection and id
	calls int
	last  int
}

// Refusal is the reason why the server refuses an operation.
type Refusal struct {
	Code        string // such as DBSU205
	Description string // for people
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.once.Do(s.start)
	id, session, master := req.Header.Get("X-Appery-Database-Id"), req.Header.Get("X-Appery-Session-Token"), req.Header.Get("X-Appery-Master-Key")
	open := s.MasterKey != "" && master == s.MasterKey
	switch {
	case id == "" || s.DatabaseID != "" && id != s.DatabaseID:
		refuse(w, http.StatusBadRequest, "DBAC001", "Database with the specified id was not found")
	case master != "" && !open, !open && s.SessionToken != "" && session != s.SessionToken:
		refuse(w, http.StatusUnauthorized, "DBUC310", "Session token is not valid")
	case req.ContentLength > 0 && req.Header.Get("Content-Type") != "application/json":
		refuse(w, http.StatusUnsupportedMediaType, "DBRQ100", "Content-Type must be application/json")
	default:
		s.mux.ServeHTTP(w, req)
	}
}

func (s *Server) start() {
	s.data = map[string]map[string]Object{}
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("POST /rest/1/db/batch", s.batch)
	s.mux.HandleFunc("POST /rest/1/db/collections/{collection}", s.single)
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		s.mux.HandleFunc(method+" /rest/1/db/collections/{collection}/{id}", s.single)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "404", "Not found")
	})
}

// Add creates a collection, with objects that have an _id.
func (s *Server) Add(collection string, objects ...Object) {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data[collection] == nil {
		s.data[collection] = map[string]Object{}
	}
	for _, o := range objects {
		s.data[collection][o["_id"].(string)] = maps.Clone(o)
	}
}

// Objects returns the objects of a collection by their _id.
func (s *Server) Objects(collection string) map[string]Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Object{}
	for id, o := range s.data[collection] {
		all[id] = maps.Clone(o)
	}
	return all
}

// Calls returns how many calls were counted against the quota: one for each operation of a batch.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func respond(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client may have gone
}

// refuse writes the refusal of a request, whose form differs from that of an operation.
func refuse(w http.ResponseWriter, status int, code, message string) {
	respond(w, status, map[string]string{"code": code, "error": message})
}

// operation is an operation of a batch.
type operation struct {
	Method     string `json:"method"`
	Collection string `json:"collection"`
	ID         string `json:"_id"`
	Data       Object `json:"data"`
}

func (s *Server) batch(w http.ResponseWriter, req *http.Request) {
	var ops []json.RawMessage // without an envelope
	if err := json.NewDecoder(req.Body).Decode(&ops); err != nil {
		refuse(w, http.StatusBadRequest, "DBRQ101", "The body must be an array of operations")
		return
	}
	if s.MaxOperations > 0 && len(ops) > s.MaxOperations {
		refuse(w, http.StatusRequestEntityTooLarge, "DBRQ102", "Too many operations")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	results := []map[string]any{}
	for _, raw := range ops {
		s.calls++
		success, bad := s.decode(raw)
		if bad != nil {
			results = append(results, map[string]any{"error": map[string]string{"code": bad.Code, "description": bad.Description}})
			continue
		}
		results = append(results, map[string]any{"success": success})
	}
	respond(w, http.StatusOK, results) // 200 even if operations failed
}

// decode reads an operation strictly, and applies it.
func (s *Server) decode(raw json.RawMessage) (any, *Refusal) {
	var op operation
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&op); err != nil {
		return nil, &Refusal{"DBRQ103", "Bad operation: " + err.Error()}
	}
	return s.carryOut(op)
}

// carryOut applies an operation. The lock is held.
func (s *Server) carryOut(op operation) (any, *Refusal) {
	method := strings.ToUpper(op.Method)
	objects, known := s.data[op.Collection]
	object, there := objects[op.ID]
	switch {
	case op.Collection == "":
		return nil, &Refusal{"DBRQ103", "Collection is required"}
	case !known:
		return nil, &Refusal{"DBSC105", fmt.Sprintf("Collection '%s' doesn't exist.", op.Collection)}
	case (method == "POST" || method == "PUT") && op.Data == nil:
		return nil, &Refusal{"DBRQ103", "Data is required"}
	case method == "POST" && op.ID != "", method != "POST" && op.ID == "":
		return nil, &Refusal{"DBRQ103", "_id is required for all but POST"}
	}
	if s.Refuse != nil {
		if bad := s.Refuse(method, op.Collection, op.ID, op.Data); bad != nil {
			return nil, bad
		}
	}
	if method != "POST" && !there {
		return nil, &Refusal{"DBSU205", fmt.Sprintf("Collection '%s' doesn't contain object with id %s.", op.Collection, op.ID)}
	}
	now := s.now()
	switch method {
	case "POST":
		object = maps.Clone(op.Data)
		object["_id"], object["_createdAt"], object["_updatedAt"] = s.newID(), now, now
		objects[object["_id"].(string)] = object
		return map[string]any{"_id": object["_id"], "_createdAt": now}, nil
	case "PUT":
		object = maps.Clone(object)
		maps.Copy(object, op.Data)
		object["_updatedAt"] = now
		objects[op.ID] = object
		return map[string]any{"_updatedAt": now}, nil
	case "DELETE":
		delete(objects, op.ID)
		return map[string]any{}, nil
	case "GET":
		return object, nil
	}
	return nil, &Refusal{"DBRQ103", "Unknown method"}
}

func (s *Server) now() string {
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	return now.UTC().Format("2006-01-02 15:04:05.000")
}

func (s *Server) newID() string {
	if s.NewID != nil {
		return s.NewID()
	}
	s.last++
	return fmt.Sprintf("%024x", s.last)
}

// single serves a request for one object.
func (s *Server) single(w http.ResponseWriter, req *http.Request) {
	op := operation{Method: req.Method, Collection: req.PathValue("collection"), ID: req.PathValue("id")}
	if req.ContentLength != 0 && req.Method != http.MethodGet && req.Method != http.MethodDelete {
		if err := json.NewDecoder(req.Body).Decode(&op.Data); err != nil {
			refuse(w, http.StatusBadRequest, "DBRQ101", "The body must be an object")
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	success, bad := s.carryOut(op)
	if bad == nil {
		respond(w, http.StatusOK, success)
		return
	}
	status := http.StatusBadRequest
	if bad.Code == "DBSU205" {
		status = http.StatusNotFound
	}
	respond(w, status, map[string]string{"code": bad.Code, "description": bad.Description})
}
