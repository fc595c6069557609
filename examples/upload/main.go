// Command upload sends real files to a real CMS, twice: the second time all of
// them are found there by their checksums, and none is sent. Then it downloads
// every file and compares it with the one on the disk.
//
// The CMS is PocketBase, which runs inside this program. The files are those
// that the arguments match, or else sources and pictures of the Go installation.
//
//	go run ./examples/upload
//	go run ./examples/upload 'pictures/*.png' 'pictures/*.jpg'
//
// The exit status is 1 when a file is not as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/build"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/upload"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the very end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("upload", flag.ContinueOnError)
	flags.SetOutput(stderr)
	concurrency := flags.Int("concurrency", 3, "send `n` files at once")
	rate := flags.Int("rate", 100, "let the server take `n` requests a second; 0 means any")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || *concurrency < 1 || *rate < 0 {
		fmt.Fprintln(stderr, "upload: -concurrency must be at least 1, and -rate not negative. See -help.")
		return 2
	}
	patterns := flags.Args()
	if len(patterns) == 0 {
		patterns = ownFiles(ctx)
	}
	if err := demonstrate(ctx, patterns, *concurrency, *rate, stdout); err != nil {
		fmt.Fprintf(stderr, "upload: %v\n", err)
		return 1
	}
	return 0
}

// ownFiles matches files that every machine with Go has.
func ownFiles(ctx context.Context) []string {
	root := build.Default.GOROOT
	if out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output(); err == nil {
		root = strings.TrimSpace(string(out))
	}
	return []string{filepath.Join(root, "src", "net", "http", "*.go"), filepath.Join(root, "src", "image", "testdata", "*")}
}

// match returns the files that the patterns match.
func match(patterns []string) ([]upload.File, error) {
	var paths []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pattern, err)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no file matches %s", strings.Join(patterns, ", "))
	}
	files, err := upload.FromFiles(paths)
	for i := range files {
		// What it is, is the client's business.
		files[i].Metadata = metadata{Title: strings.TrimSuffix(files[i].Name, filepath.Ext(files[i].Name))}
	}
	return files, err
}

// demonstrate uploads the files twice to a new server.
func demonstrate(ctx context.Context, patterns []string, concurrency, rate int, stdout io.Writer) (err error) {
	files, err := match(patterns)
	if err != nil {
		return err
	}
	server, err := pocket.Start(ctx, pocket.Config{Rate: rate})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	client, err := newLibrary(server.URL(), server.Token(), windrow.NewLimiter(windrow.Concurrency(concurrency)))
	if err != nil {
		return err
	}

	fmt.Fprintln(stdout, "Server: PocketBase"+limit(rate)+".")
	first, err := send(ctx, server, client, files, concurrency, "First run", stdout)
	if err != nil {
		return err
	}
	second, err := send(ctx, server, client, files, concurrency, "Second run", stdout)
	if err != nil {
		return err
	}
	if n := second.Stats().Skipped; n != len(files) {
		return fmt.Errorf("the second run skipped %d of %d files", n, len(files))
	}
	for r := range second.All() {
		if uploaded := first.At(r.Index); uploaded.State == windrow.Succeeded && uploaded.Value != r.Value {
			return fmt.Errorf("%s was skipped for the record %s, and is %s", r.Input.Name, r.Value.ID, uploaded.Value.ID)
		}
	}
	if err := compare(ctx, client, second); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "Read back: all %d files are on the server, byte by byte.\n", len(files))
	return err
}

// limit says what the server takes.
func limit(rate int) string {
	if rate == 0 {
		return ""
	}
	return fmt.Sprintf(", which takes %d requests of each action (look up, create) in each second of its clock", rate)
}

// send is one run. A file takes a look-up and, when the server does not have it,
// an upload; what the limit refuses is sent again. The result counts attempts, so
// that the requests are those that the server has counted.
func send(ctx context.Context, server *pocket.Server, client *library, files []upload.File, concurrency int, name string, stdout io.Writer) (*windrow.BulkResult[*upload.Task, record], error) {
	var sent atomic.Int64
	uploader := upload.New(client, windrow.WithLimiter(client.limiter), windrow.Concurrency(concurrency))
	uploader.SkipExisting = upload.SameMD5
	uploader.OnTransfer = func(t upload.Transfer) {
		if t.Done {
			sent.Add(t.Sent)
		}
	}
	uploader.Add(files...)
	looked, posted := server.Traffic(http.MethodGet), server.Traffic(http.MethodPost)
	res, err := uploader.Process(ctx)
	s := res.Stats()
	fmt.Fprintf(stdout, "%s: %d uploaded (%d bytes), %d skipped, %d failed.\n",
		name, s.Succeeded, sent.Load(), s.Skipped, s.Total-s.Succeeded-s.Skipped)
	tell := func(what string, before, after pocket.Traffic) {
		fmt.Fprintf(stdout, "  The server counted %d %s, %d of them refused as too many.\n",
			after.Requests-before.Requests, what, after.Throttled-before.Throttled)
	}
	tell("look-ups", looked, server.Traffic(http.MethodGet))
	tell("uploads", posted, server.Traffic(http.MethodPost))
	return res, err
}
