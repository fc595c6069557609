package windrow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// A run with several keys that several items have names them all, up to a bound, in a text that stays short.
func TestAllDuplicateKeysAreNamed(t *testing.T) {
	t.Parallel()
	run := func(in []string) (*windrow.DuplicateKeyError, error) {
		p := windrow.NewCreateProcessor[string, string](client{fake: newFake(t, nil)})
		p.Key = byItself
		p.Validate = func(in string) error {
			if in == "bad" {
				return errors.New("bad")
			}
			return nil
		}
		_, err := p.Run(t.Context(), in)
		all, ok := errors.AsType[*windrow.DuplicateKeyError](err)
		if !ok || !errors.Is(err, windrow.ErrDuplicateKey) {
			t.Fatalf("%v: %v", in, err)
		}
		return all, err
	}
	const hint = ": remove one, or choose with the option Duplicates"
	for _, tt := range []struct{ in, first, list string }{
		{"a b a", `items 0 and 2 have the same key "a"`, ``},
		{"bad a bad a", `items 1 and 3 have the same key "a"`, ``},
		{"a b a b a", `items 0 and 2 have the same key "a"`, `; keys that several items have: "a" (items 0, 2, 4), "b" (items 1, 3)`},
		{"b a a a a a a a a a a a a b", `items 1 and 2 have the same key "a"`,
			`; keys that several items have: "a" (items 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more), "b" (items 0, 13)`},
	} {
		all, err := run(strings.Fields(tt.in))
		n := len(strings.Fields(tt.in))
		if want := fmt.Sprintf("windrow: nothing was sent: %s%s%s; of %d items ", tt.first, hint, tt.list, n); !strings.HasPrefix(err.Error(), want) || all.Error() != "windrow: "+tt.first+hint {
			t.Errorf("%s: %v, want %s", tt.in, err, want)
		}
		indexes := map[string][]int{}
		for i, key := range strings.Fields(tt.in) {
			indexes[key] = append(indexes[key], i)
		}
		for _, key := range all.Keys {
			want := indexes[key.Key]
			if diff := cmp.Diff(want[:min(10, len(want))], key.Indexes); diff != "" || key.Items != len(want) {
				t.Errorf("%s: %s, %d items (-want +got):\n%s", tt.in, key.Key, key.Items, diff)
			}
		}
	}
	var in []string
	for n := range 150_000 {
		in = append(in, fmt.Sprint(n%5000))
	}
	all, err := run(in)
	if len(all.Keys) != 100 || all.Total != 5000 || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "and 4990 more; of") {
		t.Errorf("%d keys of %d: %v", len(all.Keys), all.Total, err)
	}
	for k, key := range all.Keys {
		if key.Key != fmt.Sprint(k) || len(key.Indexes) != 10 || key.Items != 30 || key.Indexes[1] != 5000+k {
			t.Errorf("key %d: %+v", k, key)
		}
	}
	if zero := new(windrow.DuplicateKeyError); zero.Error() == "" || !errors.Is(zero, windrow.ErrDuplicateKey) {
		t.Errorf("%v", zero)
	}
}

// With FailDuplicates only the items that share a key are refused, with a journal too.
func TestFailDuplicates(t *testing.T) {
	t.Parallel()
	for _, journal := range []bool{false, true} {
		f := newFake(t, nil)
		opts := []windrow.Option{windrow.Duplicates(windrow.FailDuplicates), windrow.PreserveOrder()}
		if journal {
			opts = append(opts, windrow.WithJournal(newMemory()))
		}
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, opts...)
		p.Key = byItself
		told := 0
		p.OnResult = func(windrow.Result[string, string]) { told++ }
		res, err := p.Run(t.Context(), strings.Fields("a b c b d a b"))
		checkAccounts(t, 7, res, err)
		if diff := cmp.Diff([]string{"c", "d"}, f.order()); diff != "" || told != 7 {
			t.Errorf("journal %t, %d told, sent (-want +got):\n%s", journal, told, diff)
		}
		for r := range res.All() {
			twice, ok := errors.AsType[*windrow.DuplicateKeyError](r.Err)
			if ok && !slices.Contains(twice.Keys[0].Indexes, r.Index) {
				t.Errorf("journal %t: item %d: %v", journal, r.Index, twice)
			}
			if alone := r.Input == "c" || r.Input == "d"; alone != (r.State == windrow.Succeeded) || ok == alone || !alone && (r.State != windrow.Failed || twice.Keys[0].Key != r.Input || r.Kind != windrow.KindValidation) {
				t.Errorf("journal %t: %+v", journal, r)
			}
		}
	}
	f := newFake(t, nil)
	p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Duplicates(windrow.FailDuplicates), windrow.PreserveOrder())
	p.Key = byItself
	res, _ := p.Run(t.Context(), strings.Fields("a b a"))
	if !res.Correct(2, "c") {
		t.Fatal("not corrected")
	}
	res, err := p.Rerun(t.Context(), res)
	if diff := cmp.Diff([]string{"b", "a", "c"}, f.order()); diff != "" || err != nil || res.Stats().Succeeded != 3 {
		t.Errorf("corrected: %v, sent (-want +got):\n%s", err, diff)
	}
	f = newFake(t, nil)
	p = windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Duplicates(windrow.FailDuplicates), windrow.MaxFailures(0))
	p.Key = byItself
	if _, err := p.Run(t.Context(), strings.Fields("a b a")); !errors.Is(err, windrow.ErrTooManyFailures) || len(f.calls) > 0 {
		t.Errorf("%v, %d calls", err, len(f.calls))
	}
}

// With KeepFirst the items whose key an earlier one has are Skipped, and the run goes on; a stream takes neither policy.
func TestOtherItemsOfARunWithDuplicatesAreSent(t *testing.T) {
	t.Parallel()
	for policy, state := range map[windrow.DuplicatePolicy]windrow.State{windrow.KeepFirst: windrow.Skipped, windrow.FailDuplicates: windrow.Failed} {
		f := newFake(t, nil)
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Duplicates(policy))
		p.Key = byItself
		in := append(ids(50), "twice", "twice")
		res, err := p.Run(t.Context(), in)
		checkAccounts(t, len(in), res, err)
		got := slices.Collect(res.All())
		if n := res.Stats().Succeeded; n < 50 || len(f.calls) != n || got[51].State != state || got[0].State != windrow.Succeeded {
			t.Errorf("%v: %d succeeded in %d calls, item 51 %v, %v", policy, n, len(f.calls), got[51].State, err)
		}
		for _, err := range p.Stream(t.Context(), func(yield func(string, error) bool) { yield("a", nil) }).All() {
			if e, ok := errors.AsType[*windrow.OptionError](err); !ok || e.Option != "Duplicates" || !strings.Contains(err.Error(), "needs the whole input") {
				t.Errorf("%v, stream: %v", policy, err)
			}
		}
	}
}

// Each policy means in a stream what it means in a run, or is refused there by name; and where items have nothing to be
// compared by it is refused, too.
func TestDuplicatesMeanOneThing(t *testing.T) {
	t.Parallel()
	in := strings.Fields("a b a")
	for policy, want := range map[windrow.DuplicatePolicy]string{
		windrow.DuplicatePolicy(0): "in a run refused, in a stream sent", windrow.RejectDuplicates: "refused", windrow.KeepFirst: "refused", windrow.KeepLast: "refused",
		windrow.FailDuplicates: "refused", windrow.KeepAllInOrder: "sent",
	} {
		processor := func(keyed bool) (*fake, *windrow.BatchProcessor[string, string]) {
			f := newFake(t, nil)
			p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Duplicates(policy))
			if keyed {
				p.Key = byItself
			}
			return f, p
		}
		stream := func(p *windrow.BatchProcessor[string, string]) (last error) {
			for _, err := range p.Stream(t.Context(), windrow.FromSlice(in)).All() {
				last = err
			}
			return last
		}
		f, p := processor(true)
		err := stream(p)
		if e, ok := errors.AsType[*windrow.OptionError](err); ok != (want == "refused") || ok && (e.Option != "Duplicates" || e.Value != policy || len(f.calls) > 0) {
			t.Errorf("%v in a stream: %v", policy, err)
		} else if !ok && len(f.calls) != 3 {
			t.Errorf("%v in a stream: %d calls", policy, len(f.calls))
		}
		f, p = processor(false)
		_, err = p.Run(t.Context(), in)
		if e, ok := errors.AsType[*windrow.OptionError](err); ok != (want == "refused") || ok && (e.Option != "Duplicates" || !strings.Contains(e.Problem, "needs a Key") || len(f.calls) > 0) {
			t.Errorf("%v without a Key: %v", policy, err)
		}
		f, p = processor(true)
		if _, err = p.Run(t.Context(), in); policy == windrow.DuplicatePolicy(0) && (!errors.Is(err, windrow.ErrDuplicateKey) || len(f.calls) > 0) {
			t.Errorf("%v in a run: %v", policy, err)
		} else if policy == windrow.KeepAllInOrder && (err != nil || len(f.calls) != 3) {
			t.Errorf("%v in a run: %v, %d calls", policy, err, len(f.calls))
		}
	}
}
