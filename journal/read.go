package journal

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/windrow-go/windrow/internal/disk"
)

// contents is the content of a file.
type contents struct {
	header header
	begun  bool // the file has a header
	book   book
	lines  uint64
	end    int64 // of the last whole line
	size   int64 // of the file; more than end when the last line is torn
}

// readAll reads a file from beginning to end. Errors are [*CorruptError], [*MismatchError] or [*DiskError].
func readAll(path string, f disk.File, hash func(string) uint32) (*contents, error) {
	size, err := f.Size()
	if err != nil {
		return nil, &DiskError{path, "read", err}
	}
	if size > maxSize {
		return nil, errFull
	}
	c := &contents{size: size}
	c.book = book{index: new(index), hash: hash, read: (&reader{path: path, read: f.ReadAt}).record}
	s := scan(f, size)
	for {
		line, offset, err := s.next()
		if err == io.EOF {
			c.end = offset
			return c, nil
		}
		if err != nil && err != errLong {
			return nil, &DiskError{path, "read", err}
		}
		if err == nil {
			err = c.add(line[:len(line)-1], offset)
		}
		if format, ok := errors.AsType[errFormat](err); ok {
			return nil, &MismatchError{path, "format version", strconv.Itoa(format.version), strconv.Itoa(formatVersion)}
		}
		if failed, ok := errors.AsType[*DiskError](err); ok {
			return nil, failed
		}
		if err != nil {
			return nil, &CorruptError{path, offset, c.lines + 1, err.Error()}
		}
		c.lines++
	}
}

var (
	errBeginning = errors.New("it does not begin as a journal does")
	errChecksum  = errors.New("the checksum is wrong: bytes were changed, or lines are missing")
	errLong      = errors.New("the line is longer than any record")
)

// add enters a line without its line feed. The error says what is wrong with the line.
func (c *contents) add(line []byte, offset int64) error {
	record, ok := unseal(line, c.lines)
	switch {
	case !ok && c.lines == 0:
		return errBeginning
	case !ok:
		return errChecksum
	case c.lines == 0:
		h, err := parseHeader(record)
		c.header, c.begun = h, err == nil
		return err
	}
	r, err := (&parser{rest: record, keysOnly: true}).record()
	if err != nil {
		return err
	}
	return c.book.note(&r, offset)
}

// chunk is how many bytes are read at once.
const chunk = 256 << 10

// scanner cuts a file into lines.
type scanner struct {
	r    io.ReaderAt
	size int64
	buf  []byte // read from the file
	at   int    // where in buf the next line begins
	from int64  // where in the file buf begins
	line uint64 // number of lines returned
}

func scan(r io.ReaderAt, size int64) *scanner {
	return &scanner{r: r, size: size, buf: make([]byte, 0, min(chunk, size))}
}

// next returns the next line with its line feed, and its offset. At the end it returns io.EOF and the offset at which the
// last whole line ends. An incomplete last line is dropped; a complete one whose line feed was changed is returned.
func (s *scanner) next() (line []byte, offset int64, err error) {
	seen := 0
	for {
		rest := s.buf[s.at:]
		offset = s.from + int64(s.at)
		if i := bytes.IndexByte(rest[seen:], '\n'); i >= 0 {
			line = rest[:seen+i+1]
			s.at += len(line)
			s.line++
			return line, offset, nil
		}
		if s.from+int64(len(s.buf)) >= s.size {
			if s.torn(rest) {
				return nil, offset, io.EOF
			}
			return append(rest[:len(rest):len(rest)], '\n'), offset, nil // its checksum will be wrong
		}
		if seen = len(rest); seen > maxRecord {
			return nil, offset, errLong
		}
		if err := s.fill(rest); err != nil {
			return nil, offset, err
		}
	}
}

// fill reads more after rest, the part of buf that was not returned.
func (s *scanner) fill(rest []byte) error {
	s.from += int64(s.at)
	s.at = 0
	size := max(cap(s.buf), 2*len(rest))
	to := s.buf[:0]
	if size > cap(s.buf) {
		to = make([]byte, 0, size)
	}
	to = append(to, rest...)
	start := s.from + int64(len(to))
	n := int(min(int64(size-len(to)), s.size-start))
	got, err := s.r.ReadAt(to[len(to):len(to)+n], start)
	s.buf = to[:len(to)+got]
	if got == n {
		return nil // an io.EOF beside all bytes is expected
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the file was truncated meanwhile
	}
	return err
}

// torn reports whether the last bytes of a file, which have no line feed, are an incomplete line. They are not if they are a
// whole line whose line feed was changed into another byte, except 0: a power failure leaves zeros in unwritten parts.
func (s *scanner) torn(rest []byte) bool {
	if len(rest) == 0 {
		return true
	}
	if s.line == 0 && !beginsHeader(rest) {
		return false
	}
	last := len(rest) - 1
	_, whole := unseal(rest[:last], s.line)
	return !whole || rest[last] == 0
}

// beginsHeader reports whether bytes are the beginning of a header, with zeros in unwritten parts. A file with anything else
// is not a journal, and must not be changed.
func beginsHeader(b []byte) bool {
	b = bytes.TrimRight(b, "\x00")
	for _, c := range b[:min(len(b), prefixLength-1)] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	const beginning = ` {"v":`
	b = b[min(len(b), prefixLength-1):]
	n := min(len(b), len(beginning))
	return string(b[:n]) == beginning[:n]
}

// reader reads single records. It reads ahead, so that look-ups in about the order of the file mostly hit its buffer.
type reader struct {
	path string
	read func(p []byte, off int64) (int, error) // may read less than it could

	mu   sync.Mutex
	buf  []byte // the last bytes read
	from int64  // where buf begins in the file
}

const (
	lookBytes  = 512      // read for a record
	aheadBytes = 32 << 10 // read if the record is shortly after the last one
)

// record reads the record at an offset.
func (r *reader) record(offset int64) (record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := lookBytes
	if ahead := offset - r.from; 0 <= ahead && ahead < aheadBytes {
		if line, ok := lineOf(r.buf, ahead); ok {
			return r.parse(line, offset)
		}
		size = aheadBytes
	}
	r.from, r.buf = offset, r.buf[:0]
	for {
		r.buf = slices.Grow(r.buf, size)
		n, err := r.read(r.buf[len(r.buf):len(r.buf)+size], offset+int64(len(r.buf)))
		r.buf = r.buf[:len(r.buf)+n]
		if line, ok := lineOf(r.buf, 0); ok {
			return r.parse(line, offset)
		}
		if err != nil {
			return record{}, &DiskError{r.path, "read", err}
		}
		if size = max(size, 2*len(r.buf)); len(r.buf) > maxRecord {
			return record{}, &CorruptError{r.path, offset, 0, errLong.Error()}
		}
	}
}

func (r *reader) parse(line []byte, offset int64) (record, error) {
	rec, err := parseRecord(line[min(prefixLength, len(line)):])
	if err != nil {
		return record{}, &CorruptError{r.path, offset, 0, err.Error()}
	}
	return rec, nil
}

// lineOf returns the line that begins at start, if all of it is there.
func lineOf(b []byte, start int64) (line []byte, ok bool) {
	line, _, ok = bytes.Cut(b[min(start, int64(len(b))):], []byte("\n"))
	return line, ok
}
