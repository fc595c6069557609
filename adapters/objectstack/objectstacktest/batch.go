package objectstacktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
)

// options are the options of a batch. A field that was not sent is nil.
type options struct {
	Atomic          *bool `json:"atomic"`
	ReturnRecords   *bool `json:"returnRecords"`
	ContinueOnError *bool `json:"continueOnError"`
	ValidateOnly    *bool `json:"validateOnly"`
}

func yes(b *bool, absent bool) bool {
	if b == nil {
		return absent
	}
	return *b
}

// entry is a record of a batch.
type entry struct {
	ID         string `json:"id"`
	Data       Record `json:"data"`
	ExternalID string `json:"externalId"`
}

func (s *Server) batch(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Operation string   `json:"operation"`
		Records   []entry  `json:"records"`
		Options   *options `json:"options"`
	}
	if s.decode(w, req, &body) {
		s.run(w, req.PathValue("object"), body.Operation, body.Records, body.Options)
	}
}

func (s *Server) updateMany(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Records []entry  `json:"records"`
		Options *options `json:"options"`
	}
	if !s.decode(w, req, &body) {
		return
	}
	for _, e := range body.Records {
		if e.ID == "" || e.Data == nil {
			s.refuse(w, http.StatusBadRequest, "VALIDATION_FAILED", "Invalid batch request", map[string]any{"object": req.PathValue("object")})
			return
		}
	}
	s.run(w, req.PathValue("object"), "update", body.Records, body.Options)
}

func (s *Server) deleteMany(w http.ResponseWriter, req *http.Request) {
	var body struct {
		IDs     []string `json:"ids"`
		Options *options `json:"options"`
	}
	if !s.decode(w, req, &body) {
		return
	}
	entries := make([]entry, len(body.IDs))
	for i, id := range body.IDs {
		entries[i].ID = id
	}
	s.run(w, req.PathValue("object"), "delete", entries, body.Options)
}

// admits writes a refusal when a batch has too many records, or too few.
func (s *Server) admits(w http.ResponseWriter, object string, n int) bool {
	most := s.MaxRecords
	if most == 0 {
		most = 200
	}
	switch {
	case n == 0 && s.Old:
		s.refuse(w, http.StatusBadRequest, "VALIDATION_FAILED", "Array must contain at least 1 element(s)", nil)
	case n > most:
		s.refuse(w, http.StatusBadRequest, "BATCH_TOO_LARGE", fmt.Sprintf("Batch too large: %d records (max %d)", n, most),
			map[string]any{"count": n, "max": most, "object": object})
	default:
		return true
	}
	return false
}

// run applies a batch and writes a result for each record.
func (s *Server) run(w http.ResponseWriter, object, operation string, entries []entry, o *options) {
	if o == nil {
		o = &options{}
	}
	if !s.admits(w, object, len(entries)) {
		return
	}
	if o.ValidateOnly != nil && !s.Old && !s.DryRuns {
		s.refuse(w, http.StatusBadRequest, "VALIDATION_FAILED", "options.validateOnly was removed from BatchOptions", map[string]any{"object": object})
		return
	}
	atomic := yes(o.Atomic, s.Old) // before 17 the schema's default was true
	if atomic && s.NoTransactions && !s.Old {
		s.refuse(w, http.StatusNotImplemented, "NOT_IMPLEMENTED", "Transactional batch not supported by this runtime", nil)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	undo := s.snapshot()
	var results []map[string]any
	ended := -1 // the record that ended the batch
	for i, e := range entries {
		record, dropped, bad := s.apply(object, operation, e)
		results = append(results, s.result(i, e, record, dropped, bad, yes(o.ReturnRecords, true)))
		if bad != nil && (atomic || !yes(o.ContinueOnError, false)) {
			ended = i
			break
		}
	}
	if ended >= 0 && !s.Old {
		results = s.settle(results, entries, ended, atomic, undo)
	}
	if s.DryRuns && yes(o.ValidateOnly, false) {
		undo()
	}
	succeeded, failed := 0, 0
	for _, result := range results {
		if result["success"] == true {
			succeeded++
		} else {
			failed++
		}
	}
	if results == nil {
		results = []map[string]any{}
	}
	respond(w, http.StatusOK, map[string]any{
		"success": failed == 0, "operation": operation, "total": len(entries), "succeeded": succeeded, "failed": failed,
		"results": results, "meta": map[string]any{"timestamp": "2026-01-29T12:00:00Z"},
	})
}

// settle adds the results after the record that ended a batch, and rolls the batch back if it is atomic.
func (s *Server) settle(results []map[string]any, entries []entry, ended int, atomic bool, undo func()) []map[string]any {
	cause := results[ended]["errors"].([]any)[0].(map[string]any)["message"]
	reason := fmt.Sprintf("record %d failed — %v; the batch stopped there. Set options.continueOnError to process the remaining records.", ended, cause)
	if atomic {
		undo()
		reason = fmt.Sprintf("atomic batch aborted by record %d", ended)
		for i := range ended {
			undone := &Refusal{Code: "ROLLED_BACK", Message: fmt.Sprintf("record %d failed — %v", ended, cause)}
			results[i] = s.result(i, entry{ID: fmt.Sprint(results[i]["id"])}, nil, nil, undone, false)
		}
	}
	for i := len(results); i < len(entries); i++ {
		results = append(results, s.result(i, entries[i], nil, nil, &Refusal{Code: "NOT_ATTEMPTED", Message: reason}, false))
	}
	return results
}

// apply applies the operation to one record.
func (s *Server) apply(object, operation string, e entry) (Record, []any, *Refusal) {
	missing := func(what string) *Refusal {
		return &Refusal{Code: "VALIDATION_FAILED", Message: what + " is required for " + operation, Status: http.StatusBadRequest}
	}
	if e.ID == "" && (operation == "update" || operation == "delete") {
		return nil, nil, missing("Record id")
	}
	if e.Data == nil && operation != "delete" {
		return nil, nil, missing("Record data")
	}
	switch operation {
	case "create":
		data := e.Data
		if e.ID != "" {
			data = maps.Clone(data)
			data["id"] = e.ID
		}
		return s.insert(object, data)
	case "update":
		return s.change(object, e.ID, e.Data)
	case "upsert":
		return s.upsert(object, e)
	case "delete":
		return Record{"id": e.ID}, nil, s.remove(object, e.ID)
	}
	return nil, nil, &Refusal{Code: "VALIDATION_FAILED", Message: "Unknown operation: " + operation, Status: http.StatusBadRequest}
}

func (s *Server) upsert(object string, e entry) (Record, []any, *Refusal) {
	id := e.ID
	if id == "" {
		id = s.extID[object+"/"+e.ExternalID]
	}
	if _, there := s.data[object][id]; there {
		return s.change(object, id, e.Data)
	}
	data := maps.Clone(e.Data)
	if e.ID != "" {
		data["id"] = e.ID
	}
	record, dropped, bad := s.insert(object, data)
	if bad == nil && e.ExternalID != "" {
		s.extID[object+"/"+e.ExternalID] = record["id"].(string)
	}
	return record, dropped, bad
}

// result returns the result of one record in the response.
func (s *Server) result(i int, e entry, record Record, dropped []any, bad *Refusal, whole bool) map[string]any {
	result := map[string]any{"success": bad == nil}
	if !s.Old {
		result["index"] = i
	}
	if e.ID != "" {
		result["id"] = e.ID
	}
	if bad != nil {
		e := map[string]any{"code": s.code(bad.Code), "message": bad.Message}
		if bad.Status != 0 {
			e["httpStatus"] = bad.Status
		}
		maps.Copy(e, bad.More)
		result["errors"] = []any{e}
		return result
	}
	result["id"] = record["id"]
	if whole && s.Old {
		result["record"] = record
	} else if whole {
		result["data"] = record
	}
	if len(dropped) > 0 && !s.Old {
		result["droppedFields"] = dropped
	}
	return result
}

func (s *Server) createMany(w http.ResponseWriter, req *http.Request) {
	var records []Record // without an envelope
	object := req.PathValue("object")
	if !s.decode(w, req, &records) || !s.admits(w, object, len(records)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	undo := s.snapshot()
	created := []Record{}
	for _, data := range records {
		record, _, bad := s.insert(object, data)
		if bad != nil {
			undo()
			s.single(w, 0, object, nil, nil, bad)
			return
		}
		created = append(created, record)
	}
	respond(w, http.StatusCreated, map[string]any{"object": object, "records": created, "count": len(created)})
}

func (s *Server) transaction(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Operations []struct {
			Object string          `json:"object"`
			Action string          `json:"action"`
			ID     string          `json:"id"`
			Data   json.RawMessage `json:"data"`
		} `json:"operations"`
		Atomic *bool `json:"atomic"`
	}
	if s.Old {
		s.refuse(w, http.StatusNotFound, "ENDPOINT_NOT_FOUND", "Not found", nil)
		return
	}
	if !s.decode(w, req, &body) {
		return
	}
	most := 1000
	if s.MaxRecords > 0 {
		most = min(most, s.MaxRecords)
	}
	switch n := len(body.Operations); {
	case !yes(body.Atomic, true):
		s.refuse(w, http.StatusBadRequest, "BATCH_NOT_ATOMIC", "Cross-object batch is always atomic; use /data/:object/batch", nil)
		return
	case s.NoTransactions:
		s.refuse(w, http.StatusNotImplemented, "NOT_IMPLEMENTED", "Transactional batch not supported by this runtime", nil)
		return
	case n > most:
		s.refuse(w, http.StatusBadRequest, "BATCH_TOO_LARGE", fmt.Sprintf("Batch too large: %d records (max %d)", n, most), map[string]any{"count": n, "max": most})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	undo := s.snapshot()
	results, dropped := []any{}, []any{}
	made := make([]string, len(body.Operations)) // ids of the created records
	for i, op := range body.Operations {
		var data Record
		_ = json.Unmarshal(op.Data, &data) // a delete has none
		unresolved := false
		for name := range data {
			data[name] = resolve(data[name], made[:i], &unresolved)
		}
		if unresolved {
			undo()
			s.refuse(w, http.StatusBadRequest, "BATCH_UNRESOLVED_REF", fmt.Sprintf("operation %d refers to no earlier create", i), nil)
			return
		}
		record, strips, bad := s.apply(op.Object, op.Action, entry{ID: op.ID, Data: data})
		if bad != nil {
			undo()
			s.single(w, 0, op.Object, nil, nil, bad)
			return
		}
		if op.Action == "create" {
			made[i] = record["id"].(string)
		}
		for _, strip := range strips {
			strip := strip.(map[string]any)
			strip["index"] = i
			dropped = append(dropped, strip)
		}
		if op.Action == "delete" {
			results = append(results, map[string]any{"deleted": 1})
		} else {
			results = append(results, record)
		}
	}
	out := map[string]any{"results": results}
	if len(dropped) > 0 {
		out["droppedFields"] = dropped
	}
	respond(w, http.StatusOK, out)
}

// resolve replaces {"$ref": index} with the id of the record created there.
func resolve(value any, made []string, unresolved *bool) any {
	switch v := value.(type) {
	case map[string]any:
		if ref, ok := v["$ref"]; ok {
			place, ok := ref.(float64)
			if !ok || int(place) < 0 || int(place) >= len(made) || made[int(place)] == "" {
				*unresolved = true
				return nil
			}
			return made[int(place)]
		}
		for name := range v {
			v[name] = resolve(v[name], made, unresolved)
		}
	case []any:
		for i := range v {
			v[i] = resolve(v[i], made, unresolved)
		}
	}
	return value
}
