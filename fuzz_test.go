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
// its own, or none.
func FuzzMatchByID(f *testing.F) {
	f.Add([]byte{0, 1, 2}, []byte{2, 0, 1})
	f.Add([]byte{0, 1, 2}, []byte{0, 0, 1})
	f.Add([]byte{0, 1, 2}, []byte{0, 1, 2, 3})
	f.Add([]byte{5}, []byte{})
	f.Add([]byte{}, []byte{7})
	f.Fuzz(func(t *testing.T, ids, answers []byte) {
		out, err := windrow.MatchByID(ids, answers, nil, func(id byte) (byte, windrow.Outcome[byte]) { return id, windrow.Outcome[byte]{Value: id} })
		asked, answered := map[byte]int{}, map[byte]int{}
		for _, id := range ids {
			asked[id]++
		}
		for _, id := range answers {
			answered[id]++
		}
		bad, twice := false, len(asked) < len(ids)
		for id, n := range answered {
			bad = bad || n > 1 || asked[id] == 0
		}
		switch {
		case err != nil:
			if out != nil || !bad && !twice || !twice && !errors.Is(err, windrow.ErrProtocol) {
				t.Fatalf("%v answered with %v: %v, %v", ids, answers, out, err)
			}
			return
		case bad || twice || len(out) != len(ids):
			t.Fatalf("%v answered with %v was taken for %v", ids, answers, out)
		}
		for k, o := range out {
			if answered[ids[k]] > 0 && (o.Err != nil || o.Value != ids[k]) || answered[ids[k]] == 0 && windrow.Classify(o.Err).Class != windrow.ClassAmbiguous {
				t.Fatalf("%v answered with %v: item %d has %+v", ids, answers, k, o)
			}
		}
	})
}
