package bloomy

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/idem"
)

// halfMade keeps the meetings that lack attendees, so that none is created a second time.
type halfMade struct {
	mu    sync.Mutex
	items map[string]int    // by idempotency key of an item: its meeting
	same  map[string][]int  // by sameAs of an input: its meetings
	all   map[int]*halfNote // by the id of the meeting
}

// halfNote is an incomplete meeting.
type halfNote struct {
	same string // sameAs of its input
	run  string // id of the run that completes it, "" outside a run
	busy bool   // a call is completing it
}

func newHalfMade() *halfMade {
	return &halfMade{items: map[string]int{}, same: map[string][]int{}, all: map[int]*halfNote{}}
}

// sameAs returns the identity of an input: the caller's Key, or else its content.
func sameAs(attempt clients.Attempt, in NewMeeting) string {
	if key := attempt.Key; key != "" {
		return idem.Hash("key", key)
	}
	parts := []string{"input", in.Title, strconv.FormatBool(in.WithoutSelf)}
	for _, user := range slices.Compact(slices.Sorted(slices.Values(in.Attendees))) {
		parts = append(parts, strconv.Itoa(user))
	}
	return idem.Hash(parts...)
}

// own returns the meeting that the item has begun, in an earlier attempt or in the run of which this is a Rerun; 0 if there
// is none.
func (m *halfMade) own(attempt clients.Attempt) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.items[attempt.IdempotencyKey()]
}

// take returns the meeting to complete for an input, 0 if there is none: the item's own, or else one that another run, or a
// call outside a run, has begun for an equal input and left. Within a run, equal inputs have meetings of their own.
func (m *halfMade) take(attempt clients.Attempt, in NewMeeting) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	meeting := m.items[attempt.IdempotencyKey()]
	for _, left := range m.same[sameAs(attempt, in)] {
		if note := m.all[left]; meeting == 0 && !note.busy && (attempt.RunID() == "" || note.run != attempt.RunID()) {
			meeting = left
		}
	}
	if meeting != 0 {
		m.note(attempt, in, meeting)
	}
	return meeting
}

// begin records that a call is completing a meeting for an item.
func (m *halfMade) begin(attempt clients.Attempt, in NewMeeting, meeting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(attempt, in, meeting)
}

func (m *halfMade) note(attempt clients.Attempt, in NewMeeting, meeting int) {
	if item := attempt.IdempotencyKey(); item != "" { // "" outside a run
		m.items[item] = meeting
	}
	note := m.all[meeting]
	if note == nil {
		note = &halfNote{same: sameAs(attempt, in)}
		m.all[meeting] = note
		m.same[note.same] = append(m.same[note.same], meeting)
	}
	note.run, note.busy = attempt.RunID(), true
}

// leave records that no call is completing the meeting any more.
func (m *halfMade) leave(meeting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if note := m.all[meeting]; note != nil {
		note.busy = false
	}
}

// forget drops a meeting that is complete: an equal input creates another one from now on, and so does the item.
func (m *halfMade) forget(attempt clients.Attempt, meeting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items, attempt.IdempotencyKey())
	m.drop(meeting)
}

// gone drops a meeting that does not exist any more: all inputs create other ones from now on.
func (m *halfMade) gone(meeting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.items, func(_ string, id int) bool { return id == meeting })
	m.drop(meeting)
}

func (m *halfMade) drop(meeting int) {
	note := m.all[meeting]
	if note == nil {
		return
	}
	delete(m.all, meeting)
	m.same[note.same] = slices.DeleteFunc(m.same[note.same], func(id int) bool { return id == meeting })
	if len(m.same[note.same]) == 0 {
		delete(m.same, note.same)
	}
}
