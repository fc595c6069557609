package saved_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/saved"
)

// sample is a result with an item of each kind.
func sample() *saved.Result[string, int] {
	table := engine.NewTable(7)
	table.Slots[0] = engine.Slot{State: engine.Succeeded, Attempts: 2, Elapsed: time.Second}
	table.Put(1, engine.Slot{State: engine.Succeeded, Attempts: 1}, engine.Detail{Warnings: []string{"dropped a field"}})
	table.Put(2, engine.Slot{State: engine.Failed}, engine.Detail{Err: errors.New("no title"), Kind: engine.Validation})
	table.Put(3, engine.Slot{State: engine.Unknown, Attempts: 5}, engine.Detail{Err: errors.New("lost"), Kind: engine.Timeout, Resend: true})
	table.Slots[4] = engine.Slot{State: engine.Skipped, Reason: engine.Unchanged}
	table.Slots[5] = engine.Slot{State: engine.Skipped, Reason: engine.AlreadyExists}
	return &saved.Result[string, int]{
		Inputs: strings.Split("abcdefg", ""), Values: []int{10, 0, 99, 99, 0, 7, 99}, Table: table,
		Keys:      []string{"a", "", "c", "d", "e", "f", "g"},
		Corrected: map[int]bool{2: true}, Revisions: map[int]int{0: 1, 2: 2},
	}
}

const stored = `[
{"index":0,"key":"a","id":"id-0","state":"succeeded","attempts":2,"elapsed_ns":1000000000,"revision":1,"input":"a","value":10},
{"index":1,"state":"succeeded","attempts":1,"elapsed_ns":0,"warnings":["dropped a field"],"input":"b","value":0},
{"index":2,"key":"c","state":"failed","attempts":0,"elapsed_ns":0,"error":{"kind":"validation","message":"no title","resend":false},"revision":2,"corrected":true,"input":"c"},
{"index":3,"key":"d","state":"unknown","attempts":5,"elapsed_ns":0,"error":{"kind":"timeout","message":"lost","resend":true},"input":"d"},
{"index":4,"key":"e","state":"skipped","reason":"unchanged","attempts":0,"elapsed_ns":0,"input":"e"},
{"index":5,"key":"f","state":"skipped","reason":"already_exists","attempts":0,"elapsed_ns":0,"input":"f","value":7},
{"index":6,"key":"g","state":"not_attempted","attempts":0,"elapsed_ns":0,"input":"g"}
]`

func idOf(i int) string { return []string{"id-0", "", "", "", "", "", ""}[i] }

func TestItems(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(sample().Items(idOf))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(stored, "\n", ""), string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	got, err = json.Marshal(new(saved.Result[string, int]).Items(idOf))
	if string(got) != "[]" || err != nil {
		t.Errorf("no items: %s, %v", got, err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	var items []saved.Item[string, int]
	if err := json.Unmarshal([]byte(stored), &items); err != nil {
		t.Fatal(err)
	}
	got, err := saved.Load(items)
	if err != nil {
		t.Fatal(err)
	}
	want := sample()
	for i := range want.Inputs {
		slot, detail := got.Table.Slots[i], got.Table.Detail(i)
		before, said := want.Table.Slots[i], want.Table.Detail(i)
		if slot.State != before.State || slot.Reason != before.Reason || slot.Attempts != before.Attempts || slot.Elapsed != before.Elapsed {
			t.Errorf("item %d: %+v, want %+v", i, slot, before)
		}
		if (detail.Err == nil) != (said.Err == nil) || said.Err != nil && detail.Err.Error() != said.Err.Error() ||
			detail.Kind != said.Kind || detail.Resend != said.Resend || len(detail.Warnings) != len(said.Warnings) {
			t.Errorf("item %d: %+v, want %+v", i, detail, said)
		}
	}
	want.Values = []int{10, 0, 0, 0, 0, 7, 0} // those of items that failed are nobody's business
	want.IDs = []string{"id-0", "", "", "", "", "", ""}
	want.Table, got.Table = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

// What no item has takes no memory.
func TestLoadOfPlainItems(t *testing.T) {
	t.Parallel()
	var items []saved.Item[string, int]
	if err := json.Unmarshal([]byte(`[{"index":0,"state":"succeeded","input":"a","value":1}]`), &items); err != nil {
		t.Fatal(err)
	}
	got, err := saved.Load(items)
	if err != nil || got.Keys != nil || got.IDs != nil || got.Corrected != nil || got.Revisions != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[{"index":1,"state":"succeeded"}]`:                     "windrow: item 0 of the JSON has index 1",
		`[{"index":0,"state":"failed"}]`:                        "windrow: item 0 of the JSON is failed and has no error",
		`[{"index":0,"state":"unknown"}]`:                       "windrow: item 0 of the JSON is unknown and has no error",
		`[{"index":0,"state":"done"}]`:                          "windrow: unknown state, want one of not_attempted, succeeded, failed, skipped, unknown",
		`[{"index":0,"state":"skipped","reason":"bored"}]`:      "windrow: unknown reason, want one of , unchanged, already_exists, not_found, done_before, dry_run, duplicate",
		`[{"index":0,"state":"failed","error":{"kind":"odd"}}]`: "windrow: unknown kind, want one of system, validation, resource, timeout",
	} {
		var items []saved.Item[string, int]
		err := json.Unmarshal([]byte(text), &items)
		if err == nil {
			_, err = saved.Load(items)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// What was left open is stored once, however many items it has, and comes back to each that is unknown.
func TestOpen(t *testing.T) {
	t.Parallel()
	table := engine.NewTable(5)
	job, other := &engine.Replay{Items: []int{1, 3, 4}, Handle: "job"}, &engine.Replay{Items: []int{0}, Handle: "other"}
	for i, open := range []*engine.Replay{other, job, nil, job} {
		if open != nil {
			table.Put(i, engine.Slot{State: engine.Unknown}, engine.Detail{Err: errors.New("lost"), Open: open})
		}
	}
	table.Slots[4].State = engine.Succeeded // it was looked up since
	first := &saved.Result[string, int]{Inputs: make([]string, 5), Values: make([]int, 5), Table: table}
	want := []saved.Open{{Items: []int{0}, Handle: "other"}, {Items: []int{1, 3, 4}, Handle: "job"}}
	if diff := cmp.Diff(want, first.Open()); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	back, err := saved.Load(first.Items(func(int) string { return "" }))
	if err == nil {
		err = back.Reopen(want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, back.Open()); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	for i, open := range []*engine.Replay{other, job, nil, job, nil} {
		d := back.Table.Detail(i)
		if (d.Open == nil) != (open == nil) || (d.Err == nil) != (open == nil) {
			t.Errorf("item %d: %+v", i, d)
		}
	}
	for want, all := range map[string][]saved.Open{
		"windrow: open request 0 of the JSON names item 5, and there are 5":  {{Items: []int{0, 5}}},
		"windrow: open request 1 of the JSON names item -1, and there are 5": {{Items: []int{0}}, {Items: []int{-1}}},
		"windrow: open request 0 of the JSON names no item that is unknown":  {{Items: []int{2, 4}}},
	} {
		if err := back.Reopen(all); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", all, err, want)
		}
	}
}
