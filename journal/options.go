package journal

import (
	"fmt"

	"github.com/windrow-go/windrow/internal/disk"
)

// Option is a choice for [Open].
type Option interface{ Apply(*disk.Settings) }

type optionFunc func(*disk.Settings)

// Apply implements [Option].
func (f optionFunc) Apply(s *disk.Settings) { f(s) }

// KeyScheme names how the keys are made of the items, such as "slug" or "sku/locale". A journal with keys of another
// scheme is refused: with it every item would look new, and be sent again. Defaults to "".
func KeyScheme(name string) Option {
	return optionFunc(func(s *disk.Settings) { s.KeyScheme = name })
}

// Version numbers what the job does to an item. A journal of another version is refused: raise it when all items are to
// be sent again. Defaults to 0; a negative number is refused.
func Version(n int) Option {
	return optionFunc(func(s *disk.Settings) { s.Version = n })
}

// settings returns what the options say.
func settings(job string, opts []Option) (disk.Settings, error) {
	s := disk.Settings{Disk: disk.OS{}}
	for _, opt := range opts {
		if opt != nil {
			opt.Apply(&s)
		}
	}
	switch {
	case job == "":
		return s, fmt.Errorf("journal: Open: the job (\"\") must have a name, by which the journal knows that it is the job's own")
	case s.Version < 0:
		return s, fmt.Errorf("journal: Version (%d) must not be negative", s.Version)
	}
	return s, nil
}
