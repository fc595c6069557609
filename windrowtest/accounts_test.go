package windrowtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	counts := map[windrow.State]int{windrow.Succeeded: 3, windrow.Failed: 1, windrow.Unknown: 1}
	if err := accounts(windrow.RunStats{Total: 5, Succeeded: 3, Failed: 1, Unknown: 1}, counts, 5); err != nil {
		t.Error(err)
	}
	err := accounts(windrow.RunStats{Total: 6, Succeeded: 3, Failed: 2, NotAttempted: 1, Skipped: 4}, counts, 5)
	if err == nil {
		t.Fatal("wrong counts are well")
	}
	want := []string{
		"0 items are not_attempted, and the stats count 1", "0 items are skipped, and the stats count 4", "1 items are failed, and the stats count 2",
		"1 items are unknown, and the stats count 0", "there are 5 items, and the stats count 6",
	}
	got := strings.Split(err.Error(), "\n")
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
