package classify

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
)

// What each status says by itself. What a run makes of it, and of the transport's record, is tested where that is.
func TestWithStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		after  time.Duration
		want   engine.Judgement
	}{
		{200, 0, engine.Judgement{Class: engine.Ambiguous, Kind: engine.System, Trouble: adapt.Erring}},
		{299, 0, engine.Judgement{Class: engine.Ambiguous, Kind: engine.System, Trouble: adapt.Erring}},
		{300, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Validation}},
		{400, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Validation, Invalid: true}},
		{401, time.Second, engine.Judgement{Class: engine.Fatal, Kind: engine.Resource, After: time.Second}},
		{403, time.Second, engine.Judgement{Class: engine.Throttled, Kind: engine.System, After: time.Second}},
		{404, time.Second, engine.Judgement{Class: engine.Permanent, Kind: engine.Resource, NotFound: true, After: time.Second}},
		{409, time.Second, engine.Judgement{Class: engine.Throttled, Kind: engine.System, After: time.Second}},
		{422, time.Second, engine.Judgement{Class: engine.Permanent, Kind: engine.Validation, Exists: true, Invalid: true, After: time.Second}},
		{423, time.Second, engine.Judgement{Class: engine.Throttled, Kind: engine.System, After: time.Second}},
		{500, time.Second, engine.Judgement{Class: engine.Ambiguous, Kind: engine.System, Trouble: adapt.Erring, After: time.Second}},
		{401, 0, engine.Judgement{Class: engine.Fatal, Kind: engine.Resource}},
		{403, 0, engine.Judgement{Class: engine.Fatal, Kind: engine.Resource, BeforeSuccess: true}},
		{404, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Resource, NotFound: true}},
		{405, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Resource}},
		{407, 0, engine.Judgement{Class: engine.Fatal, Kind: engine.Resource}},
		{408, 0, engine.Judgement{Class: engine.Ambiguous, Kind: engine.Timeout}},
		{409, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Resource, Exists: true}},
		{410, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Resource, NotFound: true}},
		{413, 0, engine.Judgement{Class: engine.TooLarge, Kind: engine.Validation}},
		{414, 0, engine.Judgement{Class: engine.TooLarge, Kind: engine.Validation}},
		{422, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Validation, Exists: true, Invalid: true}},
		{423, 0, engine.Judgement{Class: engine.Permanent, Kind: engine.Resource}},
		{425, 0, engine.Judgement{Class: engine.Transient, Kind: engine.System}},
		{431, 0, engine.Judgement{Class: engine.TooLarge, Kind: engine.Validation}},
		{429, 0, engine.Judgement{Class: engine.Throttled, Kind: engine.System}},
		{429, time.Second, engine.Judgement{Class: engine.Throttled, Kind: engine.System, After: time.Second}},
		{429, -time.Second, engine.Judgement{Class: engine.Throttled, Kind: engine.System}},
		{500, 0, engine.Judgement{Class: engine.Ambiguous, Kind: engine.System, Trouble: adapt.Erring}},
		{503, 0, engine.Judgement{Class: engine.Ambiguous, Kind: engine.System, Trouble: adapt.Unavailable}},
		{503, time.Second, engine.Judgement{Class: engine.Throttled, Kind: engine.System, After: time.Second}},
		{504, 0, engine.Judgement{Class: engine.Ambiguous, Kind: engine.Timeout, Trouble: adapt.Unavailable}},
	} {
		got := Judgement{}.withStatus(tt.status, tt.after)
		if diff := cmp.Diff(Judgement{Judgement: tt.want, Answered: true}, got); diff != "" {
			t.Errorf("%d, %v (-want +got):\n%s", tt.status, tt.after, diff)
		}
	}
}

func TestWithFault(t *testing.T) {
	t.Parallel()
	for fault, want := range map[neterr.Fault]Judgement{
		neterr.NotSent:     {Judgement: engine.Judgement{Class: engine.Transient, Trouble: adapt.Unreachable}},
		neterr.NoSuchName:  {Judgement: engine.Judgement{Class: engine.Transient, StopWhenSpent: true}},
		neterr.Timeout:     {Judgement: engine.Judgement{Class: engine.Ambiguous, Kind: engine.Timeout, Trouble: adapt.Silent}},
		neterr.Broken:      {Judgement: engine.Judgement{Class: engine.Ambiguous, Trouble: adapt.Unreachable}},
		neterr.Cut:         {Judgement: engine.Judgement{Class: engine.Ambiguous}},
		neterr.Certificate: {Judgement: engine.Judgement{Class: engine.Fatal}},
		neterr.BadURL:      {Judgement: engine.Judgement{Class: engine.Fatal}},
		neterr.None:        {Unrecognised: true},
	} {
		if diff := cmp.Diff(want, Judgement{}.withFault(fault)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", fault, diff)
		}
	}
}
