package objectstack_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/rest"
)

// What is nil, or a nil pointer in an interface, is refused before anything is sent. A nil http.Client is one of the
// package's own.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	if _, err := objectstack.New("https://os.invalid", "id", nil); err != nil {
		t.Errorf("a nil http.Client: %v", err)
	}
	for name, tt := range map[string]struct {
		got  func() error
		want string
	}{
		"a transport": {func() error {
			_, err := objectstack.New("https://os.invalid", "id", &http.Client{Transport: (*http.Transport)(nil)})
			return err
		}, "a nil pointer"},
		"a rest.Transport": {func() error {
			_, err := objectstack.New("https://os.invalid", "id", &http.Client{Transport: (*rest.Transport)(nil)})
			return err
		}, "a nil pointer"},
		"a limiter": {func() error {
			_, err := objectstack.New("https://os.invalid", "id", nil, rest.WithLimiter(nil))
			return err
		}, "WithLimiter (nil) must be a limiter"},
		"an option": {func() error { _, err := objectstack.New("https://os.invalid", "id", nil, nil); return err }, "is nil: remove it"},
		"a nil client": {func() error {
			_, err := windrow.DeleteMany(t.Context(), objectstack.NewResource[int, int](nil, "a"), []string{"b"})
			return err
		}, "the client is nil"},
		"an empty client": {func() error {
			_, err := windrow.DeleteMany(t.Context(), objectstack.NewResource[int, int](new(objectstack.Client), "a"), []string{"b"})
			return err
		}, "empty"},
	} {
		err := tt.got()
		if _, panicked := errors.AsType[*windrow.PanicError](err); panicked || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
}
