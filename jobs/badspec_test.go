package jobs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/jobs"
)

// mistakes returns the fields and the codes of the mistakes in an error.
func mistakes(t *testing.T, err error) (all []string) {
	t.Helper()
	refused, ok := errors.AsType[*jobs.SpecError](err)
	if !ok {
		t.Fatalf("the error is %v, not a SpecError", err)
	}
	for _, m := range refused.Mistakes {
		all = append(all, m.Field+" "+m.Code)
		if m.Message == "" || !strings.Contains(err.Error(), m.Message) || len(m.Message) > 500 || len(m.Field) > 200 {
			t.Errorf("the mistake is %+v of %v", m, err)
		}
	}
	return all
}

// nothingStored checks that a store has no jobs.
func (m *managed) nothingStored() {
	m.t.Helper()
	for j, err := range m.List(m.t.Context(), jobs.Query{}) {
		m.t.Errorf("there is a job: %s, %v", j.ID, err)
	}
	if stats, err := m.Stats(m.t.Context()); err != nil || stats.Queued+stats.Running+stats.Paused > 0 {
		m.t.Errorf("%+v, %v", stats, err)
	}
}

// B64 (its Go side), B92: all mistakes are named at once, each with its field, and nothing is stored or sent.
func TestB92AllMistakesAreNamed(t *testing.T) {
	t.Parallel()
	f := newFarm(10)
	m := start(t, f)
	_, err := m.Submit(t.Context(), jobs.Spec{
		Type: strings.Repeat("x", 201), Priority: 2000,
		Operations: []jobs.Operation{
			{Type: "process", Resource: "fields"},
			{Type: jobs.Update, Resource: "meadows", Filter: jobs.Fields{}, Update: jobs.Fields{"area": 1}},
			{Type: jobs.Update, Resource: "fields", Filter: jobs.Fields{"colour": "red"}, Update: jobs.Fields{"area": 1}},
		},
	})
	want := []string{
		"type INVALID_VALUE", "operations[0].type INVALID_OPERATION", "operations[1].resource INVALID_OPERATION",
		"operations[2].filter.colour INVALID_FIELD", "priority INVALID_VALUE",
	}
	if diff := cmp.Diff(want, mistakes(t, err)); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if text := err.Error(); !strings.Contains(text, "Unknown operation type: process") {
		t.Errorf("the error is %s", text)
	}
	m.nothingStored()
	if len(f.order) > 0 {
		t.Errorf("%d calls", len(f.order))
	}
}

// B67: a mistake has the field, the code and the message of the API's error details.
func TestB67MistakesAreErrorDetails(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(1))
	_, err := m.Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{{Type: "process", Resource: "fields"}}})
	refused, ok := errors.AsType[*jobs.SpecError](err)
	if !ok {
		t.Fatal(err)
	}
	got, err := json.Marshal(refused.Mistakes)
	if want := `[{"field":"operations[0].type","code":"INVALID_OPERATION","message":"Unknown operation type: process"}]`; err != nil || string(got) != want {
		t.Errorf("the details are %s (%v), want %s", got, err, want)
	}
}

// Each of these is refused with a mistake of the field, and nothing is stored.
func TestSpecsThatAreRefused(t *testing.T) {
	t.Parallel()
	one := func(op jobs.Operation) jobs.Spec { return jobs.Spec{Operations: []jobs.Operation{op}} }
	update := func(change func(op *jobs.Operation)) jobs.Spec {
		op := jobs.Operation{Type: jobs.Update, Resource: "fields", Filter: jobs.Fields{}, Update: jobs.Fields{"area": 1}}
		change(&op)
		return one(op)
	}
	create := func(records ...any) jobs.Spec {
		return one(jobs.Operation{Type: jobs.Create, Resource: "fields", Records: records})
	}
	options := func(o jobs.Options) jobs.Spec {
		s := update(func(*jobs.Operation) {})
		s.Options = o
		return s
	}
	with := func(change func(s *jobs.Spec)) jobs.Spec {
		s := update(func(*jobs.Operation) {})
		change(&s)
		return s
	}
	ids := func(ids ...string) jobs.Spec {
		return update(func(op *jobs.Operation) { op.Filter, op.IDs = nil, ids })
	}
	labels := map[string]string{}
	for k := range 21 {
		labels[fmt.Sprint("l", k)] = ""
	}
	itself := map[string]any{}
	itself["itself"] = itself
	for name, test := range map[string]struct {
		spec jobs.Spec
		want string
	}{
		"no operations":             {jobs.Spec{}, "operations INVALID_VALUE"},
		"many operations":           {jobs.Spec{Operations: make([]jobs.Operation, 101)}, "operations TOO_LARGE"},
		"an empty operation":        {one(jobs.Operation{}), "operations[0].resource INVALID_VALUE, operations[0].type INVALID_VALUE"},
		"a long description":        {with(func(s *jobs.Spec) { s.Description = strings.Repeat("x", 10_001) }), "description INVALID_VALUE"},
		"a long key":                {with(func(s *jobs.Spec) { s.IdempotencyKey = strings.Repeat("x", 256) }), "idempotency_key INVALID_VALUE"},
		"a broken text":             {with(func(s *jobs.Spec) { s.Type = "\xff" }), "type INVALID_VALUE"},
		"many labels":               {with(func(s *jobs.Spec) { s.Labels = labels }), "labels TOO_LARGE"},
		"a label without a name":    {with(func(s *jobs.Spec) { s.Labels = map[string]string{"": "x"} }), "labels INVALID_VALUE"},
		"a long label":              {with(func(s *jobs.Spec) { s.Labels = map[string]string{"a": strings.Repeat("x", 201)} }), "labels.a INVALID_VALUE"},
		"a label with a long name":  {with(func(s *jobs.Spec) { s.Labels = map[string]string{strings.Repeat("é", 101): ""} }), "labels." + strings.Repeat("é", 30) + "… INVALID_VALUE"},
		"a low priority":            {with(func(s *jobs.Spec) { s.Priority = -1001 }), "priority INVALID_VALUE"},
		"no patch":                  {update(func(op *jobs.Operation) { op.Update = nil }), "operations[0].update INVALID_VALUE"},
		"a patch of NaN":            {update(func(op *jobs.Operation) { op.Update = jobs.Fields{"area": math.NaN()} }), "operations[0].update INVALID_VALUE"},
		"a patch of another type":   {update(func(op *jobs.Operation) { op.Update = jobs.Fields{"area": "large"} }), "operations[0].update INVALID_VALUE"},
		"no selection":              {update(func(op *jobs.Operation) { op.Filter = nil }), "operations[0].filter INVALID_VALUE"},
		"a filter and ids":          {update(func(op *jobs.Operation) { op.IDs = []string{"a"} }), "operations[0].ids INVALID_FIELD"},
		"records of an update":      {update(func(op *jobs.Operation) { op.Records = []any{Patch{}} }), "operations[0].records INVALID_FIELD"},
		"a patch of a delete":       {update(func(op *jobs.Operation) { op.Type = jobs.Delete }), "operations[0].update INVALID_FIELD"},
		"a filter of a create":      {update(func(op *jobs.Operation) { op.Type = jobs.Create }), "operations[0].filter INVALID_FIELD, operations[0].update INVALID_FIELD, operations[0].records INVALID_VALUE"},
		"an unknown filter field":   {update(func(op *jobs.Operation) { op.Filter = jobs.Fields{"status": "x", "st.atus/": 1} }), "operations[0].filter.st.atus/ INVALID_FIELD"},
		"a filter of a channel":     {update(func(op *jobs.Operation) { op.Filter = jobs.Fields{"status": make(chan int)} }), "operations[0].filter.status INVALID_VALUE"},
		"no ids":                    {ids(), "operations[0].filter INVALID_VALUE"},
		"ids of no length":          {update(func(op *jobs.Operation) { op.Filter, op.IDs = nil, []string{} }), "operations[0].ids INVALID_VALUE"},
		"an empty id":               {ids("a", ""), "operations[0].ids[1] INVALID_VALUE"},
		"an id of 2 kB":             {ids("a", "b", strings.Repeat("x", 2000)), "operations[0].ids[2] INVALID_VALUE"},
		"an id twice":               {ids("a/b", "..", "a/b"), "operations[0].ids[2] INVALID_VALUE"},
		"a broken id":               {ids("\xff"), "operations[0].ids[0] INVALID_VALUE"},
		"no records":                {create(), "operations[0].records INVALID_VALUE"},
		"nil":                       {create(nil), "operations[0].records[0] INVALID_VALUE"},
		"a nil pointer":             {create((*Patch)(nil)), "operations[0].records[0] INVALID_VALUE"},
		"a nil map":                 {create(jobs.Fields(nil), map[string]any(nil)), "operations[0].records[0] INVALID_VALUE, operations[0].records[1] INVALID_VALUE"},
		"a text":                    {create(Patch{}, "text"), "operations[0].records[1] INVALID_VALUE"},
		"a list":                    {create([]int{1}), "operations[0].records[0] INVALID_VALUE"},
		"a number":                  {create(7), "operations[0].records[0] INVALID_VALUE"},
		"NaN in a map":              {create(Patch{}, jobs.Fields{"area": math.NaN()}), "operations[0].records[1] INVALID_VALUE"},
		"infinity in a struct":      {create(struct{ A float64 }{math.Inf(1)}), "operations[0].records[0] INVALID_VALUE"},
		"a channel":                 {create(make(chan int)), "operations[0].records[0] INVALID_VALUE"},
		"a channel in a map":        {create(map[string]any{"c": make(chan int)}), "operations[0].records[0] INVALID_VALUE"},
		"a function in a list":      {create(jobs.Fields{"f": []any{func() {}}}), "operations[0].records[0] INVALID_VALUE"},
		"a record of itself":        {create(itself), "operations[0].records[0] INVALID_VALUE"},
		"broken JSON":               {create(json.RawMessage(`{"a":`)), "operations[0].records[0] INVALID_VALUE"},
		"max_concurrent":            {options(jobs.Options{MaxConcurrent: 1001}), "options.max_concurrent INVALID_VALUE"},
		"max_concurrent, negative":  {options(jobs.Options{MaxConcurrent: -1}), "options.max_concurrent INVALID_VALUE"},
		"max_concurrent, in order":  {options(jobs.Options{MaxConcurrent: 2, Sequential: true}), "options.max_concurrent INVALID_VALUE"},
		"attempts":                  {options(jobs.Options{Retry: jobs.RetryOptions{Attempts: 101}}), "options.retry.attempts INVALID_VALUE"},
		"backoff":                   {options(jobs.Options{Retry: jobs.RetryOptions{Backoff: "quadratic"}}), "options.retry.backoff INVALID_VALUE"},
		"custom without a name":     {options(jobs.Options{Retry: jobs.RetryOptions{Backoff: jobs.BackoffCustom}}), "options.retry.custom INVALID_VALUE"},
		"custom, unknown":           {options(jobs.Options{Retry: jobs.RetryOptions{Backoff: jobs.BackoffCustom, Custom: "x"}}), "options.retry.custom INVALID_VALUE"},
		"custom of another backoff": {options(jobs.Options{Retry: jobs.RetryOptions{Custom: "x"}}), "options.retry.custom INVALID_FIELD"},
		"delay":                     {options(jobs.Options{Retry: jobs.RetryOptions{Delay: -1}}), "options.retry.delay INVALID_VALUE"},
		"a long delay":              {options(jobs.Options{Retry: jobs.RetryOptions{Delay: 2 * time.Hour}}), "options.retry.delay INVALID_VALUE"},
		"a delay of immediate":      {options(jobs.Options{Retry: jobs.RetryOptions{Backoff: jobs.BackoffImmediate, Delay: 1}}), "options.retry.delay INVALID_FIELD"},
		"validation mode":           {options(jobs.Options{Validation: jobs.ValidationOptions{Mode: "soft"}}), "options.validation.mode INVALID_VALUE"},
		"on_error":                  {options(jobs.Options{Validation: jobs.ValidationOptions{OnError: "cry"}}), "options.validation.on_error INVALID_VALUE"},
		"attempt_timeout":           {options(jobs.Options{AttemptTimeout: -1}), "options.attempt_timeout INVALID_VALUE"},
		"a long attempt_timeout":    {options(jobs.Options{AttemptTimeout: 2 * time.Hour}), "options.attempt_timeout INVALID_VALUE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := start(t, newFarm(1))
			j, err := m.Submit(t.Context(), test.spec)
			if got := strings.Join(mistakes(t, err), ", "); got != test.want || j.ID != "" {
				t.Errorf("mistakes: %s\nwant:     %s\n%v", got, test.want, err)
			}
			m.nothingStored()
		})
	}
}

// Ids and names that would be paths elsewhere are ids and names here.
func TestIDsAndNamesOfAnyForm(t *testing.T) {
	t.Parallel()
	f := newFarm(0)
	ids := []string{"a/b", "..", ".", "../../etc/passwd", "a b?c#d", "é", `"`, "=1+1", "\x00", strings.Repeat("x", 1000)}
	for _, id := range ids {
		f.fields[id] = Field{ID: id}
	}
	m := start(t, f)
	j := m.run(jobs.Spec{
		Type: "../a/b.c", Labels: map[string]string{"a/b.c": "../d"}, IdempotencyKey: "../k/e.y",
		Operations: []jobs.Operation{{Type: jobs.Update, Resource: "fields", IDs: ids, Update: jobs.Fields{"area": 5}}},
	})
	want(t, j, jobs.Completed, int64(len(ids)), 0, 0, 0, 0)
	for k, item := range m.items(j.ID, jobs.ItemQuery{}) {
		if item.Key != ids[k] || f.fields[ids[k]].Area != 5 {
			t.Errorf("item %d is %q, want %q", k, item.Key, ids[k])
		}
	}
	n := 0
	for found, err := range m.List(t.Context(), jobs.Query{Type: "../a/b.c", Labels: map[string]string{"a/b.c": "../d"}}) {
		if n++; err != nil || found.ID != j.ID {
			t.Errorf("%s, %v", found.ID, err)
		}
	}
	if n != 1 {
		t.Errorf("%d jobs", n)
	}
}

// What is too much is refused in a time that does not grow with it.
func TestSpecsThatAreTooLarge(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(1))
	ids := make([]string, 1_000_000)
	for k := range ids {
		ids[k] = "x"
	}
	large := strings.Repeat("x", 200<<20)
	many := make([]any, 50)
	for k := range many {
		many[k] = map[string]any{"a": []any{large[:4<<20]}}
	}
	for name, op := range map[string]jobs.Operation{
		"a million ids":     {Type: jobs.Delete, IDs: ids},
		"a million records": {Type: jobs.Create, Records: make([]any, 1_000_000)},
		"a large record":    {Type: jobs.Create, Records: []any{jobs.Fields{"a": large}}},
		"large records":     {Type: jobs.Create, Records: many},
		"a large JSON text": {Type: jobs.Create, Records: []any{json.RawMessage(large)}},
		"a large patch":     {Type: jobs.Update, Filter: jobs.Fields{}, Update: jobs.Fields{"status": large}},
		"a large filter":    {Type: jobs.Delete, Filter: jobs.Fields{"status": large}},
		"a large id":        {Type: jobs.Delete, IDs: []string{large}},
	} {
		op.Resource = "fields"
		began := time.Now()
		_, err := m.Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{op}})
		if got := mistakes(t, err); len(got) != 1 || got[0] != "operations TOO_LARGE" {
			t.Errorf("%s: %v", name, got)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
	m.nothingStored()
	// A type of the application's is known to be large when it was written.
	m = start(t, newFarm(1), func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) { c.MaxSpecBytes = 1000 })
	_, err := m.Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Status: large[:1000]}}}}})
	if got := mistakes(t, err); len(got) != 1 || got[0] != "operations TOO_LARGE" {
		t.Error(got)
	}
	m.nothingStored()
}
