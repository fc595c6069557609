package sqlitestore

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed schema.sql
var schema string

// pageSize is that of new stores, in bytes.
const pageSize = 4096

// migrations bring a store to the version that is the index plus 1. The first one begins a new store.
var migrations = []func(*conn) error{
	func(c *conn) error { return c.script(schema) },
}

var schemaVersion = uint32(len(migrations))

// create makes a new store under another name and renames it, so that a file with the name of a store is one.
func create(path string) (err error) {
	temporary := path + ".new"
	if err := remove(temporary); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(temporary))
		}
	}()
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return plain(err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	c, err := connect(temporary, fmt.Sprintf("page_size = %d", pageSize), "synchronous = full")
	if err != nil {
		return err
	}
	if err := errors.Join(migrate(c, 0), c.close()); err != nil {
		return err
	}
	return publish(temporary, path)
}

// upgrade brings a store of an earlier version to the current one.
func upgrade(path string, version uint32) error {
	if version == schemaVersion {
		return nil
	}
	c, err := connect(path, "synchronous = full")
	if err != nil {
		return err
	}
	err = migrate(c, version)
	if err == nil {
		err = c.script("pragma wal_checkpoint(truncate)") // the header in the file says the version
	}
	return errors.Join(err, c.close())
}

// migrate runs the migrations after a version in one transaction.
func migrate(c *conn, version uint32) error {
	if err := c.script("begin immediate"); err != nil {
		return err
	}
	for _, m := range migrations[version:] {
		if err := m(c); err != nil {
			return errors.Join(err, c.script("rollback"))
		}
	}
	text := fmt.Sprintf("pragma application_id = %d; pragma user_version = %d; commit", applicationID, schemaVersion)
	if err := c.script(text); err != nil {
		return errors.Join(err, c.script("rollback"))
	}
	return nil
}

// remove removes a database that was not finished.
func remove(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// publish makes a finished database durable, and gives it its name. There must be no file of that name.
func publish(temporary, path string) error {
	f, err := os.OpenFile(temporary, os.O_RDWR, 0)
	if err != nil {
		return plain(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary, path); err == nil {
		err = os.Remove(temporary)
		return errors.Join(err, syncDir(filepath.Dir(path)))
	} else if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: name another file", fs.ErrExist)
	}
	if _, err := os.Lstat(path); err == nil { // the file system has no links
		return fmt.Errorf("%w: name another file", fs.ErrExist)
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
