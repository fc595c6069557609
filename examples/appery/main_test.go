package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The five results are those of the documentation, to the letter after JSON normalisation.
func TestE19_TheDocumentedExample(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const request = `[
    {"method": "post", "collection": "Labels", "data": {"name": "nick"}},
    {"method": "put", "collection": "Labels", "_id": "58a59386975a4fa00e0ff513", "data": {"name": "max updated"}},
    {"method": "delete", "collection": "Labels", "_id": "58a59381975a4fa00e0ff512"},
    {"method": "get", "collection": "Labels", "_id": "58a59386975a4fa00e0ff513"},
    {"method": "put", "collection": "Labels", "_id": "000000000000000000000000",
     "data": {"name": "unexisting label with _id 000000000000000000000000"}}]`
	const results = `[
  {"success": {"_id": "58a5962d0a975a799b278abd", "_createdAt": "2017-02-16 12:08:13.327"}},
  {"success": {"_updatedAt": "2017-02-16 12:08:13.337"}},
  {"success": {}},
  {"success": {"_id": "58a59386975a4fa00e0ff513", "name": "max updated",
    "_createdAt": "2017-02-16 11:56:54.725", "_updatedAt": "2017-02-16 12:08:13.337"}},
  {"error": {"code": "DBSU205", "description": "Collection 'Labels' doesn't contain object with id 000000000000000000000000."}}]`
	parts := strings.Split(out.String(), "\n\n")
	if len(parts) != 3 {
		t.Fatalf("the output has %d parts:\n%s", len(parts), &out)
	}
	for i, want := range []string{request, results} {
		got := parts[i][strings.Index(parts[i], "["):]
		var wanted, given any
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(got), &given); err != nil {
			t.Fatalf("%v in\n%s", err, got)
		}
		if diff := cmp.Diff(wanted, given); diff != "" {
			t.Errorf("part %d (-want +got):\n%s", i, diff)
		}
	}
	const end = `5 operations: 4 succeeded, 1 failed. The API counted 5 calls.
120 objects in 3 requests, which the API counted as 120 calls.
`
	if diff := cmp.Diff(end, parts[2]); diff != "" {
		t.Errorf("the end (-want +got):\n%s", diff)
	}
}
