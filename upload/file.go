package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
)

// File is something to upload. Make them with [FromFiles] or [FromBytes], or by hand from anything that can be opened
// several times.
type File struct {
	// Name is the name that the file is to have on the server. A file without one is refused.
	Name string `json:"name"`
	// Path says where it comes from, and names it in errors. Defaults to the Name.
	Path string `json:"path,omitempty"`
	// Size is its length in bytes. Zero means that it is not known. A file that turns out to have another is not sent
	// to its end.
	Size int64 `json:"size,omitempty"`
	// Open opens it at its beginning. It is called for each attempt, and once for a checksum, also from several
	// goroutines. Nil means that the file at Path is opened.
	Open func() (io.ReadCloser, error) `json:"-"`
	// Metadata is for the client, which gets it as it is: this package does not look at it.
	Metadata any `json:"metadata,omitempty"`
	// SkipExisting says when this file is not sent. Defaults to what the [Uploader] says.
	SkipExisting Match `json:"skip_existing,omitempty"`
}

// FromFiles makes the input of an upload of the files at the paths, such as those that [filepath.Glob] returns. The
// error says which of them are no regular files; then no file is returned.
func FromFiles(paths []string) ([]File, error) {
	files := make([]File, 0, len(paths))
	var errs []error
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("upload: %w", err))
		case !info.Mode().IsRegular():
			errs = append(errs, fmt.Errorf("upload: %s is no regular file", path))
		default:
			files = append(files, File{Name: filepath.Base(path), Path: path, Size: info.Size()})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return files, nil
}

// FromBytes makes a file of what is in memory. The data must not change while it is uploaded.
func FromBytes(name string, data []byte) File {
	return File{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// ContentType returns the media type that belongs to the extension of the file's name, application/octet-stream when it
// is not known.
func (f *File) ContentType() string {
	if t := mime.TypeByExtension(filepath.Ext(f.Name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// check says what is wrong with the file before anything is sent of it.
func (f *File) check() error {
	switch {
	case f.Name == "":
		return errors.New("upload: the file has no name for the server: set its Name")
	case f.Path == "" && f.Open == nil:
		return errors.New("upload: the file cannot be opened: set its Path, or Open")
	case f.Size < 0:
		return errors.New("upload: the file's Size is negative: set its length, or 0 where it is not known")
	}
	return nil
}

// open opens the file.
func (f *File) open() (io.ReadCloser, error) {
	if f.Open != nil {
		return f.Open()
	}
	return os.Open(f.Path)
}

// key names the file in errors.
func (f *File) key() string {
	if f.Path != "" {
		return f.Path
	}
	return f.Name
}
