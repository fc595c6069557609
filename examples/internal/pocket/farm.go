package pocket

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"sync"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/router"
	"github.com/pocketbase/pocketbase/tools/types"
)

// Farm is the name of the collection of a farm's fields. Its fields are status,
// irrigation_enabled, irrigation_schedule (JSON) and most_minutes: a schedule
// with a longer duration_minutes is refused. Any signed-in user may list, view
// and update its records.
const Farm = "fields"

// createFarm adds [Farm].
func createFarm(app core.App) error {
	signedIn := new(`@request.auth.id != ""`)
	c := core.NewBaseCollection(Farm)
	c.ListRule, c.ViewRule, c.UpdateRule = signedIn, signedIn, signedIn
	c.Fields.Add(
		&core.TextField{Name: "status", Required: true},
		&core.BoolField{Name: "irrigation_enabled"},
		&core.JSONField{Name: "irrigation_schedule"},
		&core.NumberField{Name: "most_minutes"},
	)
	if err := app.Save(c); err != nil {
		return fmt.Errorf("pocket: create the collection %s: %w", Farm, err)
	}
	return nil
}

// changes counts how often the schedule of each field was changed. The zero
// value is ready.
type changes struct {
	mu     sync.Mutex
	counts map[string]int
}

// watch refuses schedules that are too long, and counts those that differ from
// the one before.
func (c *changes) watch(app core.App) {
	app.OnRecordUpdateRequest(Farm).BindFunc(func(e *core.RecordRequestEvent) error {
		var before, after map[string]any
		_ = json.Unmarshal(schedule(e.Record.Original()), &before) // none is no schedule
		_ = json.Unmarshal(schedule(e.Record), &after)
		if minutes, _ := after["duration_minutes"].(float64); minutes > e.Record.GetFloat("most_minutes") {
			return router.NewApiError(http.StatusBadRequest, "Invalid irrigation duration", nil)
		}
		if err := e.Next(); err != nil {
			return err
		}
		if !reflect.DeepEqual(before, after) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.counts == nil {
				c.counts = map[string]int{}
			}
			c.counts[e.Record.Id]++
		}
		return nil
	})
}

// schedule returns the JSON of a field's schedule.
func schedule(r *core.Record) []byte {
	raw, _ := r.Get("irrigation_schedule").(types.JSONRaw)
	return raw
}

// Changes returns how often the schedule of each field of [Farm] was changed,
// by its id.
func (s *Server) Changes() map[string]int {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	return maps.Clone(s.changes.counts)
}

// Field is a record of [Farm].
type Field struct {
	ID, Status  string
	Enabled     bool
	Schedule    any // a value whose JSON form is the schedule; nil: none
	MostMinutes int
}

// Sow puts records into [Farm], past HTTP.
func (s *Server) Sow(fields ...Field) error {
	farm, err := s.app.FindCollectionByNameOrId(Farm)
	if err != nil {
		return fmt.Errorf("pocket: find the collection %s: %w", Farm, err)
	}
	err = s.app.RunInTransaction(func(tx core.App) error {
		for _, f := range fields {
			r := core.NewRecord(farm)
			r.Id = f.ID
			r.Set("status", f.Status)
			r.Set("irrigation_enabled", f.Enabled)
			r.Set("irrigation_schedule", f.Schedule)
			r.Set("most_minutes", f.MostMinutes)
			if err := tx.Save(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("pocket: sow the fields: %w", err)
	}
	return nil
}
