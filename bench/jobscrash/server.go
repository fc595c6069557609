package main

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server keeps the records of all kinds, and remembers all that it has applied.
type server struct {
	url    string
	http   *http.Server
	faults bool
	told   func(w http.ResponseWriter, r *http.Request) // a note of the child
	passed func(event string)                           // something happened at which the child may be killed

	mu      sync.Mutex
	random  *rand.Rand
	next    int
	records map[string]map[string]record // by group and id
	keys    map[string][]outcome         // responses by idempotency key
	made    map[string]int               // records made, by serial
	marked  map[string]int               // updates applied, by id and mark
	gone    map[string]int               // records deleted, by id
	last    map[string]int               // last operation of each job that has sent something
	late    []string                     // what came out of order
	count   int                          // requests that write
}

// outcome is what became of an item of a request.
type outcome struct {
	Status int    `json:"status"`
	Record record `json:"record"`
}

func startServer(seed uint64) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{
		url: "http://" + listener.Addr().String(), faults: true, random: rand.New(rand.NewPCG(seed, 1)), passed: func(string) {},
		records: map[string]map[string]record{}, keys: map[string][]outcome{}, made: map[string]int{}, marked: map[string]int{},
		gone: map[string]int{}, last: map[string]int{},
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

func (s *server) close() { _ = s.http.Close() }

// seed stores the records that a job finds.
func (s *server) seed(j job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range j.ops {
		for _, r := range o.seeded {
			s.put(r)
		}
	}
}

// put stores a record. The lock is held.
func (s *server) put(r record) {
	if s.records[r.Group] == nil {
		s.records[r.Group] = map[string]record{}
	}
	s.records[r.Group][r.ID] = r
}

// groupOf is the group of a record: ids are r, the group, and a number.
func groupOf(id string) string {
	id = strings.TrimPrefix(id, "r")
	return id[:max(0, strings.LastIndexByte(id, '-'))]
}

// request is a request of the child.
type request struct {
	IDs    []string `json:"ids,omitempty"`
	Inputs []input  `json:"inputs,omitempty"`
}

// ServeHTTP serves /kind/create, update, delete, list and find, and /note.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, verb, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	if name == "note" {
		s.told(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the child was killed
	}
	var q request
	if len(body) > 0 {
		if err := json.Unmarshal(body, &q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	switch verb {
	case "list":
		s.passed("list")
		s.list(w, r)
	case "find":
		s.find(w, r.URL.Query().Get("serial"), r.URL.Query().Get("group"))
	default:
		s.write(w, r, kindOf(name), verb, q)
	}
}

// wait is how long a request is on its way.
func (s *server) wait() {
	s.mu.Lock()
	d := time.Duration(s.random.IntN(1500)) * time.Microsecond
	s.mu.Unlock()
	time.Sleep(d)
}

// chance reports true once in n times.
func (s *server) chance(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults && s.random.IntN(n) == 0
}

func (s *server) write(w http.ResponseWriter, r *http.Request, k kind, verb string, q request) {
	s.wait()
	if s.chance(60) {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	key := ""
	if k.keys && verb == "create" {
		key = r.Header.Get("Idempotency-Key")
	}
	out := s.apply(k, verb, key, q)
	s.passed("write")
	s.wait()
	if s.chance(60) {
		panic(http.ErrAbortHandler) // the response is lost
	}
	if !k.batches {
		if out[0].Status >= 300 {
			w.WriteHeader(out[0].Status)
			return
		}
		reply(w, out[0].Record)
		return
	}
	reply(w, out)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// apply carries out a request.
func (s *server) apply(k kind, verb, key string, q request) []outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if out, ok := s.keys[key]; ok && key != "" {
		return out
	}
	var out []outcome
	for i := range max(len(q.IDs), len(q.Inputs)) {
		var o outcome
		switch verb {
		case "create":
			id := ""
			if k.ids {
				id = q.IDs[i]
			}
			o = s.create(q.Inputs[i], id)
		case "update":
			o = s.update(q.IDs[i], q.Inputs[i])
		default:
			o = s.remove(q.IDs[i])
		}
		out = append(out, o)
	}
	if key != "" {
		s.keys[key] = out
	}
	return out
}

// order notes that an operation of a job has sent something. The lock is held.
func (s *server) order(group string) {
	name, number, _ := strings.Cut(group, "-")
	op, _ := strconv.Atoi(number)
	if op < s.last[name] {
		s.late = append(s.late, group)
	}
	s.last[name] = op
}

func (s *server) create(in input, id string) outcome {
	s.order(in.Group)
	if refused(in.Serial) {
		return outcome{Status: http.StatusUnprocessableEntity}
	}
	if _, there := s.records[in.Group][id]; there {
		return outcome{Status: http.StatusConflict}
	}
	s.next++
	r := record{ID: cmp.Or(id, "n"+strconv.Itoa(s.next)), Serial: in.Serial, Group: in.Group, Status: in.Status}
	s.put(r)
	s.made[in.Serial]++
	return outcome{http.StatusOK, r}
}

func (s *server) update(id string, in input) outcome {
	group := groupOf(id)
	s.order(group)
	r, ok := s.records[group][id]
	switch {
	case !ok:
		return outcome{Status: http.StatusNotFound}
	case refused(id):
		return outcome{Status: http.StatusUnprocessableEntity}
	}
	r.Mark = in.Mark
	s.put(r)
	s.marked[id+" "+in.Mark]++
	return outcome{http.StatusOK, r}
}

func (s *server) remove(id string) outcome {
	group := groupOf(id)
	s.order(group)
	if _, ok := s.records[group][id]; !ok {
		return outcome{Status: http.StatusNotFound}
	}
	if refused(id) {
		return outcome{Status: http.StatusUnprocessableEntity}
	}
	delete(s.records[group], id)
	s.gone[id]++
	return outcome{Status: http.StatusOK}
}

// pageSize is how many records a page of a list has.
const pageSize = 200

// list returns a page. Now and then it names a record twice, as servers do whose records move between two pages.
func (s *server) list(w http.ResponseWriter, r *http.Request) {
	s.wait()
	if s.chance(40) {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	again := s.chance(4)
	query := r.URL.Query()
	s.mu.Lock()
	all := s.records[query.Get("group")]
	page := []record{}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if rec := all[id]; rec.Status == query.Get("status") && id > query.Get("after") && len(page) < pageSize {
			page = append(page, rec)
		}
	}
	s.mu.Unlock()
	if again && len(page) > 1 {
		page = append(page, page[0])
		page[len(page)-2], page[len(page)-1] = page[len(page)-1], page[len(page)-2] // the last one says where the next page begins
	}
	reply(w, page)
}

func (s *server) find(w http.ResponseWriter, serial, group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records[group] {
		if r.Serial == serial {
			reply(w, r)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}
