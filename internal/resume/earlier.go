package resume

import (
	"cmp"
	"slices"

	"github.com/windrow-go/windrow/internal/engine"
)

// Earlier is the result of a run that a Rerun continues, without a journal.
type Earlier struct {
	Table     *engine.Table
	Keys      []string            // nil if there are none
	Corrected map[int]bool        // items whose input was corrected and not sent since
	MayRepeat func(item int) bool // an Unknown item is harmless to repeat, or can be looked up first
}

// Past returns which items to send: anew or, with replay, with their earlier requests that stored a handle.
func (e *Earlier) Past(replay bool) (pending []bool, past *Past) {
	pending, doubtful := e.pending()
	past = &Past{Pending: slices.Clone(pending), Doubtful: doubtful}
	if !replay {
		return pending, past
	}
	past.Replay = e.open(pending)
	for _, open := range past.Replay {
		for _, i := range open.Items {
			past.Pending[i], past.Doubtful[i] = false, false
		}
	}
	return pending, past
}

// pending returns which items to send, and which of these the earlier run may have applied.
func (e *Earlier) pending() (pending, doubtful []bool) {
	n := len(e.Table.Slots)
	pending, doubtful = make([]bool, n), make([]bool, n)
	for i := range n {
		switch e.Table.Slots[i].State {
		case engine.NotAttempted:
			pending[i] = true
		case engine.Failed:
			pending[i] = e.Corrected[i] || e.Table.Detail(i).Resend
		case engine.Skipped:
			pending[i] = e.Corrected[i]
		case engine.Unknown:
			doubtful[i] = e.MayRepeat(i)
			pending[i] = doubtful[i]
		}
	}
	return pending, doubtful
}

// open returns the requests that ended as Unknown and stored a handle, such as that of a job on the server.
func (e *Earlier) open(pending []bool) (all []engine.Replay) {
	anew := map[string]bool{} // keys of the items that are sent again from the start
	known := map[*engine.Replay]bool{}
	for i := range e.Table.Slots {
		if open := e.Table.Detail(i).Open; open != nil {
			known[open] = true
		} else if pending[i] && e.Keys != nil {
			anew[e.Keys[i]] = true
		}
	}
	for open := range known {
		// Items that share a key with one that is sent anew are sent one after the other.
		if !slices.ContainsFunc(open.Items, func(i int) bool { return e.Keys != nil && anew[e.Keys[i]] }) {
			all = append(all, *open)
		}
	}
	slices.SortFunc(all, func(a, b engine.Replay) int { return cmp.Compare(a.Items[0], b.Items[0]) })
	return all
}

// Join adds the attempts of the earlier run to those of pending items that were sent again. It returns the corrected items
// that were not sent, because the run stopped before.
func (e *Earlier) Join(now *engine.Table, pending []bool) (left []int) {
	for i := range pending {
		slot, before := &now.Slots[i], e.Table.Slots[i]
		switch {
		case !pending[i]:
		case *slot != before:
			slot.Attempts = engine.Attempts(int(slot.Attempts) + int(before.Attempts))
		case e.Corrected[i]:
			left = append(left, i)
		}
	}
	return left
}

// SentBefore returns the first pending item whose key is that of an item that an earlier run has sent, according to the
// table, and that item. ok is false if there is none.
func SentBefore(table *engine.Table, keys []string, pending []bool) (before, item int, ok bool) {
	sent := map[string]int{}
	for i, key := range keys {
		s := table.Slots[i]
		if key != "" && !pending[i] && (s.State == engine.Succeeded || s.State == engine.Unknown || s.State == engine.Skipped && s.Reason != engine.Duplicate) {
			sent[key] = i
		}
	}
	for i, key := range keys {
		if before, ok := sent[key]; ok && pending[i] {
			return before, i, true
		}
	}
	return 0, 0, false
}
