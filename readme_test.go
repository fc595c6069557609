package windrow_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

var (
	noSuchName = hostFailure{takes: time.Millisecond, says: "no such host", err: &url.Error{Op: "Get", URL: "http://api.example", Err: &net.OpError{
		Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true},
	}}}
	badCertificate = hostFailure{takes: time.Millisecond, says: "unknown authority", err: &url.Error{
		Op: "Get", URL: "https://api.example", Err: x509.UnknownAuthorityError{},
	}}
	statusCode = regexp.MustCompile(`\b[2-5]\d\d\b`)
	inWords    = []struct {
		words string
		fails []hostFailure
	}{
		{"connection refused", []hostFailure{refusedDial}},
		{"no route", []hostFailure{noRoute}},
		{"name server", []hostFailure{nameServerDown}},
		{"does not exist", []hostFailure{noSuchName}},
		{"reset", []hostFailure{resetRead}},
		{"no response in time", []hostFailure{timedOut}},
		{"certificate", []hostFailure{badCertificate}},
	}
)

// readmeRow is a row of the README's table of what follows from a response.
type readmeRow struct {
	says, class, create, repeatable, chunk, run string
}

// readmeVerb is an operation, and what the README says of its items.
type readmeVerb struct {
	hostVerb
	want string
}

// readmeTable reads the table.
func readmeTable(t *testing.T) (rows []readmeRow) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "\n| the server says | class |")
	if !ok {
		t.Fatal("README.md has no table of what the server says")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 6 {
			t.Fatalf("%d cells in %q, want 6", len(cells), line)
		}
		for k := range cells {
			cells[k] = strings.TrimSpace(cells[k])
		}
		rows = append(rows, readmeRow{cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]})
	}
	return rows
}

// failures are what the row says the server says.
func (r readmeRow) failures() (fails []hostFailure) {
	for _, w := range inWords {
		if strings.Contains(r.says, w.words) {
			fails = append(fails, w.fails...)
		}
	}
	for _, digits := range statusCode.FindAllString(r.says, -1) {
		code, _ := strconv.Atoi(digits)
		fail := answered(code)
		if strings.Contains(r.says, "with `Retry-After`") {
			fail = fail.after(2 * time.Second)
		}
		if strings.Contains(r.says, "with or without `Retry-After`") {
			fails = append(fails, fail.after(2*time.Second))
		}
		fails = append(fails, fail)
	}
	return fails
}

// readmeEnd is how a run ended in which one item or its chunk failed.
type readmeEnd struct {
	state windrow.State
	sizes []int // of the requests that the item, or another of its chunk, went with
	cause error
}

// fail runs a verb for 300 items, of which one fails: once, or for ever, and then all others, too, unless the response
// before it was lost.
func (r readmeRow) fail(t *testing.T, v hostVerb, m runMode, f hostFailure, item int, forever bool) (end readmeEnd) {
	t.Helper()
	lost := strings.Contains(r.says, "after a lost response")
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, func(c hostCall) *hostFailure {
			switch {
			case forever && !lost:
				return &f
			case !slices.Contains(c.items, item):
			case lost && c.nth == 1:
				return &resetRead
			case forever, c.nth == 1, lost && c.nth == 2:
				return &f
			}
			return nil
		})
		s := v.on(h, m).run(t.Context(), 300)
		end.state, end.cause = s.states[item], s.cause
		if errors.Is(s.cause, windrow.ErrFatal) && s.count(windrow.Failed) > 0 {
			end.state = windrow.Failed // whichever was the one that ended the run
		}
		for _, c := range h.calls {
			if c.items[0] >= item && c.items[0] < item+max(1, m.batch) {
				end.sizes = append(end.sizes, len(c.items))
			}
		}
	})
	return end
}

// saidOf says in the words of the README what is made of a failure that is seen once, and of one that stays.
func saidOf(once, forever string) string {
	if once == forever {
		return once
	}
	return once + ", else " + forever
}

// itemSaid is what the README says of an item.
func itemSaid(once, forever readmeEnd) string {
	word := func(e readmeEnd) string {
		switch e.state {
		case windrow.Succeeded:
			return "again"
		case windrow.NotAttempted:
			return "NotAttempted"
		default:
			return strings.ToUpper(e.state.String()[:1]) + e.state.String()[1:]
		}
	}
	return saidOf(word(once), word(forever))
}

// runSaid is what the README says of a run.
func runSaid(once, forever readmeEnd) string {
	word := func(e readmeEnd) string {
		switch {
		case e.cause == nil:
			return "goes on"
		case errors.Is(e.cause, windrow.ErrFatal):
			return "`ErrFatal`"
		case errors.Is(e.cause, windrow.ErrOutage):
			return "`ErrOutage`"
		case errors.Is(e.cause, windrow.ErrThrottled):
			return "`ErrThrottled`"
		default:
			return e.cause.Error()
		}
	}
	return saidOf(word(once), word(forever))
}

// chunkSaid is what the README says of a chunk of ten, given what becomes of creates and of what may be repeated.
func chunkSaid(creates, others readmeEnd) string {
	n := len(others.sizes)
	said := fmt.Sprint(others.sizes)
	switch {
	case n == 1:
		said = strings.ToUpper(others.state.String()[:1]) + others.state.String()[1:]
	case slices.Contains(others.sizes, 5):
		said = "in halves"
	case others.sizes[n-1] == 10:
		said = "again whole"
	}
	if creates.state == windrow.Unknown && others.state != windrow.Unknown {
		said += "; creates Unknown"
	}
	return said
}

// What the README says of a response is what the classifier says of it, and what becomes of items, chunks and runs.
func TestReadmeTellsWhatFollowsFromAResponse(t *testing.T) {
	t.Parallel()
	rows := readmeTable(t)
	if len(rows) < 16 {
		t.Errorf("the table has %d rows, want at least 16", len(rows))
	}
	for _, r := range rows {
		if thin() {
			continue
		}
		t.Run(r.says, func(t *testing.T) {
			check := func(f hostFailure, what, is, want string) {
				t.Helper()
				if is != want {
					t.Errorf("%s: %s: README.md says %q, and it is %q", f.says, what, want, is)
				}
			}
			fails := r.failures()
			if len(fails) == 0 {
				t.Fatalf("the test does not know what the server says in %q", r.says)
			}
			written, read := r.repeatable, r.repeatable
			if writes, ofRead, ok := strings.Cut(r.repeatable, " (a read: "); ok {
				written, read = writes, writes[:strings.LastIndex(writes, " ")+1]+strings.TrimSuffix(ofRead, ")")
			}
			deleted := written
			if writes, ofDelete, ok := strings.Cut(written, " (a delete: "); ok {
				written, read, deleted = writes, writes, strings.TrimSuffix(ofDelete, ")")
			}
			chunks, verbs := upserts, []readmeVerb{{creates, r.create}, {upserts, written}, {updatesOf, written}, {gets, read}}
			switch {
			case strings.Contains(r.says, "to a delete"):
				chunks, verbs = deletes, []readmeVerb{{deletes, written}}
			case !strings.Contains(r.says, "404"):
				verbs = append(verbs, readmeVerb{deletes, deleted})
			}
			for _, f := range fails {
				check(f, "class", windrow.Classify(f.err).Class.String(), r.class)
				for _, v := range verbs {
					once, forever := r.fail(t, v.hostVerb, byRun, f, 0, false), r.fail(t, v.hostVerb, byRun, f, 0, true)
					check(f, v.name, itemSaid(once, forever), v.want)
					check(f, "run of "+v.name, runSaid(once, forever), r.run)
				}
				check(f, "chunk", chunkSaid(r.fail(t, creates, byBatches, f, 0, false), r.fail(t, chunks, byBatches, f, 0, false)), r.chunk)
				check(f, "late chunk", chunkSaid(r.fail(t, creates, byBatches, f, 290, false), r.fail(t, chunks, byBatches, f, 290, false)), r.chunk)
			}
		})
	}
}

// The code of the package's comment is that of the Example, which is compiled and run.
func TestTheCodeOfThePackageCommentRuns(t *testing.T) {
	t.Parallel()
	comment, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(comment), "\n"); n > 100 {
		t.Errorf("doc.go has %d lines, want 100 at most", n)
	}
	_, code, _ := strings.Cut(string(comment), "//\n//\t")
	code, _, _ = strings.Cut("//\t"+code, "//\n// ")
	code = strings.ReplaceAll(strings.ReplaceAll(code, "//\t", "\t"), "//\n", "\n")
	if n := strings.Count(code, "\n"); n < 12 || !strings.Contains(string(example), code) {
		t.Errorf("example_test.go does not have the %d lines of doc.go:\n%s", n, code)
	}
}
