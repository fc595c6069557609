package pocket

import (
	"errors"
	"net/http"
	"sync"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/hook"
	"github.com/pocketbase/pocketbase/tools/router"
)

// Traffic is the server's own count of the requests that it has answered.
type Traffic struct {
	Requests  int // all of them
	Throttled int // of these, the ones answered with 429
}

// traffic counts requests by method. The zero value is ready.
type traffic struct {
	mu     sync.Mutex
	counts map[string]Traffic
}

func (t *traffic) of(method string) Traffic {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[method]
}

func (t *traffic) add(method string, throttled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[string]Traffic)
	}
	c := t.counts[method]
	c.Requests++
	if throttled {
		c.Throttled++
	}
	t.counts[method] = c
}

// middleware sits outside of the rate limiter, so that it sees what the
// limiter refuses.
func (t *traffic) middleware() *hook.Handler[*core.RequestEvent] {
	return &hook.Handler[*core.RequestEvent]{
		Id:       "windrowTraffic",
		Priority: apis.DefaultRateLimitMiddlewarePriority - 1,
		Func: func(e *core.RequestEvent) error {
			err := e.Next()
			// A refusal is still an error here: the router writes it later.
			apiErr, ok := errors.AsType[*router.ApiError](err)
			t.add(e.Request.Method, ok && apiErr.Status == http.StatusTooManyRequests)
			return err
		},
	}
}
