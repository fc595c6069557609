package plan

import (
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// Option configures [Updates].
type Option interface{ applyTo(*config) error }

type optionFunc func(*config) error

func (f optionFunc) applyTo(c *config) error { return f(c) }

type config struct {
	maxItems int // 0 means no bound
	pageSize int
	onPage   func(PageReport)
}

func newConfig(opts []Option) (*config, error) {
	c := &config{}
	var errs []error
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, fmt.Errorf("plan: option %d is nil: remove it", i))
			continue
		}
		errs = append(errs, opt.applyTo(c))
	}
	return c, errors.Join(errs...)
}

// MaxItems sets how many records are read at most, changed or not, at least 1. No more are pulled from the source, which may
// have fetched further pages. Without it the source is read to its end.
func MaxItems(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 1 {
			return &windrow.OptionError{Option: "MaxItems", Value: n, Problem: "must be at least 1; leave it out to read all records"}
		}
		c.maxItems = n
		return nil
	})
}

// ReportPages calls f after each page of size records, the last of which may be shorter. size should be the page size of the
// source. f is called from the goroutine of Updates.
func ReportPages(size int, f func(PageReport)) Option {
	return optionFunc(func(c *config) error {
		if size < 1 || f == nil {
			return &windrow.OptionError{Option: "ReportPages", Value: size, Problem: "needs a page size of at least 1, and a function"}
		}
		c.pageSize, c.onPage = size, f
		return nil
	})
}

// PageReport is the argument of the function of [ReportPages].
type PageReport struct {
	Number  int // from 1
	Records int // on the page
	Changes int // records to change on the page
}

// String returns the number of records to update and the page.
func (p PageReport) String() string {
	return fmt.Sprintf("found %s to update on page %d", count(p.Changes, "record"), p.Number)
}

// pageCounter calls the function of ReportPages.
type pageCounter struct {
	size          int
	notify        func(PageReport)
	number        int
	read, changes int // at the beginning of the page
}

// count gets how many records were read, and how many of them change, so far.
func (c *pageCounter) count(read, changes int) {
	if c.notify != nil && read-c.read == c.size {
		c.end(read, changes)
	}
}

// end ends a page, unless it is empty.
func (c *pageCounter) end(read, changes int) {
	if c.notify == nil || read == c.read {
		return
	}
	c.number++
	page := PageReport{Number: c.number, Records: read - c.read, Changes: changes - c.changes}
	c.read, c.changes = read, changes
	c.notify(page)
}
