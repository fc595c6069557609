package gate

import "github.com/windrow-go/windrow/internal/adapt"

// A Controller learns from signals and sets rate and concurrency. The gate calls its methods with its lock held, so
// they must not block, nor call the gate. [adapt.Laws] implements it.
type Controller interface {
	// Adjust learns from a signal, in the order in which responses were seen, and returns the setting from now on,
	// which the gate caps by the ceiling.
	Adjust(current, ceiling adapt.Setting, s adapt.Signal) adapt.Setting
	// Learned returns what the controller knows of the server, when so many quota units were accepted.
	Learned(accepted int64) adapt.Learned
	// HeedsOutside reports whether an accepted signal with Outside that tells of no quota matters while there is no
	// rate and the gate is open. If it does not, the gate drops such signals without taking its lock. It is asked once.
	HeedsOutside() bool
}
