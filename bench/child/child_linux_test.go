package child

import (
	"runtime"
	"testing"
)

// What this process has had is not counted as the part's. (Other systems may count it until the part begins.)
func TestRunDoesNotTellThePeakOfItsParent(t *testing.T) {
	data := make([]byte, 256<<20)
	for i := range data {
		data[i] = 1
	}
	peak, err := Run(t.Context(), "echo", "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if peak > 128<<20 {
		t.Errorf("a part that does nothing takes %d bytes, below one process with %d", peak, len(data))
	}
	runtime.KeepAlive(data)
}
