package plan

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

const (
	printed   = 100 // records that are listed
	printedAt = 60  // characters of a value that are shown
)

// Print writes the plan as text: the counts, and for each record its id and the fields that change, with their values before
// and after. It lists the first 100 records, and the first 60 characters of a value. The error is the writer's.
func (p *UpdatePlan[ID, T]) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%d of %s to update, %d unchanged", len(p.Changes), count(p.Read, "record"), p.Unchanged)
	if p.Repeated > 0 {
		fmt.Fprintf(b, ", %d read twice", p.Repeated)
	}
	if p.Limited {
		b.WriteString("; not all were read")
	}
	b.WriteString("\n")
	for i, c := range p.Changes {
		if i == printed {
			fmt.Fprintf(b, "  ... and %d more\n", len(p.Changes)-printed)
			break
		}
		fmt.Fprintf(b, "  %s\n", clean(fmt.Sprint(c.ID)))
		for _, d := range c.Differences {
			name := clean(d.Field)
			if name == "" {
				name = "(all)"
			}
			fmt.Fprintf(b, "    %s: %s -> %s\n", name, show(d.Before), show(d.After))
		}
	}
	return b.Flush()
}

// Print writes the plan as text: the counts, and the first 100 ids of records to delete and of missing ones. The error is
// the writer's.
func (p *DeletePlan[ID, T]) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s to delete, %d missing\n", count(len(p.Items), "record"), len(p.Missing))
	list := func(n int, id func(int) ID, note string) {
		for i := range n {
			if i == printed {
				fmt.Fprintf(b, "  ... and %d more%s\n", n-printed, note)
				break
			}
			fmt.Fprintf(b, "  %s%s\n", clean(fmt.Sprint(id(i))), note)
		}
	}
	list(len(p.Items), func(i int) ID { return p.Items[i].ID }, "")
	list(len(p.Missing), func(i int) ID { return p.Missing[i] }, " (missing)")
	return b.Flush()
}

// show cuts a value to a readable length.
func show(value []byte) string {
	if value == nil {
		return "(none)"
	}
	text := []rune(string(value))
	if len(text) <= printedAt {
		return clean(string(text))
	}
	return clean(string(text[:printedAt])) + "... (" + strconv.Itoa(len(text)) + " characters)"
}

// clean escapes characters that are not printable, such as those that move a terminal's cursor.
func clean(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
