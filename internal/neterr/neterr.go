// Package neterr classifies network errors by whether the request may have been applied.
package neterr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// Fault is the kind of a network error.
type Fault uint8

// The faults.
const (
	None        Fault = iota // not an error of the network
	NotSent                  // the connection was never made, or was closed before anything was written
	NoSuchName               // the name does not exist
	Timeout                  // no response in time
	Broken                   // the connection ended before the end of the response
	Obscure                  // an error of unknown type: the request may have left or not
	Cut                      // the caller's own context ended
	Certificate              // the server's certificate was refused, or it does not speak TLS
	BadURL                   // the client is configured with an unusable URL
)

// Of returns the fault that err describes.
func Of(err error) Fault {
	if err == nil {
		return None
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return NoSuchName
		}
		return NotSent
	}
	if isCertificate(err) {
		return Certificate
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return NotSent
	}
	text := err.Error()
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		strings.Contains(text, "TLS handshake timeout"): // net/http's type for it is not exported
		return NotSent
	case errors.Is(err, context.Canceled):
		return Cut
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return Broken
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return Broken
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return ofURL(u)
	}
	return None
}

// ofURL classifies an error of net/http without an exported type by its text.
func ofURL(u *url.Error) Fault {
	text := u.Err.Error()
	switch {
	case strings.Contains(text, "unsupported protocol scheme"), strings.Contains(text, "no Host in request URL"):
		return BadURL
	case u.Op == "parse":
		return None // concerns only this item's URL
	case strings.HasPrefix(text, "http2: "), strings.Contains(text, "server closed idle connection"):
		return Broken // no exported type
	default:
		return Obscure
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

func isCertificate(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// Host returns the host of the request, "" if the error does not have it.
func Host(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if u, err := url.Parse(e.URL); err == nil {
			return u.Host
		}
	}
	return ""
}

// Detail returns the operation, the address and the system's error, without content of the request; "" for an error without
// them.
func Detail(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error()
	}
	switch Of(err) {
	case Timeout:
		return "no response in time"
	case Broken:
		return "the connection ended before the response"
	default:
		return ""
	}
}
