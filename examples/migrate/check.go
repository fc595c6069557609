package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/plan"
)

// check says what is not as the plan wants it: every row is as it was before,
// but for the planned fields of the planned records.
func check(p *plan.UpdatePlan[string, readback.Record], before, after site.Rows) error {
	planned := map[string]plan.Patch{}
	for _, c := range p.Changes {
		patch, err := c.Patch()
		if err != nil {
			return err
		}
		planned[c.ID] = patch
	}
	changed := before.Differences(after)
	if len(changed) != len(planned) {
		return fmt.Errorf("%d rows changed, and %d were planned", len(changed), len(planned))
	}
	for _, id := range changed {
		patch, ok := planned[id]
		if !ok {
			return fmt.Errorf("row %s changed, and was not planned", id)
		}
		var want, got map[string]any
		if err := json.Unmarshal(before[id], &want); err != nil {
			return fmt.Errorf("row %s: %w", id, err)
		}
		if err := json.Unmarshal(after[id], &got); err != nil {
			return fmt.Errorf("row %s: %w", id, err)
		}
		maps.Copy(want, patch)
		if !reflect.DeepEqual(want, got) {
			return fmt.Errorf("row %s is not as planned", id)
		}
	}
	return nil
}
