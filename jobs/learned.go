package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// recallLimiter makes the limiter of a resource that has none. It starts with what was learned before.
func (m *Manager) recallLimiter(ctx context.Context, name string) (*windrow.Limiter, error) {
	data, err := m.store.Value(ctx, limiterValue(name))
	var learned windrow.Learned
	switch {
	case errors.Is(err, store.ErrNotFound):
		return new(windrow.Limiter), nil
	case err != nil:
		return nil, failure(ctx, err)
	case json.Unmarshal(data, &learned) != nil:
		return new(windrow.Limiter), nil // of another version
	}
	return windrow.NewLimiter(windrow.StartFrom(learned)), nil
}

func limiterValue(resource string) string { return "limiter/" + resource }

// keepLearned stores what the limiters have learned.
func (m *Manager) keepLearned(ctx context.Context) {
	for _, name := range slices.Sorted(maps.Keys(m.resources)) { // they do not change after Start
		learned := m.resources[name].limiter().Stats().Learned
		if learned == (windrow.Learned{}) {
			continue
		}
		if data, err := json.Marshal(learned); err == nil {
			_ = m.store.SetValue(ctx, limiterValue(name), data) // only costs learning it again
		}
	}
}
