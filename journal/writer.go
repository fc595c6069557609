package journal

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
)

const (
	groupSize  = 100            // ends that are made durable together, at the latest
	groupDelay = time.Second    // and after this time
	mostBehind = 1 << 20        // bytes that wait to be written before Record waits too
	groupKept  = 4 * mostBehind // bytes of a buffer that is used again
	gatherMost = 256            // looks for more before a group is closed
)

// writer appends lines to the file. It makes them durable in groups: whoever wants to wait joins the next group, and
// while one group is written and synced, the next one gathers.
type writer struct {
	path string
	file disk.File

	mu       sync.Mutex
	lines    uint64 // written or to be
	pending  []byte // lines to be written
	from     int64  // where in the file pending begins
	flight   []byte // lines that are being written, before pending; nil when there are none
	spare    []byte // to be used again
	next     *group // waits for pending; nil when nobody does
	current  *group // waits for flight; nil when nothing is being written
	ends     int    // in pending
	waits    uint64 // how often somebody was to wait for what he appended
	deadline *time.Timer
	closed   bool
	err      error       // of the disk, for good
	refusing atomic.Bool // closed, or err is set
}

// group is what is made durable together.
type group struct {
	done chan struct{} // closed when it is, or never will be
	err  error         // then
}

// wait returns when the group is durable, or when ctx has ended.
func (g *group) wait(ctx context.Context) error {
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
	}
	select {
	case <-g.done: // at the same moment
		return g.err
	default:
		return context.Cause(ctx)
	}
}

// append appends a record for later, and returns where it will be, and the group that makes it durable.
func (w *writer) append(r *record) (offset int64, g *group, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if offset, err = w.add(r); err != nil {
		return 0, nil, err
	}
	w.waits++
	return offset, w.join(), nil
}

// appendEnds appends records for later of how keys have ended, and notes where they will be. It returns how many it has
// appended: all, unless there is an error.
func (w *writer) appendEnds(entries []windrow.JournalEntry, changes []change) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range entries {
		r := record{key: e.Key, previous: changes[i].before, state: e.State, reason: e.Reason, id: e.ID, fingerprint: e.Fingerprint}
		offset, err := w.add(&r)
		if err != nil {
			return i, err
		}
		changes[i].to = refTo(offset, e.State)
	}
	return len(entries), nil
}

// add appends a record. The lock is held.
func (w *writer) add(r *record) (offset int64, err error) {
	if err := w.refusal(); err != nil {
		return 0, err
	}
	start := len(w.pending)
	line := appendRecord(append(w.pending, room...), r)
	if size := len(line) - start + 1; size > maxRecord {
		return 0, fmt.Errorf("journal: a record of %d bytes is more than the %d that fit", size, maxRecord)
	}
	if w.from+int64(len(line)) >= maxSize {
		return 0, errFull
	}
	w.pending = seal(line, start, w.lines)
	w.lines++
	return w.from + int64(start), nil
}

// begin makes the header durable, which is the first line.
func (w *writer) begin(header []byte) (*group, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refusal(); err != nil {
		return nil, err
	}
	w.pending = seal(append([]byte(room), header...), 0, 0)
	w.lines = 1
	return w.join(), nil
}

// room is where the prefix of a line will be.
const room = "12345678 "

// refusal returns why nothing can be appended. The lock is held.
func (w *writer) refusal() error {
	if w.err == nil && w.closed {
		return ErrClosed
	}
	return w.err
}

// refuses returns why nothing can be appended.
func (w *writer) refuses() error {
	if !w.refusing.Load() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusal()
}

// failed returns the error of the disk.
func (w *writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// join returns the group that waits for what is pending. The lock is held.
func (w *writer) join() *group {
	if w.next == nil {
		w.next = &group{done: make(chan struct{})}
		if w.current == nil {
			w.current = w.next // so that nobody else begins
			go w.work()
		}
	}
	return w.next
}

// ended counts ends that were appended, and sees to it that they do not wait for long. It returns the group to wait for
// when the disk is too far behind, nil otherwise.
func (w *writer) ended(n int) *group {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends += n
	switch {
	case w.ends >= groupSize || len(w.pending) >= mostBehind:
		if g := w.join(); len(w.pending) >= mostBehind {
			return g
		}
	case w.deadline == nil:
		w.deadline = time.AfterFunc(groupDelay, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.pending) > 0 {
				w.join()
			}
		})
	}
	return nil
}

// work writes and syncs one group after the other, as long as somebody waits for one.
func (w *writer) work() {
	for {
		w.gather()
		g, lines, from, err := w.take()
		if g == nil {
			return
		}
		if err == nil {
			err = w.write(lines, from)
		}
		w.mu.Lock()
		if g.err = err; err != nil {
			w.err = err
			w.refusing.Store(true)
		}
		w.flight, w.spare = nil, lines[:0]
		if cap(w.spare) > groupKept {
			w.spare = nil
		}
		w.mu.Unlock()
		close(g.done)
	}
}

// gather lets those come whom the last group held up, as long as more do: each would have to wait for one more sync.
func (w *writer) gather() {
	before := uint64(0)
	for range gatherMost {
		w.mu.Lock()
		now := w.waits
		w.mu.Unlock()
		if now == before {
			return
		}
		before = now
		runtime.Gosched()
	}
}

// take returns the next group and its lines; nil when nobody waits. It returns the error that the disk had before.
func (w *writer) take() (g *group, lines []byte, from int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = w.next
	w.next = nil
	if w.current == nil {
		return nil, nil, 0, nil
	}
	lines, from = w.pending, w.from
	w.flight, w.pending, w.spare = lines, w.spare, nil
	w.from += int64(len(lines))
	w.ends = 0
	if w.deadline != nil {
		w.deadline.Stop()
		w.deadline = nil
	}
	return w.current, lines, from, w.err
}

// write writes lines and makes them durable. What fails once is not tried again: the system may have dropped what it
// could not write, and a sync that succeeds would not say so.
func (w *writer) write(lines []byte, at int64) error {
	op := "write"
	n, err := w.file.WriteAt(lines, at)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err == nil {
		op, err = "sync", w.file.Sync()
	}
	if err == nil {
		return nil
	}
	// Whoever reads the file next would see what was written, although the disk may not have it, and go on behind a hole.
	// Nobody was told that it is durable. (If this fails as well, a hole is found by its checksum.)
	_ = w.file.Truncate(at)
	return &DiskError{w.path, op, err}
}

// sync waits until all that was appended is durable.
func (w *writer) sync() error {
	w.mu.Lock()
	g := w.current
	switch err := w.refusal(); {
	case err != nil:
		w.mu.Unlock()
		return err
	case len(w.pending) > 0:
		g = w.join()
	}
	w.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.wait(context.Background())
}

// close makes durable what was appended and closes the file. The second time it does nothing.
func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.refusing.Store(true)
	g := w.current
	if w.next != nil || len(w.pending) > 0 {
		g = w.join()
	}
	w.mu.Unlock()
	var failed error
	if g != nil {
		failed = g.wait(context.Background())
	}
	if failed == nil {
		failed = w.failed()
	}
	if err := w.file.Close(); err != nil && failed == nil {
		failed = &DiskError{w.path, "close", err}
	}
	return failed
}

// read reads from what is written, or from what is to be. It may read less than it could.
func (w *writer) read(p []byte, off int64) (n int, err error) {
	w.mu.Lock()
	written := w.from - int64(len(w.flight))
	if off < written {
		w.mu.Unlock()
		return w.file.ReadAt(p[:min(int64(len(p)), written-off)], off)
	}
	defer w.mu.Unlock()
	switch {
	case off < w.from:
		return copy(p, w.flight[off-written:]), nil
	case off < w.from+int64(len(w.pending)):
		return copy(p, w.pending[off-w.from:]), nil
	}
	return 0, io.EOF
}
