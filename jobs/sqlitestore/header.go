package sqlitestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The header of a database file, https://www.sqlite.org/fileformat.html section 1.3, and of its WAL, section 4.1.
const (
	magic         = "SQLite format 3\x00"
	headerSize    = 100
	atPageSize    = 16
	atChanges     = 24
	atPages       = 28
	atVersion     = 60
	atApplication = 68
	atPagesFor    = 92 // the value at atChanges for which the value at atPages is valid
	walHeaderSize = 32
	frameHeader   = 24
)

// applicationID is in the header of each store: "wrow".
const applicationID = 0x77726f77

// header is what the header of a store says.
type header struct {
	version uint32 // of the schema
}

// resolve returns the path of the file behind links, and whether the file exists.
func resolve(path string) (real string, exists bool, err error) {
	if path == "" {
		return "", false, errors.New("the path is empty: name a file")
	}
	if strings.ContainsRune(path, 0) {
		return "", false, errors.New("the path contains a NUL byte: name another file")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", false, err
	}
	info, err := os.Lstat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if errors.Is(err, fs.ErrNotExist) {
			return "", false, fmt.Errorf("its folder does not exist: create it first: %w", fs.ErrNotExist)
		}
		return filepath.Join(dir, filepath.Base(abs)), false, err
	case err != nil:
		return "", false, plain(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if abs, err = filepath.EvalSymlinks(abs); err != nil {
			return "", false, fmt.Errorf("it is a link that leads nowhere: %w", plain(err))
		}
		if info, err = os.Stat(abs); err != nil {
			return "", false, plain(err)
		}
	} else {
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return "", false, plain(err)
		}
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	switch {
	case info.IsDir():
		return "", false, errors.New("it is a folder: name a file in it")
	case !info.Mode().IsRegular():
		return "", false, errors.New("it is not a regular file: name another file")
	}
	return abs, true, nil
}

// inspect reads and checks the header of a file, and changes nothing.
func inspect(path string) (header, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // SQLite would open a file that is read-only without an error
	if errors.Is(err, fs.ErrPermission) {
		return header{}, fmt.Errorf("it cannot be written: allow it to be read and written: %w", plain(err))
	}
	if err != nil {
		return header{}, plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return header{}, plain(err)
	}
	var h [headerSize]byte
	switch n, err := io.ReadFull(f, h[:]); {
	case n == 0 && errors.Is(err, io.EOF):
		return header{}, fmt.Errorf("it is empty: %w; or remove it to begin a new store", ErrNotStore)
	case n >= len(magic) && string(h[:len(magic)]) != magic:
		return header{}, fmt.Errorf("it is not an SQLite database: %w", ErrNotStore)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return header{}, fmt.Errorf("it has only %d bytes: %w", n, ErrDamaged)
	case err != nil:
		return header{}, plain(err)
	}
	number := func(at int) uint32 { return binary.BigEndian.Uint32(h[at:]) }
	if id := number(atApplication); id != applicationID {
		return header{}, fmt.Errorf("its application id is %#x, not %#x: %w", id, applicationID, ErrNotStore)
	}
	result := header{version: number(atVersion)}
	if result.version > schemaVersion {
		return header{}, fmt.Errorf("its version is %d, the newest that is known is %d: %w", result.version, schemaVersion, ErrNewer)
	}
	if result.version == 0 {
		return header{}, fmt.Errorf("its version is 0: %w", ErrDamaged)
	}
	pageSize := int64(binary.BigEndian.Uint16(h[atPageSize:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	if pageSize < 512 || pageSize&(pageSize-1) != 0 {
		return header{}, fmt.Errorf("its page size is %d: %w", pageSize, ErrDamaged)
	}
	pages := int64(number(atPages))
	frames, err := frames(path, pageSize)
	if err != nil {
		return header{}, err
	}
	// A checkpoint that was interrupted may have written the header and not yet the last pages. Those are in the WAL.
	if has := info.Size() / pageSize; number(atChanges) == number(atPagesFor) && has+frames < pages {
		return header{}, fmt.Errorf("it has %d of its %d pages: %w", has, pages, ErrDamaged)
	}
	return result, nil
}

// frames returns how many pages the WAL of a file has room for.
func frames(path string, pageSize int64) (int64, error) {
	info, err := os.Stat(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() < walHeaderSize {
		return 0, nil
	}
	if err != nil {
		return 0, plain(err)
	}
	return (info.Size() - walHeaderSize) / (frameHeader + pageSize), nil
}

// plain removes the name of the file, which the error of Open has already.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
