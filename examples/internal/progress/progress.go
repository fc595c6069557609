// Package progress shows how a bulk run is getting on: a live bar where the
// output is a terminal, a line every few seconds where it is not.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
	"golang.org/x/term"

	"github.com/windrow-go/windrow"
)

// lineInterval is the least time between two plain lines.
const lineInterval = 3 * time.Second

// defaultWidth is for terminals that do not know how wide they are, such as that
// of script(1) in a job without a terminal.
const defaultWidth = 80

// barTemplate is drawn in the terminal. Rate and remaining time are the run's
// own, which know about pauses, not the bar's.
const barTemplate = `{{string . "label"}} {{counters . }} {{bar . "[" "=" ">" " " "]"}} {{percent . "%3.0f%%"}} {{string . "state"}}`

// Display shows the progress of one run. It is safe for concurrent use.
type Display struct {
	label string
	out   io.Writer
	bar   *pb.ProgressBar // nil on anything but a terminal

	mu   sync.Mutex
	next time.Time // when a plain line is due
	last windrow.Progress
}

// Start shows a run of total items on out under a label such as "Creating".
func Start(out io.Writer, label string, total int) *Display {
	d := &Display{label: label, out: out, next: time.Now().Add(lineInterval), last: windrow.Progress{Total: total}}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		d.bar = pb.New(total).SetTemplateString(barTemplate).SetWriter(out).
			Set("label", label).Set("state", "")
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns == 0 {
			d.bar.SetWidth(defaultWidth) // pb would draw nothing
		}
		d.bar.Start()
	}
	return d
}

// Update shows how far the run has come: give it to [windrow.OnProgress]. Plain
// lines come at most every three seconds.
func (d *Display) Update(p windrow.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = p
	if d.bar != nil {
		d.bar.Set("state", describe(p)).SetCurrent(int64(p.Done))
		return
	}
	if now := time.Now(); !now.Before(d.next) {
		d.next = now.Add(lineInterval)
		d.line(p)
	}
}

// Close shows the last state for good and ends the line.
func (d *Display) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last.ETA = 0 // the run is over, even when it did not come to its end
	if d.bar != nil {
		d.bar.Set("state", describe(d.last)).Finish()
		return
	}
	d.line(d.last)
}

func (d *Display) line(p windrow.Progress) {
	if p.Total < 0 { // that of a stream is not known
		fmt.Fprintf(d.out, "%s %d, %s\n", d.label, p.Done, describe(p))
		return
	}
	fmt.Fprintf(d.out, "%s %d / %d, %s\n", d.label, p.Done, p.Total, describe(p))
}

// describe tells what the counters do not. The time that is left is told only
// when it is known. The rate is the mean of the run, which the line says, since
// many servers' limits are about something else.
func describe(p windrow.Progress) string {
	text := fmt.Sprintf("%.0f/s on average", p.Rate)
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d failed or unknown", p.Failed)
	}
	if p.ETA > 0 {
		text += fmt.Sprintf(", %s left", p.ETA.Round(time.Second))
	}
	return text
}
