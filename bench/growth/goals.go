package main

import "fmt"

const (
	maxTimeGrowth   = 1.15  // time an item, of the last decade by that of the one before
	maxMemoryGrowth = 1.05  // memory of a stream, the same
	maxHeld         = 40    // bytes an item that a run leaves: an input and a value of 8 each, a slim result, and the errors of 1 %
	window          = 4_096 // items in a stream at most, by default
	beside          = 2     // items that are being pulled or handed over beside those
)

// missed names the goals that the measurement does not meet.
func missed(out output) []string {
	var all []string
	miss := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, c := range out.Series {
		if len(c.Points) < 2 {
			continue
		}
		before, last := c.Points[len(c.Points)-2], c.Points[len(c.Points)-1]
		if grown := last.Wall / before.Wall; grown > maxTimeGrowth {
			miss("%s: an item of %d takes %.3f x the time of one of %d, want <= %v", c.Name, last.Items, grown, before.Items, maxTimeGrowth)
		}
		if grown := float64(last.Peak) / float64(before.Peak); c.Name == plainStream && grown > maxMemoryGrowth {
			miss("%s: %d items take %.3f x the memory of %d, want <= %v", c.Name, last.Items, grown, before.Items, maxMemoryGrowth)
		}
		if c.Name == plainRun && last.Held > maxHeld {
			miss("%s: an item of %d leaves %.1f bytes, want <= %v", c.Name, last.Items, last.Held, maxHeld)
		}
	}
	for _, s := range out.Storms {
		if grown := float64(s.Long) / float64(s.Short); grown > maxMemoryGrowth {
			miss("%s: %d items take %.3f x the memory of a tenth of them, want <= %v", s.Name, s.Items, grown, maxMemoryGrowth)
		}
		if s.InStream > window+beside {
			miss("%s: %d items were in the stream at once, want <= %d", s.Name, s.InStream, window+beside)
		}
	}
	return all
}
