package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

// report is what came of it. Its JSON form is the last line of the output.
type report struct {
	// What windrow says.
	Created      int   `json:"created"`
	Failed       int   `json:"failed"`
	Unknown      int   `json:"unknown"`
	Skipped      int   `json:"skipped"`
	NotAttempted int   `json:"not_attempted"`
	Requests     int   `json:"requests"`   // to create, throttled ones included
	Throttled    int   `json:"throttled"`  // of these, the ones that the server refused as too many
	ElapsedMS    int64 `json:"elapsed_ms"` // of the creation

	// What is there.
	ServerCount int  `json:"server_count"` // records in the server's database
	Mismatches  *int `json:"mismatches"`   // null when the records could not be read back

	pace    float64             // records a second, over the whole creation
	seconds int64               // of the server's clock that the creation touched; the clock is this machine's
	read    int                 // records read back
	found   []readback.Mismatch // the mismatches
	landed  int                 // records whose creation windrow calls unknown
	traffic pocket.Traffic      // the server's own count of the requests to create

	revision *revision // what came of the second phase; nil when the first went wrong
}

// result is what windrow says of each symbol.
type result = windrow.BulkResult[stdlib.Symbol, readback.Record]

// newReport compares what the run says with what the server holds. Without a
// complete list of the records nothing is compared.
func newReport(input []stdlib.Symbol, res *result, records []readback.Record, complete bool, server *pocket.Server) (*report, error) {
	count, err := server.Count()
	if err != nil {
		return nil, err
	}
	stats := res.Stats()
	r := &report{
		Created: stats.Succeeded, Failed: stats.Failed, Unknown: stats.Unknown, Skipped: stats.Skipped, NotAttempted: stats.NotAttempted,
		Requests: stats.Requests, Throttled: stats.Throttled, ElapsedMS: stats.Elapsed.Milliseconds(),
		pace: stats.ItemsPerSecond(), ServerCount: count, read: len(records), traffic: server.Traffic(http.MethodPost),
	}
	if complete {
		r.found = readback.Compare(readback.Claims(res), records)
		if count < r.Created || count > r.Created+r.Unknown {
			r.found = append(r.found, readback.Mismatch{
				Key: "all", Field: "count", Want: fmt.Sprintf("%d to %d", r.Created, r.Created+r.Unknown), Got: fmt.Sprint(count),
			})
		}
		r.Mismatches = new(len(r.found))
		r.landed = landed(res, records)
	}
	return r, nil
}

// landed counts the records whose creation the result calls unknown.
func landed(res *result, records []readback.Record) int {
	unknown := make(map[string]bool)
	for r := range res.Unknown() {
		unknown[r.Key] = true
	}
	n := 0
	for _, record := range records {
		if unknown[record.Key()] {
			n++
		}
	}
	return n
}

// good reports whether every symbol was created and is there as it was sent, and
// whether the second phase went well, if it came to that.
func (r *report) good() bool {
	return (r.revision == nil || r.revision.good()) && r.Failed+r.Unknown+r.NotAttempted == 0 && r.Mismatches != nil && *r.Mismatches == 0
}

// shown is how many mismatches are listed.
const shown = 20

// print writes the report for people, and at the end, if asked to, for programs.
func (r *report) print(w io.Writer, asJSON bool) error {
	elapsed := time.Duration(r.ElapsedMS) * time.Millisecond
	fmt.Fprintf(w, "Time: %v, which is %.0f records a second on average. Seconds of the server's clock that it touched: %d.\n", elapsed, r.pace, r.seconds)
	fmt.Fprintf(w, "Requests: %d, %d of them throttled. The server counted %d and %d.\n",
		r.Requests, r.Throttled, r.traffic.Requests, r.traffic.Throttled)
	switch {
	case r.Mismatches == nil:
		fmt.Fprintf(w, "Read back: not all. The server says that it has %d records. Nothing was compared.\n", r.ServerCount)
	case len(r.found) == 0:
		fmt.Fprintf(w, "Read back: %d records. Each field is as it was sent, and as the result says.\n", r.read)
	default:
		fmt.Fprintf(w, "Read back: %d records, with %d mismatches.\n", r.read, len(r.found))
		list(w, r.found, len(r.found))
	}
	if r.Unknown > 0 && r.Mismatches != nil {
		fmt.Fprintf(w, "Of the %d whose answer was lost %d are there.\n", r.Unknown, r.landed)
	}
	if r.revision != nil {
		r.revision.print(w)
	}
	if !asJSON {
		return nil
	}
	return json.NewEncoder(w).Encode(r)
}

// list shows the first mismatches of so many.
func list(w io.Writer, found []readback.Mismatch, total int) {
	found = found[:min(shown, len(found))]
	for _, m := range found {
		fmt.Fprintf(w, "  %v\n", m)
	}
	if more := total - len(found); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}
