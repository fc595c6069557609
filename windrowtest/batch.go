package windrowtest

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/windrow-go/windrow"
)

// batchRequest is a request for several operations of one kind.
type batchRequest struct {
	Operation windrow.OpKind `json:"operation"`
	Records   []struct {
		ID   string `json:"id"`
		Data Fields `json:"data"`
	} `json:"records"`
}

// batchResult is the result of one operation.
type batchResult struct {
	Index   int             `json:"index"`
	ID      string          `json:"id,omitempty"`
	Success bool            `json:"success"`
	Record  json.RawMessage `json:"record,omitempty"`
	Error   *batchError     `json:"error,omitempty"`
}

type batchError struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
}

// batch applies a batch.
func (r *Records) batch(path, body string) Answer {
	var in batchRequest
	if err := json.Unmarshal([]byte(body), &in); err != nil || in.Operation == windrow.OpDo {
		return refusal(http.StatusBadRequest, "NOT_A_BATCH")
	}
	if n := len(in.Records); r.MaxItems > 0 && n > r.MaxItems {
		return *capture(TooLarge(n, r.MaxItems).Instead, &http.Request{}, "")
	}
	c := r.collection(path)
	if r.Atomic {
		taken := map[string]bool{}
		for i, record := range in.Records {
			_, refused := r.refuses(in.Operation, c, record.ID, record.Data)
			own, _ := record.Data["id"].(string)
			id := cmp.Or(record.ID, own)
			once := in.Operation == windrow.OpDelete || in.Operation == windrow.OpCreate && r.ClientIDs
			if refused || once && taken[id] {
				return *capture(AtomicRejection(i).Instead, &http.Request{}, "")
			}
			taken[id] = true
		}
	}
	results := make([]batchResult, len(in.Records))
	for i, record := range in.Records {
		data := record.Data
		if data == nil && (in.Operation == windrow.OpCreate || in.Operation == windrow.OpUpsert) {
			data = Fields{}
		}
		a := r.do(in.Operation, path, record.ID, data)
		results[i] = batchResult{Index: i, ID: record.ID, Success: a.Status < 300}
		if !results[i].Success {
			var refused struct{ Code string }
			_ = json.Unmarshal([]byte(a.Body), &refused) // it is our own response
			results[i].Error = &batchError{a.Status, refused.Code}
			continue
		}
		if a.Body != "" {
			results[i].Record = json.RawMessage(a.Body)
			var made struct{ ID string }
			_ = json.Unmarshal([]byte(a.Body), &made) // it is our own response
			results[i].ID = made.ID
		}
	}
	return jsonResponse(http.StatusOK, map[string]any{"results": results, "total": len(results)})
}
