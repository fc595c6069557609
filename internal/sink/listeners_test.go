package sink_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/sink"
)

// asError is what becomes of a panic.
func asError(value any, _ []byte) error { return fmt.Errorf("lost with %v", value) }

func TestListenersAreToldOfEachItem(t *testing.T) {
	t.Parallel()
	var got []int
	l := sink.Listen(func(i int) { got = append(got, i) }, asError)
	l.Tell(2, 5)
	l.Tell(7, 7)
	l.TellEach([]int{9, 0})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int{2, 3, 4, 9, 0}, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l := sink.Listen(nil, asError)
	l.Tell(0, 1_000)
	l.TellEach([]int{1})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestListenersThatAreLost(t *testing.T) {
	t.Parallel()
	l := sink.Listen(func(int) { panic("boom") }, asError)
	l.Tell(0, 200) // nobody waits for ever
	if err := <-l.Broken(); err == nil || err.Error() != "lost with boom" {
		t.Errorf("broken: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("it was taken: %v", err)
	}

	l = sink.Listen(func(int) { panic("boom") }, asError)
	l.Lost("another", nil)
	l.Tell(0, 1)
	if err := l.Close(); err == nil || err.Error() != "lost with another" { // the first one
		t.Errorf("close: %v", err)
	}
}
