package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// F72: what is looked up right after its answer was lost may not be there yet. Only a second look-up that finds nothing,
// a settling time after the attempt, has it sent again.
func TestF72_TheWriteIsLate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		late  time.Duration // after the answer was lost; negative: it never arrives
		opts  []windrow.Option
		made  int
		looks int
		waits time.Duration // until it is sent again; 0: it is not
	}{
		{"at once", 0, nil, 1, 1, 0},
		{"700 ms late", 700 * time.Millisecond, nil, 1, 2, 0},
		{"just in time", 1999 * time.Millisecond, nil, 1, 2, 0},
		{"never", -1, nil, 1, 2, 2 * time.Second},
		{"later than is waited for", 9 * time.Second, []windrow.Option{windrow.SettlingTime(10 * time.Second)}, 1, 2, 0},
		{"not waited for", -1, []windrow.Option{windrow.SettlingTime(0)}, 1, 1, time.Second},
	} {
		for _, batch := range []bool{false, true} {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/batch %t/stream %t", tt.name, batch, stream), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						const items = 8
						l := newLedger()
						var mu sync.Mutex
						first, again, looks := map[string]time.Time{}, map[string]time.Duration{}, map[string]int{}
						write := func(id string) error {
							mu.Lock()
							defer mu.Unlock()
							if at, sent := first[id]; sent {
								again[id] = time.Since(at)
								l.add(id)
								return nil
							}
							first[id] = time.Now()
							switch {
							case tt.late == 0:
								l.add(id)
							case tt.late > 0:
								time.AfterFunc(tt.late, func() { l.add(id) })
							}
							return lostAnswer
						}
						look := func(id string) (bool, error) {
							mu.Lock()
							looks[id]++
							mu.Unlock()
							return l.count(id) > 0, nil
						}
						p := windrow.NewCreateProcessor(windrow.CreateFunc(func(_ context.Context, id string) (string, error) { return id, write(id) }),
							append([]windrow.Option{fastRetries, windrow.Concurrency(4)}, tt.opts...)...)
						if batch {
							p.ReconcileBatch = func(_ context.Context, in []string) ([]windrow.Outcome[string], error) {
								out := make([]windrow.Outcome[string], len(in))
								for k, id := range in {
									if found, _ := look(id); !found {
										out[k].Err = windrow.ErrNotFound
									}
								}
								return out, nil
							}
						} else {
							p.Reconcile = func(_ context.Context, id string) (string, bool, error) {
								found, err := look(id)
								return id, found, err
							}
						}
						in := ids(items)
						all, err := results(t, p, stream, in)
						if err != nil {
							t.Error(err)
						}
						if diff := cmp.Diff(repeat(items, windrow.Succeeded), statesOf(all)); diff != "" {
							t.Errorf("states (-want +got):\n%s", diff)
						}
						time.Sleep(time.Minute) // whatever is late has arrived
						for _, id := range in {
							if n := l.count(id); n != tt.made {
								t.Errorf("%s was made %d times, want %d", id, n, tt.made)
							}
							if looks[id] != tt.looks {
								t.Errorf("%s was looked up %d times, want %d", id, looks[id], tt.looks)
							}
							if wait, sent := again[id]; sent != (tt.waits > 0) || wait < tt.waits {
								t.Errorf("%s was sent again after %v, want %v", id, wait, tt.waits)
							}
						}
					})
				})
			}
		}
	}
}

// F72: look-ups of a chunk that was lost go together, each time.
func TestF72_LookUpsGoTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			if c.nth == 1 {
				return nil, lostAnswer
			}
			return outcomes(c.ids), nil
		}
		p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, windrow.Capabilities{MaxItems: 50, MaxReads: 40}}}, fastRetries, windrow.Concurrency(4))
		var sizes []int
		var mu sync.Mutex
		p.ReconcileBatch = func(_ context.Context, in []string) ([]windrow.Outcome[string], error) {
			mu.Lock()
			sizes = append(sizes, len(in))
			mu.Unlock()
			out := outcomes(in)
			for k, id := range in {
				switch id {
				case "i3":
					out[k] = windrow.Outcome[string]{Err: windrow.ErrNotFound}
				case "i4":
					out[k] = windrow.Outcome[string]{Err: errServer}
				}
			}
			return out, nil
		}
		s, err := results(t, p, false, ids(50))
		if !errors.Is(err, errServer) {
			t.Errorf("error %v", err)
		}
		for k, r := range s {
			want := windrow.Succeeded
			if k == 4 {
				want = windrow.Unknown // of that one nobody knows
			}
			if r.State != want || r.State == windrow.Succeeded && r.Value != valueOf(r.Input) {
				t.Errorf("item %d is %v with the value %q, want %v", k, r.State, r.Value, want)
			}
		}
		// 50 in requests of 40 at most, of which a worker that is early may split some, and the one that failed again.
		sum, most := 0, 0
		for _, n := range sizes {
			sum, most = sum+n, max(most, n)
		}
		if sum < 51 || most > 40 || len(sizes) > sum-50+2+3 {
			t.Errorf("%d were looked up in requests of %v", sum, sizes)
		}
	})
}

// F72: an answer of another length says nothing of any item.
func TestF72_LookUpsThatDoNotFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := windrow.NewCreateProcessor(windrow.CreateFunc(func(context.Context, string) (string, error) { return "", lostAnswer }), fastRetries)
		p.ReconcileBatch = func(_ context.Context, in []string) ([]windrow.Outcome[string], error) {
			return make([]windrow.Outcome[string], len(in)+1), nil
		}
		all, _ := results(t, p, false, ids(3))
		if diff := cmp.Diff(repeat(3, windrow.Unknown), statesOf(all)); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// F72: a run that is stopped while it waits to look again says that nobody knows.
func TestF72_StoppedWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		calls := 0
		p := windrow.NewCreateProcessor(windrow.CreateFunc(func(context.Context, string) (string, error) { calls++; return "", lostAnswer }))
		p.Reconcile = func(context.Context, string) (string, bool, error) { return "", false, nil }
		res, err := p.Run(ctx, ids(1))
		if res.At(0).State != windrow.Unknown || calls != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %d calls: %v", res.At(0).State, calls, err)
		}
	})
}

// F72: after a kill, and in a Rerun, the time is counted from the start of the run.
func TestF72_FromTheStartOfTheRun(t *testing.T) {
	t.Parallel()
	for _, journaledRun := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var looks []time.Duration
			j := newMemory()
			lose := true
			var start time.Time
			var sent time.Duration
			opts := []windrow.Option{}
			if journaledRun {
				opts = append(opts, windrow.WithJournal(j))
			}
			p := windrow.NewCreateProcessor(windrow.CreateFunc(func(context.Context, string) (string, error) {
				if lose {
					return "", lostAnswer
				}
				sent = time.Since(start)
				return "", nil
			}), opts...)
			p.Key = byItself
			first, _ := p.Run(t.Context(), ids(1))
			if first.At(0).State != windrow.Unknown {
				t.Fatalf("the item is %v", first.At(0).State)
			}
			time.Sleep(time.Hour)
			lose, start = false, time.Now()
			p.Reconcile = func(context.Context, string) (string, bool, error) {
				looks = append(looks, time.Since(start))
				return "", false, nil
			}
			var err error
			if journaledRun {
				_, err = p.Run(t.Context(), ids(1))
			} else {
				_, err = p.Rerun(t.Context(), first)
			}
			if err != nil || len(looks) != 2 || looks[0] > time.Second || looks[1] < 2*time.Second || sent < 2*time.Second {
				t.Errorf("journal %t: looked up after %v, sent after %v: %v", journaledRun, looks, sent, err)
			}
		})
	}
}

// F73: a program that is killed after its create was carried out: the repetition meets it, and is not said to have
// failed.
func TestF73_KilledBetweenSendAndRecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		caps   windrow.Capabilities
		opts   []windrow.Option
		bulk   bool
		status int
		looks  bool
		want   windrow.State
	}{
		{"ids of the client", windrow.Capabilities{ClientIDs: true}, nil, false, 409, false, windrow.Unknown},
		{"ids of the client, 422", windrow.Capabilities{ClientIDs: true}, nil, false, 422, false, windrow.Unknown},
		{"ids of the client, 412", windrow.Capabilities{ClientIDs: true}, nil, false, 412, false, windrow.Unknown},
		{"ids of the client, looked up", windrow.Capabilities{ClientIDs: true}, nil, false, 409, true, windrow.Succeeded},
		{"a chunk", windrow.Capabilities{ClientIDs: true, MaxItems: 4}, nil, true, 409, false, windrow.Unknown},
		{"a chunk, looked up", windrow.Capabilities{ClientIDs: true, MaxItems: 4}, nil, true, 409, true, windrow.Succeeded},
		{"keys", windrow.Capabilities{IdempotencyKeys: true}, nil, false, 0, false, windrow.Succeeded},
		{"keys that are forgotten", windrow.Capabilities{IdempotencyKeys: true}, nil, false, 409, false, windrow.Unknown},
		{"keys that are forgotten, looked up", windrow.Capabilities{IdempotencyKeys: true}, nil, false, 409, true, windrow.Succeeded},
		{"repeatable", windrow.Capabilities{}, []windrow.Option{windrow.Repeatable()}, false, 409, false, windrow.Unknown},
		{"repeatable, looked up", windrow.Capabilities{}, []windrow.Option{windrow.Repeatable()}, false, 409, true, windrow.Succeeded},
	} {
		for _, power := range []bool{false, true} { // the power failed: what was not synced is gone
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/power %t/stream %t", tt.name, power, stream), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newLedger()
						var left *memory
						j := newMemory()
						store := func(id string) error {
							if l.count(id) > 0 {
								if tt.status == 0 {
									return nil // the answer to the first request
								}
								return &statusError{status: tt.status}
							}
							l.add(id)
							return nil
						}
						f := newFake(t, func(c *call) error {
							err := store(c.id())
							if l.count("i3") > 0 && left == nil { // here the program is killed: all of them are there
								left = j.copy()
							}
							return err
						})
						f.batch = func(c *call) ([]windrow.Outcome[string], error) {
							out := outcomes(c.ids)
							for k, id := range c.ids {
								if err := store(id); err != nil {
									out[k] = windrow.Outcome[string]{Err: err}
								}
							}
							if left == nil {
								left = j.copy()
							}
							return out, nil
						}
						opts := append([]windrow.Option{windrow.Concurrency(1), fastRetries}, tt.opts...)
						in := ids(4)
						if _, err := results(t, journaled(f, j, tt.caps, tt.bulk, opts...), stream, in); err != nil {
							t.Fatal(err)
						}
						var resumed windrow.Journal = left
						if power {
							resumed = old{newMemory()}
						}
						p := journaled(f, resumed, tt.caps, tt.bulk, opts...)
						if tt.looks {
							p.Reconcile = func(_ context.Context, id string) (string, bool, error) { return valueOf(id), l.count(id) > 0, nil }
						}
						all, _ := results(t, p, stream, in)
						if power && tt.status == 422 { // without an intent that is what it says: see TestF73_InvalidInAResumedRun
							tt.want = windrow.Failed
						}
						for k, r := range all {
							if r.State == tt.want && tt.want == windrow.Failed {
								continue
							}
							if r.State == windrow.Failed || r.State == windrow.NotAttempted || l.count(in[k]) != 1 {
								t.Errorf("%s was made %d times and is said to be %v: %v", in[k], l.count(in[k]), r.State, r.Err)
							}
						}
						if all[3].State != tt.want {
							t.Errorf("the last item is %v, want %v: %v", all[3].State, tt.want, all[3].Err)
						}
					})
				})
			}
		}
	}
}

// old is a journal that an earlier process has used, and that has forgotten all.
type old struct{ *memory }

func (old) Resumed() bool { return true }

// F73: a resumed run sends what no earlier run has sent, too: that is invalid when the server says so, and can be corrected
// and sent. What an earlier run has begun may be there.
func TestF73_InvalidInAResumedRun(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 422} {
		for _, caps := range []windrow.Capabilities{{ClientIDs: true}, {IdempotencyKeys: true}} {
			for _, bulk := range []bool{false, true} {
				for _, looks := range []bool{false, true} {
					each(t, fmt.Sprintf("%d/ids %t/bulk %t/looks %t", status, caps.ClientIDs, bulk, looks), func(t *testing.T, stream bool) {
						j := newMemory()
						ctx, kill := context.WithCancel(t.Context())
						f := newFake(t, func(*call) error { kill(); return lostAnswer })
						before := journaled(f, j, caps, false)
						if _, err := before.Run(ctx, []string{"begun"}); err == nil {
							t.Fatal("the first run was not cut short")
						}
						refuse := func(id string) error {
							if id == "new" || id == "begun" {
								return &statusError{status: status}
							}
							return nil
						}
						f.script = func(c *call) error { return refuse(c.id()) }
						f.batch = func(c *call) ([]windrow.Outcome[string], error) {
							out := outcomes(c.ids)
							for k, id := range c.ids {
								if err := refuse(id); err != nil {
									out[k] = windrow.Outcome[string]{Err: err}
								}
							}
							return out, nil
						}
						p := journaled(f, j, caps, bulk, windrow.SettlingTime(0))
						if looks {
							p.Reconcile = func(_ context.Context, id string) (string, bool, error) { return "", false, nil }
						}
						in := []string{"begun", "new", "good"}
						want := []windrow.State{windrow.Unknown, windrow.Failed, windrow.Succeeded}
						if looks {
							want[0] = windrow.Failed
						}
						all, _ := results(t, p, stream, in)
						if diff := cmp.Diff(want, statesOf(all)); diff != "" {
							t.Errorf("states (-want +got):\n%s%v", diff, all[1].Err)
						}
						if stream {
							return
						}
						res, _ := p.Run(t.Context(), in)
						if !res.Correct(1, "mended") {
							t.Fatal("it cannot be corrected")
						}
						if again, _ := p.Rerun(t.Context(), res); again.At(1).State != windrow.Succeeded {
							t.Errorf("corrected, it is %v: %v", again.At(1).State, again.At(1).Err)
						}
					})
				}
			}
		}
	}
}

// F73: "exists" that no earlier run can have caused is the server's refusal.
func TestF73_ExistsInAFirstRun(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(*call) error { return &statusError{status: 409} })
	all, _ := results(t, journaled(f, newMemory(), windrow.Capabilities{ClientIDs: true}, false), false, ids(2))
	if diff := cmp.Diff(repeat(2, windrow.Failed), statesOf(all)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}
