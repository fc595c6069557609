package objectstack_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
)

// four are accounts of which the second is refused.
var four = []account{{Name: "A"}, {Name: "B", Email: "none"}, {Name: "C"}, {Name: "D"}}

// Old and new servers, atomic and partial, stop and go on: the states are right in every cell, for every verb, and they
// are what the server has.
func TestC1_C14_C16_C_n3_C_n4_EveryCell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		old, atomic, stop bool
		assume            bool // the old server was said to have transactions
		want              []windrow.State
		kept              []string // what the server has afterwards
		sizes             []int    // records of each request
	}{
		{old: false, atomic: false, stop: false, want: []windrow.State{ok, bad, ok, ok}, kept: []string{"A", "C", "D"}, sizes: []int{4}},
		{old: false, atomic: false, stop: true, want: []windrow.State{ok, bad, no, no}, kept: []string{"A"}, sizes: []int{4}},
		{old: false, atomic: true, stop: false, want: []windrow.State{no, bad, no, no}, sizes: []int{4}},
		{old: false, atomic: true, stop: true, want: []windrow.State{no, bad, no, no}, sizes: []int{4}},
		{old: true, atomic: false, stop: false, want: []windrow.State{ok, bad, ok, ok}, kept: []string{"A", "C", "D"}, sizes: []int{4}},
		{old: true, atomic: false, stop: true, want: []windrow.State{ok, bad, no, no}, kept: []string{"A"}, sizes: []int{4}},
		// An old server never rolls back: an atomic batch is not sent to it at all.
		{old: true, atomic: true, stop: false, want: []windrow.State{no, no, no, no}},
		{old: true, atomic: true, stop: true, want: []windrow.State{no, no, no, no}},
		// If somebody insists, the result tells what it did.
		{old: true, atomic: true, stop: false, assume: true, want: []windrow.State{ok, bad, no, no}, kept: []string{"A"}, sizes: []int{4}},
		{old: true, atomic: true, stop: true, assume: true, want: []windrow.State{ok, bad, no, no}, kept: []string{"A"}, sizes: []int{4}},
	} {
		name := fmt.Sprintf("old %t/atomic %t/stop %t/assume %t", tt.old, tt.atomic, tt.stop, tt.assume)
		for _, verb := range []string{"create", "update", "upsert"} {
			t.Run(name+"/"+verb, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := start(t, &objectstacktest.Server{Old: tt.old})
					if tt.assume {
						w.client.Assume(objectstack.Features{Transactions: true})
					}
					var opts []windrow.Option
					if tt.atomic {
						opts = append(opts, windrow.Atomic())
					}
					if tt.stop {
						opts = append(opts, windrow.MaxFailures(0))
					}
					got, warned, err := w.run(t, verb, four, opts...)
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("states (-want +got):\n%s\n%v", diff, err)
					}
					var kept []string
					for _, r := range w.fake.Records("account") {
						if name := fmt.Sprint(r["name"]); name != "old" {
							kept = append(kept, name)
						}
					}
					testkit.Check(t, "on the server", tt.kept, kept)
					var sizes []int
					for i, r := range w.http.Requests() {
						if r.Method == "POST" {
							sizes = append(sizes, len(w.body(t, i).(map[string]any)["records"].([]any)))
							o := w.body(t, i).(map[string]any)["options"]
							testkit.Check(t, "options", any(map[string]any{"atomic": tt.atomic, "returnRecords": true, "continueOnError": !tt.atomic && !tt.stop}), o)
						}
					}
					testkit.Check(t, "requests", tt.sizes, sizes)
					if warned != tt.assume {
						t.Errorf("a warning that the server does not roll back: %t, want %t", warned, tt.assume)
					}
					if tt.old && tt.atomic && !tt.assume && !errors.Is(err, objectstack.ErrNoTransactions) {
						t.Errorf("error %v, want %v", err, objectstack.ErrNoTransactions)
					}
				})
			})
		}
	}
}

// run makes a run of the verb, and returns the states and whether there is a warning that the server does not roll back.
func (w *world) run(t *testing.T, verb string, in []account, opts ...windrow.Option) ([]windrow.State, bool, error) {
	t.Helper()
	warned := func(warnings []string) bool {
		return strings.Contains(strings.Join(warnings, "\n"), "does not roll back")
	}
	switch verb {
	case "create":
		res, err := windrow.CreateMany(t.Context(), w.accounts, in, opts...)
		return testkit.States(t, res), warned(res.At(0).Warnings), err
	case "upsert":
		w.accounts.ExternalID = func(a account) string { return a.Name }
		res, err := windrow.UpsertMany(t.Context(), w.accounts, in, opts...)
		return testkit.States(t, res), warned(res.At(0).Warnings), err
	default:
		updates := make([]windrow.Update[string, account], len(in))
		for i := range in {
			updates[i] = windrow.Update[string, account]{ID: w.fake.Add("account", objectstacktest.Record{"name": "old"}), Data: in[i]}
		}
		res, err := windrow.UpdateMany(t.Context(), w.accounts, updates, opts...)
		return testkit.States(t, res), warned(res.At(0).Warnings), err
	}
}

// Deletes have no record that could be refused by its content: the second is locked.
func TestC30_C_n3_C_n4_DeletesInEveryCell(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		for _, tt := range []struct {
			opts []windrow.Option
			want []windrow.State
			kept int
		}{
			{nil, []windrow.State{ok, bad, ok, skip}, 1},
			{[]windrow.Option{windrow.MaxFailures(0)}, []windrow.State{ok, bad, no, no}, 2},
			{[]windrow.Option{windrow.Atomic()}, []windrow.State{no, bad, no, no}, 3},
		} {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, &objectstacktest.Server{Old: old, Refuse: func(_, operation string, r objectstacktest.Record) *objectstacktest.Refusal {
					if operation == "delete" && r["name"] == "locked" {
						return &objectstacktest.Refusal{Code: "RECORD_LOCKED", Message: "locked", Status: 409}
					}
					return nil
				}})
				var ids []string
				for _, name := range []string{"a", "locked", "c"} {
					ids = append(ids, w.fake.Add("account", objectstacktest.Record{"name": name}))
				}
				want, kept := tt.want, tt.kept
				if old && tt.kept == 3 { // an atomic batch is not sent
					want = []windrow.State{no, no, no, no}
				}
				res, err := windrow.DeleteMany(t.Context(), w.accounts, append(ids, "gone"), tt.opts...)
				if diff := cmp.Diff(want, testkit.States(t, res)); diff != "" {
					t.Errorf("old %t: states (-want +got):\n%s\n%v", old, diff, err)
				}
				testkit.Check(t, "records left", kept, len(w.fake.Records("account")))
			})
		}
	}
}

// What an atomic batch rolled back is sent again as a whole once the record to blame was corrected.
func TestC14_RerunAfterRollback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		p := windrow.NewCreateProcessor(w.accounts, windrow.Atomic())
		res, err := p.Run(t.Context(), four)
		if !errors.Is(err, windrow.ErrRolledBack) {
			t.Errorf("error %v", err)
		}
		res.Correct(1, account{Name: "B", Email: "b@example.com"})
		if res, err = p.Rerun(t.Context(), res); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "states", []windrow.State{ok, ok, ok, ok}, testkit.States(t, res))
		testkit.Check(t, "records", 4, len(w.fake.Records("account")))
	})
}
