package plan

import (
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// Option is a policy of [Updates].
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

// MaxItems bounds how many records are read, whether they change or not, at least 1. No more are pulled from the source;
// one that fetches pages ahead may have fetched more. Without it the source is read to its end.
func MaxItems(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 1 {
			return &windrow.OptionError{Option: "MaxItems", Value: n, Problem: "must be at least 1; leave it out to read all records"}
		}
		c.maxItems = n
		return nil
	})
}

// ReportPages tells f what was found on each page of size records, the last of which may be shorter, as soon as it is
// read. The size is that of the pages of the source. f is called from the goroutine that plans.
func ReportPages(size int, f func(PageReport)) Option {
	return optionFunc(func(c *config) error {
		if size < 1 || f == nil {
			return &windrow.OptionError{Option: "ReportPages", Value: size, Problem: "needs a page size of at least 1, and a function"}
		}
		c.pageSize, c.onPage = size, f
		return nil
	})
}

// PageReport is what the function of [ReportPages] is told.
type PageReport struct {
	Number  int // from 1
	Records int // on the page
	Changes int // of them
}

// String says how many records are to be updated on which page.
func (p PageReport) String() string {
	return fmt.Sprintf("found %s to update on page %d", count(p.Changes, "record"), p.Number)
}

// pageCounter calls the function of ReportPages.
type pageCounter struct {
	size          int
	notify        func(PageReport)
	number        int
	read, changes int // before the page
}

// count is told how many records were read, and how many change.
func (c *pageCounter) count(read, changes int) {
	if c.notify != nil && read-c.read == c.size {
		c.end(read, changes)
	}
}

// end ends a page that has any records.
func (c *pageCounter) end(read, changes int) {
	if c.notify == nil || read == c.read {
		return
	}
	c.number++
	page := PageReport{Number: c.number, Records: read - c.read, Changes: changes - c.changes}
	c.read, c.changes = read, changes
	c.notify(page)
}
