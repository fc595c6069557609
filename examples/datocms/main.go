// Command datocms does what DatoCMS's own guide to batch operations shows, section by section, with windrow, against a
// DatoCMS in memory that keeps the real one's limit of 60 requests in 3 seconds.
//
//	go run ./examples/datocms
//
// It prints what the guide's programs print, with some words more where these leave a reader guessing. Where they are wrong
// it does better, and the comment has the row of the feature table (adapters/README.md) that says how: A5, for one. The exit
// status is 1 when anything is not as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/rest"
)

// articleModel is the id of the model of articles. The guide names the model by its API key, in a field that records do
// not have (A5).
const articleModel = "UZyfjdBES8y2W2ruMEHSoA"

// draft is an article that is to be created.
type draft struct {
	Title string `json:"title,omitempty"`
	Slug  string `json:"slug,omitempty"`
}

// article is one as DatoCMS has it.
type article struct {
	datocms.Record
	Title string `json:"title"`
	Slug  string `json:"slug"`
}

// program is what the sections share.
type program struct {
	out     io.Writer
	dir     string // for files
	server  *datocmstest.Server
	client  *datocms.Client
	limiter *windrow.Limiter // told nothing: it learns the limit from the answers (A7, A69)
}

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("datocms", flag.ContinueOnError)
	flags.SetOutput(stderr)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "datocms: there are no arguments. See -help.")
		return 2
	}
	if err := demonstrate(ctx, stdout); err != nil {
		fmt.Fprintf(stderr, "datocms: %v\n", err)
		return 1
	}
	return 0
}

// demonstrate runs the sections of the guide, one after the other, on one project.
func demonstrate(ctx context.Context, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "windrow-datocms-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server := datocmstest.New(datocmstest.Config{
		Models: []datocmstest.Model{{ID: articleModel, APIKey: "article", Fields: []datocmstest.Field{
			{APIKey: "title", Required: true}, {APIKey: "slug", Unique: true},
		}}},
		Latency: func() time.Duration { return 40 * time.Millisecond },
	})
	defer server.Close()

	limiter := &windrow.Limiter{}
	client, err := datocms.New("", server.Token(), server.Client(), rest.WithLimiter(limiter))
	if err != nil {
		return err
	}
	p := &program{out: stdout, dir: dir, server: server, client: client, limiter: limiter}
	for _, section := range []struct {
		title string
		show  func(context.Context) error
	}{
		{"Basic batch create", p.basicCreate},
		{"Advanced batch creation with error handling", p.advancedCreate},
		{"Efficient batch updates", p.updates},
		{"Conditional batch updates", p.conditionalUpdate},
		{"Safe batch delete", p.safeDelete},
		{"Batch upload processing", p.uploads},
		{"Parallel processing with concurrency control", p.concurrency},
		{"Memory-efficient streaming", p.stream},
	} {
		fmt.Fprintf(stdout, "== %s\n", section.title)
		if err := section.show(ctx); err != nil {
			return fmt.Errorf("%s: %w", section.title, err)
		}
		fmt.Fprintln(stdout)
	}
	return nil
}

// printf prints a line.
func (p *program) printf(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

// articles are those of the project.
func (p *program) articles() *datocms.Items[draft, article] {
	return datocms.NewItems[draft, article](p.client, articleModel)
}

// expect says that something is not as it should be.
func expect[T comparable](what string, want, got T) error {
	if want != got {
		return fmt.Errorf("%s: %v, want %v", what, got, want)
	}
	return nil
}
