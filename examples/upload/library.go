package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/upload"
)

// metadata is what is stored beside a file.
type metadata struct{ Title string }

// record is a file as the server holds it.
type record struct {
	ID    string `json:"id"`
	File  string `json:"file"` // the name that PocketBase gave it
	Name  string `json:"name"`
	MD5   string `json:"md5"`
	Title string `json:"title"`
}

// library is a client for a PocketBase collection with a file field.
type library struct {
	limiter *windrow.Limiter
	records *rest.Resource[struct{}, record]
	http    *http.Client
	url     string // of the server
	token   string
}

func newLibrary(server, token string, limiter *windrow.Limiter) (*library, error) {
	// Both clients share the limiter, and tell the run what became of each request.
	hc := &http.Client{Transport: &rest.Transport{Limiter: limiter}, Timeout: time.Minute}
	client, err := rest.New(server+"/api", rest.WithHTTPClient(hc), rest.WithToken(token), rest.WithAuthScheme(""))
	if err != nil {
		return nil, err
	}
	return &library{
		limiter: limiter, http: hc, url: server, token: token,
		records: rest.NewResource[struct{}, record](client, "/collections/"+pocket.Files+"/records"),
	}, nil
}

// statusError is an answer that is no success.
type statusError struct {
	action string
	status int
}

// Error implements error.
func (e *statusError) Error() string { return fmt.Sprintf("%s: status %d", e.action, e.status) }

// StatusCode tells windrow what the error means.
func (e *statusError) StatusCode() int { return e.status }

// Upload implements [upload.Client] with one request.
func (l *library) Upload(ctx context.Context, task *upload.Task) (out record, err error) {
	sum, err := task.Checksum(ctx, upload.SameMD5)
	if err != nil {
		return out, err
	}
	about, _ := task.Metadata.(metadata)
	form, err := upload.Multipart(ctx, task, "file", map[string]string{"name": task.Name, "md5": sum, "title": about.Title})
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/api/collections/"+pocket.Files+"/records", form)
	if err != nil {
		return out, err
	}
	req.ContentLength = form.Length
	req.Header.Set("Content-Type", form.ContentType)
	req.Header.Set("Authorization", l.token)
	res, err := l.http.Do(req)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return out, &statusError{"create the record", res.StatusCode}
	}
	err = json.NewDecoder(res.Body).Decode(&out)
	return out, err
}

// Find implements [upload.Finder].
func (l *library) Find(ctx context.Context, q upload.Query) (found record, ok bool, err error) {
	filter := fmt.Sprintf("md5=%q", q.Checksum) // hexadecimal: there is nothing to escape
	if q.Match == upload.SameName {
		filter = fmt.Sprintf("name=%q", q.Name)
	}
	page, err := l.records.List(ctx, url.Values{"filter": {filter}, "perPage": {"1"}, "skipTotal": {"1"}})
	if err != nil || len(page.Items) == 0 {
		return found, false, err
	}
	return page.Items[0], true, nil
}

// checksum downloads a file and returns its checksum.
func (l *library) checksum(ctx context.Context, r record) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/api/files/"+pocket.Files+"/"+r.ID+"/"+url.PathEscape(r.File), nil)
	if err != nil {
		return "", err
	}
	res, err := l.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", &statusError{"download", res.StatusCode}
	}
	h := md5.New()
	if _, err := io.Copy(h, res.Body); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// compare downloads the records of all files, and compares them with what is on
// the disk.
func compare(ctx context.Context, l *library, files *windrow.BulkResult[*upload.Task, record]) error {
	var records []record
	for r := range files.All() {
		records = append(records, r.Value)
	}
	sums, err := windrow.GetMany(ctx, windrow.GetFunc(l.checksum), records, windrow.WithLimiter(l.limiter))
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	for r := range files.All() {
		local := &upload.Task{File: r.Input.File} // reads the disk again
		want, err := local.Checksum(ctx, upload.SameMD5)
		if err != nil {
			return err
		}
		if got := sums.At(r.Index).Value; got != want {
			return fmt.Errorf("%s is not on the server as it is on the disk", r.Input.Path)
		}
	}
	return nil
}
