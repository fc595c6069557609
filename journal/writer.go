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
	lines    uint64    // written or to be
	pending  []byte    // lines to be written
	from     int64     // where in the file pending begins
	flight   []byte    // lines that are being written and synced; nil when there are none
	flushed  int64     // bytes that were written without a sync since flight was taken: they are behind it
	flown    bool      // flight is written
	moved    sync.Cond // flown was set, or flight became nil
	synced   int64     // up to here the file is known to be on disk
	spare    []byte    // to be used again
	next     *group    // waits for pending; nil when nobody does
	current  *group    // waits for flight; nil when nothing is being written
	ends     int       // in pending
	waits    uint64    // how often somebody was to wait for what he appended
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

// append appends a record for later, and returns where it will be, and the group that makes it durable, if it is to be.
func (w *writer) append(r *record, durable bool) (offset int64, g *group, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if offset, err = w.add(r); err != nil || !durable {
		return offset, nil, err
	}
	w.waits++
	return offset, w.join(), nil
}

// flush writes what is pending, without a sync: a kill of the process does not lose it any more. What comes meanwhile is
// written together the next time.
func (w *writer) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.flight != nil && !w.flown { // what is written first must be there first: there are no holes
		w.moved.Wait()
	}
	if w.err != nil || len(w.pending) == 0 { // another has written it
		return w.err
	}
	n, err := w.file.WriteAt(w.pending, w.from)
	if err == nil && n < len(w.pending) {
		err = io.ErrShortWrite
	}
	if err != nil {
		_ = w.file.Truncate(w.from)
		w.err = &DiskError{w.path, "write", err}
		w.refusing.Store(true)
		return w.err
	}
	w.from += int64(len(w.pending))
	w.flushed += int64(len(w.pending))
	w.pending = w.pending[:0]
	return nil
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
			if w.behind() {
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
		g, lines, from, synced, err := w.take()
		if g == nil {
			return
		}
		if err == nil {
			err = w.write(lines, from, synced)
		}
		w.mu.Lock()
		if g.err = err; err != nil {
			w.err = err
			w.refusing.Store(true)
		} else {
			w.synced = from + int64(len(lines))
		}
		w.flight, w.spare = nil, lines[:0]
		w.moved.Broadcast()
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

// behind reports whether something is to be made durable. The lock is held.
func (w *writer) behind() bool {
	end := w.synced
	if w.flight != nil {
		end = w.from - w.flushed
	}
	return len(w.pending) > 0 || end < w.from
}

// take returns the next group and its lines, where they go, and up to where the file is synced; nil when nobody waits. It
// returns the error that the disk had before.
func (w *writer) take() (g *group, lines []byte, from, synced int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = w.next
	w.next = nil
	if w.current == nil {
		return nil, nil, 0, 0, nil
	}
	if w.moved.L == nil {
		w.moved.L = &w.mu
	}
	lines, from = w.pending, w.from
	w.flight, w.flushed, w.flown, w.pending, w.spare = lines, 0, false, w.spare, nil
	w.from += int64(len(lines))
	w.ends = 0
	if w.deadline != nil {
		w.deadline.Stop()
		w.deadline = nil
	}
	return w.current, lines, from, w.synced, w.err
}

// write writes lines and makes them durable. What fails once is not tried again: the system may have dropped what it
// could not write, and a sync that succeeds would not say so. synced is up to where the file was synced before.
func (w *writer) write(lines []byte, at, synced int64) error {
	op := "write"
	n, err := w.file.WriteAt(lines, at)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err == nil {
		w.mu.Lock()
		w.flown = true
		w.moved.Broadcast()
		w.mu.Unlock()
		at = synced
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
	case w.behind():
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
	if w.next != nil || w.behind() {
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
	written, begins := w.from, w.from-w.flushed-int64(len(w.flight))
	if w.flight != nil && off < w.from-w.flushed {
		written = begins
	}
	if off < written {
		w.mu.Unlock()
		return w.file.ReadAt(p[:min(int64(len(p)), written-off)], off)
	}
	defer w.mu.Unlock()
	switch {
	case off < w.from:
		return copy(p, w.flight[off-begins:]), nil
	case off < w.from+int64(len(w.pending)):
		return copy(p, w.pending[off-w.from:]), nil
	}
	return 0, io.EOF
}
