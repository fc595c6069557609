package upload_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/upload"
)

// Picture is what the API of the examples makes of a file.
type Picture struct{ ID, Name, Title string }

// Gallery is a client with one picture on its server.
type Gallery struct{}

func (Gallery) Upload(ctx context.Context, task *upload.Task) (Picture, error) {
	content, err := task.Content(ctx)
	if err != nil {
		return Picture{}, err
	}
	defer content.Close()
	if _, err := io.Copy(io.Discard, content); err != nil {
		return Picture{}, err
	}
	title, _ := task.Metadata.(string)
	return Picture{"new", task.Name, title}, nil
}

func (Gallery) Find(_ context.Context, q upload.Query) (Picture, bool, error) {
	return Picture{ID: "7", Name: q.Name}, q.Name == "hero.jpg", nil
}

func ExampleUploader() {
	uploader := upload.New(Gallery{}, windrow.Concurrency(3))
	uploader.SkipExisting = upload.SameName
	for _, name := range []string{"hero.jpg", "team.jpg"} {
		file := upload.FromBytes(name, []byte("pixels"))
		file.Metadata = strings.TrimSuffix(name, filepath.Ext(name))
		uploader.Add(file)
	}
	res, err := uploader.Process(context.Background())

	for r := range res.Succeeded() {
		fmt.Printf("uploaded: %+v\n", r.Value)
	}
	for r := range res.Skipped() {
		fmt.Printf("skipped, %v: %+v\n", r.Reason, r.Value)
	}
	fmt.Println("error:", err)
	// Output:
	// uploaded: {ID:new Name:team.jpg Title:team}
	// skipped, already_exists: {ID:7 Name:hero.jpg Title:}
	// error: <nil>
}

func ExampleFromFiles() {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		fmt.Println(err)
		return
	}
	files, err := upload.FromFiles(paths)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(files[0].Name, files[0].Size > 0)
	// Output: doc.go true
}

func ExampleFiles() {
	res, err := upload.Files(context.Background(), Gallery{}, []upload.File{upload.FromBytes("hero.jpg", []byte("pixels"))})
	fmt.Printf("%+v %v\n", res.Values(), err)
	// Output: [{ID:new Name:hero.jpg Title:}] <nil>
}

// An upload of several requests. When the last one fails, a retry does not begin with the first.
func ExampleStep() {
	attempts := 0
	client := upload.ClientFunc(func(ctx context.Context, task *upload.Task) (string, error) {
		attempts++
		url, err := upload.Step(ctx, task, "request a URL", func(context.Context) (string, error) {
			fmt.Println("POST /upload-requests")
			return "https://bucket.example/" + task.Name, nil
		})
		if err != nil {
			return "", err
		}
		_, err = upload.Step(ctx, task, "put the bytes", func(context.Context) (struct{}, error) {
			fmt.Println("PUT", url)
			return struct{}{}, nil
		})
		if err != nil {
			return "", err
		}
		return upload.Once(ctx, task, "create the record", func(context.Context) (string, error) {
			fmt.Println("POST /uploads")
			if attempts == 1 {
				return "", windrow.Throttled(fmt.Errorf("too many"), 1)
			}
			return "u1", nil
		})
	})
	res, err := upload.Files(context.Background(), client, []upload.File{upload.FromBytes("hero.jpg", []byte("pixels"))})
	fmt.Println(res.Values(), err)
	// Output:
	// POST /upload-requests
	// PUT https://bucket.example/hero.jpg
	// POST /uploads
	// POST /uploads
	// [u1] <nil>
}

// A client for an API that takes a file as the field of a form.
func ExampleMultipart() {
	client := upload.ClientFunc(func(ctx context.Context, task *upload.Task) (string, error) {
		form, err := upload.Multipart(ctx, task, "image", map[string]string{"title": "Hero"})
		if err != nil {
			return "", err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://cms.example/images", form)
		if err != nil {
			return "", err
		}
		req.ContentLength = form.Length
		req.Header.Set("Content-Type", form.ContentType)
		return send(req)
	})
	res, err := upload.Files(context.Background(), client, []upload.File{upload.FromBytes("hero.jpg", []byte("pixels"))})
	fmt.Println(res.Values(), err)
	// Output: [image hero.jpg of 6 bytes, Hero] <nil>
}

// send stands for an http.Client and its server.
func send(req *http.Request) (string, error) {
	defer req.Body.Close()
	file, header, err := req.FormFile("image")
	if err != nil {
		return "", err
	}
	defer file.Close()
	return fmt.Sprintf("image %s of %d bytes, %s", header.Filename, header.Size, req.FormValue("title")), nil
}
