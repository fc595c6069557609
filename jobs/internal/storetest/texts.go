package storetest

import (
	"fmt"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// bytes: texts come back as they were, whatever their bytes are.
func (s *suite) bytes() {
	texts := []string{"\x00", "a\x00b", "\xff\xfe", "half \xe6\x97", "\x1a", "\x1a6100", "\u2028", `\x00`, "ü", "'", "�"}
	s.insert(newJob("one"), len(texts))
	_, lease := s.lease(start)
	p := s.part(lease, int64(len(texts)), time.Now().Add(hour))
	var b store.Batch
	for i, text := range texts {
		b.Results = append(b.Results, store.Result{Index: int64(i), State: failed, Run: 1, At: start, ID: text, Code: text, Message: text, Fingerprint: text})
		b.Intents = append(b.Intents, store.Intent{Number: int64(i + 1), Indexes: []int64{int64(i), 0}, IdempotencyKey: text, Attempt: 1, Handle: text})
	}
	s.must(s.Checkpoint(s.ctx, p.PartLease, b))
	rows, intents, err := s.PartItems(s.ctx, p.PartLease)
	s.must(err)
	s.equal("intents", b.Intents, intents)
	for i, row := range rows {
		s.equal(fmt.Sprintf("result with %q", texts[i]), b.Results[i], row.Result)
		found, err := s.Items(s.ctx, p.Job, store.ItemQuery{Op: -1, Code: texts[i], Limit: 10})
		if err != nil || len(found) != 1 || found[0].Index != int64(i) {
			s.Errorf("by code %q: %+v, %v", texts[i], found, err)
		}
	}
	groups, err := s.ErrorGroups(s.ctx, p.Job, 100)
	if err != nil || len(groups) != len(texts) {
		s.Errorf("%d groups of %d codes, %v", len(groups), len(texts), err)
	}
	for i, text := range texts {
		j := newJob("id " + text)
		j.Tenant, j.Actor, j.Type, j.Description, j.Key, j.Reason = text, text, text, text, text, text
		j.Resources = []string{fmt.Sprint("resource ", i)} // a name in the caller's code, which is UTF-8
		stored := s.insert(j, 0, store.Event{Type: text, At: start, Actor: text})
		got, err := s.Get(s.ctx, text, j.ID)
		s.must(err)
		s.equal("the job", stored, got)
		j.Number = got.Number
		s.equal(fmt.Sprintf("job with %q", text), j, got)
		if events, err := s.Events(s.ctx, got.Number, 0, 10); err != nil || len(events) != 1 || events[0].Type != text || events[0].Actor != text {
			s.Errorf("%+v, %v", events, err)
		}
		if list, err := s.List(s.ctx, store.JobQuery{Tenant: text, Type: text, Limit: 10}); err != nil || len(list) != 1 {
			s.Errorf("List of %q: %d jobs, %v", text, len(list), err)
		}
		s.must(s.SetValue(s.ctx, text, []byte{byte(i)}))
		if v, err := s.Value(s.ctx, text); err != nil || v[0] != byte(i) {
			s.Errorf("value %q: %v, %v", text, v, err)
		}
		leased, err := s.Claim(s.ctx, store.Claim{Owner: text, Now: start, Until: start.Add(hour), Resources: j.Resources})
		if err != nil || leased.ID != j.ID || leased.Owner != text {
			s.Errorf("leased %+v, %v", leased, err)
		}
	}
}
