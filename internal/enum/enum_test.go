package enum_test

import (
	"testing"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
)

func TestEnum(t *testing.T) {
	t.Parallel()
	colours := enum.New("colour", "red", "green")
	for v, want := range map[uint8]string{0: "red", 1: "green", 2: "colour 2", 255: "colour 255"} {
		text, err := colours.Text(v)
		if got := colours.Name(v); got != want || string(text) != want || err != nil {
			t.Errorf("%d: %s and %s, %v, want %s", v, got, text, err, want)
		}
	}
	v := uint8(7)
	if err := colours.Read([]byte("green"), &v); err != nil || v != 1 {
		t.Errorf("green: %d, %v", v, err)
	}
	err := colours.Read([]byte("Red"), &v)
	if err == nil || err.Error() != "windrow: unknown colour, want one of red, green" || v != 1 {
		t.Errorf("Red: %d, %v", v, err)
	}
}

// The names are those of the engine's values.
func TestEngine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{enum.States.Name(uint8(engine.NotAttempted)), "not_attempted"},
		{enum.States.Name(uint8(engine.Unknown)), "unknown"},
		{enum.States.Name(uint8(engine.States)), "state 5"},
		{enum.Reasons.Name(uint8(engine.NoReason)), ""},
		{enum.Reasons.Name(uint8(engine.Duplicate)), "duplicate"},
		{enum.Reasons.Name(uint8(engine.Duplicate) + 1), "reason 7"},
		{enum.Kinds.Name(uint8(engine.System)), "system"},
		{enum.Kinds.Name(uint8(engine.Timeout)), "timeout"},
		{enum.Kinds.Name(uint8(engine.Timeout) + 1), "kind 4"},
	} {
		if test.got != test.want {
			t.Errorf("%s, want %s", test.got, test.want)
		}
	}
}
