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

// File is a file to upload. Make it with [FromFiles] or [FromBytes], or from anything that can be opened several times.
type File struct {
	// Name is the name of the file on the server. A file without one is refused.
	Name string `json:"name"`
	// Path is the source of the file, and identifies it in errors. Defaults to the Name.
	Path string `json:"path,omitempty"`
	// Size is its length in bytes. Zero means that it is not known. If the content has another length, reading it fails.
	Size int64 `json:"size,omitempty"`
	// Open opens it at its beginning. It is called for each attempt, and once for a checksum, also from several goroutines.
	// Nil opens the file at Path.
	Open func() (io.ReadCloser, error) `json:"-"`
	// Metadata is for the client. This package does not use it.
	Metadata any `json:"metadata,omitempty"`
	// SkipExisting says when this file is not sent. Defaults to that of the [Uploader].
	SkipExisting Match `json:"skip_existing,omitempty"`
}

// FromFiles returns the files at the paths, such as those of [filepath.Glob]. If some are not regular files the error names
// them, and no file is returned.
func FromFiles(paths []string) ([]File, error) {
	files := make([]File, 0, len(paths))
	var errs []error
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("upload: %w", err))
		case !info.Mode().IsRegular():
			errs = append(errs, fmt.Errorf("upload: %s is not a regular file", path))
		default:
			files = append(files, File{Name: filepath.Base(path), Path: path, Size: info.Size()})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return files, nil
}

// FromBytes returns a file with content from memory. The data must not change while it is uploaded.
func FromBytes(name string, data []byte) File {
	return File{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// ContentType returns the media type of the extension of the file's name, application/octet-stream if it is not known.
func (f *File) ContentType() string {
	if t := mime.TypeByExtension(filepath.Ext(f.Name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// check returns an error if the file is invalid. It is called before anything is sent.
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

// key identifies the file in errors.
func (f *File) key() string {
	if f.Path != "" {
		return f.Path
	}
	return f.Name
}
