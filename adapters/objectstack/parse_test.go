package objectstack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
)

// problems returns what Parse says is wrong.
func problems[T objectstack.Type](text string) []string {
	_, err := objectstack.Parse[T]([]byte(text))
	var all []string
	for _, f := range windrow.FieldErrors(err) {
		all = append(all, f.Error())
	}
	if err != nil && all == nil {
		all = []string{err.Error()}
	}
	return all
}

func parsed[T objectstack.Type](t *testing.T, text string) T {
	t.Helper()
	v, err := objectstack.Parse[T]([]byte(text))
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return v
}

// Each of the nine types can be read from JSON, and is what it was when it is written again.
func TestC3_C4_NineTypes(t *testing.T) {
	t.Parallel()
	same := func(text string, v any) {
		t.Helper()
		again, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
			return
		}
		testkit.Check(t, "written again", testkit.JSON(t, text), testkit.JSON(t, string(again)))
	}
	const options = `{"atomic":true,"returnRecords":true,"continueOnError":false}`
	const record = `{"id":"1","data":{"name":"A","big":9007199254740993},"externalId":"x"}`
	const result = `{"id":"1","success":false,"index":0,"data":{"a":1},
		"errors":[{"code":"VALIDATION_ERROR","message":"m","category":"validation","details":{"a":1},"requestId":"r",
			"fieldErrors":[{"field":"email","code":"INVALID_FORMAT","message":"bad"}]}],
		"droppedFields":[{"object":"account","fields":["x"],"reason":"readonly"}]}`
	const response = `{"success":false,"operation":"update","total":1,"succeeded":0,"failed":1,"results":[` + result + `],
		"error":{"code":"BATCH_PARTIAL_FAILURE","message":"m"},"meta":{"timestamp":"2026-01-29T12:00:00Z","duration":150,"requestId":"r","traceId":"t"}}`
	for text, v := range map[string]any{
		`{"enabled":false,"maxRecordsPerBatch":500,"defaultOptions":` + options + `}`: parsed[objectstack.BatchConfig](t, `{"enabled":false,"maxRecordsPerBatch":500,"defaultOptions":`+options+`}`),
		options:    parsed[objectstack.BatchOptions](t, options),
		record:     parsed[objectstack.BatchRecord](t, record),
		result:     parsed[objectstack.BatchOperationResult](t, result),
		`"upsert"`: parsed[objectstack.BatchOperationType](t, `"upsert"`),
		`{"operation":"update","records":[` + record + `],"options":` + options + `}`: parsed[objectstack.BatchUpdateRequest](t, `{"operation":"update","records":[`+record+`],"options":`+options+`}`),
		`{"records":[` + record + `],"options":` + options + `}`:                      parsed[objectstack.UpdateManyRequest](t, `{"records":[`+record+`],"options":`+options+`}`),
		`{"ids":["1","2"],"options":` + options + `}`:                                 parsed[objectstack.DeleteManyRequest](t, `{"ids":["1","2"],"options":`+options+`}`),
		response: parsed[objectstack.BatchUpdateResponse](t, response),
	} {
		same(text, v)
	}
	// No number is lost on the way.
	r := parsed[objectstack.BatchRecord](t, record)
	if got := r.Data.(map[string]any)["big"]; got != json.Number("9007199254740993") {
		t.Errorf("big is %v", got)
	}
}

func TestC5_C6_C7_BatchConfig(t *testing.T) {
	t.Parallel()
	testkit.Check(t, "defaults", objectstack.BatchConfig{Enabled: true, MaxRecordsPerBatch: 200}, parsed[objectstack.BatchConfig](t, `{}`))
	got := parsed[objectstack.BatchConfig](t, `{"enabled":false,"maxRecordsPerBatch":1000,"defaultOptions":{"atomic":true},"future":1}`)
	testkit.Check(t, "given", objectstack.BatchConfig{MaxRecordsPerBatch: 1000, DefaultOptions: &objectstack.BatchOptions{Atomic: true}}, got)
	for text, want := range map[string]string{
		`{"maxRecordsPerBatch":0}`:    "maxRecordsPerBatch: must be from 1 to 1000",
		`{"maxRecordsPerBatch":1001}`: "maxRecordsPerBatch: must be from 1 to 1000",
		`{"maxRecordsPerBatch":1.5}`:  "maxRecordsPerBatch: must be a number",
		`{"enabled":"yes"}`:           "enabled: must be a boolean",
		`{"defaultOptions":[]}`:       "defaultOptions: must be an object",
		`{"enabled":`:                 "objectstack: it is not JSON",
	} {
		testkit.Check(t, text, []string{want}, problems[objectstack.BatchConfig](text))
	}
}

func TestC5_C6_Admits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		config  objectstack.BatchConfig
		records int
		want    string
	}{
		{objectstack.DefaultConfig(), 200, ""},
		{objectstack.DefaultConfig(), 0, ""},
		{objectstack.DefaultConfig(), 201, "records: are 201, where a batch holds at most 200"},
		{objectstack.BatchConfig{Enabled: true, MaxRecordsPerBatch: 500}, 201, ""},
		{objectstack.BatchConfig{MaxRecordsPerBatch: 500}, 1, "enabled: is false: batches are switched off"},
	} {
		got := ""
		if err := tt.config.Admits(tt.records); err != nil {
			got = err.Error()
		}
		testkit.Check(t, "admits", tt.want, got)
	}
}

func TestC8_C9_C10_C11_C12_BatchOperationResult(t *testing.T) {
	t.Parallel()
	r := parsed[objectstack.BatchOperationResult](t, `{"id":"7","success":true,"data":{"name":"A"},"index":3}`)
	if r.ID != "7" || !r.Success || r.Index == nil || *r.Index != 3 || string(r.Data) != `{"name":"A"}` {
		t.Errorf("%+v", r)
	}
	if r = parsed[objectstack.BatchOperationResult](t, `{"success":true}`); r.Index != nil || r.ID != "" || r.Data != nil {
		t.Errorf("what is not there is: %+v", r)
	}
	testkit.Check(t, "without success", []string{"success: is required"}, problems[objectstack.BatchOperationResult](`{"id":"7"}`))
	r = parsed[objectstack.BatchOperationResult](t, `{"success":false,"errors":[{"code":"validation_error","message":"m","category":"validation","details":{"fieldErrors":[{"field":"age"}]},"requestId":"q"}]}`)
	e := r.Errors[0]
	if e.Code != "VALIDATION_ERROR" || e.Message != "m" || e.Category != "validation" || e.RequestID != "q" || e.FieldErrors[0].Field != "age" {
		t.Errorf("%+v", e)
	}
	// What servers before 17 write.
	r = parsed[objectstack.BatchOperationResult](t, `{"id":"7","success":false,"error":"name is required","record":{"a":1}}`)
	if r.Errors[0].Message != "name is required" || string(r.Data) != `{"a":1}` {
		t.Errorf("%+v", r)
	}
	r = parsed[objectstack.BatchOperationResult](t, `{"success":false,"error":{"code":"not_found"}}`)
	testkit.Check(t, "code", "NOT_FOUND", r.Errors[0].Code)
}

func TestC13_BatchOperationType(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"create", "update", "upsert", "delete"} {
		if got := parsed[objectstack.BatchOperationType](t, `"`+name+`"`); string(got) != name {
			t.Errorf("%s is %s", name, got)
		}
	}
	testkit.Check(t, "another", []string{"operation: must be create, update, upsert or delete"}, problems[objectstack.BatchOperationType](`"merge"`))
}

// What is false is written too; servers do not agree on what its absence means. validateOnly, which new servers refuse to
// read, is written when it is true only.
func TestC14_C15_C16_C17_BatchOptions(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(objectstack.BatchUpdateRequest{Operation: "create"})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Check(t, "request", `{"operation":"create","records":null,"options":{"atomic":false,"returnRecords":false,"continueOnError":false}}`, string(text))
	testkit.Check(t, "defaults", objectstack.BatchOptions{}, parsed[objectstack.BatchOptions](t, `{}`))
	testkit.Check(t, "all", objectstack.BatchOptions{Atomic: true, ReturnRecords: true, ContinueOnError: true, ValidateOnly: true},
		parsed[objectstack.BatchOptions](t, `{"atomic":true,"returnRecords":true,"continueOnError":true,"validateOnly":true}`))
	testkit.Check(t, "bad", []string{"atomic: must be a boolean"}, problems[objectstack.BatchOptions](`{"atomic":1}`))
}

func TestC18_C19_C20_BatchRecord(t *testing.T) {
	t.Parallel()
	data := map[string]any{"name": "A"}
	for _, tt := range []struct {
		operation objectstack.BatchOperationType
		record    objectstack.BatchRecord
		want      string
	}{
		{"create", objectstack.BatchRecord{Data: data}, ""},
		{"create", objectstack.BatchRecord{Data: account{}}, ""},
		{"create", objectstack.BatchRecord{Data: &account{}}, ""},
		{"create", objectstack.BatchRecord{Data: json.RawMessage(`{}`)}, ""},
		{"create", objectstack.BatchRecord{}, "data: is required for create"},
		{"create", objectstack.BatchRecord{Data: map[string]any(nil)}, "data: is required for create"},
		{"create", objectstack.BatchRecord{Data: (*account)(nil)}, "data: is required for create"},
		{"create", objectstack.BatchRecord{Data: "A"}, "data: must be an object"},
		{"create", objectstack.BatchRecord{Data: []int{1}}, "data: must be an object"},
		{"update", objectstack.BatchRecord{ID: "1", Data: data}, ""},
		{"update", objectstack.BatchRecord{Data: data}, "id: is required for update"},
		{"update", objectstack.BatchRecord{}, "id: is required for update\ndata: is required for update"},
		{"delete", objectstack.BatchRecord{ID: "1"}, ""},
		{"delete", objectstack.BatchRecord{}, "id: is required for delete"},
		{"upsert", objectstack.BatchRecord{ExternalID: "x", Data: data}, ""},
		{"upsert", objectstack.BatchRecord{ID: "1", Data: data}, ""},
		{"upsert", objectstack.BatchRecord{Data: data}, "externalId: is required for upsert, or id: without either each repetition makes another record"},
	} {
		got := ""
		if err := tt.record.Validate(tt.operation); err != nil {
			got = err.Error()
		}
		testkit.Check(t, string(tt.operation), tt.want, got)
	}
}

func TestC21_C22_C23_BatchUpdateRequest(t *testing.T) {
	t.Parallel()
	records := func(n int) string { return strings.TrimSuffix(strings.Repeat(`{"data":{}},`, n), ",") }
	if r := parsed[objectstack.BatchUpdateRequest](t, `{"operation":"create","records":[`+records(200)+`]}`); len(r.Records) != 200 || r.Options != (objectstack.BatchOptions{}) {
		t.Errorf("%d records, options %+v", len(r.Records), r.Options)
	}
	parsed[objectstack.BatchUpdateRequest](t, `{"operation":"create","records":[]}`) // C-n6: it does nothing
	for text, want := range map[string][]string{
		`{}`: {"operation: is required", "records: is required", "operation: must be create, update, upsert or delete"},
		`{"operation":"create","records":[` + records(201) + `]}`:       {"records: are 201, where a batch holds at most 200"},
		`{"operation":"create","records":{}}`:                           {"records: must be a list"},
		`{"operation":"update","records":[{"id":"1","data":{}},{}]}`:    {"records[1].id: is required for update", "records[1].data: is required for update"},
		`{"operation":"delete","records":[{"id":"1"},{"id":""},{}]}`:    {"records[1].id: is required for delete", "records[2].id: is required for delete"},
		`{"operation":"upsert","records":[{"data":{"name":"secret"}}]}`: {"records[0].externalId: is required for upsert, or id: without either each repetition makes another record"},
	} {
		testkit.Check(t, text, want, problems[objectstack.BatchUpdateRequest](text))
	}
}

func TestC24_C25_C26_C27_C28_C29_BatchUpdateResponse(t *testing.T) {
	t.Parallel()
	r := parsed[objectstack.BatchUpdateResponse](t, `{"success":false,"operation":"update","total":2,"succeeded":1,"failed":1,
		"results":[{"id":"1","success":true,"index":0},{"success":false,"index":1,"errors":[{"code":"validation_error","message":"Invalid email format"}]}],
		"meta":{"timestamp":"2026-01-29T12:00:00Z"},"error":{"code":"batch_partial_failure","message":"m"}}`)
	if r.Success || r.Operation != "update" || r.Total != 2 || r.Meta.Timestamp.Year() != 2026 || r.Error.Code != "BATCH_PARTIAL_FAILURE" || len(r.Results) != 2 {
		t.Errorf("%+v", r)
	}
	for text, want := range map[string][]string{
		`{}`: {"success: is required", "total: is required", "succeeded: is required", "failed: is required", "results: is required", "success: is false with 0 failed"},
		`{"success":true,"total":3,"succeeded":1,"failed":1,"results":[{"success":true},{"success":false}]}`: {
			"total: is 3, which is not the sum of 1 succeeded and 1 failed", "results: has 2 entries for 3 records", "success: is true with 1 failed"},
		`{"success":true,"total":1,"succeeded":1,"failed":0,"results":[{"id":"1"}]}`: {"results[0].success: is required", "succeeded: is 1, where 0 results are a success"},
	} {
		testkit.Check(t, text, want, problems[objectstack.BatchUpdateResponse](text))
	}
}

func TestC30_C31_DeleteManyRequest(t *testing.T) {
	t.Parallel()
	r := parsed[objectstack.DeleteManyRequest](t, `{"ids":["1","2"],"options":{"atomic":true}}`)
	testkit.Check(t, "request", objectstack.DeleteManyRequest{IDs: []string{"1", "2"}, Options: objectstack.BatchOptions{Atomic: true}}, r)
	ids := `"1"` + strings.Repeat(`,"1"`, 200)
	for text, want := range map[string][]string{
		`{}`:                    {"ids: is required"},
		`{"ids":[` + ids + `]}`: {"records: are 201, where a batch holds at most 200"},
		`{"ids":["1",""]}`:      {"ids[1]: is empty"},
		`{"ids":[1]}`:           {"ids: must be a string"},
	} {
		testkit.Check(t, text, want, problems[objectstack.DeleteManyRequest](text))
	}
}

func TestC32_C33_UpdateManyRequest(t *testing.T) {
	t.Parallel()
	r := parsed[objectstack.UpdateManyRequest](t, `{"records":[{"id":"1","data":{"a":"b"}}],"options":{"continueOnError":true}}`)
	if len(r.Records) != 1 || r.Records[0].ID != "1" || !r.Options.ContinueOnError {
		t.Errorf("%+v", r)
	}
	rows := `{"id":"1","data":{}}` + strings.Repeat(`,{"id":"1","data":{}}`, 200)
	for text, want := range map[string][]string{
		`{}`:                         {"records: is required"},
		`{"records":[` + rows + `]}`: {"records: are 201, where a batch holds at most 200"},
		`{"records":[{"id":"1"}]}`:   {"records[0].data: is required for update"},
	} {
		testkit.Check(t, text, want, problems[objectstack.UpdateManyRequest](text))
	}
}
