package rest

import (
	"net"
	"net/http"
	"time"

	"github.com/windrow-go/windrow"
)

// defaultConnections is how many idle connections are kept: as many as calls a limiter allows by default.
const defaultConnections = 64

// NewBase returns the default transport of this package: an [http.Transport] that keeps up to that many idle connections to
// a host, at least 1, so that a run with as many calls in flight reuses them. ([http.DefaultTransport] keeps 2.) It speaks
// HTTP/2, takes the proxy from the environment, and bounds the time to connect, but not the time to a response: that is for
// [windrow.AttemptTimeout].
func NewBase(connections int) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   max(1, connections), // no MaxIdleConns: it would close connections to other hosts
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// HTTP/2 sends all requests over one connection. Pings detect when it has died silently.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// connectionsFor returns how many idle connections the calls through a limiter need.
func connectionsFor(l *windrow.Limiter) int {
	if l == nil {
		return defaultConnections
	}
	return max(defaultConnections, l.Stats().Concurrency)
}
