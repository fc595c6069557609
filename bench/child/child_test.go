package child

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Main(map[string]Part{
		"echo": func(_ context.Context, argument string) (any, error) { return argument, nil },
		"fill": func(_ context.Context, argument string) (any, error) {
			data := make([]byte, 64<<20)
			for i := range data {
				data[i] = argument[0]
			}
			return len(data), nil
		},
		"wait": func(ctx context.Context, _ string) (any, error) { time.Sleep(time.Minute); return nil, ctx.Err() },
		"fail": func(context.Context, string) (any, error) { return nil, errors.New("refused") },
		"print": func(context.Context, string) (any, error) {
			_, err := os.Stdout.WriteString("words\n")
			return nil, err
		},
	})
	os.Exit(m.Run())
}

func TestRunReturnsWhatThePartSays(t *testing.T) {
	t.Parallel()
	var got string
	if _, err := Run(t.Context(), "echo", "two words", &got); err != nil || got != "two words" {
		t.Errorf("got %q, %v", got, err)
	}
	small, err := Run(t.Context(), "echo", "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if peakMemory() < small/2 { // this process has run more than the part has
		t.Errorf("a part that does nothing takes %d bytes, and this process %d", small, peakMemory())
	}
}

func TestRunTellsThePeakOfThePartAlone(t *testing.T) {
	t.Parallel()
	small, err := Run(t.Context(), "echo", "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	large, err := Run(t.Context(), "fill", "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if grown := large - small; grown < 48<<20 || grown > 128<<20 {
		t.Errorf("64 MiB raise the peak by %d bytes, from %d to %d", grown, small, large)
	}
}

func TestRunReturnsErrors(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	var number int
	for _, test := range []struct {
		name string
		ctx  context.Context
		part string
		want string
	}{
		{"the part's", t.Context(), "fail", "refused"},
		{"no such part", t.Context(), "missing", `no part is called "missing"`},
		{"no answer", t.Context(), "print", "invalid character"},
		{"another type", t.Context(), "echo", "cannot unmarshal"},
		{"cancelled", cancelled, "echo", "context canceled"},
	} {
		if _, err := Run(test.ctx, test.part, "x", &number); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.want)
		}
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	kill := make(chan struct{})
	if killed, err := Kill(t.Context(), "echo", "x", kill); err != nil || killed {
		t.Errorf("a part that ends: %t, %v", killed, err)
	}
	if killed, err := Kill(t.Context(), "fail", "", kill); killed || err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a part that fails: %t, %v", killed, err)
	}
	time.AfterFunc(50*time.Millisecond, func() { close(kill) })
	if killed, err := Kill(t.Context(), "wait", "", kill); err != nil || !killed {
		t.Errorf("a part that is killed: %t, %v", killed, err)
	}
}
