package windrow

import (
	"fmt"
	"io"
	"strings"

	"github.com/windrow-go/windrow/internal/message"
)

// summaryLimit is how many failures a summary lists.
const summaryLimit = 100

// Summary writes a report for people: the totals, what stopped the run, and the error and the data of the first 100
// items that are Failed or Unknown. The error is the writer's.
func (r *BulkResult[In, Out]) Summary(w io.Writer) error {
	s := r.stats
	var share float64
	if s.Total > 0 {
		share = 100 * float64(s.Succeeded) / float64(s.Total)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Total: %d\nSuccessful: %d (%.1f%%)\nFailed: %d\n", s.Total, s.Succeeded, share, s.Failed)
	resend := 0
	for res := range r.All(Failed) {
		if res.Resend {
			resend++
		}
	}
	if resend > 0 {
		fmt.Fprintf(&b, "  %d of them were not refused by the server; Rerun tries them again\n", resend)
	}
	for _, line := range []struct {
		name string
		n    int
	}{{"Skipped", s.Skipped}, {"Unknown", s.Unknown}, {"Not attempted", s.NotAttempted}} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%s: %d\n", line.name, line.n)
		}
	}
	if r.cause != nil {
		fmt.Fprintf(&b, "Stopped: %s\n", message.Plain(r.cause))
	}
	listed := 0
	for res := range r.All(Failed, Unknown) {
		if listed == summaryLimit {
			fmt.Fprintf(&b, "  and %d more\n", s.Failed+s.Unknown-listed)
			break
		}
		listed++
		fmt.Fprintf(&b, "  Item %d: %s\n    Data: %+v\n", res.Index, message.Plain(res.Err), res.Input)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
