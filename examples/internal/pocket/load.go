package pocket

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/pocketbase/pocketbase/core"
)

// Load puts records into [Collection] in the server's own process, past HTTP, its
// limits and its counts: for a server that is to have something in it before an
// example begins. The values are written as their JSON forms say.
func Load[T any](s *Server, records iter.Seq[T]) error {
	collection, err := s.app.FindCollectionByNameOrId(Collection)
	if err != nil {
		return fmt.Errorf("pocket: find the collection %s: %w", Collection, err)
	}
	err = s.app.RunInTransaction(func(tx core.App) error {
		for value := range records {
			var fields map[string]any
			text, err := json.Marshal(value)
			if err == nil {
				err = json.Unmarshal(text, &fields)
			}
			if err != nil {
				return err
			}
			record := core.NewRecord(collection)
			record.Load(fields)
			if err := tx.Save(record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("pocket: load the records: %w", err)
	}
	return nil
}
