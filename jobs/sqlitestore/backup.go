package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Backup is [Store.Backup].
func (s *db) Backup(ctx context.Context, path string) (err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("sqlitestore: backup to %q: %w", path, err)
		}
	}()
	real, exists, err := resolve(path)
	if err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("%w: name another file", fs.ErrExist)
	}
	f, err := os.CreateTemp(filepath.Dir(real), filepath.Base(real)+".*.new")
	if err != nil {
		return plain(err)
	}
	temporary := f.Name()
	if err := f.Close(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(temporary))
		}
	}()
	c, err := connect(s.path, "temp_store = file")
	if err != nil {
		return err
	}
	_, err = c.execContext(ctx, "vacuum into ?", temporary)
	if err := errors.Join(err, c.close()); err != nil {
		return err
	}
	return publish(temporary, real)
}

// Check is [Store.Check].
func (s *db) Check(ctx context.Context) error {
	var problems []string
	err := s.read(ctx, func(c *conn) error {
		return c.query(ctx, "pragma integrity_check(5)", nil, func(r *row) error {
			if p := r.string(); p != "ok" {
				problems = append(problems, p)
			}
			return nil
		})
	})
	if err == nil && len(problems) > 0 {
		err = fmt.Errorf("sqlitestore: %q: %w: %s", s.path, ErrDamaged, strings.Join(problems, "; "))
	}
	return err
}
