package bloomy_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/rest"
)

// What is nil, or a nil pointer in an interface, is refused before anything is sent. A nil http.Client is one of the
// package's own.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	if _, err := bloomy.New("", "id", nil); err != nil {
		t.Errorf("a nil http.Client: %v", err)
	}
	good, err := bloomy.New("", "key", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		got  func() error
		want string
	}{
		"a transport": {func() error {
			_, err := bloomy.New("", "id", &http.Client{Transport: (*http.Transport)(nil)})
			return err
		}, "a nil pointer"},
		"a rest.Transport": {func() error {
			_, err := bloomy.New("", "id", &http.Client{Transport: (*rest.Transport)(nil)})
			return err
		}, "a nil pointer"},
		"a limiter": {func() error { _, err := bloomy.New("", "id", nil, rest.WithLimiter(nil)); return err }, "WithLimiter (nil) must be a limiter"},
		"an option": {func() error { _, err := bloomy.New("", "id", nil, nil); return err }, "is nil: remove it"},
		"Each, client": {func() error {
			_, err := bloomy.Each(t.Context(), nil, []int{1}, func(context.Context, int) (int, error) { return 0, nil })
			return err
		}, "WithLimiter (nil) must be a limiter"},
		"Each, function":  {func() error { _, err := bloomy.Each[int](t.Context(), good, []int{1}, nil); return err }, "the client is nil"},
		"an empty client": {func() error { _, err := new(bloomy.Client).UserID(t.Context()); return err }, "make one with New"},
		"a nil client":    {func() error { _, err := (*bloomy.Client)(nil).UserID(t.Context()); return err }, "make one with New"},
	} {
		err := tt.got()
		if _, panicked := errors.AsType[*windrow.PanicError](err); panicked || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
}
