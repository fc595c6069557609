package windrow_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// What is searched here is up to date at once, so that a look-up that finds nothing is believed at once.
func ExampleSettlingTime() {
	booked, lost := map[string]bool{}, true
	p := windrow.NewBatchProcessor(func(_ context.Context, ref string) (string, error) {
		if lost {
			lost = false
			return "", windrow.Ambiguous(errors.New("connection reset by peer"))
		}
		booked[ref] = true
		return ref, nil
	}, windrow.SettlingTime(0))
	p.Reconcile = func(_ context.Context, ref string) (string, bool, error) { return ref, booked[ref], nil }
	res, err := p.Run(context.Background(), []string{"A-1"})
	fmt.Println(res.Values(), err)
	// Output: [A-1] <nil>
}
