package journal

import (
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

var errNoKey = errors.New("journal: the key (\"\") must not be empty: a journal identifies items by their key")

// checkIntent returns an error if an intent is invalid.
func checkIntent(in windrow.JournalIntent) error {
	if len(in.Keys) == 0 {
		return errors.New("journal: Intend: Keys must name at least one item")
	}
	if in.Attempt < 0 || in.Attempt > maxTries {
		return fmt.Errorf("journal: Intend: Attempt (%d) must be the number of an attempt", in.Attempt)
	}
	if len(in.Keys) == 1 {
		if in.Keys[0] == "" {
			return errNoKey
		}
		return nil
	}
	seen := make(map[string]struct{}, len(in.Keys))
	for i, key := range in.Keys {
		if key == "" {
			return errNoKey
		}
		if _, twice := seen[key]; twice {
			return fmt.Errorf("journal: Intend: Keys[%d] (%q) is there twice", i, key)
		}
		seen[key] = struct{}{}
	}
	return nil
}

// checkEntry returns an error if an entry is invalid.
func checkEntry(e *windrow.JournalEntry) error {
	switch {
	case e.Key == "":
		return errNoKey
	case e.State > windrow.Unknown:
		return fmt.Errorf("journal: Record: State (%d) of the key %q is not a state", e.State, e.Key)
	case e.Reason > windrow.ReasonDuplicate:
		return fmt.Errorf("journal: Record: Reason (%d) of the key %q is not a reason", e.Reason, e.Key)
	}
	return nil
}
