// Package intercept lets a test respond instead of an API.
package intercept

import (
	"net/http"
	"sync"
)

// API is an [http.Handler] that passes requests on to another one. It may be used from many goroutines.
type API struct {
	// Handler handles requests that are not intercepted.
	Handler http.Handler

	mu  sync.Mutex
	ask func(*http.Request) http.HandlerFunc
}

// Intercept calls ask with each request before it is served. The handler that ask returns responds instead of the API; nil
// lets the request pass. [API.Pass] serves it from within such a handler.
func (a *API) Intercept(ask func(*http.Request) http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ask = ask
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	ask := a.ask
	a.mu.Unlock()
	if ask != nil {
		if handler := ask(req); handler != nil {
			handler(w, req)
			return
		}
	}
	a.Pass(w, req)
}

// Pass serves a request as if it had not been intercepted.
func (a *API) Pass(w http.ResponseWriter, req *http.Request) { a.Handler.ServeHTTP(w, req) }

// Applied applies a request and loses the response.
func (a *API) Applied(_ http.ResponseWriter, req *http.Request) {
	a.Pass(discard{}, req)
	HangUp(nil, nil)
}

// HangUp is a handler that ends the connection without a response.
func HangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// discard is a ResponseWriter that drops the response.
type discard struct{}

func (discard) Header() http.Header            { return http.Header{} }
func (discard) Write(text []byte) (int, error) { return len(text), nil }
func (discard) WriteHeader(int)                {}
