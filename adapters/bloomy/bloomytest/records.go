package bloomytest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

const gone = "the record does not exist"

// create creates a record of a kind for a user and, if it is not 0, a meeting.
func (s *Server) create(c *call, kind string, meeting int, title, user any, more record) (any, int, string) {
	owner, ok := c.user(user)
	if !ok {
		return nil, http.StatusNotFound, "the user does not exist"
	}
	if text, _ := title.(string); len([]rune(text)) > 255 {
		return nil, http.StatusBadRequest, "the title is too long"
	}
	id := s.next()
	r := record{
		"Id": id, "Name": title, "DetailsUrl": "https://example.com/" + kind + "/" + strconv.Itoa(id), "Owner": owner,
		"CreateTime": s.now(), "Complete": false, "CompleteTime": nil, "CloseTime": nil,
	}
	if meeting != 0 {
		m, ok := s.meetings[meeting]
		if !ok {
			return nil, http.StatusNotFound, "the meeting does not exist"
		}
		r["OriginId"], r["Origin"] = m.ID, m.Name
		if kind == "rock" {
			r["Origins"] = []record{{"Id": m.ID, "Name": m.Name}}
		}
	}
	maps.Copy(r, more)
	s.records[kind][id] = r
	response := record{}
	for _, name := range createFields[kind] {
		response[name] = r[name]
	}
	if kind == "rock" {
		response["Owner"] = record{"Name": owner["Name"]}
	}
	return response, 0, ""
}

// createFields are the fields in the response to a create. A read returns more.
var createFields = map[string][]string{
	"issue": {"Id", "Name", "OriginId", "Origin", "Owner", "DetailsUrl"},
	"todo":  {"Id", "Name", "DetailsUrl", "DueDate", "CreateTime"},
	"rock":  {"Id", "Owner", "Origins", "CreateTime", "Completion"},
}

// shown returns a record without the server's internal fields.
func shown(r record) record {
	r = maps.Clone(r)
	delete(r, "notes")
	delete(r, "archived")
	return r
}

func (s *Server) createIssue(c *call) (any, int, string) {
	body, bad := c.body([]string{"title", "meetingid", "ownerid"}, []string{"notes"})
	if bad != "" {
		return nil, http.StatusBadRequest, bad
	}
	meeting, _ := body["meetingid"].(float64)
	return s.create(c, "issue", int(meeting), body["title"], body["ownerid"], record{"notes": body["notes"]})
}

func (s *Server) createMeetingTodo(c *call) (any, int, string) {
	body, bad := c.body([]string{"Title", "ForId"}, []string{"Notes", "dueDate"})
	if bad != "" {
		return nil, http.StatusBadRequest, bad
	}
	return s.create(c, "todo", c.id("meeting"), body["Title"], body["ForId"], record{"DueDate": body["dueDate"], "notes": body["Notes"]})
}

func (s *Server) createUserTodo(c *call) (any, int, string) {
	body, bad := c.body([]string{"title", "accountableUserId"}, []string{"notes", "dueDate"})
	if bad != "" {
		return nil, http.StatusBadRequest, bad
	}
	return s.create(c, "todo", 0, body["title"], body["accountableUserId"], record{"DueDate": body["dueDate"], "notes": body["notes"]})
}

func (s *Server) createGoal(c *call) (any, int, string) {
	body, bad := c.body([]string{"title", "accountableUserId"}, nil)
	if bad != "" {
		return nil, http.StatusBadRequest, bad
	}
	return s.create(c, "rock", c.id("meeting"), body["title"], body["accountableUserId"], record{"Completion": 1, "DueDate": "2026-12-31"})
}

func (s *Server) get(kind string) handler {
	return func(c *call) (any, int, string) {
		r, ok := s.records[kind][c.id("id")]
		if !ok {
			return nil, http.StatusNotFound, gone
		}
		return shown(r), 0, ""
	}
}

// put changes fields of a record. names are their names in the response.
func (s *Server) put(kind string, names map[string]string) handler {
	return func(c *call) (any, int, string) {
		body, bad := c.body(nil, slices.Collect(maps.Keys(names)))
		if bad != "" {
			return nil, http.StatusBadRequest, bad
		}
		r, ok := s.records[kind][c.id("id")]
		if !ok {
			return nil, http.StatusNotFound, gone
		}
		for name, value := range body {
			r[names[name]] = value
		}
		return nil, 0, "" // nothing
	}
}

func (s *Server) solve(c *call) (any, int, string) {
	body, bad := c.body([]string{"complete"}, nil)
	r, ok := s.records["issue"][c.id("id")]
	switch {
	case bad != "" || body["complete"] != true:
		return nil, http.StatusBadRequest, "complete must be true"
	case !ok:
		return nil, http.StatusNotFound, gone
	}
	r["Complete"], r["CompleteTime"], r["CloseTime"] = true, s.now(), s.now()
	return nil, 0, ""
}

func (s *Server) completeTodo(c *call) (any, int, string) {
	r, ok := s.records["todo"][c.id("id")]
	switch {
	case c.req.URL.RawQuery != "status=true":
		return nil, http.StatusBadRequest, "status must be true"
	case !ok:
		return nil, http.StatusNotFound, gone
	}
	r["Complete"], r["CompleteTime"] = true, s.now()
	return nil, 0, ""
}

func (s *Server) updateGoal(c *call) (any, int, string) {
	body, bad := c.body([]string{"accountableUserId"}, []string{"title", "completion"})
	if bad != "" {
		return nil, http.StatusBadRequest, bad
	}
	r, ok := s.records["rock"][c.id("id")]
	owner, known := c.user(body["accountableUserId"])
	if !ok || !known {
		return nil, http.StatusNotFound, gone
	}
	r["Owner"] = owner
	if title, ok := body["title"]; ok {
		r["Name"] = title
	}
	if status, ok := body["completion"]; ok {
		place := slices.Index([]any{"AtRisk", "OnTrack", "Complete"}, status)
		if place < 0 {
			return nil, http.StatusBadRequest, "completion must be OnTrack, AtRisk or Complete"
		}
		r["Completion"], r["Complete"] = place, place == 2
	}
	return nil, 0, ""
}

func (s *Server) archive(archived bool) handler {
	return func(c *call) (any, int, string) {
		r, ok := s.records["rock"][c.id("id")]
		if !ok {
			return nil, http.StatusNotFound, gone
		}
		r["archived"] = archived
		return nil, 0, ""
	}
}

func (s *Server) deleteGoal(c *call) (any, int, string) {
	id := c.id("id")
	if _, ok := s.records["rock"][id]; !ok {
		return nil, http.StatusNotFound, gone
	}
	delete(s.records["rock"], id)
	return nil, 0, ""
}

func byOwner(c *call, r record) bool   { return r["Owner"].(record)["Id"] == c.id("user") }
func byMeeting(c *call, r record) bool { return r["OriginId"] == c.id("meeting") }

// list returns the records of a kind. A parameter must have exactly that name, and the value true or false.
func (s *Server) list(kind string, belongs func(*call, record) bool, parameters ...string) handler {
	return func(c *call) (any, int, string) {
		closed := false
		for name, values := range c.req.URL.Query() {
			if !slices.Contains(parameters, name) || values[0] != "true" && values[0] != "false" {
				return nil, http.StatusBadRequest, "unknown parameter"
			}
			closed = values[0] == "true"
		}
		if meeting := c.id("meeting"); c.req.PathValue("meeting") != "" && s.meetings[meeting] == nil {
			return nil, http.StatusNotFound, "the meeting does not exist"
		}
		archived := len(parameters) == 0 && kind == "rock"
		all := []record{}
		for _, r := range s.records[kind] {
			if belongs(c, r) && (closed || kind == "rock" || r["Complete"] == false) && (r["archived"] == true) == archived {
				r = shown(r)
				if kind == "rock" {
					delete(r, "Completion") // not in a list
				}
				all = append(all, r)
			}
		}
		slices.SortFunc(all, func(a, b record) int { return cmp.Compare(a["Id"].(int), b["Id"].(int)) })
		return all, 0, ""
	}
}

func (s *Server) createMeeting(c *call) (any, int, string) {
	body, bad := c.body([]string{"title"}, []string{"addSelf"})
	self, ok := body["addSelf"].(bool)
	if bad != "" || !ok {
		return nil, http.StatusBadRequest, "title and addSelf are required"
	}
	m := &Meeting{ID: s.next(), Name: body["title"].(string)}
	if self {
		m.Attendees = []int{Me}
	}
	s.meetings[m.ID] = m
	return record{"meetingId": m.ID}, 0, ""
}

func (s *Server) invite(c *call) (any, int, string) {
	m, user := s.meetings[c.id("meeting")], c.id("user")
	if _, known := s.Users[user]; m == nil || !known {
		return nil, http.StatusNotFound, "the meeting or the user does not exist"
	}
	if slices.Contains(m.Attendees, user) {
		return nil, http.StatusConflict, "the user attends it already"
	}
	m.Attendees = append(m.Attendees, user)
	return nil, 0, ""
}

func (s *Server) meeting(c *call) (any, int, string) {
	m := s.meetings[c.id("meeting")]
	if m == nil {
		return nil, http.StatusNotFound, "the meeting does not exist"
	}
	return record{
		"Id": m.ID, "Basics": record{"Name": m.Name}, "StartDateUtc": "2026-11-23T09:00:00", "CreateTime": "2026-11-21T23:40:00Z", "OrganizationId": 42,
	}, 0, ""
}

func (s *Server) attendees(c *call) (any, int, string) {
	m := s.meetings[c.id("meeting")]
	if m == nil {
		return nil, http.StatusNotFound, "the meeting does not exist"
	}
	all := []record{}
	for _, user := range m.Attendees {
		all = append(all, record{"Id": user, "Name": s.Users[user], "ImageUrl": "https://example.com/" + strconv.Itoa(user)})
	}
	return all, 0, ""
}

func (s *Server) measurables(c *call) (any, int, string) {
	m := s.meetings[c.id("meeting")]
	if m == nil {
		return nil, http.StatusNotFound, "the meeting does not exist"
	}
	if m.Metrics == nil {
		return []record{}, 0, ""
	}
	return m.Metrics, 0, ""
}

func (s *Server) meetingList(c *call) (any, int, string) {
	all := []record{}
	for _, m := range s.meetings {
		if slices.Contains(m.Attendees, c.id("user")) {
			all = append(all, record{"Id": m.ID, "Type": "L10", "Key": "L10_" + strconv.Itoa(m.ID), "Name": m.Name})
		}
	}
	slices.SortFunc(all, func(a, b record) int { return cmp.Compare(a["Id"].(int), b["Id"].(int)) })
	return all, 0, ""
}

func (s *Server) deleteMeeting(c *call) (any, int, string) {
	id := c.id("meeting")
	if s.meetings[id] == nil {
		return nil, http.StatusNotFound, "the meeting does not exist"
	}
	delete(s.meetings, id)
	return nil, 0, ""
}
