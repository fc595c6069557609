package bloomy

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/idem"
)

// halfMade remembers the meetings that lack attendees, so that none is made a second time.
type halfMade struct {
	mu    sync.Mutex
	items map[string]int    // meetings by the idempotency keys of the items that are about them
	same  map[string][]int  // meetings by what makes another input the same
	all   map[int]*halfNote // by the id of the meeting
}

// halfNote is what is remembered of a meeting.
type halfNote struct {
	same string // what makes another input the same
	run  string // which is about it, "" outside a run
	busy bool   // a call is at it
}

func newHalfMade() *halfMade {
	return &halfMade{items: map[string]int{}, same: map[string][]int{}, all: map[int]*halfNote{}}
}

// sameAs returns what makes two inputs the same: the key that the caller gives them, or else all that is asked for.
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

// own returns the meeting that the item has begun, in an earlier attempt or in the run that this one is a Rerun of; 0 when
// there is none.
func (m *halfMade) own(attempt clients.Attempt) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.items[attempt.IdempotencyKey()]
}

// take returns the meeting that an input is about, 0 when there is none yet: the item's own, or else one that another run, or
// a call outside any, began for the same and left. Within a run, two inputs that are the same are about two meetings.
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

// begin remembers that a call is at a meeting for an item.
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

// leave says that no call is at the meeting any more.
func (m *halfMade) leave(meeting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if note := m.all[meeting]; note != nil {
		note.busy = false
	}
}

// forget says that a meeting is complete: the same input is about another one from now on, as is the item.
func (m *halfMade) forget(attempt clients.Attempt, meeting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items, attempt.IdempotencyKey())
	m.drop(meeting)
}

// gone says that there is no such meeting: all inputs are about other ones from now on.
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
