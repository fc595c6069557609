package rest

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// F79: a server that tells in milliseconds when its windows end, and a client that takes them for seconds, as they look:
// 300 in each minute are used up by a tenth of more time than that takes, and nothing waits for hours.
func TestF79ResetInMilliseconds(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(h http.Header, left time.Duration){
		"X-RateLimit-Reset": func(h http.Header, left time.Duration) {
			h.Set("X-RateLimit-Reset", strconv.FormatInt(left.Milliseconds(), 10))
		},
		"RateLimit-Reset": func(h http.Header, left time.Duration) {
			h.Set("RateLimit-Reset", strconv.FormatInt(left.Milliseconds(), 10))
			h.Set("RateLimit-Limit", h.Get("X-RateLimit-Limit"))
			h.Set("RateLimit-Remaining", h.Get("X-RateLimit-Remaining"))
		},
		"seconds": func(h http.Header, left time.Duration) { // which stay what they are
			h.Set("X-RateLimit-Reset", strconv.Itoa(int((left+time.Second-1)/time.Second)))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			const quota, period, items = 300, time.Minute, 1000
			began := time.Now()
			var mu sync.Mutex
			window, used, refused := 0, 0, 0
			_, articles := based(t, func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(40 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				into := time.Since(began) + 20*time.Second // the first window began before
				if n := int(into / period); n != window {
					window, used = n, 0
				}
				left := period - into%period
				w.Header().Set("X-RateLimit-Limit", strconv.Itoa(quota))
				if used++; used > quota {
					refused++
					w.Header().Set("X-RateLimit-Remaining", "0")
					write(w.Header(), left)
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(quota-used))
				write(w.Header(), left)
				answer(w, 200, article{})
			})
			drafts := make([]draft, items)
			res, err := windrow.CreateMany(t.Context(), articles, drafts)
			if err != nil || res.Stats().Succeeded != items {
				t.Fatalf("%s: %d succeeded after %v, error %v", name, res.Stats().Succeeded, time.Since(began), err)
			}
			floor := 40*time.Second + 2*time.Minute // the end of the first window, and two more
			if took := time.Since(began); took > floor*11/10 || refused > items/20 {
				t.Errorf("%s: took %v, %d refused, floor %v", name, took, refused, floor)
			} else {
				t.Logf("%s: took %v, %d refused, floor %v", name, took, refused, floor)
			}
		})
	}
}
