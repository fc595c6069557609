// Package bloomytest is a fake of Bloom Growth's API for tests. It is strict about headers, the mixed case of paths and
// fields, and unknown fields, to find clients that are not.
//
// For faults put a windrowtest.Server in front of it, whose script loses responses, throttles, cuts connections, delays and
// more:
//
//	server := windrowtest.NewServer(t, &bloomytest.Server{})
//	server.On(windrowtest.Is("POST", path), windrowtest.RetryAfter(429, "2"), windrowtest.LostAnswer())
package bloomytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Me is the id of the user of every key.
const Me = 123

// Meeting is a meeting as the server stores it.
type Meeting struct {
	ID        int              // of the meeting
	Name      string           // its title
	Attendees []int            // ids of users
	Metrics   []map[string]any // as GET /L10/{id}/measurables returns them
}

// Server is the fake: an [http.Handler] with the API below /api/v1. The zero value takes any key, and has the users 123 (the
// current one), 321, 456 and 789. Set the fields before the first request. It may be used from many goroutines.
type Server struct {
	// Key is the bearer token of valid requests. "" means any token, but not none.
	Key string
	// Users are the names of users by id. Nil means those above.
	Users map[int]string
	// Now is the server's clock. Nil means the real one.
	Now func() time.Time
	// Latency is how long each response takes.
	Latency time.Duration

	once sync.Once
	mux  *http.ServeMux

	mu       sync.Mutex
	last     int // id
	meetings map[int]*Meeting
	records  map[string]map[int]record // by kind and id
}

// record is an issue, a todo or a goal in the form of responses; fields in lower case are internal.
type record = map[string]any

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.once.Do(s.start)
	time.Sleep(s.Latency)
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || token == "" || s.Key != "" && token != s.Key:
		refuse(w, http.StatusUnauthorized, "Authorization has been denied for this request.")
	case req.Header.Get("Accept") != "*/*" || req.Header.Get("Content-Type") != "application/json":
		refuse(w, http.StatusUnsupportedMediaType, "Accept must be */*, and Content-Type application/json")
	default:
		s.mux.ServeHTTP(w, req)
	}
}

func (s *Server) start() {
	if s.Users == nil {
		s.Users = map[int]string{Me: "John Doe", 321: "Ann", 456: "Bob", 789: "Eve"}
	}
	s.meetings, s.records = map[int]*Meeting{}, map[string]map[int]record{"issue": {}, "todo": {}, "rock": {}}
	s.last = 99
	s.mux = http.NewServeMux()
	for pattern, handler := range map[string]handler{
		"GET /users/mine":            s.mine,
		"POST /issues/create":        s.createIssue,
		"GET /issues/{id}":           s.get("issue"),
		"PUT /issues/{id}":           s.put("issue", map[string]string{"title": "Name", "notes": "notes"}),
		"POST /issues/{id}/complete": s.solve,
		"GET /issues/users/{user}":   s.list("issue", byOwner),
		"GET /l10/{meeting}/issues":  s.list("issue", byMeeting),
		"GET /L10/{meeting}/issues":  s.list("issue", byMeeting, "include_resolved"),

		"POST /L10/{meeting}/todos": s.createMeetingTodo,
		"POST /todo/create":         s.createUserTodo,
		"GET /todo/{id}":            s.get("todo"),
		"PUT /todo/{id}":            s.put("todo", map[string]string{"title": "Name", "dueDate": "DueDate"}),
		"POST /todo/{id}/complete":  s.completeTodo,
		"GET /todo/user/{user}":     s.list("todo", byOwner),
		"GET /L10/{meeting}/todos":  s.list("todo", byMeeting, "INCLUDE_CLOSED"),

		"POST /L10/{meeting}/rocks":      s.createGoal,
		"PUT /rocks/{id}":                s.updateGoal,
		"PUT /rocks/{id}/archive":        s.archive(true),
		"PUT /rocks/{id}/restore":        s.archive(false),
		"DELETE /rocks/{id}":             s.deleteGoal,
		"GET /rocks/user/{user}":         s.list("rock", byOwner, "include_origin"),
		"GET /archivedrocks/user/{user}": s.list("rock", byOwner),

		"POST /L10/create":                     s.createMeeting,
		"POST /L10/{meeting}/attendees/{user}": s.invite,
		"GET /L10/{meeting}":                   s.meeting,
		"GET /L10/{meeting}/attendees":         s.attendees,
		"GET /L10/{meeting}/measurables":       s.measurables,
		"GET /L10/{user}/list":                 s.meetingList,
		"DELETE /L10/{meeting}":                s.deleteMeeting,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(method+" /api/v1"+path, func(w http.ResponseWriter, req *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			c := &call{server: s, req: req}
			response, status, message := handler(c)
			if message != "" {
				refuse(w, status, message)
				return
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			if response != nil {
				_ = json.NewEncoder(w).Encode(response) // the client may have gone
			}
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		refuse(w, http.StatusNotFound, "No HTTP resource was found that matches the request URI")
	})
}

// handler handles a call, with the lock held. A message means that the call is refused.
type handler func(c *call) (response any, status int, message string)

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Message": message})
}

// call is a request.
type call struct {
	server *Server
	req    *http.Request
}

// id returns a number in the path.
func (c *call) id(name string) int {
	id, _ := strconv.Atoi(c.req.PathValue(name)) // 0 is no one's id
	return id
}

// body reads a body that must have the required fields, in exactly that case, and may have the optional ones, but no others.
func (c *call) body(required, optional []string) (map[string]any, string) {
	text, err := io.ReadAll(c.req.Body)
	if err != nil {
		return nil, "the body broke off"
	}
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&body); err != nil {
		return nil, "the body must be an object"
	}
	for name := range body {
		if !slices.Contains(required, name) && !slices.Contains(optional, name) {
			return nil, fmt.Sprintf("unknown field %q", name)
		}
	}
	for _, name := range required {
		if value, ok := body[name]; !ok || value == "" || value == 0.0 || value == nil {
			return nil, fmt.Sprintf("%s is required", name)
		}
	}
	return body, ""
}

// user returns the user whose id is in a body.
func (c *call) user(value any) (record, bool) {
	id, _ := value.(float64)
	name, ok := c.server.Users[int(id)]
	return record{"Id": int(id), "Name": name, "ImageUrl": ""}, ok
}

func (s *Server) now() string {
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	return now.UTC().Format(time.RFC3339)
}

// next returns a new id.
func (s *Server) next() int {
	s.last++
	return s.last
}

// AddMeeting stores a meeting, and returns its id. The server chooses the id if it is 0.
func (s *Server) AddMeeting(m Meeting) int {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.ID == 0 {
		m.ID = s.next()
	}
	s.meetings[m.ID] = &m
	return m.ID
}

// Meetings returns the meetings, by their ids.
func (s *Server) Meetings() []Meeting {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Meeting
	for _, m := range s.meetings {
		copied := *m
		copied.Attendees = slices.Clone(m.Attendees)
		all = append(all, copied)
	}
	slices.SortFunc(all, func(a, b Meeting) int { return a.ID - b.ID })
	return all
}

// Count returns how many records of a kind there are: issue, todo or rock.
func (s *Server) Count(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records[kind])
}

func (s *Server) mine(*call) (any, int, string) { return record{"Id": Me, "Name": s.Users[Me]}, 0, "" }
