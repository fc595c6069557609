package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAttemptIsTheContextOfItsRun(t *testing.T) {
	t.Parallel()
	type key struct{}
	parent, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "value"), time.Now().Add(time.Hour))
	r := New(parent, &Config{Table: NewTable(3), Todo: 3, Owner: "owner", Policy: Policy{MaxThrottleWait: time.Minute}})
	a, b := r.newAttempt(1, 4), r.newAttempts(2, maxSpan).at(0)
	for _, ctx := range []context.Context{a, b} {
		at, ok := ctx.Deadline()
		if want, _ := parent.Deadline(); !ok || at != want {
			t.Errorf("deadline %v, %v", at, ok)
		}
		if ctx.Value(key{}) != "value" || ctx.Value("other") != nil {
			t.Errorf("values %v, %v", ctx.Value(key{}), ctx.Value("other"))
		}
		if ctx.Err() != nil {
			t.Error(ctx.Err())
		}
	}
	if AttemptFrom(a) != a || AttemptFrom(context.WithValue(b, key{}, 1)) != b || AttemptFrom(parent) != nil {
		t.Error("AttemptFrom does not find the attempt")
	}
	if a.Item() != 1 || a.Number() != 4 || a.Items() != nil || a.Owner() != "owner" || a.Patience() != time.Minute {
		t.Errorf("item %d, number %d, items %v, owner %v, patience %v", a.Item(), a.Number(), a.Items(), a.Owner(), a.Patience())
	}
	cancel()
	<-a.Done()
	if a.Err() != context.Canceled {
		t.Errorf("err %v", a.Err())
	}
}

// Every attempt of a block is a context of its own, which knows its item and its record by nothing but its place.
func TestAttemptsOfABlock(t *testing.T) {
	t.Parallel()
	order := make([]int, 1000)
	for pos := range order {
		order[pos] = 3 * pos
	}
	for _, test := range []struct {
		name string
		cfg  Config
		item func(pos int) int
	}{
		{"all items", Config{Table: NewTable(1000), Todo: 1000}, func(pos int) int { return pos }},
		{"some items", Config{Table: NewTable(3000), Order: order, Todo: 1000}, func(pos int) int { return 3 * pos }},
	} {
		r := New(t.Context(), &test.cfg)
		all := r.newAttempts(700, maxSpan)
		b, seen := all.at(0).block(), map[*Attempt]bool{}
		for k := range maxSpan {
			a := all.at(k)
			if seen[a] || a.block() != b || a.run() != r || a.Item() != test.item(700+k) || a.Number() != 1 || a.Items() != nil || AttemptFrom(a) != a {
				t.Fatalf("%s: attempt %d: item %d, number %d", test.name, k, a.Item(), a.Number())
			}
			seen[a] = true
			if k%2 == 0 {
				a.Answer(200+k, false)
			}
		}
		for k := range maxSpan {
			want := 0
			if k%2 == 0 {
				want = 200 + k
			}
			if got := all[k].Status(); got != want {
				t.Errorf("%s: attempt %d was answered with %d, want %d", test.name, k, got, want)
			}
		}
	}
}

// Attempts of one block are used at the same time, by calls that go on although their function has returned.
func TestRecordsOfABlockAreSharedSafely(t *testing.T) {
	t.Parallel()
	all := New(t.Context(), &Config{Table: NewTable(maxSpan)}).newAttempts(0, maxSpan)
	var wg sync.WaitGroup
	for k := range maxSpan {
		a := all.at(k)
		for range 2 {
			wg.Go(func() { a.Sending() })
		}
	}
	wg.Wait()
	for k := range maxSpan {
		if got := all[k].read().open.Load(); got != 2 {
			t.Errorf("attempt %d has sent %d requests, want 2", k, got)
		}
	}
}

// What a transport reports becomes what is known of the delivery.
func TestRecord(t *testing.T) {
	t.Parallel()
	type known struct {
		Delivery Delivery
		Status   int
		Beside   bool
	}
	engage := (*Attempt).Engage
	send := (*Attempt).Sending
	answer := func(status int) func(*Attempt) { return func(a *Attempt) { a.Answer(status, true) } }
	read := func(status int) func(*Attempt) { return func(a *Attempt) { a.Answer(status, false) } }
	for _, test := range []struct {
		name  string
		steps []func(*Attempt)
		want  known
	}{
		{"nothing", nil, known{}},
		{"engaged", []func(*Attempt){engage}, known{Delivery: NotSent}},
		{"sent", []func(*Attempt){engage, send}, known{Delivery: Sent, Beside: true}},
		{"sent without engaging", []func(*Attempt){send}, known{Delivery: Sent, Beside: true}},
		{"created", []func(*Attempt){engage, send, answer(201)}, known{Delivery: Answered, Status: 201}},
		{"redirected", []func(*Attempt){engage, send, answer(303)}, known{Delivery: Answered, Status: 303}},
		{"399", []func(*Attempt){engage, send, answer(399)}, known{Delivery: Answered, Status: 399}},
		{"400", []func(*Attempt){engage, send, answer(400)}, known{Delivery: NotSent, Status: 400}},
		{"499", []func(*Attempt){engage, send, answer(499)}, known{Delivery: NotSent, Status: 499}},
		{"500", []func(*Attempt){engage, send, answer(500)}, known{Delivery: Answered, Status: 500}},
		{"read", []func(*Attempt){engage, read(200)}, known{Delivery: NotSent, Status: 200}},
		{"read, failed", []func(*Attempt){engage, read(500)}, known{Delivery: NotSent, Status: 500}},
		{"refused, then created", []func(*Attempt){engage, send, answer(401), send, answer(201)}, known{Delivery: Answered, Status: 201}},
		{"created, then refused", []func(*Attempt){engage, send, answer(201), send, answer(422)}, known{Delivery: Answered, Status: 422, Beside: true}},
		{"created, then read", []func(*Attempt){engage, send, answer(201), read(404)}, known{Delivery: Answered, Status: 404, Beside: true}},
		{"failed twice", []func(*Attempt){engage, send, answer(502), send, answer(503)}, known{Delivery: Answered, Status: 503, Beside: true}},
		{"one lost, one refused", []func(*Attempt){engage, send, send, answer(429)}, known{Delivery: Sent, Status: 429, Beside: true}},
		{"two created", []func(*Attempt){engage, send, answer(201), send, answer(201)}, known{Delivery: Answered, Status: 201, Beside: true}},
	} {
		a := New(t.Context(), &Config{Table: NewTable(1)}).newAttempt(0, 1)
		for _, step := range test.steps {
			step(a)
		}
		got := known{a.Delivery(), a.Status(), a.Beside()}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if noRecord.engaged.Load() || noRecord.open.Load() != 0 || noRecord.status.Load() != 0 {
			t.Fatalf("%s: the empty record was written to", test.name)
		}
	}
}

// The first units of quota are those that the attempt has paid.
func TestUseCredit(t *testing.T) {
	t.Parallel()
	r := New(t.Context(), &Config{Table: NewTable(9), Cost: func(items int) int { return 10 * items }})
	single := r.newAttempt(0, 1)
	for i, want := range []int{0, 0, 3, 4, 4} { // 10 are paid
		if got := single.UseCredit([]int{4, 5, 4, 4, 4}[i]); got != want {
			t.Errorf("use %d: %d unpaid, want %d", i, got, want)
		}
	}
	chunk := r.newAttempt(0, 1)
	chunk.write().items = []int{1, 2, 3}
	for i, want := range []int{0, 1, 1} { // 30 are paid
		if got := chunk.UseCredit([]int{29, 2, 1}[i]); got != want {
			t.Errorf("use %d of a chunk: %d unpaid, want %d", i, got, want)
		}
	}
	free := New(t.Context(), &Config{Table: NewTable(1)}).newAttempt(0, 1)
	if free.UseCredit(1) != 0 || free.UseCredit(1) != 1 {
		t.Error("an attempt pays for one unit when nothing has a cost")
	}
}

func TestFirstTarget(t *testing.T) {
	t.Parallel()
	a := New(t.Context(), &Config{Table: NewTable(1)}).newAttempt(0, 1)
	for _, step := range []struct {
		target string
		want   bool
	}{{"POST /a", true}, {"POST /b", false}, {"POST /a", true}} {
		if got := a.FirstTarget(step.target); got != step.want {
			t.Errorf("FirstTarget(%q) = %v", step.target, got)
		}
	}
}

// Requests of one attempt may be made at the same time.
func TestRecordIsSharedSafely(t *testing.T) {
	t.Parallel()
	a := New(t.Context(), &Config{Table: NewTable(1)}).newAttempt(0, 1)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a.Engage()
			a.Sending()
			a.Answer(201, true)
			a.UseCredit(1)
			a.FirstTarget("same")
		})
	}
	wg.Wait()
	if a.Delivery() != Answered || a.UseCredit(1) != 1 {
		t.Errorf("delivery %v", a.Delivery())
	}
}
