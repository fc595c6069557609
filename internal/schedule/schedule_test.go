package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keys makes a key of each letter; a dot stands for none.
func keys(letters string) []string {
	var all []string
	for _, letter := range letters {
		key := string(letter)
		if key == "." {
			key = ""
		}
		all = append(all, key)
	}
	return all
}

// marks makes a true of each x.
func marks(text string) []bool {
	if text == "" {
		return nil
	}
	var all []bool
	for _, mark := range text {
		all = append(all, mark == 'x')
	}
	return all
}

func TestMake(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		n        int
		pending  string
		doubtful string
		keys     string
		policy   Policy
		serial   bool
		want     Schedule
	}{
		{name: "nothing", n: 0, want: Schedule{}},
		{name: "all", n: 3, want: Schedule{Todo: 3}},
		{name: "all, in order", n: 3, serial: true, want: Schedule{Todo: 3}},
		{name: "some", n: 4, pending: ".x.x", want: Schedule{Todo: 2, Order: []int{1, 3}}},
		{name: "none", n: 2, pending: "..", want: Schedule{Order: []int{}}},
		{name: "some are doubtful", n: 4, pending: "xx.x", doubtful: ".x..", want: Schedule{Todo: 3, Order: []int{0, 3}, Doubtful: []int{1}}},
		{name: "some are doubtful, in order", n: 4, pending: "xx.x", doubtful: ".x..", serial: true, want: Schedule{Todo: 3, Order: []int{0, 1, 3}}},
		{name: "doubtful, and not to be sent", n: 2, pending: "x.", doubtful: ".x", want: Schedule{Todo: 1, Order: []int{0}}},
		{name: "different keys", n: 3, keys: "abc", want: Schedule{Todo: 3}},
		{name: "no keys at all", n: 3, keys: "...", want: Schedule{Todo: 3}},
		{name: "reject", n: 4, keys: "abcb", want: Schedule{Todo: 4, Twice: [2]int{1, 3}, Rejected: true}},
		{name: "reject the first pair", n: 5, keys: "abbaa", want: Schedule{Todo: 5, Twice: [2]int{1, 2}, Rejected: true}},
		{name: "reject, but not what is not sent", n: 3, pending: "x.x", keys: "aba", want: Schedule{Todo: 3, Twice: [2]int{0, 2}, Rejected: true}},
		{name: "equal to one that is not sent", n: 3, pending: ".xx", keys: "aab", want: Schedule{Todo: 2, Order: []int{1, 2}}},
		{name: "reject, items without a key", n: 4, keys: ".a.b", want: Schedule{Todo: 4}},
		{name: "first", n: 5, keys: "abaab", policy: First, want: Schedule{Todo: 2, Order: []int{0, 1}, Losers: []int{2, 3, 4}}},
		{name: "first of those to be sent", n: 4, pending: ".xxx", keys: "aaab", policy: First, want: Schedule{Todo: 2, Order: []int{1, 3}, Losers: []int{2}}},
		{name: "last", n: 5, keys: "abaab", policy: Last, want: Schedule{Todo: 2, Order: []int{3, 4}, Losers: []int{0, 2, 1}}},
		{name: "first, items without a key", n: 4, keys: ".a.a", policy: First, want: Schedule{Todo: 3, Order: []int{0, 1, 2}, Losers: []int{3}}},
		{
			name: "all", n: 6, keys: "abaab.", policy: InOrder,
			want: Schedule{Todo: 6, Order: []int{0, 1, 5}, Follower: map[int]int{0: 2, 2: 3, 1: 4}},
		},
		{
			name: "all, in order", n: 5, keys: "abaab", policy: InOrder, serial: true,
			want: Schedule{Todo: 5, Follower: map[int]int{0: 2, 2: 3, 1: 4}},
		},
		{
			name: "a doubtful one that follows", n: 4, pending: "xxxx", doubtful: "..x.", keys: "abab", policy: InOrder,
			want: Schedule{Todo: 4, Order: []int{0, 1}, Follower: map[int]int{0: 2, 1: 3}},
		},
		{
			name: "a doubtful one that is followed", n: 4, pending: "xxxx", doubtful: "x...", keys: "abab", policy: InOrder,
			want: Schedule{Todo: 4, Order: []int{1}, Doubtful: []int{0}, Follower: map[int]int{0: 2, 1: 3}},
		},
	} {
		var keyList []string
		if test.keys != "" {
			keyList = keys(test.keys)
		}
		got := Make(test.n, marks(test.pending), marks(test.doubtful), keyList, test.policy, test.serial)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

var errLost = errors.New("lost")

// hooks are hooks of items that are named by their keys.
func hooks(keyList []string) Hooks {
	return Hooks{
		Key: func(i int) string { return keyList[i] },
		Lost: func(value any, stack []byte) error {
			if value == nil {
				return errLost
			}
			return fmt.Errorf("%v at %v", value, strings.Contains(string(stack), "TestPrepare"))
		},
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	invalid := map[int]error{}
	h := hooks(keys("abcabc"))
	h.Validate = func(i int) error {
		if i == 1 || i == 3 {
			return fmt.Errorf("item %d", i)
		}
		return nil
	}
	h.Size = func(i int) int { return 10*i - 20 }
	h.Invalid = func(i int, err error) { invalid[i] = err }
	plan, err := Prepare(t.Context(), 6, marks("xxxxx."), nil, InOrder, false, h)
	if err != nil {
		t.Fatal(err)
	}
	want := &Plan{
		Schedule: Schedule{Todo: 3, Order: []int{0, 2, 4}}, // 1 and 3 are not valid, so nothing follows 0 or is followed by 4
		Keys:     keys("abcabc"), Sizes: []int{0, 0, 0, 10, 20, 30}, Invalid: []int{1, 3},
	}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if len(invalid) != 2 || invalid[1].Error() != "item 1" || invalid[3].Error() != "item 3" {
		t.Errorf("invalid: %v", invalid)
	}
}

func TestPlanBytes(t *testing.T) {
	t.Parallel()
	sizes := []int{1, 20, 300}
	for _, test := range []struct {
		name  string
		order []int
		sizes []int
		want  int
	}{
		{"all", nil, sizes, 321},
		{"some", []int{0, 2}, sizes, 301},
		{"none", []int{}, sizes, 0},
		{"not measured", []int{0, 2}, nil, 0},
	} {
		plan := &Plan{Schedule: Schedule{Order: test.order}, Sizes: test.sizes}
		if got := plan.Bytes(); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestPrepareNothing(t *testing.T) {
	t.Parallel()
	plan, err := Prepare(t.Context(), 3, nil, nil, Reject, false, Hooks{})
	if diff := cmp.Diff(&Plan{Schedule: Schedule{Todo: 3}}, plan); diff != "" || err != nil {
		t.Errorf("plan (-want +got):\n%s; %v", diff, err)
	}
}

// Items that are not to be sent are not validated, and a rejected input is not measured.
func TestPrepareCallsNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	h := hooks(keys("aba"))
	h.Validate = func(i int) error {
		if i == 1 {
			t.Error("an item that is not to be sent was validated")
		}
		return nil
	}
	h.Size = func(int) int { t.Error("an item of a rejected input was measured"); return 0 }
	plan, err := Prepare(t.Context(), 3, marks("x.x"), nil, Reject, false, h)
	if err != nil || !plan.Rejected {
		t.Errorf("%+v, %v", plan, err)
	}
}

// A hook that panics or exits: without keys and sizes there is no plan, while a Validate costs only its item.
func TestPrepareLost(t *testing.T) {
	t.Parallel()
	for name, blow := range map[string]func(){"panic": func() { panic("no") }, "exit": runtime.Goexit} {
		text := map[string]string{"panic": "no at true", "exit": "lost"}[name]
		at := func(i int) {
			if i == 1 {
				blow()
			}
		}
		h := hooks(nil)
		h.Key = func(i int) string { at(i); return "" }
		if _, err := Prepare(t.Context(), 3, nil, nil, Reject, false, h); err == nil || err.Error() != "Key: "+text {
			t.Errorf("%s of Key: %v", name, err)
		}
		h = hooks(keys("abc"))
		h.Size = func(i int) int { at(i); return 0 }
		_, err := Prepare(t.Context(), 3, nil, nil, Reject, false, h)
		if hook, ok := errors.AsType[*HookError](err); !ok || hook.Hook != "Size" || hook.Err.Error() != text || errors.Unwrap(err) != hook.Err {
			t.Errorf("%s of Size: %v", name, err)
		}
		h = hooks(keys("abc"))
		invalid := map[int]string{}
		h.Validate = func(i int) error { at(i); return nil }
		h.Invalid = func(i int, err error) { invalid[i] = err.Error() }
		plan, err := Prepare(t.Context(), 3, nil, nil, Reject, false, h)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[int]string{1: text}, invalid); diff != "" {
			t.Errorf("%s of Validate (-want +got):\n%s", name, diff)
		}
		if !slices.Equal(plan.Order, []int{0, 2}) || !slices.Equal(plan.Invalid, []int{1}) || plan.Panic == nil || plan.Panic.Error() != text {
			t.Errorf("%s of Validate: %+v", name, plan)
		}
	}
}

func TestPrepareCancelled(t *testing.T) {
	t.Parallel()
	because := errors.New("because")
	for _, hook := range []string{"Key", "Validate", "Size"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var h Hooks
		switch hook {
		case "Key":
			h.Key = func(int) string { cancel(because); return "" }
		case "Validate":
			h.Validate = func(int) error { cancel(because); return nil }
			h.Invalid = func(i int, _ error) { t.Errorf("item %d is not valid", i) }
		case "Size":
			h.Size = func(int) int { cancel(because); return 0 }
		}
		plan, err := Prepare(ctx, 5, nil, nil, Reject, false, h)
		if plan != nil || !errors.Is(err, because) {
			t.Errorf("%s: %+v, %v", hook, plan, err)
		}
	}
}

// Where equal keys are kept in order, those that are recalled still follow each other.
func TestRecalledItemsFollowEachOther(t *testing.T) {
	t.Parallel()
	h := hooks(keys("abab"))
	h.Recall = func(_ []string, pending, doubtful []bool) ([]bool, []bool, error) { return pending, doubtful, nil }
	plan, err := Prepare(t.Context(), 4, nil, nil, InOrder, false, h)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int]int{0: 2, 1: 3}, plan.Follower); diff != "" {
		t.Errorf("followers (-want +got):\n%s", diff)
	}
}
