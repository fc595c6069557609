package journal

import (
	"fmt"

	"github.com/windrow-go/windrow/internal/disk"
)

// Option configures [Open].
type Option interface{ Apply(*disk.Settings) }

type optionFunc func(*disk.Settings)

// Apply implements [Option].
func (f optionFunc) Apply(s *disk.Settings) { f(s) }

// KeyScheme names how keys are made from items, such as "slug" or "sku/locale". A journal with another scheme is refused:
// every item would look new, and be sent again. Defaults to "".
func KeyScheme(name string) Option {
	return optionFunc(func(s *disk.Settings) { s.KeyScheme = name })
}

// Version is the version of what the job does to an item. A journal of another version is refused: raise it, with a new
// file, to send all items again. Defaults to 0; a negative number is refused.
func Version(n int) Option {
	return optionFunc(func(s *disk.Settings) { s.Version = n })
}

// settings applies the options.
func settings(job string, opts []Option) (disk.Settings, error) {
	s := disk.Settings{Disk: disk.OS{}}
	for _, opt := range opts {
		if opt != nil {
			opt.Apply(&s)
		}
	}
	switch {
	case job == "":
		return s, fmt.Errorf("journal: Open: the job (\"\") must have a name, which identifies the journal")
	case s.Version < 0:
		return s, fmt.Errorf("journal: Version (%d) must not be negative", s.Version)
	}
	return s, nil
}
