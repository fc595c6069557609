package plan

import (
	"fmt"
	"strconv"
)

// Stage is where carrying out a plan has come. The zero Stage is [StageConfirm].
type Stage uint8

// The stages, in their order. Those for which there is nothing to do are left out.
const (
	StageConfirm Stage = iota // what is to be done is known; Confirm is next
	StageCheck                // reading the records again
	StageBackup               // making the backup
	StageWrite                // sending the updates or deletes
)

// StageReport is what OnStage is told.
type StageReport struct {
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

// count writes a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
