package resume

import (
	"cmp"
	"slices"

	"github.com/windrow-go/windrow/internal/engine"
)

// Earlier is the result of a run that is gone on with, without a journal.
type Earlier struct {
	Table     *engine.Table
	Keys      []string            // nil when there are none
	Corrected map[int]bool        // items whose input was corrected and not sent since
	MayRepeat func(item int) bool // to send one that is Unknown is harmless, or there is a way to look it up first
}

// Past returns which items are to be sent, and how: anew, or, if a replay is wanted, with the requests that left
// something to go on with.
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

// pending returns which items are to be sent, and which of these the earlier run may have applied.
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

// open returns the requests that ended as Unknown and left something to go on with, such as a job on the server.
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
		// Those that share a key with one that is sent anew go one after the other.
		if !slices.ContainsFunc(open.Items, func(i int) bool { return e.Keys != nil && anew[e.Keys[i]] }) {
			all = append(all, *open)
		}
	}
	slices.SortFunc(all, func(a, b engine.Replay) int { return cmp.Compare(a.Items[0], b.Items[0]) })
	return all
}

// Join adds the attempts of the earlier run to those of the items that were pending and sent again. It returns the
// corrected ones that were not, since the run was stopped before.
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

// SentBefore returns the first pending item that has the key of one that an earlier run has sent, as the table says,
// and that one. ok is false when there is none.
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
