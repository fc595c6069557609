package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestC1_C4_TheProgram(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `BatchConfig: enabled true, maxRecordsPerBatch 500
BatchUpdateRequest:
  records[0].id: is required for update
  records[1].data: is required for update

success false, operation update, total 2, succeeded 1, failed 1
  record 0: success true
  record 1: success false, VALIDATION_ERROR: Invalid email format

server  atomic  on error  A              B              C              D              on the server
new     false   go on     succeeded      failed         succeeded      succeeded      A C D
new     false   stop      succeeded      failed         not_attempted  not_attempted  A
new     true    go on     not_attempted  failed         not_attempted  not_attempted  nothing
new     true    stop      not_attempted  failed         not_attempted  not_attempted  nothing
old     false   go on     succeeded      failed         succeeded      succeeded      A C D
old     false   stop      succeeded      failed         not_attempted  not_attempted  A
old     true    go on     not_attempted  not_attempted  not_attempted  not_attempted  nothing (it cannot roll back: not sent)
old     true    stop      not_attempted  not_attempted  not_attempted  not_attempted  nothing (it cannot roll back: not sent)

project: {"id":"1","name":"Apollo"}
task: {"id":"2","project":"1","title":"Kickoff"}

`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}
