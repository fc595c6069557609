package windrowtest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/windrow-go/windrow"
)

func (j *journalTest) unfinished() {
	first := windrow.JournalIntent{Keys: []string{"a", "b", "c"}, IdempotencyKey: "abc", Attempt: 1}
	second := windrow.JournalIntent{Keys: []string{"d"}, IdempotencyKey: "d", Attempt: 3}
	third := windrow.JournalIntent{Keys: []string{"e", "f"}, Attempt: 1, Handle: "job 1"}
	j.intend(first)
	j.intend(second)
	j.intend(third)
	j.twice(func() {
		j.wantUnfinished(first, second, third)
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			j.wantFind(known(key, windrow.Unknown))
		}
	})
	j.record(known("b", windrow.Succeeded), known("d", windrow.Failed))
	j.twice(func() {
		j.wantUnfinished(first, third)
		j.wantFind(known("a", windrow.Unknown))
		j.wantFind(known("b", windrow.Succeeded))
	})
	j.record(known("c", windrow.NotAttempted), known("a", windrow.Succeeded))
	j.twice(func() { j.wantUnfinished(third) })
	j.record(known("e", windrow.Succeeded), windrow.JournalEntry{Key: "f", State: windrow.Skipped, Reason: windrow.ReasonUnchanged})
	j.twice(func() { j.wantUnfinished() })
}

// repeatable checks intents that need not be durable: Unfinished yields them like others, also after a kill of the process.
func (j *journalTest) repeatable() {
	first := windrow.JournalIntent{Keys: []string{"a", "b"}, IdempotencyKey: "ab", Attempt: 1, Repeatable: true}
	second := windrow.JournalIntent{Keys: []string{"c"}, IdempotencyKey: "c", Attempt: 1, Repeatable: true}
	third := windrow.JournalIntent{Keys: []string{"d"}, IdempotencyKey: "d", Attempt: 1}
	j.intend(first)
	j.intend(third)
	j.intend(second)
	first.Repeatable, second.Repeatable = false, false // Unfinished need not set it
	j.twice(func() {
		j.wantUnfinished(first, third, second)
		for _, key := range []string{"a", "b", "c", "d"} {
			j.wantFind(known(key, windrow.Unknown))
		}
	})
	j.record(known("a", windrow.Succeeded), known("c", windrow.Succeeded))
	j.twice(func() { j.wantUnfinished(first, third) })
	if err := j.Save(j.Context(), "ab", "job 1"); err != nil {
		j.Fatalf("Save: %v", err)
	}
	first.Handle = "job 1"
	j.twice(func() { j.wantUnfinished(first, third) })
	j.record(known("b", windrow.Succeeded), known("d", windrow.Succeeded))
	j.twice(func() { j.wantUnfinished() })
}

func (j *journalTest) intendedAgain() {
	chunk := windrow.JournalIntent{Keys: []string{"a", "b", "c"}, IdempotencyKey: "abc", Attempt: 1}
	j.intend(chunk)
	again := chunk
	again.Attempt = 2
	j.intend(again)
	j.twice(func() { j.wantUnfinished(again) })
	half := windrow.JournalIntent{Keys: []string{"a", "b"}, IdempotencyKey: "ab", Attempt: 1}
	j.intend(half)
	j.twice(func() { j.wantUnfinished(again, half) })
	j.record(known("c", windrow.Failed))
	j.twice(func() { j.wantUnfinished(half) })
	single := windrow.JournalIntent{Keys: []string{"b"}, IdempotencyKey: "b", Attempt: 1}
	j.intend(single)
	j.record(known("a", windrow.Succeeded))
	j.twice(func() { j.wantUnfinished(single) })
}

func (j *journalTest) unknown() {
	in := windrow.JournalIntent{Keys: []string{"a", "b"}, IdempotencyKey: "ab", Attempt: 1}
	j.intend(in)
	j.record(known("a", windrow.Succeeded), known("b", windrow.Unknown))
	j.twice(func() {
		j.wantFind(known("b", windrow.Unknown))
		j.wantUnfinished(in)
	})
	j.record(known("b", windrow.Unknown)) // a second run did not find out either
	j.twice(func() { j.wantUnfinished(in) })
	j.record(known("b", windrow.Succeeded))
	j.twice(func() { j.wantUnfinished() })
}

func (j *journalTest) handles() {
	first := windrow.JournalIntent{Keys: []string{"a", "b"}, IdempotencyKey: "ab", Attempt: 1}
	second := windrow.JournalIntent{Keys: []string{"c"}, IdempotencyKey: "c", Attempt: 1}
	j.intend(first)
	j.intend(second)
	if err := j.Save(j.Context(), "ab", "job 1"); err != nil {
		j.Fatalf("Save: %v", err)
	}
	first.Handle = "job 1"
	j.twice(func() {
		j.wantUnfinished(first, second)
		j.wantFind(known("a", windrow.Unknown))
	})
	j.record(known("a", windrow.Succeeded))
	j.twice(func() {
		j.wantUnfinished(first, second)
		j.wantFind(known("a", windrow.Succeeded))
	})
	j.record(known("b", windrow.Succeeded))
	if err := j.Save(j.Context(), "ab", "job 2"); err == nil {
		j.Error("Save for an intent all of whose keys have just ended succeeds")
	}
	j.twice(func() { j.wantUnfinished(second) })
	for _, key := range []string{"ab", "none", ""} {
		if err := j.Save(j.Context(), key, "job 2"); err == nil {
			j.Errorf("Save for the idempotency key %q, which no unfinished intent has, succeeds", key)
		}
	}
	if err := j.Save(j.Context(), "c", ""); err == nil {
		j.Error("Save of an empty handle succeeds")
	}
}

func (j *journalTest) handlesLater() {
	in := windrow.JournalIntent{Keys: []string{"a", "b", "c", "d"}, IdempotencyKey: "abcd", Attempt: 1}
	j.intend(in)
	j.intend(windrow.JournalIntent{Keys: []string{"d"}, IdempotencyKey: "d", Attempt: 1})
	j.record(known("a", windrow.Succeeded), known("b", windrow.Unknown), known("d", windrow.Failed))
	j.restart()
	for _, handle := range []string{"job 1", "job 2"} {
		if err := j.Save(j.Context(), "abcd", handle); err != nil {
			j.Fatalf("Save: %v", err)
		}
		in.Handle = handle
		j.twice(func() {
			j.wantUnfinished(in)
			j.wantFind(known("a", windrow.Succeeded))
			j.wantFind(known("b", windrow.Unknown))
			j.wantFind(known("c", windrow.Unknown))
			j.wantFind(known("d", windrow.Failed))
		})
	}
	j.record(known("b", windrow.Succeeded), known("c", windrow.Succeeded))
	j.twice(func() { j.wantUnfinished() })
}

func (j *journalTest) leftEarly() {
	for _, key := range []string{"a", "b", "c"} {
		j.intend(windrow.JournalIntent{Keys: []string{key}, IdempotencyKey: key, Attempt: 1})
	}
	j.twice(func() {
		for in, err := range j.Unfinished() {
			if err != nil || in.IdempotencyKey != "a" {
				j.Errorf("the first that is unfinished is %+v, %v", in, err)
			}
			break
		}
		for in, err := range j.Unfinished() { // a run records during the iteration, too
			if err != nil {
				j.Fatalf("Unfinished: %v", err)
			}
			j.wantFind(known(in.Keys[0], windrow.Unknown))
			j.record(known(in.Keys[0], windrow.Unknown))
		}
	})
}

func (j *journalTest) concurrent() {
	const workers, items = 8, 50
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range items {
				key := fmt.Sprintf("%d/%d", w, i)
				if err := j.Intend(j.Context(), windrow.JournalIntent{Keys: []string{key}, IdempotencyKey: key, Attempt: 1}); err != nil {
					j.Errorf("Intend: %v", err)
					return
				}
				if got, err := j.Find(key); err != nil || !same(got, known(key, windrow.Unknown)) {
					j.Errorf("Find after Intend = %+v, %v", got, err)
				}
				if i%5 == 0 {
					continue
				}
				if err := j.Record(windrow.JournalEntry{Key: key, State: windrow.Succeeded, ID: key}); err != nil {
					j.Errorf("Record: %v", err)
					return
				}
			}
			for range 3 {
				for _, err := range j.Unfinished() {
					if err != nil {
						j.Errorf("Unfinished: %v", err)
					}
				}
				if err := j.Sync(); err != nil {
					j.Errorf("Sync: %v", err)
				}
			}
		})
	}
	wg.Wait()
	j.twice(func() {
		var unfinished []string
		for in, err := range j.Unfinished() {
			if err != nil {
				j.Fatalf("Unfinished: %v", err)
			}
			unfinished = append(unfinished, in.Keys...)
		}
		for w := range workers {
			for i := range items {
				key := fmt.Sprintf("%d/%d", w, i)
				if i%5 == 0 {
					j.wantFind(known(key, windrow.Unknown))
				} else {
					j.wantFind(windrow.JournalEntry{Key: key, State: windrow.Succeeded, ID: key})
				}
				if slices.Contains(unfinished, key) != (i%5 == 0) {
					j.Errorf("key %s: unfinished is %v", key, i%5 != 0)
				}
			}
		}
		if len(unfinished) != workers*items/5 {
			j.Errorf("%d keys are unfinished, want %d", len(unfinished), workers*items/5)
		}
	})
}
