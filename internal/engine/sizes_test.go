package engine

import "testing"

// A chunk of as many items as have passed, and of more bytes, is refused for its bytes.
func TestSizesAsManyItemsAsPassed(t *testing.T) {
	t.Parallel()
	s := &Sizes{}
	s.passed(measure{items: 10, bytes: 100}, 50, false, false)
	s.tooLarge(measure{items: 10, bytes: 400}, 0, false)
	got := s.limits()
	if want := (limits{bytes: 250}); got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
}
