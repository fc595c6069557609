package windrow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// Whatever the JSON form of a result holds, reading it never panics. What can be read accounts for every item, is
// written in the same way ever after, and can be given to Rerun.
func FuzzBulkResultJSON(f *testing.F) {
	for _, seed := range []string{
		`{"operation":"create","run_id":"r","stats":{},"items":[]}`,
		`{"operation":"update","run_id":"r","stats":{"total":3,"requests":7,"elapsed_ns":5},"cause":"stopped","items":[
			{"index":0,"key":"a","state":"succeeded","attempts":1,"elapsed_ns":3,"input":{"N":1},"value":{"N":2}},
			{"index":1,"state":"unknown","attempts":2,"error":{"kind":"timeout","message":"lost","resend":true},"input":{"N":2},"revision":1,"corrected":true},
			{"index":2,"state":"skipped","reason":"dry_run","attempts":0,"warnings":["w"],"input":{"N":3}}]}`,
		`{"operation":"delete","items":[{"index":0,"state":"not_attempted","input":{}},{"index":1,"state":"failed","error":{"kind":"system","message":"x"},"input":{}}]}`,
		`{"items":[{"index":1}]}`, `{"items":[{"index":0,"state":"bad"}]}`, `{"items":null}`, `null`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var res windrow.BulkResult[thing, made]
		if json.Unmarshal(data, &res) != nil {
			return
		}
		first, err := json.Marshal(&res)
		if err != nil {
			t.Fatal(err)
		}
		var again windrow.BulkResult[thing, made]
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s cannot be read: %v", first, err)
		}
		second, err := json.Marshal(&again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(first), string(second)); diff != "" {
			t.Fatalf("written again (-want +got):\n%s", diff)
		}
		s := res.Stats()
		if sum := s.Succeeded + s.Failed + s.Skipped + s.NotAttempted + s.Unknown; sum != res.Len() || s.Total != res.Len() {
			t.Fatalf("%d items, and %+v", res.Len(), s)
		}
		for r := range res.All() {
			if r.Err == nil && r.State != windrow.Succeeded && r.State != windrow.Skipped {
				t.Fatalf("item %d is %v and has no error", r.Index, r.State)
			}
		}
		var texts bytes.Buffer
		if err := res.Summary(&texts); err != nil {
			t.Fatal(err)
		}
		if err := res.Err(); err != nil {
			_, _ = io.WriteString(&texts, err.Error())
		}
		after, _ := windrow.NewBatchProcessor(func(_ context.Context, in thing) (made, error) { return made{in.N}, nil }).Rerun(t.Context(), &res)
		if after.Len() != res.Len() {
			t.Fatalf("%d items, and after Rerun %d", res.Len(), after.Len())
		}
	})
}

// Whatever a server answers, no item gets the outcome of another: either the answer cannot be matched, or each item has
// its own, or none. Items with one id have theirs when there is a result for each of them, and otherwise none.
func FuzzMatchByID(f *testing.F) {
	f.Add([]byte{0, 1, 2}, []byte{2, 0, 1})
	f.Add([]byte{0, 1, 2}, []byte{0, 0, 1})
	f.Add([]byte{0, 1, 2}, []byte{0, 1, 2, 3})
	f.Add([]byte{5}, []byte{})
	f.Add([]byte{}, []byte{7})
	f.Add([]byte{4, 4, 1}, []byte{4})
	f.Add([]byte{4, 1, 4}, []byte{4, 4, 1})
	f.Fuzz(func(t *testing.T, ids, answers []byte) {
		type result struct {
			id byte
			n  int // among the results for its id
		}
		asked, answered := map[byte]int{}, map[byte]int{}
		for _, id := range ids {
			asked[id]++
		}
		var results []result
		for _, id := range answers {
			results = append(results, result{id, answered[id]})
			answered[id]++
		}
		out, err := windrow.MatchByID(ids, results, nil, func(r result) (byte, windrow.Outcome[result]) { return r.id, windrow.Outcome[result]{Value: r} })
		bad := false
		for id, n := range answered {
			bad = bad || n > asked[id]
		}
		if bad != (err != nil) || err != nil && (out != nil || !errors.Is(err, windrow.ErrProtocol)) || err == nil && len(out) != len(ids) {
			t.Fatalf("%v answered with %v: %v, %v", ids, answers, out, err)
		}
		seen := map[byte]int{}
		for k, o := range out {
			id := ids[k]
			if answered[id] == asked[id] {
				if want := (result{id, seen[id]}); o.Err != nil || o.Value != want {
					t.Fatalf("%v answered with %v: item %d has %+v, not %+v", ids, answers, k, o, want)
				}
				seen[id]++
			} else if windrow.Classify(o.Err).Class != windrow.ClassAmbiguous || o.Value != (result{}) {
				t.Fatalf("%v answered with %v: item %d has %+v", ids, answers, k, o)
			}
		}
	})
}
