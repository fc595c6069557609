package plan

import (
	"fmt"
	"strconv"
)

// Stage is a stage of applying a plan. The zero Stage is [Found].
type Stage uint8

// The stages, in their order. Stages without records are left out.
const (
	Found     Stage = iota // the records are known; Confirm is next
	Checking               // reading the records again
	BackingUp              // making the backup
	Writing                // sending the updates or deletes
)

// Step is the argument of OnStep.
type Step struct {
	// Stage is the stage that begins.
	Stage Stage
	// Records is the number of records in the stage.
	Records int
	// Missing is how many of the ids to delete have no record.
	Missing int
	// Delete says that records are deleted, not updated.
	Delete bool
}

// String describes the step.
func (s Step) String() string {
	records, verb, doing := count(s.Records, "record"), "update", "updating"
	if s.Delete {
		verb, doing = "delete", "deleting"
	}
	switch s.Stage {
	case Found:
		text := fmt.Sprintf("found %s to %s", records, verb)
		if s.Missing > 0 {
			text += fmt.Sprintf(", %d missing", s.Missing)
		}
		return text
	case Checking:
		return "checking whether " + records + " changed meanwhile"
	case BackingUp:
		return "backing up " + records
	}
	return doing + " " + records
}

func (p *UpdatePlan[ID, T]) step(stage Stage, records int) {
	if p.OnStep != nil {
		p.OnStep(Step{Stage: stage, Records: records})
	}
}

// count returns a number with its noun, in the plural if needed.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
