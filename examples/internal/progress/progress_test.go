package progress_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/progress"
)

func TestPlainLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := progress.Start(&out, "Creating", 100)
		for i := range 50 { // five seconds
			time.Sleep(100 * time.Millisecond)
			d.Update(windrow.Progress{Done: i + 1, Total: 100, Rate: 10, ETA: 5 * time.Second})
		}
		d.Update(windrow.Progress{Done: 100, Total: 100, Failed: 2, Rate: 20, ETA: time.Second})
		d.Close()

		want := "Creating 30 / 100, 10/s on average, 5s left\n" +
			"Creating 100 / 100, 20/s on average, 2 failed or unknown\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

// A stream knows neither its total nor its end, and nothing is made up for them.
func TestPlainLinesOfAStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := progress.Start(&out, "Creating", -1)
		time.Sleep(3 * time.Second)
		d.Update(windrow.Progress{Done: 30, Total: -1, Rate: 10, ETA: -1})
		d.Close()

		want := "Creating 30, 10/s on average\nCreating 30, 10/s on average\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}
