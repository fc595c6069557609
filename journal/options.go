package journal

import (
	"fmt"

	"github.com/windrow-go/windrow/internal/disk"
)

// Option configures [Open].
type Option interface{ apply(*settings) }

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

// settings is what the options of a journal say.
type settings struct {
	keyScheme string
	version   int
	disk      disk.Disk
}

// onDisk puts the file on another disk.
func onDisk(d disk.Disk) Option { return optionFunc(func(s *settings) { s.disk = d }) }

func init() { disk.On = func(d disk.Disk) any { return onDisk(d) } }

// KeyScheme names how keys are made from items, such as "slug" or "sku/locale". A journal with another scheme is refused:
// every item would look new, and be sent again. Defaults to "".
func KeyScheme(name string) Option {
	return optionFunc(func(s *settings) { s.keyScheme = name })
}

// Version is the version of what the job does to an item. A journal of another version is refused: raise it, with a new
// file, to send all items again. Defaults to 0; a negative number is refused.
func Version(n int) Option {
	return optionFunc(func(s *settings) { s.version = n })
}

// settings applies the options.
func newSettings(job string, opts []Option) (settings, error) {
	s := settings{disk: disk.OS{}}
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&s)
		}
	}
	switch {
	case job == "":
		return s, fmt.Errorf("journal: Open: the job (\"\") must have a name, by which the journal knows that it is the job's own")
	case s.version < 0:
		return s, fmt.Errorf("journal: Version (%d) must not be negative", s.version)
	}
	return s, nil
}
