package plan

import (
	"fmt"
	"strconv"
)

// Stage is where carrying out a plan has come. The zero Stage is [Found].
type Stage uint8

// The stages, in their order. Those for which there is nothing to do are left out.
const (
	Found     Stage = iota // what is to be done is known; Confirm is next
	Checking               // reading the records again
	BackingUp              // making the backup
	Writing                // sending the updates or deletes
)

// Step is what OnStep is told.
type Step struct {
	// Stage is what begins now.
	Stage Stage
	// Records is how many records it is about.
	Records int
	// Missing is how many of the ids to be deleted do not exist.
	Missing int
	// Delete says that records are deleted, and not updated.
	Delete bool
}

// String says it in words.
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

// count writes a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
