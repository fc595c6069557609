package datocms_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/upload"
)

const bucket = "dato-images.s3-eu-west-1.amazonaws.com"

// named returns a file whose name and content are that text.
func named(name string) upload.File { return upload.FromBytes(name, []byte("content of "+name)) }

// process uploads files, and returns how they ended.
func process(t *testing.T, u *upload.Uploader[datocms.Asset], files ...upload.File) *windrow.BulkResult[*upload.Task, datocms.Asset] {
	t.Helper()
	u.Add(files...)
	res, err := u.Process(t.Context())
	accounts(t, len(files), res)
	if failed := res.Stats(); (err == nil) != (failed.Succeeded+failed.Skipped == len(files)) {
		t.Errorf("error %v beside %+v", err, failed)
	}
	return res
}

// steps returns the requests of the server, job questions only once.
func steps(server *datocmstest.Server) []string {
	var all []string
	for _, r := range server.Seen() {
		target, _, _ := strings.Cut(r.Target, "?")
		for _, prefix := range []string{"/job-results/", bucket} {
			if strings.HasPrefix(target, prefix) {
				target = prefix
			}
		}
		all = append(all, fmt.Sprintf("%s %s %d", r.Method, target, r.Status))
	}
	return slices.Compact(all)
}

// Three requests and a job; the metadata is passed on as it is, in both of its shapes.
func TestA51_A58_AnUploadOnTheWire(t *testing.T) {
	t.Parallel()
	for _, metadata := range []any{
		map[string]any{"en": map[string]any{"alt": "Image description", "title": "hero"}},
		map[string]any{"alt": map[string]any{"en": "Image description"}, "title": map[string]any{"en": "hero"}},
		json.RawMessage(`{"en":{"alt":null,"custom_data":{},"title":"hero"}}`),
	} {
		synctest.Test(t, func(t *testing.T) {
			server, client := start(t, datocmstest.Config{})
			var bodies []string
			var put http.Header
			server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
				if r.Method == http.MethodPost {
					bodies = append(bodies, string(r.Body))
				}
				if strings.HasPrefix(r.Path, bucket) {
					put = r.Header
				}
				return nil
			})
			file := named("image.png")
			file.Metadata = metadata
			res := process(t, datocms.NewUploader(datocms.NewUploads[datocms.Asset](client)), file)
			value := res.At(0).Value
			want, err := json.Marshal(metadata)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "request", `{"data":{"type":"upload_request","attributes":{"filename":"image.png"}}}`, bodies[0])
			testkit.Check(t, "create", `{"data":{"type":"upload","attributes":{"default_field_metadata":`+string(want)+`,"path":"`+value.Path+`"}}}`, bodies[1])
			testkit.Check(t, "metadata", string(want), server.AssetField("image.png", "default_field_metadata"))
			testkit.Check(t, "content", "content of image.png", string(server.Files()[value.Path]))
			testkit.Check(t, "requests", []string{
				"GET /uploads 200", "POST /upload-requests 200", "PUT " + bucket + " 200", "POST /uploads 202", "GET /job-results/ 404", "GET /job-results/ 200",
			}, steps(server))
			put.Del("User-Agent")
			put.Del("Accept-Encoding")
			testkit.Check(t, "header of the bucket", http.Header{"Content-Length": {"20"}, "Content-Type": {"image/png"}, "X-Amz-Acl": {"public-read"}}, put)
			testkit.Check(t, "value", []any{"image.png", int64(20), "image"}, []any{value.Filename, value.Size, value.Basename})
		})
	}
}

// The bucket is no part of DatoCMS: what its headers tell of limits is not DatoCMS's, and no cookie goes there.
func TestTheBucketIsSomebodyElses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := datocmstest.New(datocmstest.Config{Token: "token", Requests: -1})
		t.Cleanup(server.Close)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{bucket, "site-api.datocms.com"} {
			jar.SetCookies(&url.URL{Scheme: "https", Host: host}, []*http.Cookie{{Name: "session", Value: "secret"}})
		}
		var puts atomic.Int32
		client, err := datocms.New("", "token", &http.Client{Jar: jar, Transport: direct(func(w http.ResponseWriter, r *http.Request) {
			cookies := 1
			if r.Host == bucket {
				puts.Add(1)
				cookies = 0
				w.Header().Set("X-RateLimit-Limit", "30")
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("X-RateLimit-Reset", "600")
			}
			testkit.Check(t, "cookies for "+r.Host, cookies, len(r.Cookies()))
			server.ServeHTTP(w, r)
		})})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		process(t, datocms.NewUploader(datocms.NewUploads[datocms.Asset](client)), named("a"), named("b"), named("c"), named("d"), named("e"))
		testkit.Check(t, "files", 5, puts.Load())
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// The limiter of the client is the uploader's, too: files take its slots.
func TestTheUploaderTakesTheLimiterOfTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Concurrency(2))
		server, client := start(t, datocmstest.Config{Latency: func() time.Duration { return time.Second }}, rest.WithLimiter(limiter))
		most := 0
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if strings.HasPrefix(r.Path, bucket) {
				most = max(most, limiter.Stats().InFlight)
				return &datocmstest.Fault{Delay: time.Second}
			}
			return nil
		})
		process(t, datocms.NewUploader(datocms.NewUploads[datocms.Asset](client)), named("a"), named("b"), named("c"), named("d"))
		testkit.Check(t, "files at once", 2, most)
	})
}

// More than the metadata, and none.
func TestA51_Attributes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		uploads := datocms.NewUploads[datocms.Asset](client)
		file := named("a.png")
		file.Metadata = datocms.Attributes{"tags": []string{"red"}, "author": "Ann"}
		res := process(t, datocms.NewUploader(uploads), file, named("b.png"))
		testkit.Check(t, "tags", `["red"]`, server.AssetField("a.png", "tags"))
		testkit.Check(t, "given attributes", 2, len(file.Metadata.(datocms.Attributes)))
		testkit.Check(t, "metadata", `{}`, server.AssetField("b.png", "default_field_metadata"))
		out, err := uploads.Update(t.Context(), res.At(0).Value.ID, datocms.Attributes{"notes": "new", "default_field_metadata": map[string]any{"en": map[string]any{}}})
		if err != nil || string(out.DefaultFieldMetadata) != `{"en":{}}` {
			t.Errorf("%+v, error %v", out, err)
		}
	})
}

// By content nothing is sent that is there already, whatever its name; by name, as the guide does it, a changed file is
// taken for the old one.
func TestA57_A60_SkipWhatIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
		process(t, u, named("a.png"))
		changed, renamed := upload.FromBytes("a.png", []byte("changed")), upload.FromBytes("b.png", []byte("content of a.png"))
		res := process(t, u, renamed, changed)
		testkit.Check(t, "by md5", []string{"skipped already_exists", "succeeded"}, ends(res))
		testkit.Check(t, "existing", "a.png", res.At(0).Value.Filename)
		testkit.Check(t, "assets", []string{"a.png", "a.png"}, server.Assets())
		u.SkipExisting = upload.SameName
		res = process(t, u, upload.FromBytes("a.png", []byte("changed again")), renamed)
		testkit.Check(t, "by name", []string{"skipped already_exists", "succeeded"}, ends(res))
		u.SkipExisting = upload.SameSHA256
		u.Add(named("c.png"))
		if _, err := u.Process(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("by sha256: error %v", err)
		}
		n := len(server.Assets())
		u.SkipExisting = upload.Never
		process(t, u, named("a.png"))
		testkit.Check(t, "assets", n+1, len(server.Assets()))
	})
}

// Three at a time, and no more.
func TestA52_A55_ThreeAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		now, most := map[string]bool{}, 0
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if strings.HasPrefix(r.Path, bucket) {
				now[r.Path] = true
				most = max(most, len(now))
			}
			if r.Path == "/uploads" && r.Method == http.MethodPost {
				path := bodyOf(t, r.Body)["data"].(map[string]any)["attributes"].(map[string]any)["path"].(string)
				delete(now, bucket+path)
			}
			return nil
		})
		var files []upload.File
		for k := range 12 {
			files = append(files, named(fmt.Sprintf("%d.png", k)))
		}
		u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
		u.SkipExisting = upload.Never
		process(t, u, files...)
		testkit.Check(t, "assets", 12, len(server.Assets()))
		if most > 3 {
			t.Errorf("%d at a time", most)
		}
	})
}

// Whatever step fails is done again, and not those before it that must not be; no file comes to be twice.
func TestA54_A59_RetriesOfAnUpload(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path  string // begin of
		fault datocmstest.Fault
		want  string
		files int // in the bucket, of the two
	}{
		"request lost":              {"/upload-requests", datocmstest.Fault{Cut: true}, "succeeded", 2},
		"request throttled":         {"/upload-requests", datocmstest.Fault{Status: 429}, "succeeded", 2},
		"request 500":               {"/upload-requests", datocmstest.Fault{Status: 500}, "succeeded", 2},
		"request refused":           {"/upload-requests", datocmstest.Fault{Status: 422, Code: "INVALID_FIELD"}, "failed", 1},
		"bucket lost":               {bucket, datocmstest.Fault{Lose: true}, "succeeded", 2},
		"bucket lost afterwards":    {bucket, datocmstest.Fault{Cut: true}, "succeeded", 3},
		"bucket busy":               {bucket, datocmstest.Fault{Status: 503, Code: "SlowDown"}, "succeeded", 2},
		"bucket 500":                {bucket, datocmstest.Fault{Status: 500}, "succeeded", 2},
		"bucket refuses":            {bucket, datocmstest.Fault{Status: 403, Code: "AccessDenied"}, "failed", 1},
		"create throttled":          {"/uploads", datocmstest.Fault{Status: 429}, "succeeded", 2},
		"create transient":          {"/uploads", datocmstest.Fault{Status: 422, Transient: true}, "succeeded", 2},
		"create refused":            {"/uploads", datocmstest.Fault{Status: 422, Code: "PLAN_UPGRADE_REQUIRED"}, "failed", 2},
		"create lost, and found":    {"/uploads", datocmstest.Fault{Cut: true}, "succeeded", 2},
		"create lost, and not made": {"/uploads", datocmstest.Fault{Lose: true}, "unknown", 2},
		"create 500":                {"/uploads", datocmstest.Fault{Status: 500}, "unknown", 2},
		"job lost":                  {"/job-results/", datocmstest.Fault{Lose: true}, "succeeded", 2},
		"job throttled":             {"/job-results/", datocmstest.Fault{Status: 429}, "succeeded", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := start(t, datocmstest.Config{JobTime: time.Nanosecond}) // it has ended when somebody looks
				failed := false
				server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
					if !failed && strings.HasPrefix(r.Path, tt.path) && r.Method != http.MethodGet || !failed && strings.HasPrefix(r.Path, "/job-results/") && tt.path == "/job-results/" {
						failed = true
						return &tt.fault
					}
					return nil
				})
				res := process(t, datocms.NewUploader(datocms.NewUploads[datocms.Asset](client)), named("a.png"), named("b.png"))
				testkit.Check(t, "ends", []string{tt.want, "succeeded"}, sorted(ends(res), tt.want))
				want := 2
				if tt.want != "succeeded" {
					want = 1
				}
				testkit.Check(t, "assets", want, len(server.Assets()))
				testkit.Check(t, "files in the bucket", tt.files, len(server.Files()))
				if tt.want == "unknown" && !errors.Is(res.Err(), upload.ErrLost) {
					t.Errorf("error %v", res.Err())
				}
			})
		})
	}
}

// sorted puts the one that ends otherwise first.
func sorted(ends []string, first string) []string {
	slices.SortFunc(ends, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == first:
			return -1
		}
		return 1
	})
	return ends
}

// A job that fails after the bytes were put: for the time being, for good, with an error of the server, and without an end.
func TestAnUploadJobThatFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   datocmstest.JobFault
		always  bool
		want    string
		creates int
	}{
		"transient":         {datocmstest.JobFault{Status: 422, Transient: true}, false, "succeeded", 2},
		"transient, always": {datocmstest.JobFault{Status: 422, Transient: true}, true, "failed", 5},
		"refused":           {datocmstest.JobFault{Status: 422, Code: "INVALID_FIELD"}, false, "failed", 1},
		"500":               {datocmstest.JobFault{Status: 500}, false, "unknown", 1},
		"never ends":        {datocmstest.JobFault{Never: true}, false, "unknown", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := start(t, datocmstest.Config{})
				server.FailJobs(func(j datocmstest.Job) *datocmstest.JobFault {
					if tt.always || j.N == 1 {
						return &tt.fault
					}
					return nil
				})
				u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
				res := process(t, u, named("a.png"))
				testkit.Check(t, "ends", []string{tt.want}, ends(res))
				testkit.Check(t, "creates", tt.creates, server.Count(http.MethodPost, "/uploads"))
				testkit.Check(t, "files in the bucket", 1, len(server.Files()))
				if tt.want == "unknown" || tt.want == "failed" {
					e, own := errors.AsType[*datocms.Error](res.Err())
					job, pending := errors.AsType[*clients.JobError](res.Err())
					if (!own || e.Job == "" || e.Status != tt.fault.Status) && (!pending || job.Handle == "") {
						t.Errorf("error %v", res.Err())
					}
				}
			})
		})
	}
}

// A result that was stored goes on at the step that failed: the bytes are not put again, nor the asset created, and what
// is stored lets nobody put anything anywhere.
func TestAStoredUploadGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{JobTime: time.Hour})
		client.Poll = clients.PollPolicy{Deadline: time.Minute}
		path := filepath.Join(t.TempDir(), "a.png")
		if err := os.WriteFile(path, []byte("pixels"), 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := upload.FromFiles([]string{path})
		if err != nil {
			t.Fatal(err)
		}
		u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
		res := process(t, u, files...)
		testkit.Check(t, "ends", []string{"unknown"}, ends(res))
		text, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "X-Amz") || strings.Contains(string(text), "public-read") {
			t.Errorf("stored: %s", text)
		}
		var stored windrow.BulkResult[*upload.Task, datocms.Asset]
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		again, err := u.Rerun(t.Context(), &stored)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ends", []string{"succeeded"}, ends(again))
		testkit.Check(t, "creates", 1, server.Count(http.MethodPost, "/uploads"))
		testkit.Check(t, "puts", 1, server.Count(http.MethodPut, bucket))
		testkit.Check(t, "assets", []string{"a.png"}, server.Assets())
	})
}

// A place in the bucket expires. A retry asks for another.
func TestAPlaceThatExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if strings.HasPrefix(r.Path, bucket) {
				return &datocmstest.Fault{Status: 503, Code: "SlowDown"}
			}
			return nil
		})
		u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
		res := process(t, u, named("a.png"))
		testkit.Check(t, "ends", []string{"not_attempted"}, ends(res)) // the bucket was away for as long as the run waits
		server.Fault(nil)
		time.Sleep(time.Hour)
		if res, err := u.Rerun(t.Context(), res); err != nil {
			t.Errorf("%v, error %v", ends(res), err)
		}
		testkit.Check(t, "assets", 1, len(server.Assets()))
	})
}

// The bucket needs what DatoCMS says and no more: its headers, the length, and not DatoCMS's token. Files of any kind.
func TestFilesOfAnyKind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		var transfers []string
		u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client), windrow.Concurrency(1))
		u.SkipExisting = upload.Never
		u.OnTransfer = func(tr upload.Transfer) {
			transfers = append(transfers, fmt.Sprintf("%s %d/%d %t", tr.Task.Name, tr.Sent, tr.Size, tr.Done))
		}
		unknown := upload.File{Name: "unknown size.txt", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("12345")), nil }}
		changed := upload.FromBytes("changed.png", []byte("12345"))
		changed.Size = 7
		missing := upload.File{Name: "missing.png", Path: filepath.Join(t.TempDir(), "missing.png")}
		res := process(t, u, unknown, upload.FromBytes("empty.txt", nil), changed, missing, upload.FromBytes("no extension", []byte("x")), named("größe ü.png"))
		testkit.Check(t, "ends", []string{"succeeded", "succeeded", "failed", "failed", "succeeded", "succeeded"}, ends(res))
		testkit.Check(t, "assets", []string{"unknown size.txt", "empty.txt", "no extension", "größe ü.png"}, server.Assets())
		testkit.Check(t, "attempts", []int{1, 1}, []int{res.At(2).Attempts, res.At(3).Attempts})
		if !errors.Is(res.At(3).Err, fs.ErrNotExist) || !strings.Contains(res.At(2).Err.Error(), "does not have its Size") {
			t.Errorf("errors %v, %v", res.At(2).Err, res.At(3).Err)
		}
		testkit.Check(t, "transfers of the first", []string{"unknown size.txt 0/0 false", "unknown size.txt 5/0 true"}, transfers[:2])
	})
}

// Assets are read, listed and deleted like records.
func TestAssets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{JobTime: time.Millisecond})
		uploads := datocms.NewUploads[datocms.Asset](client)
		u := datocms.NewUploader(uploads, windrow.Concurrency(32))
		u.SkipExisting = upload.Never
		var files []upload.File
		for k := range 410 {
			files = append(files, named(fmt.Sprintf("%d.png", k)))
		}
		process(t, u, files...)
		ids, err := uploads.IDs(t.Context(), datocms.Query{})
		if err != nil || len(ids) != 410 {
			t.Fatalf("%d ids, error %v", len(ids), err)
		}
		got, err := windrow.GetMany(t.Context(), uploads, ids)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "first and last", []string{ids[0], ids[409]}, []string{got.At(0).Value.ID, got.At(409).Value.ID})
		one, err := uploads.Get(t.Context(), ids[3])
		if err != nil || one.ID != ids[3] {
			t.Errorf("%+v, error %v", one, err)
		}
		n := 0
		for _, err := range pages.Read(t.Context(), uploads.Pager(datocms.Query{PageSize: 500})) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		testkit.Check(t, "listed", 410, n)
		server.Refuse("destroy", "UPLOAD_IS_CURRENTLY_IN_USE", ids[5], ids[300])
		res, _ := windrow.DeleteMany(t.Context(), uploads, append(ids[:409:409], ids[409]))
		testkit.Check(t, "failed", []int{5, 300}, indexes(res))
		testkit.Check(t, "left", 2, len(server.Assets()))
		testkit.Check(t, "bulk operations", 3, server.Count(http.MethodPost, "/uploads/bulk/destroy"))
		server.Refuse("destroy", "", ids[5])
		if err := uploads.Delete(t.Context(), ids[5]); err != nil {
			t.Error(err)
		}
		if err := uploads.Delete(t.Context(), ids[5]); !errors.Is(err, windrow.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
}

// What the bucket answers is an error of its own, without the URL.
func TestBucketError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if strings.HasPrefix(r.Path, bucket) {
				return &datocmstest.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
			}
			return nil
		})
		u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client), windrow.Concurrency(1))
		res := process(t, u, named("a.png"), named("b.png"))
		testkit.Check(t, "ends", []string{"failed", "failed"}, ends(res)) // one file's place is no reason to stop
		e, ok := errors.AsType[*datocms.BucketError](res.Err())
		if want := `step "put the bytes": datocms: put the file into the bucket: status 403 (AccessDenied)`; !ok || res.At(0).Err.Error() != want {
			t.Errorf("%+v, error %v", e, res.At(0).Err)
		}
	})
}

// Until the asset is created nothing was: what is cancelled before may be sent again blindly.
func TestCancelWhileTheBytesArePut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if strings.HasPrefix(r.Path, bucket) {
				return &datocmstest.Fault{Delay: time.Minute}
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		u := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
		u.Add(named("a.png"))
		res, _ := u.Process(ctx)
		testkit.Check(t, "ends", []string{"not_attempted"}, ends(res))
		testkit.Check(t, "assets", 0, len(server.Assets()))
		time.Sleep(time.Minute) // until the server has seen that nobody is there
	})
}
