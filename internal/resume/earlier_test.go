package resume

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/engine"
)

var errTest = errors.New("of a test")

// tableOf makes a table of slots that have these details.
func tableOf(slots []engine.Slot, details map[int]engine.Detail) *engine.Table {
	table := engine.NewTable(len(slots))
	for i, slot := range slots {
		if detail, ok := details[i]; ok {
			table.Put(i, slot, detail)
		} else {
			table.Slots[i] = slot
		}
	}
	return table
}

func states(all ...engine.State) (slots []engine.Slot) {
	for _, s := range all {
		slots = append(slots, engine.Slot{State: s})
	}
	return slots
}

func marks(text string) (all []bool) {
	for _, mark := range text {
		all = append(all, mark == 'x')
	}
	return all
}

func TestEarlierPast(t *testing.T) {
	t.Parallel()
	job := &engine.Replay{Items: []int{6, 8}, Handle: "job"}
	other := &engine.Replay{Items: []int{9}, Handle: "other"}
	table := tableOf(states(
		engine.NotAttempted, engine.Succeeded, engine.Failed, engine.Failed, engine.Skipped, engine.Unknown,
		engine.Unknown, engine.Unknown, engine.Unknown, engine.Unknown, engine.Skipped, engine.Failed,
	), map[int]engine.Detail{
		2: {Err: errTest}, 3: {Err: errTest, Resend: true}, 11: {Err: errTest},
		6: {Err: errTest, Open: job}, 8: {Err: errTest, Open: job}, 9: {Err: errTest, Open: other},
	})
	corrected := map[int]bool{10: true, 11: true}
	for _, test := range []struct {
		name              string
		keys              []string
		repeat, replay    bool
		pending           string
		sentAnew, doubted string
		replays           []engine.Replay
	}{
		{
			name: "nothing that is Unknown is repeated", pending: "x..x......xx", sentAnew: "x..x......xx", doubted: "............",
		},
		{
			name: "all is repeated", repeat: true, pending: "x..x.xxxxxxx", sentAnew: "x..x.xxxxxxx", doubted: ".....xxxxx..",
		},
		{
			name: "with their requests", repeat: true, replay: true,
			pending: "x..x.xxxxxxx", sentAnew: "x..x.x.x..xx", doubted: ".....x.x....", replays: []engine.Replay{*job, *other},
		},
		{
			name: "with the requests alone", replay: true,
			pending: "x..x......xx", sentAnew: "x..x......xx", doubted: "............", replays: []engine.Replay{*job, *other},
		},
		{
			name: "one shares a key with an item that is sent anew", replay: true,
			keys:    []string{"a", "b", "c", "d", "e", "f", "g", "h", "a", "i", "j", "k"},
			pending: "x..x......xx", sentAnew: "x..x......xx", doubted: "............", replays: []engine.Replay{*other},
		},
	} {
		e := &Earlier{Table: table, Keys: test.keys, Corrected: corrected, MayRepeat: func(int) bool { return test.repeat }}
		pending, past := e.Past(test.replay)
		if diff := cmp.Diff(marks(test.pending), pending); diff != "" {
			t.Errorf("%s: pending (-want +got):\n%s", test.name, diff)
		}
		want := &Past{Pending: marks(test.sentAnew), Doubtful: marks(test.doubted), Replay: test.replays}
		if diff := cmp.Diff(want, past); diff != "" {
			t.Errorf("%s: past (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestEarlierJoin(t *testing.T) {
	t.Parallel()
	slots := func(attempts ...uint16) (all []engine.Slot) {
		for _, n := range attempts {
			all = append(all, engine.Slot{State: engine.Failed, Attempts: n})
		}
		return all
	}
	// 0 is sent again, 1 is not, nor are the corrected ones, of which only 3 was to be; 4 is sent more often than counts.
	e := &Earlier{Table: tableOf(slots(2, 3, 1, 1, 65_000), nil), Corrected: map[int]bool{0: true, 2: true, 3: true}}
	now := tableOf(slots(5, 3, 1, 1, 1_000), nil)
	left := e.Join(now, marks("xx.xx"))
	if diff := cmp.Diff([]int{3}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	var attempts []int
	for _, s := range now.Slots {
		attempts = append(attempts, int(s.Attempts))
	}
	if diff := cmp.Diff([]int{7, 3, 1, 1, 65_535}, attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestSentBefore(t *testing.T) {
	t.Parallel()
	slots := append(states(engine.NotAttempted, engine.Succeeded, engine.Unknown, engine.Failed, engine.NotAttempted),
		engine.Slot{State: engine.Skipped, Reason: engine.NotFound}, engine.Slot{State: engine.Skipped, Reason: engine.Duplicate}, engine.Slot{})
	table := tableOf(slots, nil)
	const pending = "x......x" // the first and the last
	for _, test := range []struct {
		name         string
		keys         []string
		before, item int
		ok           bool
	}{
		{"all different", []string{"a", "b", "c", "d", "e", "f", "g", "h"}, 0, 0, false},
		{"of one that succeeded", []string{"b", "b", "c", "d", "e", "f", "g", "h"}, 1, 0, true},
		{"of one that is Unknown", []string{"a", "b", "c", "d", "e", "f", "g", "c"}, 2, 7, true},
		{"of one that was refused", []string{"d", "b", "c", "d", "e", "f", "g", "h"}, 0, 0, false},
		{"of one that was not attempted", []string{"e", "b", "c", "d", "e", "f", "g", "h"}, 0, 0, false},
		{"of one that needed nothing", []string{"f", "b", "c", "d", "e", "f", "g", "h"}, 5, 0, true},
		{"of one that another stood for", []string{"g", "b", "c", "d", "e", "f", "g", "h"}, 0, 0, false},
		{"of another that is to be sent", []string{"a", "b", "c", "d", "e", "f", "g", "a"}, 0, 0, false},
		{"none", []string{"", "", "", "", "", "", "", ""}, 0, 0, false},
		{"no keys at all", nil, 0, 0, false},
	} {
		before, item, ok := SentBefore(table, test.keys, marks(pending))
		if before != test.before || item != test.item || ok != test.ok {
			t.Errorf("%s: %d, %d, %v, want %d, %d, %v", test.name, before, item, ok, test.before, test.item, test.ok)
		}
	}
}
