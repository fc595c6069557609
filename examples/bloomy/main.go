// Command bloomy does all that the Bloomy SDK's guide to bulk operations shows, section by section, and prints what the guide
// says it prints, with some words more where that leaves a reader guessing. The server is a fake in this program.
//
//	go run ./examples/bloomy
//	go run ./examples/bloomy -latency 100ms
//
// Where the guide is wrong, or its way of doing it is, the program does it right:
//   - D13: the key of a created meeting is meeting_id, not id.
//   - D12: a meeting whose attendee is refused is there; it is completed, not made a second time.
//   - D17, D21: what is sent again keeps the index that it had; indexes are those of the whole list, not of a chunk.
//   - D21: the guide's loop also sleeps after a last chunk that is short.
//   - D23, D29: the limit of 5 calls at once is that of the account, not of each call of create_many.
//   - D30: which field is wrong is a field of the error, not a word in its text.
//   - a 401 stops a run; the SDK would send the rest, too.
//
// The exit status is 1 when something is not as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/adapters/rest"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bloomy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	latency := flags.Duration("latency", 10*time.Millisecond, "let the server take so long for each answer")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || *latency < 0 {
		fmt.Fprintln(stderr, "bloomy: -latency must not be negative. See -help.")
		return 2
	}
	fake := newServer(*latency)
	server := httptest.NewServer(fake)
	defer server.Close()
	if err := demonstrate(ctx, server.URL+"/api/v1", nil, stdout); err != nil {
		fmt.Fprintf(stderr, "bloomy: %v\n", err)
		return 1
	}
	return 0
}

// newServer returns the fake with the meetings and the users of the guide.
func newServer(latency time.Duration) *bloomytest.Server {
	fake := &bloomytest.Server{
		Latency: latency,
		Users:   map[int]string{bloomytest.Me: "John Doe", 101: "Zoe", 112: "Max", 321: "Ann", 456: "Bob", 789: "Eve"},
	}
	fake.AddMeeting(bloomytest.Meeting{ID: 123, Name: "Weekly Team Meeting", Attendees: []int{bloomytest.Me, 456}})
	fake.AddMeeting(bloomytest.Meeting{ID: 456, Name: "Product Meeting", Attendees: []int{bloomytest.Me}})
	fake.AddMeeting(bloomytest.Meeting{ID: 789, Name: "Sales Meeting", Attendees: []int{456, 789, 321}})
	return fake
}

// guide is what the sections share.
type guide struct {
	client *bloomy.Client
	fast   *bloomy.Client // with a limit of its own, for the sections that ask for more than 5 calls at once
	out    io.Writer
}

// demonstrate goes through the guide.
func demonstrate(ctx context.Context, url string, client *http.Client, out io.Writer) error {
	g := &guide{out: out}
	var err error
	if g.client, err = bloomy.New(url, "your-api-key", client); err != nil {
		return err
	}
	if g.fast, err = bloomy.New(url, "your-api-key", client, rest.WithLimiter(bloomy.NewLimiter(bloomy.SmallPayloads))); err != nil {
		return err
	}
	fmt.Fprint(out, "Server: a fake of Bloom Growth. It numbers what is created, of whatever kind, from 100 on.\n\n")
	for _, section := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Creating Multiple Issues", g.issues},
		{"Creating Multiple Todos", g.todos},
		{"Creating Multiple Goals", g.goals},
		{"Creating Multiple Meetings", g.meetings},
		{"Retrieving Multiple Meetings", g.details},
		{"Use Cases for Batch Reading", g.dashboard},
		{"Retry Failed Operations", g.retry},
		{"Validation Before Bulk Creation", g.validate},
		{"Partial Success Handling", g.summary},
		{"Chunking Large Operations", g.chunks},
		{"Async Bulk Operations", g.async},
		{"Error Handling with Async Bulk Operations", g.robust},
		{"Performance Comparison: Async vs Sync", g.compare},
		{"Combining Multiple Async Bulk Operations", g.setUp},
	} {
		fmt.Fprintf(out, "== %s\n", section.title)
		if err := section.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", section.title, err)
		}
		fmt.Fprintln(out)
	}
	return nil
}

func (g *guide) print(format string, args ...any) { fmt.Fprintf(g.out, format+"\n", args...) }

// stopped returns what stopped a run; the errors of its items are for the sections to deal with.
func stopped(err error) error {
	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
		return bulk.Cause
	}
	return err
}

// want returns an error unless something is as it should be.
func want(ok bool, what string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(what, args...)
}
