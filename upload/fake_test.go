package upload_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/upload"
)

// status is an error as HTTP clients have them.
type status int

func (s status) Error() string   { return fmt.Sprintf("status %d", int(s)) }
func (s status) StatusCode() int { return int(s) }

var errReset = windrow.Ambiguous(errors.New("connection reset"))

// asset is what the fakes make of a file.
type asset struct {
	ID       string
	Name     string
	MD5      string
	Metadata any
}

// server keeps files. Its method Upload is a client that makes one request for each.
type server struct {
	mu       sync.Mutex
	assets   []asset
	log      []string
	inFlight int
	most     int

	// fail is asked before and after a call is carried out; the call is lost, or its answer.
	fail func(call string, after bool) error
	// takes is how long a file takes.
	takes func(name string) time.Duration
}

// call carries out a call.
func (s *server) call(text string, f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, text)
	if s.fail != nil {
		if err := s.fail(text, false); err != nil {
			return err
		}
	}
	f()
	if s.fail != nil {
		return s.fail(text, true)
	}
	return nil
}

// calls returns the calls about a file, without its name.
func (s *server) calls(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for _, text := range s.log {
		if kind, of, _ := strings.Cut(text, " "); of == name {
			found = append(found, kind)
		}
	}
	return found
}

func (s *server) add(name, sum string, metadata any) asset {
	a := asset{ID: fmt.Sprint("u", len(s.assets)+1), Name: name, MD5: sum, Metadata: metadata}
	s.assets = append(s.assets, a)
	return a
}

// begin counts a call in flight.
func (s *server) begin(name string) func() {
	s.mu.Lock()
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.mu.Unlock()
	if s.takes != nil {
		time.Sleep(s.takes(name))
	}
	return func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}
}

func sumOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// Upload sends a file with one request.
func (s *server) Upload(ctx context.Context, t *upload.Task) (out asset, err error) {
	defer s.begin(t.Name)()
	content, err := t.Content(ctx)
	if err != nil {
		return out, err
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	if err != nil {
		return out, err
	}
	err = s.call("upload "+t.Name, func() { out = s.add(t.Name, sumOf(data), t.Metadata) })
	return out, err
}

// finding is a server whose files can be looked up.
type finding struct{ *server }

func (s finding) Find(_ context.Context, q upload.Query) (found asset, ok bool, err error) {
	err = s.call("find "+q.Name, func() {
		for _, a := range s.assets {
			if q.Match == upload.SameName && a.Name == q.Name || q.Match == upload.SameMD5 && a.MD5 == q.Checksum {
				found, ok = a, true
				return
			}
		}
	})
	if q.Match != upload.SameName && q.Match != upload.SameMD5 {
		err = errors.ErrUnsupported
	}
	return found, ok, err
}

// steps is a client as DatoCMS needs it: ask for a URL, put the bytes there, create the record, wait for the job.
type steps struct{ finding }

// place is where to put the bytes.
type place struct {
	Path    string
	Headers map[string]string
}

func (s steps) Upload(ctx context.Context, t *upload.Task) (asset, error) {
	to, err := upload.Step(ctx, t, "request", func(context.Context) (p place, err error) {
		err = s.call("request "+t.Name, func() { p = place{"/7/" + t.Name, map[string]string{"x-amz-acl": "public-read"}} })
		return p, err
	})
	if err != nil {
		return asset{}, err
	}
	sum, err := upload.Step(ctx, t, "put", func(ctx context.Context) (string, error) {
		content, err := t.Content(ctx)
		if err != nil {
			return "", err
		}
		defer content.Close()
		if to.Headers["x-amz-acl"] != "public-read" {
			return "", status(403)
		}
		if _, err := io.CopyN(io.Discard, content, 1); err != nil { // half of it is on its way
			return "", err
		}
		if err := s.call("put "+t.Name, func() {}); err != nil {
			return "", err
		}
		whole, err := t.Checksum(ctx, upload.SameMD5)
		return whole, err
	})
	if err != nil {
		return asset{}, err
	}
	job, err := upload.Once(ctx, t, "create", func(context.Context) (id string, err error) {
		err = s.call("create "+t.Name, func() { id = s.add(t.Name, sum, t.Metadata).ID })
		return id, err
	})
	if err != nil {
		return asset{}, err
	}
	return upload.Step(ctx, t, "poll", func(ctx context.Context) (asset, error) {
		polls := 0
		return clients.Poll(ctx, clients.PollPolicy{Longest: 4 * time.Second}, func(context.Context) (out asset, err error) {
			polls++
			err = s.call("poll "+t.Name, func() { out = asset{ID: job, Name: t.Name, MD5: sum, Metadata: t.Metadata} })
			if err == nil && polls == 1 {
				err = clients.Pending(0)
			}
			return out, err
		})
	})
}

// files makes files of some names, with contents of their own.
func files(names ...string) []upload.File {
	var all []upload.File
	for _, name := range names {
		all = append(all, upload.FromBytes(name, []byte("content of "+name)))
	}
	return all
}

// checkInvariant checks that each file has one outcome.
func checkInvariant(t *testing.T, n int, res *windrow.BulkResult[*upload.Task, asset]) {
	t.Helper()
	s := res.Stats()
	if s.Total != n || s.Succeeded+s.Failed+s.Skipped+s.NotAttempted+s.Unknown != n {
		t.Errorf("%d files: stats %+v", n, s)
	}
}
