package upload_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/upload"
)

// P-18, and the fact that a retry begins the file at its beginning: each put gets the headers of the request, and all bytes.
func TestP18_ARetryGoesOnAtTheStepThatFailed(t *testing.T) {
	t.Parallel()
	lost := func(call string, after bool, times int) func(string, bool) error {
		return func(got string, a bool) error {
			if got == call && a == after && times > 0 {
				times--
				return errReset
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name  string
		fail  func(string, bool) error
		state windrow.State
		calls []string
		skip  upload.Match
	}{
		{"no fault", nil, windrow.Succeeded, []string{"request", "put", "create", "poll", "poll"}, 0},
		{"request lost", lost("request f", true, 2), windrow.Succeeded, []string{"request", "request", "request", "put", "create", "poll", "poll"}, 0},
		{"put lost", lost("put f", false, 2), windrow.Succeeded, []string{"request", "put", "put", "put", "create", "poll", "poll"}, 0},
		{"put lost after a look", lost("put f", false, 1), windrow.Succeeded, []string{"find", "request", "put", "put", "create", "poll", "poll"}, upload.SameMD5},
		{"create lost, and found", lost("create f", true, 1), windrow.Succeeded, []string{"find", "request", "put", "create", "find"}, upload.SameMD5},
		{"create lost, and not there", lost("create f", false, 1), windrow.Unknown, []string{"find", "request", "put", "create", "find"}, upload.SameMD5},
		{"create lost, and no way to look", lost("create f", true, 1), windrow.Unknown, []string{"request", "put", "create"}, 0},
		{"poll lost", lost("poll f", true, 2), windrow.Succeeded, []string{"request", "put", "create", "poll", "poll", "poll"}, 0},
		{"create not sent", func() func(string, bool) error {
			tried := false
			return func(call string, after bool) error {
				if call == "create f" && !after {
					return once(&tried, windrow.Transient(errors.New("refused")))
				}
				return nil
			}
		}(), windrow.Succeeded, []string{"request", "put", "create", "create", "poll", "poll"}, 0},
		{"find lost", lost("find f", true, 1), windrow.Succeeded, []string{"find", "find", "request", "put", "create", "poll", "poll"}, upload.SameName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := steps{finding{&server{fail: tt.fail}}}
				u := upload.New[asset](s)
				u.SkipExisting = tt.skip
				u.Add(files("f")...)
				res, _ := u.Process(t.Context())
				r := res.At(0)
				if r.State != tt.state {
					t.Errorf("%v: %v", r.State, r.Err)
				}
				if tt.state == windrow.Unknown && !errors.Is(r.Err, upload.ErrLost) {
					t.Errorf("error %v", r.Err)
				}
				if diff := cmp.Diff(tt.calls, s.calls("f")); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				if len(s.assets) > 1 {
					t.Errorf("%d uploads", len(s.assets))
				}
			})
		})
	}
}

// once returns the error the first time.
func once(done *bool, err error) error {
	if *done {
		return nil
	}
	*done = true
	return err
}

// What nobody can finish ends in the state that is true of it, and Rerun goes on from there, also after it was stored.
func TestRerunGoesOnAtTheStepThatFailed(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"put", "poll"} {
		for _, err := range []error{errReset, windrow.Transient(errors.New("refused"))} {
			for _, stored := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					down := true
					s := steps{finding{&server{fail: func(call string, _ bool) error {
						if down && call == step+" f" {
							return err
						}
						return nil
					}}}}
					path := filepath.Join(t.TempDir(), "f")
					if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
						t.Fatal(err)
					}
					list, fileErr := upload.FromFiles([]string{path})
					if fileErr != nil {
						t.Fatal(fileErr)
					}
					u := upload.New[asset](s)
					u.Add(list...)
					res, runErr := u.Process(t.Context())
					want := map[string]windrow.State{"put": windrow.Failed, "poll": windrow.Unknown}[step]
					stepErr, ok := errors.AsType[*upload.StepError](runErr)
					if got := res.At(0).State; got != want || !ok || stepErr.Step != step {
						t.Errorf("%s: state %v, want %v; error %v", step, got, want, runErr)
					}
					if stored {
						text, err := res.MarshalJSON()
						if err != nil {
							t.Fatal(err)
						}
						res = new(windrow.BulkResult[*upload.Task, asset])
						if err := res.UnmarshalJSON(text); err != nil {
							t.Fatal(err)
						}
					}
					s.log, down = nil, false
					res, runErr = u.Rerun(t.Context(), res)
					if runErr != nil || res.At(0).State != windrow.Succeeded {
						t.Errorf("%s, stored %t: %v, error %v", step, stored, res.At(0).State, runErr)
					}
					want2 := map[string][]string{"put": {"put", "create", "poll", "poll"}, "poll": {"poll", "poll"}}[step]
					if diff := cmp.Diff(want2, s.calls("f")); diff != "" {
						t.Errorf("%s, stored %t: calls (-want +got):\n%s", step, stored, diff)
					}
				})
			}
		}
	}
}

// What a step says after a Once is true of the step alone. The file is there: a step that was not done leaves its end in
// doubt, and goes on where it failed; a refusal is the end of it; and before the Once nothing is in doubt.
func TestAStepAfterOnceThatWasNotDone(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for _, tt := range []struct {
		name  string
		step  string // the one that fails
		err   error
		times int
		state windrow.State
		calls []string
	}{
		{"not done, then done", "publish", windrow.Transient(no), 1, windrow.Succeeded, []string{"put", "create", "publish", "publish"}},
		{"never done", "publish", windrow.Transient(no), 100, windrow.Unknown, []string{"put", "create", "publish", "publish", "publish", "publish"}},
		{"refused", "publish", windrow.Permanent(no), 100, windrow.Failed, []string{"put", "create", "publish"}},
		{"not done before it", "put", windrow.Transient(no), 100, windrow.Failed, []string{"put", "put", "put"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls []string
				left := tt.times
				client := upload.ClientFunc(func(ctx context.Context, task *upload.Task) (done int, err error) {
					do := func(name string) func(context.Context) (int, error) {
						return func(context.Context) (int, error) {
							calls = append(calls, name)
							if name == tt.step && left > 0 {
								left--
								return 0, tt.err
							}
							return len(name), nil
						}
					}
					if _, err = upload.Step(ctx, task, "put", do("put")); err != nil {
						return 0, err
					}
					if _, err = upload.Once(ctx, task, "create", do("create")); err != nil {
						return 0, err
					}
					return upload.Step(ctx, task, "publish", do("publish"))
				})
				res, err := upload.Files(t.Context(), client, files("f"), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3}))
				if r := res.At(0); r.State != tt.state || (err == nil) != (tt.state == windrow.Succeeded) {
					t.Errorf("%v, error %v, want %v", r.State, err, tt.state)
				}
				if diff := cmp.Diff(tt.calls, calls); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A client of one request cannot tell whether a lost one arrived: it is looked up, and never sent again on a guess.
func TestASingleRequestIsNeverRepeatedOnAGuess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after bool
		skip  upload.Match
		state windrow.State
		calls []string
	}{
		{"arrived", true, upload.SameMD5, windrow.Succeeded, []string{"find", "upload", "find"}},
		{"did not arrive", false, upload.SameMD5, windrow.Unknown, []string{"find", "upload", "find"}},
		{"nobody knows", true, upload.Never, windrow.Unknown, []string{"upload"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := finding{&server{}}
			s.fail = func(call string, after bool) error {
				if call == "upload f" && after == tt.after {
					return errReset
				}
				return nil
			}
			u := upload.New[asset](s)
			u.SkipExisting = tt.skip
			u.Add(files("f")...)
			res, _ := u.Process(t.Context())
			if r := res.At(0); r.State != tt.state || r.State == windrow.Succeeded && r.Value.ID != "u1" {
				t.Errorf("%s: %v with %+v, %v", tt.name, r.State, r.Value, r.Err)
			}
			if diff := cmp.Diff(tt.calls, s.calls("f")); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", tt.name, diff)
			}
		})
	}

	// One that says that repeating is harmless is called again.
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		failed := false
		s.fail = func(_ string, after bool) error {
			if !after {
				return once(&failed, errReset)
			}
			return nil
		}
		res, err := upload.Files(t.Context(), repeatable{s}, files("f"))
		if err != nil || res.At(0).Attempts != 2 {
			t.Errorf("%d attempts, error %v", res.At(0).Attempts, err)
		}
	})
}

type repeatable struct{ *server }

func (repeatable) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{IdempotencyKeys: true}
}

// Two files with one content in one run: one is sent.
func TestTheSameContentTwiceIsSentOnce(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			s := finding{&server{takes: func(string) time.Duration { return time.Second }}}
			u := upload.New[asset](s, windrow.Concurrency(concurrency))
			u.SkipExisting = upload.SameMD5
			u.Add(upload.FromBytes("a", []byte("x")), upload.FromBytes("b", []byte("x")), upload.FromBytes("c", []byte("y")))
			res, err := u.Process(t.Context())
			if err != nil || len(s.assets) != 2 || res.Stats().Skipped != 1 {
				t.Errorf("%d uploads, stats %+v, error %v", len(s.assets), res.Stats(), err)
			}
			var skipped []windrow.Result[*upload.Task, asset]
			for r := range res.Skipped() {
				skipped = append(skipped, r)
			}
			if len(skipped) != 1 || skipped[0].Index > 1 {
				t.Fatalf("skipped: %+v, want one of the first two", skipped)
			}
			switch got := skipped[0]; {
			case concurrency > 1: // whichever came second, the other was still on its way
				if got.Reason != windrow.ReasonDuplicate {
					t.Errorf("item %d: reason %v", got.Index, got.Reason)
				}
			case got.Index != 1 || got.Reason != windrow.ReasonAlreadyExists || got.Value.ID != "u1":
				t.Errorf("item %d: reason %v, value %+v", got.Index, got.Reason, got.Value)
			}
		})
	}
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []string
		fails := true
		client := upload.ClientFunc(func(ctx context.Context, task *upload.Task) (string, error) {
			content, err := task.Content(ctx)
			if err != nil {
				return "", err
			}
			defer content.Close()
			b := make([]byte, 100)
			for n := 0; ; {
				k, err := content.Read(b)
				n += k
				if err == io.EOF {
					return fmt.Sprint(n), nil
				} else if err != nil {
					return "", err
				}
				if fails && n == 300 {
					fails = false
					return "", windrow.Transient(errors.New("refused"))
				}
				time.Sleep(60 * time.Millisecond)
			}
		})
		u := upload.New(client)
		u.OnTransfer = func(tr upload.Transfer) {
			got = append(got, fmt.Sprintf("%s: attempt %d, %d of %d, %t", tr.Task.Name, tr.Attempt, tr.Sent, tr.Size, tr.Done))
		}
		u.Add(upload.FromBytes("f", make([]byte, 500)))
		res, err := u.Process(t.Context())
		if err != nil || !cmp.Equal(res.Values(), []string{"500"}) {
			t.Errorf("values %q, error %v", res.Values(), err)
		}
		want := []string{
			"f: attempt 1, 0 of 500, false", "f: attempt 1, 300 of 500, false",
			"f: attempt 2, 0 of 500, false", "f: attempt 2, 300 of 500, false", "f: attempt 2, 500 of 500, false", "f: attempt 2, 500 of 500, true",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("transfers (-want +got):\n%s", diff)
		}
	})
}
