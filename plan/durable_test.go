package plan

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/disk/disktest"
)

const backup = "/var/backup.json"

var records = []byte(`[{"id":"a"},{"id":"b"}]`)

// until returns a disk on which the operations from the k-th on fail, as many as that.
func until(k, times int, err error) *disktest.Disk {
	n := 0
	return &disktest.Disk{Fail: func(disktest.Op) error {
		if n++; n >= k && n < k+times {
			return err
		}
		return nil
	}}
}

// Whatever fails is the error, and leaves nothing in the folder.
func TestABackupThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	oh := errors.New("oh")
	failed := 0
	for k := 1; ; k++ {
		d := until(k, 1, oh)
		err := writeNew(d, backup, records)
		if err == nil {
			break
		}
		failed++
		if !errors.Is(err, oh) || len(d.Names()) > 0 {
			t.Errorf("operation %d: error %v, and there are %q", k, err, d.Names())
		}
	}
	if failed != 8 { // two files made, one closed, the other written, synced, closed and renamed, and the folder synced
		t.Errorf("%d operations failed, want 8", failed)
	}
}

// A backup that was made is there when the power fails, and before that is there as a whole, or empty, or not at all.
func TestABackupSurvivesAPowerFailure(t *testing.T) {
	t.Parallel()
	for k := 1; ; k++ {
		d := until(k, 100, disktest.ErrGone)
		made := writeNew(d, backup, records)
		for seed := range uint64(40) {
			after := d.LosePower(rand.New(rand.NewPCG(seed, uint64(k))))
			got := after.Bytes(backup)
			if len(got) > 0 && !slices.Equal(got, records) {
				t.Errorf("the power fails at operation %d: a part is left, %q", k, got)
			}
			if made != nil {
				continue
			}
			if diff := cmp.Diff([]string{backup}, after.Names()); diff != "" || !slices.Equal(got, records) {
				t.Errorf("the backup is %q after a power failure; files (-want +got):\n%s", got, diff)
			}
		}
		if made == nil {
			return
		}
	}
}

// Of two backups under one name one is refused, and the other is not touched.
func TestABackupIsNeverReplaced(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	if err := writeNew(d, backup, records); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(d, backup, []byte("[]")); !errors.Is(err, fs.ErrExist) || !slices.Equal(d.Bytes(backup), records) {
		t.Errorf("error %v, and the file is %q", err, d.Bytes(backup))
	}
}
