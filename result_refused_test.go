package windrow_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
)

// A report tells what the server refused from what never got through, also when it was stored in between.
func TestResultTellsRefusedFromLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := windrow.NewGetProcessor(windrow.GetFunc(func(_ context.Context, id string) (string, error) {
			switch id {
			case "refused":
				return "", &statusError{status: 400}
			case "lost":
				return "", windrow.Transient(errServer)
			}
			return id, nil
		}), fastRetries)
		res, err := p.Run(t.Context(), []string{"good", "refused", "lost"})
		if err == nil {
			t.Fatal("no error")
		}
		check := func(res *windrow.BulkResult[string, string]) {
			t.Helper()
			for i, want := range []bool{false, false, true} {
				if got := res.At(i).Resend; got != want {
					t.Errorf("Resend of item %d (%v) is %t", i, res.At(i).State, got)
				}
			}
			var text strings.Builder
			if err := res.Summary(&text); err != nil {
				t.Error(err)
			}
			if !strings.Contains(text.String(), "Failed: 2\n  1 of them were not refused by the server") {
				t.Errorf("summary:\n%s", text.String())
			}
		}
		check(res)
		stored, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		var again windrow.BulkResult[string, string]
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatal(err)
		}
		check(&again)
	})
}
