package plan

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/refusal"
)

// BackupFile returns a Backup hook that writes the records to a file, as a JSON array with an indent of two spaces, which
// [ReadBackup] and [Restore] read. Only its owner may read the file.
//
// The file is complete or absent: it is written under another name, synced and renamed, and its folder is synced. An
// existing file is not overwritten: the error then matches [fs.ErrExist]. (A process that is killed meanwhile may leave an
// empty file, which ReadBackup refuses, and a file whose name ends with .tmp.)
func BackupFile[T any](path string) func(ctx context.Context, records []T) error {
	return func(ctx context.Context, records []T) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if records == nil {
			records = []T{}
		}
		data, err := json.MarshalIndent(records, "", "  ")
		if err != nil {
			return withoutContent(err)
		}
		return writeNew(disk.OS{}, path, append(data, '\n'))
	}
}

// writeNew writes a file that must not exist yet, durably.
func writeNew(d disk.Folder, path string, data []byte) (err error) {
	// Reserve the name with an empty file, so that of two concurrent backups one is refused.
	place, err := d.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Remove(path))
		}
	}()
	if err := place.Close(); err != nil {
		return err
	}
	folder, name := filepath.Split(path)
	other := folder + "." + name + "-" + rand.Text()[:10] + ".tmp"
	file, err := d.Create(other)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(data, 0)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = d.Rename(other, path)
	}
	if err != nil {
		return errors.Join(err, d.Remove(other))
	}
	return d.SyncDir(path)
}

// ReadBackup reads the records of a file that [BackupFile] has written. Numbers keep all their digits: in a
// map[string]any they are of the type [json.Number]. The error matches [fs.ErrNotExist] when there is no such file.
func ReadBackup[T any](path string) ([]T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("plan: read the backup: %w", err)
	}
	var records []T
	if err := decode(data, &records); err != nil {
		return nil, fmt.Errorf("plan: read the backup: %w", &fs.PathError{Op: "decode", Path: path, Err: err})
	}
	if records == nil {
		return nil, fmt.Errorf("plan: read the backup: %w", &fs.PathError{Op: "decode", Path: path, Err: errors.New("there is no array of records")})
	}
	return records, nil
}

// Restore creates the records in a file of [BackupFile], to undo a deletion. A record that already exists
// ([windrow.ErrAlreadyExists]) is left as it is, and ends as Skipped. Otherwise it is like [windrow.CreateMany]. Records
// keep their ids if the client sends them and the server accepts them.
func Restore[T, Out any](ctx context.Context, path string, client windrow.Creator[T, Out], opts ...windrow.Option) (*windrow.BulkResult[T, Out], error) {
	processor := windrow.NewCreateProcessor(client, refusal.ForRun(opts)...)
	if do := processor.Do; do != nil {
		processor.Do = func(ctx context.Context, in T) (Out, error) {
			out, err := do(ctx, in)
			if attempt, _ := clients.AttemptFrom(ctx); errors.Is(err, windrow.ErrAlreadyExists) && attempt.Number == 1 {
				err = clients.Skip(windrow.ReasonAlreadyExists)
			}
			return out, err
		}
	}
	return restore(ctx, path, processor)
}

// RestoreUpsert upserts the records in a file of [BackupFile], to undo a deletion or an update. Otherwise it is like
// [windrow.UpsertMany].
func RestoreUpsert[T, Out any](ctx context.Context, path string, client windrow.Upserter[T, Out], opts ...windrow.Option) (*windrow.BulkResult[T, Out], error) {
	return restore(ctx, path, windrow.NewUpsertProcessor(client, refusal.ForRun(opts)...))
}

func restore[T, Out any](ctx context.Context, path string, processor *windrow.BatchProcessor[T, Out]) (*windrow.BulkResult[T, Out], error) {
	records, err := ReadBackup[T](path)
	if err != nil {
		res, _ := processor.Run(ctx, nil)
		return res, err
	}
	return processor.Run(ctx, records)
}
