package classify

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/neterr"
)

// Trouble returns what the type or the status of an error shows about the server, regardless of the error's class. An
// error that only says that nothing was sent, such as for an invalid header, shows nothing. detail describes the
// trouble without data of the item.
func Trouble(err error) (trouble gate.Trouble, detail string) {
	if status := neterr.Status(err); status != 0 {
		return statusTrouble(status, 0), fmt.Sprintf("status %d", status)
	}
	return faultTrouble(neterr.Of(err)), neterr.Detail(err)
}

func faultTrouble(f neterr.Fault) gate.Trouble {
	switch f {
	case neterr.NotSent, neterr.Broken:
		return gate.Unreachable
	case neterr.Timeout:
		return gate.Silent
	default:
		return gate.NoTrouble
	}
}

// statusTrouble returns what an HTTP status shows about the server. Cloudflare sends 520 to 530 when the server behind
// it does not respond (developers.cloudflare.com/support, "Cloudflare 5XX errors"); other proxies send 598 and 599.
func statusTrouble(status int, after time.Duration) gate.Trouble {
	switch {
	case status == http.StatusServiceUnavailable && after > 0: // a throttle
		return gate.NoTrouble
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout,
		status >= 520 && status <= 530, status == 598, status == 599:
		return gate.Unavailable
	case status >= 500, status < 300:
		return gate.Erring
	default:
		return gate.NoTrouble
	}
}

// troubleIn returns what the error of an attempt shows about the server. Only the type and the status of the error
// count, not the class that a classifier has set; an error that says what became of the item shows nothing.
func troubleIn(j engine.Judgement, a *engine.Attempt, err error) (gate.Trouble, string) {
	switch {
	case j.Class != engine.Transient && j.Class != engine.Ambiguous, j.Final, j.Undone, a.Err() != nil:
		return gate.NoTrouble, ""
	case errors.Is(err, ErrAttemptTimeout):
		return gate.Silent, "no response within AttemptTimeout"
	}
	trouble, detail := Trouble(err)
	return cmp.Or(j.Trouble, trouble), detail
}
