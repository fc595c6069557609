package objectstack_test

import (
	"context"
	"testing"

	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/rest"
)

// A source of tokens takes the place of the argument of New.
func TestTokenSource(t *testing.T) {
	t.Parallel()
	source := rest.WithTokenSource(func(context.Context) (string, error) { return "token", nil })
	if _, err := objectstack.New("https://crm.example/api/v1", "", nil, source); err != nil {
		t.Error(err)
	}
}
