package storetest

import (
	"github.com/windrow-go/windrow/jobs/internal/store"
)

func (s *suite) events() {
	j := s.insert(newJob("one"), 0, store.Event{Type: "queued", At: start, Actor: "ann", Run: 1, Data: []byte(`{"n":1}`)})
	s.must(s.AddEvents(s.ctx, j.Number, store.Event{Type: "progress", At: start, Data: []byte(`1`), Replaces: true}, store.Event{Type: "other", At: start}))
	s.must(s.AddEvents(s.ctx, j.Number, store.Event{Type: "progress", At: start.Add(hour), Data: []byte(`2`), Replaces: true}))
	all, err := s.Events(s.ctx, j.Number, 0, 10)
	s.must(err)
	var types []string
	last := int64(0)
	for _, e := range all {
		types = append(types, e.Type+string(e.Data))
		if e.Number <= last {
			s.Errorf("number %d after %d", e.Number, last)
		}
		last = e.Number
	}
	s.equal("events", []string{`queued{"n":1}`, "other", "progress2"}, types)
	s.equal("the first", store.Event{Number: all[0].Number, Type: "queued", At: start, Actor: "ann", Run: 1, Data: []byte(`{"n":1}`)}, all[0])
	some, err := s.Events(s.ctx, j.Number, all[0].Number, 1)
	if err != nil || len(some) != 1 || some[0].Type != "other" {
		s.Errorf("%+v, %v", some, err)
	}
	s.must(s.AddEvents(s.ctx, j.Number, store.Event{Type: "last", At: start}))
	some, err = s.Events(s.ctx, j.Number, last, 10)
	if err != nil || len(some) != 1 || some[0].Number <= last {
		s.Errorf("%+v, %v", some, err)
	}
}

func (s *suite) values() {
	_, err := s.Value(s.ctx, "a/b")
	s.want(err, store.ErrNotFound)
	for _, v := range [][]byte{{1, 0, 255}, []byte("two")} {
		s.must(s.SetValue(s.ctx, "a/b", v))
		got, err := s.Value(s.ctx, "a/b")
		s.must(err)
		s.equal("value", v, got)
	}
}

func (s *suite) delete() {
	j := newJob("one")
	j.Key = "key"
	j = s.insert(j, 2500, store.Event{Type: "queued", At: start})
	other := s.insert(newJob("two"), 10)
	_, err := s.Delete(s.ctx, "t", "one", 100)
	s.want(err, store.ErrConflict)
	_, err = s.Change(s.ctx, j.Number, store.Change{State: pointer(store.Completed)})
	s.must(err)
	_, err = s.Delete(s.ctx, "u", "one", 100)
	s.want(err, store.ErrNotFound)
	more, err := s.Delete(s.ctx, "t", "one", 100)
	if err != nil || !more {
		s.Fatalf("more %v, %v", more, err)
	}
	_, err = s.Get(s.ctx, "t", "one")
	s.want(err, store.ErrNotFound)
	_, err = s.Change(s.ctx, j.Number, store.Change{Reason: new("no")})
	s.want(err, store.ErrNotFound)
	s.want(s.AddEvents(s.ctx, j.Number, store.Event{Type: "no"}), store.ErrNotFound)
	again := newJob("three")
	again.Key = "key"
	s.insert(again, 1)
	doomed, err := s.Doomed(s.ctx)
	if err != nil || len(doomed) != 1 || doomed[0].ID != "one" {
		s.Errorf("doomed %+v, %v", doomed, err)
	}
	for n := 0; more; n++ {
		more, err = s.Delete(s.ctx, doomed[0].Tenant, doomed[0].ID, 100)
		if err != nil || n > 100 {
			s.Fatalf("after %d steps: %v", n, err)
		}
	}
	doomed, err = s.Doomed(s.ctx)
	if err != nil || len(doomed) != 0 {
		s.Errorf("doomed %+v, %v", doomed, err)
	}
	rows, err := s.Items(s.ctx, other.Number, store.ItemQuery{Op: -1, Limit: 100})
	if err != nil || len(rows) != 10 {
		s.Errorf("another job has %d items, %v", len(rows), err)
	}
}
