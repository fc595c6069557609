package upload_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/upload"
)

// A58 too: the client gets the name, the content and the metadata, untouched.
func TestA51_A58_ATaskGoesToTheClientAsItIs(t *testing.T) {
	t.Parallel()
	s := &server{}
	type metadata struct{ EN struct{ Alt, Title string } }
	want := &metadata{}
	want.EN.Alt = "Image description"
	f := upload.FromBytes("hero.png", []byte("bytes"))
	f.Metadata = want
	res, err := upload.Files(t.Context(), s, []upload.File{f})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]asset{{"u1", "hero.png", sumOf([]byte("bytes")), want}}, res.Values()); diff != "" {
		t.Errorf("uploaded (-want +got):\n%s", diff)
	}
	if s.assets[0].Metadata != any(want) {
		t.Error("the metadata is a copy")
	}
	if task := res.At(0).Input; task.Name != "hero.png" || task.ContentType() != "image/png" || res.At(0).Key != "hero.png" {
		t.Errorf("task %+v", task.File)
	}
	if got := (&upload.File{Name: "x.unheard-of"}).ContentType(); got != "application/octet-stream" {
		t.Errorf("content type %q", got)
	}
}

func TestA52_ThreeAtATime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts []windrow.Option
		want int
	}{{nil, 3}, {[]windrow.Option{windrow.Concurrency(5)}, 5}} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{takes: func(string) time.Duration { return time.Second }}
			var names []string
			for i := range 30 {
				names = append(names, fmt.Sprint("f", i))
			}
			res, err := upload.Files(t.Context(), s, files(names...), tt.opts...)
			if err != nil || s.most != tt.want {
				t.Errorf("%d at once, want %d; error %v", s.most, tt.want, err)
			}
			checkInvariant(t, 30, res)
		})
	}
}

// A53: the guide's second processAll sends everything again.
func TestA53_TheQueueIsEmptyAfterProcess(t *testing.T) {
	t.Parallel()
	s := &server{}
	u := upload.New(s)
	u.Add(files("a", "b")...)
	u.Add(files("c")...)
	if u.Queued() != 3 {
		t.Errorf("%d files in the queue", u.Queued())
	}
	for _, want := range []int{3, 0} {
		res, err := u.Process(t.Context())
		if err != nil || res.Len() != want || u.Queued() != 0 {
			t.Errorf("%d files, want %d; error %v", res.Len(), want, err)
		}
	}
	u.Add(files("d")...)
	if res, err := u.Process(t.Context()); err != nil || res.Len() != 1 || len(s.assets) != 4 {
		t.Errorf("%d files, %d on the server, error %v", res.Len(), len(s.assets), err)
	}
}

// A57: what was skipped says what is there; A59: what failed keeps its error.
func TestA54_A57_A59_ThreeBuckets(t *testing.T) {
	t.Parallel()
	s := finding{&server{}}
	there := s.add("b", sumOf([]byte("content of b")), "there")
	s.fail = func(call string, _ bool) error {
		if call == "upload c" {
			return fmt.Errorf("refused: %w", status(422))
		}
		return nil
	}
	u := upload.New[asset](s)
	u.SkipExisting = upload.SameMD5
	var seen []string
	u.OnResult = func(r windrow.Result[*upload.Task, asset]) { seen = append(seen, r.Input.Name) }
	u.Add(files("a", "b", "c")...)
	res, err := u.Process(t.Context())
	checkInvariant(t, 3, res)
	if len(seen) != 3 {
		t.Errorf("OnResult was told of %q", seen)
	}
	if a := res.At(0); a.State != windrow.Succeeded || a.Value.Name != "a" {
		t.Errorf("a: %v, %+v", a.State, a.Value)
	}
	if b := res.At(1); b.State != windrow.Skipped || b.Reason != windrow.ReasonAlreadyExists || b.Value != there {
		t.Errorf("b: %v (%v), %+v", b.State, b.Reason, b.Value)
	}
	if c := res.At(2); c.State != windrow.Failed || !errors.Is(c.Err, status(422)) || !errors.Is(err, status(422)) {
		t.Errorf("c: %v, %v, %v", c.State, c.Err, err)
	}
	if diff := cmp.Diff([]string{"find"}, s.calls("b")); diff != "" {
		t.Errorf("calls for b (-want +got):\n%s", diff)
	}
}

// A55: one slow file holds up its own lane, and no other.
func TestA55_ASlidingWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: func(name string) time.Duration {
			if name == "f0" {
				return 10 * time.Second
			}
			return time.Second
		}}
		var names []string
		for i := range 21 {
			names = append(names, fmt.Sprint("f", i))
		}
		start := time.Now()
		if _, err := upload.Files(t.Context(), s, files(names...)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v, want the 10 s of the slow file: the other 20 fit beside it", took)
		}
	})
}

func TestA56_Progress(t *testing.T) {
	t.Parallel()
	var last windrow.Progress
	_, err := upload.Files(t.Context(), &server{}, files("a", "b", "c", "d"), windrow.OnProgress(func(p windrow.Progress) { last = p }))
	if err != nil || last.Done != 4 || last.Total != 4 || last.Percent() != 100 {
		t.Errorf("progress %+v, error %v", last, err)
	}
}

// A60: by name a changed file is skipped; by checksum it is sent, and a renamed one is skipped.
func TestA60_ByNameOrByChecksum(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		by                     upload.Match
		same, changed, renamed windrow.State
		other                  upload.Match // of the changed file alone
		wantOther              windrow.State
	}{
		{upload.AsUploader, windrow.Succeeded, windrow.Succeeded, windrow.Succeeded, upload.SameName, windrow.Skipped},
		{upload.Never, windrow.Succeeded, windrow.Succeeded, windrow.Succeeded, upload.SameMD5, windrow.Succeeded},
		{upload.SameName, windrow.Skipped, windrow.Skipped, windrow.Succeeded, upload.Never, windrow.Succeeded},
		{upload.SameMD5, windrow.Skipped, windrow.Succeeded, windrow.Skipped, upload.SameName, windrow.Skipped},
	} {
		t.Run(tt.by.String(), func(t *testing.T) {
			t.Parallel()
			for _, override := range []bool{false, true} {
				s := finding{&server{}}
				s.add("same", sumOf([]byte("content of same")), nil)
				s.add("changed", sumOf([]byte("as it was")), nil)
				s.add("old name", sumOf([]byte("content of renamed")), nil)
				u := upload.New[asset](s)
				u.SkipExisting = tt.by
				u.Add(files("same", "changed", "renamed")...)
				if override {
					f := files("changed")
					f[0].SkipExisting = tt.other
					u = upload.New[asset](s)
					u.SkipExisting = tt.by
					u.Add(f...)
				}
				res, err := u.Process(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []windrow.State
				for r := range res.All() {
					got = append(got, r.State)
				}
				want := []windrow.State{tt.same, tt.changed, tt.renamed}
				if override {
					want = []windrow.State{tt.wantOther}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("states, override %t (-want +got):\n%s", override, diff)
				}
			}
		})
	}
	for by, want := range map[upload.Match]string{
		upload.SameMD5: "5d41402abc4b2a76b9719d911017c592", upload.SameSHA1: "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
		upload.SameSHA256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", upload.SameName: "", upload.Never: "",
	} {
		task := &upload.Task{File: upload.FromBytes("x", []byte("hello"))}
		for range 2 {
			if got, err := task.Checksum(t.Context(), by); got != want || err != nil {
				t.Errorf("%v: %q, error %v", by, got, err)
			}
		}
	}
}

func TestA61_TheGuidesUsage(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"hero.jpg", "team.png", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var paths []string
	for _, pattern := range []string{"*.jpg", "*.png"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	images, err := upload.FromFiles(paths)
	if err != nil {
		t.Fatal(err)
	}
	for i := range images {
		images[i].Metadata = map[string]any{"en": map[string]string{
			"alt": "Image description", "title": strings.TrimSuffix(images[i].Name, filepath.Ext(images[i].Name)),
		}}
	}
	s := steps{finding{&server{}}}
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []windrow.RunStats{{Total: 2, Succeeded: 2}, {Total: 2, Skipped: 2}} {
			u := upload.New[asset](s, windrow.Concurrency(3))
			u.SkipExisting = upload.SameMD5
			u.Add(images...)
			res, err := u.Process(t.Context())
			got := res.Stats()
			if err != nil || got.Succeeded != want.Succeeded || got.Skipped != want.Skipped {
				t.Errorf("stats %+v, error %v", got, err)
			}
		}
	})
	if len(s.assets) != 2 || !cmp.Equal(s.assets[0].Metadata, images[0].Metadata) && !cmp.Equal(s.assets[0].Metadata, images[1].Metadata) {
		t.Errorf("on the server: %+v", s.assets)
	}
	if _, err := upload.FromFiles([]string{paths[0], folder, filepath.Join(folder, "none")}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("error %v", err)
	}
}
