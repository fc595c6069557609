package classify

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
)

// Trouble returns what the type or the status of an error shows about the server, regardless of the error's class. An
// error that only says that nothing was sent, such as for an invalid header, shows nothing. detail describes the
// trouble without data of the item.
func Trouble(err error) (trouble adapt.Trouble, detail string) {
	if status := neterr.Status(err); status != 0 {
		return statusTrouble(status, 0), fmt.Sprintf("status %d", status)
	}
	return faultTrouble(neterr.Of(err)), neterr.Detail(err)
}

func faultTrouble(f neterr.Fault) adapt.Trouble {
	switch f {
	case neterr.NotSent, neterr.Broken:
		return adapt.Unreachable
	case neterr.Timeout:
		return adapt.Silent
	default:
		return adapt.NoTrouble
	}
}

// statusTrouble returns what an HTTP status shows about the server. Cloudflare sends 520 to 530 when the server behind
// it does not respond (developers.cloudflare.com/support, "Cloudflare 5XX errors"); other proxies send 598 and 599.
func statusTrouble(status int, after time.Duration) adapt.Trouble {
	switch {
	case status == http.StatusServiceUnavailable && after > 0: // a throttle
		return adapt.NoTrouble
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout,
		status >= 520 && status <= 530, status == 598, status == 599:
		return adapt.Unavailable
	case status >= 500, status < 300:
		return adapt.Erring
	default:
		return adapt.NoTrouble
	}
}

// troubleIn returns what the error of an attempt shows about the server. Only the type and the status of the error
// count, not the class that a classifier has set; an error that says what became of the item shows nothing.
func troubleIn(j engine.Judgement, a *engine.Attempt, err error) (adapt.Trouble, string) {
	switch {
	case j.Class != engine.Transient && j.Class != engine.Ambiguous, j.Final, j.Undone, a.Err() != nil:
		return adapt.NoTrouble, ""
	case errors.Is(err, ErrAttemptTimeout):
		return adapt.Silent, "no response within AttemptTimeout"
	}
	trouble, detail := Trouble(err)
	return cmp.Or(j.Trouble, trouble), detail
}
