package disktest

import (
	"errors"
	"io"
	"io/fs"
	"slices"
)

// file is an open file.
type file struct {
	disk    *Disk
	path    string
	content *content
	own     bool // opened for writing
	closed  bool
}

// do performs an operation on a file, unless it fails.
func (f *file) do(k Kind, size int, op func(c *content)) error {
	failure := f.disk.begin(k, size)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: string(k), Path: f.path, Err: fs.ErrClosed}
	}
	if failure != nil {
		return &fs.PathError{Op: string(k), Path: f.path, Err: failure}
	}
	op(f.content)
	return nil
}

// ReadAt implements [disk.File].
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.do(Read, len(p), func(c *content) {
		if off < int64(len(c.seen)) {
			n = copy(p, c.seen[off:])
		}
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// WriteAt implements [disk.File].
func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	write := func(c *content, p []byte) {
		w := change{off, slices.Clone(p)}
		c.seen, n = w.apply(c.seen), len(p)
		c.pending = append(c.pending, w)
	}
	err = f.do(Write, len(p), func(c *content) { write(c, p) })
	if short, ok := errors.AsType[*Short](err); ok && short.Bytes > 0 {
		f.disk.mu.Lock()
		defer f.disk.mu.Unlock()
		write(f.content, p[:min(short.Bytes, len(p))])
	}
	return n, err
}

// Size implements [disk.File].
func (f *file) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.content.seen)), nil
}

// Truncate implements [disk.File].
func (f *file) Truncate(size int64) error {
	return f.do(Truncate, 0, func(c *content) {
		t := change{at: size}
		c.seen = t.apply(c.seen)
		c.pending = append(c.pending, t)
	})
}

// Sync implements [disk.File]. If it fails, the pending writes never become durable, although programs still read them, as
// on Linux, which marks them as written.
func (f *file) Sync() error {
	err := f.do(Sync, 0, func(c *content) {
		for _, p := range c.pending {
			c.durable = p.apply(c.durable)
		}
		c.pending = nil
	})
	if err != nil && !errors.Is(err, ErrGone) {
		f.disk.mu.Lock()
		defer f.disk.mu.Unlock()
		f.content.pending = nil
	}
	return err
}

// Close implements [disk.File].
func (f *file) Close() error {
	return f.do(Close, 0, func(c *content) {
		f.closed = true
		if f.own {
			c.locked = false
		}
	})
}
