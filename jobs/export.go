package jobs

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Format is the form of an export.
type Format string

// The formats.
const (
	JSONLines Format = "jsonl" // one JSON object a line, in the form of an [Item]
	CSV       Format = "csv"   // RFC 4180, with a header
)

var csvHeader = []string{"index", "key", "input", "id", "state", "reason", "code", "message", "attempts"}

// Export writes all items of a job in the order of its input: the index (from 0 in CSV, and from 1 as operation_index in
// JSON Lines), the key, the whole input of a create, the id of the record, the state, and the error. It holds a page of
// items in memory at a time. In CSV, a text that a spreadsheet would take for a formula has an apostrophe before it, as
// OWASP's page on CSV injection has it.
func (m *Manager) Export(ctx context.Context, id string, w io.Writer, f Format) error {
	j, err := m.find(ctx, id)
	switch {
	case err != nil:
		return err
	case isNil(w):
		return errors.New("jobs: the writer of the export is nil")
	}
	var write func(Item) error
	var flush func() error
	switch f {
	case JSONLines:
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		write, flush = func(i Item) error { return enc.Encode(i) }, func() error { return nil }
	case CSV:
		table := csv.NewWriter(w)
		if err := table.Write(csvHeader); err != nil {
			return err
		}
		write = func(i Item) error { return table.Write(csvRow(i)) }
		flush = func() error { table.Flush(); return table.Error() }
	default:
		return fmt.Errorf("jobs: there is no export format %q: it is %s or %s", shorten(string(f)), JSONLines, CSV)
	}
	var broken error
	if err := m.items(ctx, j, ItemQuery{Inputs: true}, 0, func(i Item, _ error) bool {
		broken = write(i)
		return broken == nil
	}); err != nil {
		return err
	}
	if broken != nil {
		return broken
	}
	return flush()
}

func csvRow(i Item) []string {
	reason := ""
	if i.Reason != 0 {
		reason = i.Reason.String()
	}
	return []string{
		strconv.FormatInt(i.Index, 10), harmless(i.Key), harmless(string(i.Input)), harmless(i.ResourceID()), i.State.String(), reason,
		i.Code, harmless(i.Message), strconv.Itoa(i.Attempts),
	}
}

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
