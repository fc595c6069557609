package clients

import (
	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/classify"
	"github.com/windrow-go/windrow/internal/engine"
)

// Skip is the error that a client returns for an item that needs no change. The item ends as [windrow.Skipped] with that
// reason.
func Skip(reason windrow.Reason) error {
	return &classify.Skip{Reason: engine.Reason(reason), Says: "skipped: " + reason.String()}
}
