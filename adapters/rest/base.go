package rest

import (
	"net"
	"net/http"
	"time"

	"github.com/windrow-go/windrow"
)

// defaultConnections is how many idle connections are kept: as many as calls a limiter allows by default.
const defaultConnections = 64

// NewBase returns the transport that this package uses where it is given none: an [http.Transport] that keeps that
// many idle connections to a host, at least 1, so that a run with as many calls at once never has to connect again.
// ([http.DefaultTransport] keeps 2.) It speaks HTTP/2, takes the proxy from the environment, and bounds the time to
// connect, but never the time for an answer: that is for [windrow.AttemptTimeout].
func NewBase(connections int) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   max(1, connections), // and no bound for all hosts: it would close those of others
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// One connection carries all requests of HTTP/2. When it dies silently a ping finds out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// connectionsFor is how many idle connections calls through that limiter need.
func connectionsFor(l *windrow.Limiter) int {
	if l == nil {
		return defaultConnections
	}
	return max(defaultConnections, l.Stats().Concurrency)
}
