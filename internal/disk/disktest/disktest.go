// Package disktest has a disk in memory that fails on demand, becomes full, and loses power, to test journals and backups.
package disktest

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"

	"github.com/windrow-go/windrow/internal/disk"
)

// Kind is the kind of a file operation.
type Kind string

// The kinds.
const (
	Open     Kind = "open"
	Create   Kind = "create"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	View     Kind = "view"
	Read     Kind = "read"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	SyncDir  Kind = "sync folder"
	Close    Kind = "close"
)

// Op is one operation on a file.
type Op struct {
	Kind Kind
	Nth  int // of its kind on this disk, from 1
	Size int // of a write, in bytes
}

// Short is the error of a write that wrote only the first bytes.
type Short struct {
	Bytes int
	Err   error
}

// Error implements error.
func (e *Short) Error() string { return e.Err.Error() }

// Unwrap returns the cause of the short write.
func (e *Short) Unwrap() error { return e.Err }

// ErrGone is the error of operations that do not reach the disk, because the program was killed or the power failed before.
var ErrGone = errors.New("the program was killed, or the power failed")

// Disk is a [disk.Disk] and a [disk.Folder] in memory. The zero Disk is empty and does not fail. It may be used from many goroutines.
type Disk struct {
	// Fail is called before each operation, which fails with its error: a write after the bytes of a [Short], a sync for
	// good unless the error is [ErrGone]. It may block, as disks do. It must be set before the disk is used. Nil means that
	// nothing fails.
	Fail func(op Op) error

	mu     sync.Mutex
	files  map[string]*content // by name, as programs see them
	linked map[string]*content // by durable name: the files after a power failure
	count  map[Kind]int
}

// content is a file.
type content struct {
	seen    []byte   // content that programs read
	durable []byte   // content after a power failure
	pending []change // not durable, in order
	locked  bool
}

// change is a write, or a truncation when data is nil.
type change struct {
	at   int64
	data []byte
}

func (c change) apply(to []byte) []byte {
	if c.data == nil {
		return resize(to, c.at)
	}
	if end := c.at + int64(len(c.data)); int64(len(to)) < end {
		to = resize(to, end)
	}
	copy(to[c.at:], c.data)
	return to
}

// resize returns a copy with that length.
func resize(b []byte, size int64) []byte {
	to := make([]byte, size)
	copy(to, b)
	return to
}

// Put creates a durable file with that content.
func (d *Disk) Put(path string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(path, &content{seen: slices.Clone(data), durable: slices.Clone(data)})
	d.link(path)
}

// Bytes returns the content of a file as programs read it, nil if there is none.
func (d *Disk) Bytes(path string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.files[path]; c != nil {
		return append([]byte{}, c.seen...)
	}
	return nil
}

// Durable returns the content that a file has at least after a power failure; nil if the file may be gone.
func (d *Disk) Durable(path string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.files[path]; c != nil && c == d.linked[path] {
		return append([]byte{}, c.durable...)
	}
	return nil
}

// Names returns the paths of all files, sorted.
func (d *Disk) Names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.files))
}

// put gives a file a name. The lock is held.
func (d *Disk) put(path string, c *content) {
	if d.files == nil {
		d.files = map[string]*content{}
	}
	d.files[path] = c
}

// link makes the name of a file, or its absence, durable. The lock is held.
func (d *Disk) link(path string) {
	if d.linked == nil {
		d.linked = map[string]*content{}
	}
	if c := d.files[path]; c != nil {
		d.linked[path] = c
	} else {
		delete(d.linked, path)
	}
}

// names returns the names of files now and at the last sync of their folder, sorted so that a seed gives the same draws. The
// lock is held.
func (d *Disk) names() []string {
	all := maps.Clone(d.files)
	maps.Copy(all, d.linked)
	return slices.Sorted(maps.Keys(all))
}

// Count returns how many operations of a kind there were, including failed ones.
func (d *Disk) Count(k Kind) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[k]
}

// Kill returns the disk after a kill of the process: all writes are there, and no file is locked.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	copies := map[*content]*content{}
	copied := func(c *content) *content {
		if copies[c] == nil {
			pending := make([]change, len(c.pending))
			for i, p := range c.pending {
				pending[i] = change{p.at, slices.Clone(p.data)}
			}
			copies[c] = &content{seen: slices.Clone(c.seen), durable: slices.Clone(c.durable), pending: pending}
		}
		return copies[c]
	}
	after := &Disk{files: map[string]*content{}, linked: map[string]*content{}}
	for path, c := range d.files {
		after.files[path] = copied(c)
	}
	for path, c := range d.linked {
		after.linked[path] = copied(c)
	}
	return after
}

// LosePower returns the disk after a power failure: each file has its durable content and a random prefix of the writes
// since. A name that is not durable belongs to its new file, its old file, or none.
func (d *Disk) LosePower(r *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := new(Disk)
	for _, path := range d.names() {
		c := d.files[path]
		if before := d.linked[path]; before != c && r.IntN(2) == 0 {
			c = before
		}
		if c == nil {
			continue
		}
		left := slices.Clone(c.durable)
		whole := r.IntN(len(c.pending) + 1)
		for _, p := range c.pending[:whole] {
			left = p.apply(left)
		}
		if whole < len(c.pending) {
			if p := c.pending[whole]; len(p.data) > 0 {
				left = change{p.at, p.data[:r.IntN(len(p.data))]}.apply(left)
			}
		}
		after.put(path, &content{seen: left, durable: slices.Clone(left)})
		after.link(path)
	}
	return after
}

// begin counts an operation and calls Fail.
func (d *Disk) begin(k Kind, size int) error {
	d.mu.Lock()
	if d.count == nil {
		d.count = map[Kind]int{}
	}
	d.count[k]++
	op, fail := Op{k, d.count[k], size}, d.Fail
	d.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(op)
}

// Open implements [disk.Disk].
func (d *Disk) Open(path string) (disk.File, error) {
	if err := d.begin(Open, 0); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.files[path]
	if c == nil {
		c = &content{}
		d.put(path, c)
	}
	if c.locked {
		return nil, &fs.PathError{Op: "lock", Path: path, Err: disk.ErrLocked}
	}
	c.locked = true
	return &file{disk: d, path: path, content: c, own: true}, nil
}

// View implements [disk.Disk].
func (d *Disk) View(path string) (disk.File, error) {
	if err := d.begin(View, 0); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.files[path]
	if c == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return &file{disk: d, path: path, content: c}, nil
}

// Create implements [disk.Folder].
func (d *Disk) Create(path string) (disk.File, error) {
	if err := d.begin(Create, 0); err != nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[path] != nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	c := &content{}
	d.put(path, c)
	return &file{disk: d, path: path, content: c}, nil
}

// Rename implements [disk.Folder].
func (d *Disk) Rename(from, to string) error {
	return d.name(Rename, from, func(c *content) {
		delete(d.files, from)
		d.files[to] = c
	})
}

// Remove implements [disk.Folder].
func (d *Disk) Remove(path string) error {
	return d.name(Remove, path, func(*content) { delete(d.files, path) })
}

// name performs an operation on the name of a file, unless it fails.
func (d *Disk) name(k Kind, path string, op func(c *content)) error {
	if err := d.begin(k, 0); err != nil {
		return &fs.PathError{Op: string(k), Path: path, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.files[path]
	if c == nil {
		return &fs.PathError{Op: string(k), Path: path, Err: fs.ErrNotExist}
	}
	op(c)
	return nil
}

// SyncDir implements [disk.Disk] and [disk.Folder].
func (d *Disk) SyncDir(path string) error {
	if err := d.begin(SyncDir, 0); err != nil {
		return &fs.PathError{Op: "sync", Path: path, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, other := range d.names() {
		if filepath.Dir(other) == filepath.Dir(path) {
			d.link(other)
		}
	}
	return nil
}
