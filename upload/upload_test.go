package upload_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/upload"
)

// What is wrong with a file is its own error, and nothing is sent of it.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	short, long := upload.FromBytes("short", []byte("12345")), upload.FromBytes("long", []byte("67890"))
	short.Size, long.Size = 6, 4
	missing := upload.File{Name: "missing", Path: filepath.Join(t.TempDir(), "missing")}
	for _, by := range []upload.Match{upload.Never, upload.SameMD5} {
		s := finding{&server{}}
		u := upload.New[asset](s)
		u.SkipExisting = by
		u.Add(short, long, missing, upload.FromBytes("good", []byte("good")))
		res, err := u.Process(t.Context())
		checkInvariant(t, 4, res)
		if res.Stats().Succeeded != 1 || len(s.assets) != 1 || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: stats %+v, error %v", by, res.Stats(), err)
		}
		for _, i := range []int{0, 1} {
			if text := res.At(i).Err.Error(); !strings.Contains(text, "does not have its Size of") {
				t.Errorf("error %q", text)
			}
		}
	}
}

// A file that nobody could send, or know on the server, fails before its first request.
func TestFilesThatAreIncomplete(t *testing.T) {
	t.Parallel()
	s := steps{finding{&server{}}}
	res, _ := upload.Files[asset](t.Context(), s, []upload.File{
		{Path: "somewhere"}, {Name: "nothing"}, {Name: "short", Path: "somewhere", Size: -1},
	})
	if res.Stats().Failed != 3 || len(s.log) != 0 {
		t.Errorf("%+v after the calls %v", res.Stats(), s.log)
	}
	for i, want := range []string{"set its Name", "set its Path, or Open", "set its length"} {
		if r := res.At(i); r.Kind != windrow.KindValidation || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("file %d: %v (%v), want a hint to %q", i, r.Err, r.Kind, want)
		}
	}
	u := upload.New[asset](s)
	u.SkipExisting = upload.SameSHA256 + 1
	u.Add(files("a")...)
	if _, err := u.Process(t.Context()); err == nil || !strings.Contains(err.Error(), "SkipExisting") || len(s.log) != 0 {
		t.Errorf("error %v after the calls %v", err, s.log)
	}
}

func TestSkipExistingNeedsAFinder(t *testing.T) {
	t.Parallel()
	s := &server{}
	u := upload.New(s)
	u.SkipExisting = upload.SameName
	u.Add(files("a", "b")...)
	res, err := u.Process(t.Context())
	if problem, ok := errors.AsType[*windrow.OptionError](err); !ok || problem.Option != "SkipExisting" || res.Stats().NotAttempted != 2 || len(s.log) != 0 {
		t.Errorf("stats %+v, error %v", res.Stats(), err)
	}
	if _, err := u.Rerun(t.Context(), res); err == nil {
		t.Error("no error of Rerun")
	}
	one := files("a")
	one[0].SkipExisting = upload.SameMD5
	if _, err := upload.Files(t.Context(), s, one); err == nil {
		t.Error("no error of a file's own match")
	}
	unknown := files("a")
	unknown[0].SkipExisting = upload.SameSHA1
	if _, err := upload.Files[asset](t.Context(), finding{s}, unknown); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v of a match that the client does not know", err)
	}
	if res, err := upload.Files[asset](t.Context(), nil, files("a")); !errors.Is(err, windrow.ErrNilClient) || res.Len() != 1 {
		t.Errorf("error %v without a client", err)
	}
	if _, err := u.Rerun(t.Context(), nil); err == nil {
		t.Error("no error of a Rerun of nothing")
	}
}

// On cancel what was created is Unknown while its job runs, and what waits is NotAttempted.
func TestCancelWhileAJobIsPolled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := steps{finding{&server{}}}
		s.fail = func(call string, _ bool) error {
			if call == "poll a" {
				cancel()
			}
			return nil
		}
		res, err := upload.Files[asset](ctx, s, files("a", "b"), windrow.Concurrency(1))
		if !errors.Is(err, context.Canceled) || res.At(0).State != windrow.Unknown || res.At(1).State != windrow.NotAttempted {
			t.Errorf("%v and %v, error %v", res.At(0).State, res.At(1).State, err)
		}
	})
}

func TestStepsMustHaveDifferentNames(t *testing.T) {
	t.Parallel()
	client := upload.ClientFunc(func(ctx context.Context, task *upload.Task) (int, error) {
		if _, err := upload.Step(ctx, task, "one", func(context.Context) (string, error) { return "x", nil }); err != nil {
			return 0, err
		}
		return upload.Step(ctx, task, "one", func(context.Context) (int, error) { return 1, nil })
	})
	if _, err := upload.Files(t.Context(), client, files("a")); err == nil || !strings.Contains(err.Error(), `step "one": it returned a string before: steps must have different names`) {
		t.Errorf("error %v", err)
	}
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	task := &upload.Task{File: upload.FromBytes(`a "b".png`, []byte("bytes"))}
	form, err := upload.Multipart(t.Context(), task, "file", map[string]string{"title": "T", "alt": "ü"})
	if err != nil {
		t.Fatal(err)
	}
	defer form.Close()
	text, err := io.ReadAll(form)
	if err != nil || int64(len(text)) != form.Length {
		t.Errorf("%d bytes, said to be %d, error %v", len(text), form.Length, err)
	}
	_, params, err := mime.ParseMediaType(form.ContentType)
	if err != nil {
		t.Fatal(err)
	}
	read, err := multipart.NewReader(strings.NewReader(string(text)), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"title": {"T"}, "alt": {"ü"}}, read.Value); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if f := read.File["file"]; len(f) != 1 || f[0].Filename != task.Name || f[0].Size != 5 || f[0].Header.Get("Content-Type") != "image/png" {
		t.Errorf("files %+v", read.File)
	}
	task.Size = 0
	if form, err := upload.Multipart(t.Context(), task, "file", nil); err != nil || form.Length != -1 {
		t.Errorf("length %d, error %v of a file of unknown size", form.Length, err)
	}
	if _, err := upload.Multipart(t.Context(), &upload.Task{File: upload.File{Path: "/no/such/file"}}, "file", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestMatchString(t *testing.T) {
	t.Parallel()
	for m, want := range map[upload.Match]string{upload.AsUploader: "default", upload.SameSHA256: "sha256", 17: "match 17"} {
		if got := m.String(); got != want {
			t.Errorf("%d: %q", uint8(m), got)
		}
	}
}

func TestChecksumReadsTheFileOnce(t *testing.T) {
	t.Parallel()
	opened := 0
	file := upload.FromBytes("f", []byte("hello"))
	open := file.Open
	file.Open = func() (io.ReadCloser, error) { opened++; return open() }
	task := &upload.Task{File: file}
	for range 3 {
		if _, err := task.Checksum(t.Context(), upload.SameMD5); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
}
