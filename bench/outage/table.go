package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// A row is a line of the table: a case, in one or more variants.
type row struct {
	section  string // of the table
	name     string
	goal     string
	variants []variant
}

// A variant runs the case in one way, outside any bubble, and returns what was seen.
type variant struct {
	name string
	run  func(t *testing.T) []figure
}

// A figure is a quantity and its bounds.
type figure struct {
	what      string
	got       float64
	low, high float64
	unit      string // "s" for seconds
	note      string // said where it is missed
}

// atMost is a figure with an upper bound.
func atMost(what string, got, high float64, unit string) figure {
	return figure{what: what, got: got, high: high, unit: unit}
}

// from is a figure with two bounds.
func from(low, high float64, what string, got float64, unit string) figure {
	return figure{what: what, got: got, low: low, high: high, unit: unit}
}

// exactly is a count that is known.
func exactly(what string, got, want int) figure {
	return figure{what: what, got: float64(got), low: float64(want), high: float64(want)}
}

// holds is a statement that is true or not. note says what was seen in its place.
func holds(what string, true bool, note string) figure {
	f := figure{what: what, got: 1, low: 1, high: 1, unit: "bool", note: note}
	if !true {
		f.got = 0
	}
	return f
}

// seconds is a duration as a figure.
func seconds(d time.Duration) float64 { return d.Seconds() }

func (f figure) ok() bool { return f.got >= f.low && f.got <= f.high }

// used is which share of its bound a figure uses up: above 1 when it is missed.
func (f figure) used() float64 {
	switch {
	case f.unit == "bool" && f.ok():
		return 0
	case !f.ok() && f.got < f.low:
		return 2 + f.low - f.got
	case f.high == 0:
		return f.got * 1000
	case f.low == f.high:
		return 0
	}
	return f.got / f.high
}

func (f figure) number(x float64) string {
	if f.unit == "s" || f.unit == "x" || f.unit == "%" {
		return strconv.FormatFloat(x, 'f', 2, 64) + " " + f.unit
	}
	return thousands(int(x))
}

func (f figure) String() string {
	switch {
	case f.unit == "bool" && f.ok():
		return f.what
	case f.unit == "bool":
		return "not: " + f.what + ": " + f.note
	}
	text := f.what + " " + f.number(f.got)
	switch {
	case f.low == f.high:
		if !f.ok() {
			text += " for " + f.number(f.high)
		}
	case f.low > 0:
		text += fmt.Sprintf(" (%s to %s)", f.number(f.low), f.number(f.high))
	default:
		text += fmt.Sprintf(" (<= %s)", f.number(f.high))
	}
	return text
}

// A line is what came of a variant.
type line struct {
	variant string
	figures []figure
}

// missed returns the figures that are out of their bounds.
func (l line) missed() (out []figure) {
	for _, f := range l.figures {
		if !f.ok() {
			out = append(out, f)
		}
	}
	return out
}

// used is that of its worst figure.
func (l line) used() (worst float64) {
	for _, f := range l.figures {
		worst = max(worst, f.used())
	}
	return worst
}

// measure runs the variants of the rows, as many at once as -test.parallel allows.
func measure(t *testing.T, rows []row) [][]line {
	lines := make([][]line, len(rows))
	t.Run("rows", func(t *testing.T) {
		for i, r := range rows {
			lines[i] = make([]line, len(r.variants))
			for k, v := range r.variants {
				t.Run(r.name+"/"+v.name, func(t *testing.T) {
					t.Parallel()
					lines[i][k] = line{v.name, v.run(t)}
				})
			}
		}
	})
	return lines
}

// show prints the rows, each with its worst variant; with all, every variant. It returns how many goals were missed.
func show(w io.Writer, rows []row, lines [][]line, all bool) (missed int, _ error) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	section := ""
	for i, r := range rows {
		if r.section != section {
			section = r.section
			fmt.Fprintf(table, "\n%s\n", strings.ToUpper(section[:1])+section[1:])
			fmt.Fprintf(table, "  case\tseen, worst of its variants\tgoal\t\n")
		}
		sorted := slices.Clone(lines[i])
		slices.SortStableFunc(sorted, func(a, b line) int { return cmp.Compare(b.used(), a.used()) })
		bad := 0
		for _, l := range sorted {
			if len(l.missed()) > 0 {
				bad++
			}
		}
		verdict := "ok"
		if bad > 0 {
			missed++
			verdict = fmt.Sprintf("MISSED by %d of %d", bad, len(sorted))
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", r.name, seen(sorted[0], len(sorted) > 1), r.goal, verdict)
		for k, l := range sorted {
			if k > 0 && (all || len(l.missed()) > 0) {
				mark := ""
				if len(l.missed()) > 0 {
					mark = "missed"
				}
				fmt.Fprintf(table, "\t%s\t\t%s\n", seen(l, true), mark)
			}
		}
	}
	return missed, table.Flush()
}

// seen words the figures of a line, those that are missed first and marked.
func seen(l line, named bool) string {
	var words []string
	for _, f := range l.missed() {
		words = append(words, "! "+f.String())
	}
	for _, f := range l.figures {
		if f.ok() {
			words = append(words, f.String())
		}
	}
	text := strings.Join(words, "; ")
	if named {
		text = l.variant + ": " + text
	}
	return text
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for k := len(text) - 3; k > 0; k -= 3 {
		text = text[:k] + "," + text[k:]
	}
	return text
}
