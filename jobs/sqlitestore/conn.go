package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// conn is a connection with its prepared statements. One goroutine at a time uses it. Package database/sql is not used: it
// costs more per row than SQLite does.
type conn struct {
	driver.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue // reused
}

// connect opens a connection and runs pragmas on it.
func connect(path string, pragmas ...string) (*conn, error) {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // of Windows: file:///C:/folder/file
	}
	name := url.URL{Scheme: "file", Path: slashed}
	dc, err := new(sqlite.Driver).Open(name.String())
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: dc, statements: map[string]driver.Stmt{}}
	for _, p := range pragmas {
		if err := c.script("pragma " + p); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// script runs statements without arguments that are not worth keeping.
func (c *conn) script(text string) error {
	_, err := c.Conn.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

// prepare returns a statement, which is kept: query must be one of a few texts.
func (c *conn) prepare(query string) (driver.Stmt, error) {
	if s, ok := c.statements[query]; ok {
		return s, nil
	}
	s, err := c.Prepare(query)
	if err != nil {
		return nil, err
	}
	c.statements[query] = s
	return s, nil
}

func (c *conn) bind(values []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, v := range values {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: value(v)})
	}
	return c.args
}

// value returns v as one of the types that a driver takes. An empty string of bytes is null: the driver cannot tell them
// apart.
func value(v any) driver.Value {
	switch v := v.(type) {
	case int:
		return int64(v)
	case uint8:
		return int64(v)
	case time.Time:
		return micros(v)
	case time.Duration:
		return v.Microseconds()
	case []byte:
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

// micros returns a time as it is stored.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// timeOf returns a time that was stored.
func timeOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// exec runs a short statement and returns how many rows it has changed.
func (c *conn) exec(query string, values ...any) (int64, error) {
	return c.execContext(context.Background(), query, values...)
}

// execContext is exec for a statement that takes long enough to be interrupted.
func (c *conn) execContext(ctx context.Context, query string, values ...any) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.(driver.StmtExecContext).ExecContext(ctx, c.bind(values))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row is a row that was read. Its columns are taken in order.
type row struct {
	values []driver.Value
	at     int
}

func (r *row) take() driver.Value {
	r.at++
	return r.values[r.at-1]
}

func (r *row) int64() int64 {
	n, _ := r.take().(int64)
	return n
}

func (r *row) int() int                { return int(r.int64()) }
func (r *row) uint8() uint8            { return uint8(r.int64()) }
func (r *row) bool() bool              { return r.int64() != 0 }
func (r *row) time() time.Time         { return timeOf(r.int64()) }
func (r *row) duration() time.Duration { return time.Duration(r.int64()) * time.Microsecond }

func (r *row) string() string {
	switch v := r.take().(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (r *row) bytes() []byte {
	b, _ := r.take().([]byte)
	return b
}

var errStop = errors.New("no more rows are wanted")

// query calls each for the rows of a statement until there are no more, or it returns an error; errStop ends it without
// one. The context is looked at all the time while SQLite works, if it can be cancelled.
func (c *conn) query(ctx context.Context, query string, values []any, each func(*row) error) (err error) {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, c.bind(values))
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	r := row{values: make([]driver.Value, len(rows.Columns()))}
	for n := 0; ; n++ {
		if n%256 == 255 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err := rows.Next(r.values); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		r.at = 0
		if err := each(&r); err == errStop {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// one calls each for the first row, and says whether there was one.
func (c *conn) one(ctx context.Context, query string, values []any, each func(*row)) (found bool, err error) {
	err = c.query(ctx, query, values, func(r *row) error {
		found = true
		each(r)
		return errStop
	})
	return found, err
}

// close closes the statements and the connection.
func (c *conn) close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}
