package plan

import (
	"fmt"
	"strconv"
)

// Stage is a stage of applying a plan. The zero Stage is [StageConfirm].
type Stage uint8

// The stages, in their order. Stages without records are left out.
const (
	StageConfirm Stage = iota // what is to be done is known; Confirm is next
	StageCheck                // reading the records again
	StageBackup               // making the backup
	StageWrite                // sending the updates or deletes
)

// StageReport is the argument of OnStage.
type StageReport struct {
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
func (s StageReport) String() string {
	records, verb, doing := count(s.Records, "record"), "update", "updating"
	if s.Delete {
		verb, doing = "delete", "deleting"
	}
	switch s.Stage {
	case StageConfirm:
		text := fmt.Sprintf("found %s to %s", records, verb)
		if s.Missing > 0 {
			text += fmt.Sprintf(", %d missing", s.Missing)
		}
		return text
	case StageCheck:
		return "checking whether " + records + " changed meanwhile"
	case StageBackup:
		return "backing up " + records
	}
	return doing + " " + records
}

func (p *UpdatePlan[ID, T]) step(stage Stage, records int) {
	if p.OnStage != nil {
		p.OnStage(StageReport{Stage: stage, Records: records})
	}
}

// count returns a number with its noun, in the plural if needed.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
