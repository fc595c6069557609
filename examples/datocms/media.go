package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/upload"
)

// uploads is the class BatchUploadProcessor. As soon as one file has ended the next begins (A55). A file is known by its
// content, so that one that has changed is sent (A60), and a second call of Process sends nothing twice (A53).
func (p *program) uploads(ctx context.Context) error {
	dir := filepath.Join(p.dir, "assets", "images")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for k, name := range []string{"hero.jpg", "team.jpg", "logo.png", "office.jpg", "copy of logo.png", "notes.txt"} {
		content := fmt.Sprintf("pixels %d", k)
		if k == 4 {
			content = "pixels 2"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}

	uploader := datocms.NewUploader(datocms.NewUploads[datocms.Asset](p.client), windrow.Concurrency(3)) // as in the guide, and by default (A52)
	var imageFiles []string
	for _, pattern := range []string{"*.jpg", "*.png"} { // a Go glob has no braces (A61)
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		imageFiles = append(imageFiles, found...)
	}
	files, err := upload.FromFiles(imageFiles)
	if err != nil {
		return err
	}
	for k := range files {
		files[k].Metadata = map[string]any{"en": map[string]any{
			"alt": "Image description", "title": strings.TrimSuffix(files[k].Name, filepath.Ext(files[k].Name)),
		}}
	}
	ended := 0
	uploader.OnResult = func(windrow.Result[*upload.Task, datocms.Asset]) {
		ended++
		p.printf("Processing file %d/%d", ended, len(files)) // there are no chunks (A56)
	}
	uploader.Add(files...)
	results, err := uploader.Process(ctx)
	if err != nil {
		return err
	}
	p.printf("Uploaded: %d", results.Stats().Succeeded)
	p.printf("Skipped: %d (the same content under another name)", results.Stats().Skipped)
	p.printf("Failed: %d", results.Stats().Failed)

	p.printf("The same files a second time:")
	ended = 0
	uploader.Add(files...)
	if results, err = uploader.Process(ctx); err != nil {
		return err
	}
	p.printf("Uploaded: %d, skipped: %d (they are there)", results.Stats().Succeeded, results.Stats().Skipped)
	if err := expect("assets", 4, len(p.server.Assets())); err != nil {
		return err
	}
	for name, content := range p.server.Files() {
		if !strings.HasPrefix(string(content), "pixels ") {
			return fmt.Errorf("%s holds something else", name)
		}
	}
	return expect("title", `{"en":{"alt":"Image description","title":"hero"}}`, p.server.AssetField("hero.jpg", "default_field_metadata"))
}
