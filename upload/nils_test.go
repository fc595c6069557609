package upload_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/upload"
)

// What is nil, or a nil pointer in an interface, is refused before anything is sent.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	type cancelled struct{ context.Context }
	var (
		noContext *cancelled
		noServer  *server
	)
	files := []upload.File{upload.FromBytes("a.txt", []byte("a"))}
	one := func(context.Context, *upload.Task) (asset, error) {
		t.Error("the client was called")
		return asset{}, nil
	}
	zero := new(upload.Uploader[asset])
	zero.Add(files...)
	for name, tt := range map[string]struct {
		got func() error
		is  error
	}{
		"client, nil pointer":  {func() error { _, err := upload.Files[asset](t.Context(), noServer, files); return err }, windrow.ErrNilClient},
		"client, nil":          {func() error { _, err := upload.Files[asset](t.Context(), nil, files); return err }, windrow.ErrNilClient},
		"client, nil function": {func() error { _, err := upload.Files(t.Context(), upload.ClientFunc[asset](nil), files); return err }, windrow.ErrNilClient},
		"client, none":         {func() error { _, err := zero.Process(t.Context()); return err }, windrow.ErrNilClient},
		"context":              {func() error { _, err := upload.Files(noContext, upload.ClientFunc(one), files); return err }, windrow.ErrNilContext},
		"step, function": {func() error {
			_, err := upload.Files(t.Context(), upload.ClientFunc(func(ctx context.Context, task *upload.Task) (asset, error) {
				return upload.Step[asset](ctx, task, "put", nil)
			}), files)
			return err
		}, windrow.ErrFatal},
		"step, task": {func() error {
			_, err := upload.Once(t.Context(), nil, "put", func(context.Context) (asset, error) { return asset{}, nil })
			return err
		}, nil},
	} {
		err := tt.got()
		if _, panicked := errors.AsType[*windrow.PanicError](err); panicked || err == nil || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: error %v, want %v", name, err, tt.is)
		}
	}
}

// The options of a stream have no effect on an upload, and neither has a size of batches: they are refused by name.
func TestOptionsThatACallIgnores(t *testing.T) {
	t.Parallel()
	one := func(context.Context, *upload.Task) (asset, error) {
		t.Error("the client was called")
		return asset{}, nil
	}
	for name, o := range map[string]windrow.Option{
		"Unordered": windrow.Unordered(), "Window": windrow.Window(7), "Linger": windrow.Linger(time.Second), "BatchSize": windrow.BatchSize(7),
	} {
		_, err := upload.Files(t.Context(), upload.ClientFunc(one), []upload.File{upload.FromBytes("a", nil)}, o)
		if e, ok := errors.AsType[*windrow.OptionError](err); !ok || e.Option != name {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
