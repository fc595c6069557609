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
	groupSize  = 100            // ends after which a group is synced
	groupDelay = time.Second    // time after which it is synced at the latest
	maxPending = 1 << 20        // bytes to be written above which Record waits
	maxSpare   = 4 * maxPending // bytes of the largest buffer that is reused
	maxGathers = 256            // rounds of gather before a group is closed
)

// writer appends lines to the file. It makes them durable in groups: a caller that waits joins the next group, and while one
// group is written and synced, the next one gathers.
type writer struct {
	path string
	file disk.File

	mu             sync.Mutex
	lines          uint64    // number of lines, pending ones included
	pending        []byte    // lines to be written
	from           int64     // where in the file pending begins
	flight         []byte    // lines being written and synced; nil when there are none
	flushed        int64     // bytes written after flight without a sync
	flightWritten  bool      // flight is written
	moved          sync.Cond // signals that flightWritten was set, or flight became nil
	synced         int64     // offset up to which the file is synced
	spare          []byte    // a buffer for reuse
	next           *group    // waits for pending; nil when no caller waits
	current        *group    // waits for flight; nil when work is not running
	ends           int       // in pending
	durableAppends uint64    // durable appends so far
	deadline       *time.Timer
	closed         bool
	err            error       // of the disk; final
	refusing       atomic.Bool // closed, or err is set
}

// group is a set of lines that is made durable together.
type group struct {
	done chan struct{} // closed when the group is durable, or has failed
	err  error         // set before done is closed
}

// wait returns when the group is durable, or when ctx has ended.
func (g *group) wait(ctx context.Context) error {
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
	}
	select {
	case <-g.done: // both at once: durable counts
		return g.err
	default:
		return context.Cause(ctx)
	}
}

// append adds a record to pending, and returns its offset and, if it is to be durable, the group that syncs it.
func (w *writer) append(r *record, durable bool) (offset int64, g *group, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if offset, err = w.add(r); err != nil || !durable {
		return offset, nil, err
	}
	w.durableAppends++
	return offset, w.join(), nil
}

// flush writes the pending lines without a sync, so that a kill of the process does not lose them.
func (w *writer) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.flight != nil && !w.flightWritten { // write in order, so that the file has no holes
		w.moved.Wait()
	}
	if w.err != nil || len(w.pending) == 0 { // or another goroutine has written the lines
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

// appendEnds adds the ends of keys to pending, and sets their offsets in changes. It returns how many it has added: all,
// unless there is an error.
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

// add adds a record to pending. The lock is held.
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

// begin adds the header, the first line, and returns the group that syncs it.
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

// room is a placeholder for the prefix of a line.
const room = "12345678 "

// refusal returns an error if nothing can be appended. The lock is held.
func (w *writer) refusal() error {
	if w.err == nil && w.closed {
		return ErrClosed
	}
	return w.err
}

// refuses returns an error if nothing can be appended. It takes the lock only then.
func (w *writer) refuses() error {
	if !w.refusing.Load() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusal()
}

// failed returns the error of the disk, if it has failed.
func (w *writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// join returns the group of the pending lines, and starts work if it is not running. The lock is held.
func (w *writer) join() *group {
	if w.next == nil {
		w.next = &group{done: make(chan struct{})}
		if w.current == nil {
			w.current = w.next // so that work is started once
			go w.work()
		}
	}
	return w.next
}

// ended counts ends that were appended, and has them synced after groupSize ends or groupDelay. It returns the group to wait
// for if too many bytes are pending, nil otherwise.
func (w *writer) ended(n int) *group {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends += n
	switch {
	case w.ends >= groupSize || len(w.pending) >= maxPending:
		if g := w.join(); len(w.pending) >= maxPending {
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

// work writes and syncs one group after the other, until no caller waits for one.
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
		if cap(w.spare) > maxSpare {
			w.spare = nil
		}
		w.mu.Unlock()
		close(g.done)
	}
}

// gather yields to callers that the last group held up, as long as more of them append: in this group they save one more
// sync.
func (w *writer) gather() {
	before := uint64(0)
	for range maxGathers {
		w.mu.Lock()
		now := w.durableAppends
		w.mu.Unlock()
		if now == before {
			return
		}
		before = now
		runtime.Gosched()
	}
}

// behind reports whether some line is neither synced nor in flight. The lock is held.
func (w *writer) behind() bool {
	end := w.synced
	if w.flight != nil {
		end = w.from - w.flushed
	}
	return len(w.pending) > 0 || end < w.from
}

// take returns the next group, its lines, their offset, and the offset up to which the file is synced; a nil group when no
// caller waits. err is an earlier error of the disk.
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
	w.flight, w.flushed, w.flightWritten, w.pending, w.spare = lines, 0, false, w.spare, nil
	w.from += int64(len(lines))
	w.ends = 0
	if w.deadline != nil {
		w.deadline.Stop()
		w.deadline = nil
	}
	return w.current, lines, from, w.synced, w.err
}

// write writes lines and makes them durable. It never retries: the system may have dropped dirty pages, and a later sync
// would succeed nevertheless. synced is the offset up to which the file was synced before.
func (w *writer) write(lines []byte, at, synced int64) error {
	op := "write"
	n, err := w.file.WriteAt(lines, at)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err == nil {
		w.mu.Lock()
		w.flightWritten = true
		w.moved.Broadcast()
		w.mu.Unlock()
		at = synced
		op, err = "sync", w.file.Sync()
	}
	if err == nil {
		return nil
	}
	// Cut off what may not be on disk, so that no reader takes it for durable and appends after a hole. No caller was told
	// that it is durable. (If this fails as well, the checksum detects the hole.)
	_ = w.file.Truncate(at)
	return &DiskError{w.path, op, err}
}

// sync waits until all lines are durable.
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

// close makes all lines durable and closes the file. A second close does nothing.
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

// read reads from the file, from flight or from pending. It may return fewer bytes than are available.
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
