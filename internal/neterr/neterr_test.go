package neterr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"
)

// timeoutError is an error with a Timeout method, as net.Error has it.
type timeoutError bool

func (e timeoutError) Error() string { return "it took too long, or not" }
func (e timeoutError) Timeout() bool { return bool(e) }

func TestOf(t *testing.T) {
	t.Parallel()
	request := func(err error) error { return &url.Error{Op: "Post", URL: "https://api.example/", Err: err} }
	op := func(name string, err error) error { return request(&net.OpError{Op: name, Net: "tcp", Err: err}) }
	call := func(name string, number syscall.Errno) error { return os.NewSyscallError(name, number) }
	for _, test := range []struct {
		name string
		err  error
		want Fault
	}{
		{"nil", nil, None},
		{"any other", errors.New("what?"), None},
		{"any other of an operation", op("read", errors.New("what?")), Broken},

		{"refused", op("dial", call("connect", syscall.ECONNREFUSED)), NotSent},
		{"refused, bare", syscall.ECONNREFUSED, NotSent},
		{"no route to the host", call("connect", syscall.EHOSTUNREACH), NotSent},
		{"no route to the network", call("connect", syscall.ENETUNREACH), NotSent},
		{"dial timeout", op("dial", os.ErrDeadlineExceeded), NotSent},
		{"dial cut short", op("dial", context.Canceled), NotSent},
		{"proxy", op("proxyconnect", errors.New("no")), NotSent},
		{"handshake", request(errors.New("net/http: TLS handshake timeout")), NotSent},
		{"name server", op("dial", &net.DNSError{Err: "server misbehaving", IsTemporary: true}), NotSent},
		{"name server timeout", &net.DNSError{IsTimeout: true}, NotSent},
		{"no such name", op("dial", &net.DNSError{Err: "no such host", IsNotFound: true}), NoSuchName},

		{"deadline", request(context.DeadlineExceeded), Timeout},
		{"read deadline", op("read", os.ErrDeadlineExceeded), Timeout},
		{"a method says so", fmt.Errorf("slow: %w", timeoutError(true)), Timeout},
		{"a method denies it", fmt.Errorf("not slow: %w", timeoutError(false)), None},
		{"cancelled", request(context.Canceled), Cut},

		{"reset", op("read", call("read", syscall.ECONNRESET)), Broken},
		{"pipe", op("write", call("write", syscall.EPIPE)), Broken},
		{"aborted", call("accept", syscall.ECONNABORTED), Broken},
		{"end of file", request(io.EOF), Broken},
		{"half an answer", fmt.Errorf("json: %w", io.ErrUnexpectedEOF), Broken},
		{"closed pipe", io.ErrClosedPipe, Broken},
		{"closed connection", fmt.Errorf("write: %w", net.ErrClosed), Broken},
		{"HTTP/2", request(errors.New("http2: server sent GOAWAY")), Broken},
		{"a kept connection", request(errors.New("http: server closed idle connection")), Broken},
		{"anything of a request", request(errors.New("net/http: invalid header field name")), Obscure},

		{"certificate", request(&tls.CertificateVerificationError{Err: errors.New("no")}), Certificate},
		{"unknown authority", x509.UnknownAuthorityError{}, Certificate},
		{"host name", x509.HostnameError{Certificate: &x509.Certificate{}}, Certificate},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, Certificate},
		{"no TLS", request(tls.RecordHeaderError{Msg: "what?"}), Certificate},
		{"HTTP on the TLS port", request(errors.New("http: server gave HTTP response to HTTPS client")), Certificate},

		{"scheme", request(errors.New(`unsupported protocol scheme "htp"`)), BadURL},
		{"host", request(errors.New("http: no Host in request URL")), BadURL},
		{"the item's own address", &url.Error{Op: "parse", URL: "%", Err: errors.New("what?")}, None},
	} {
		if got := Of(test.err); got != test.want {
			t.Errorf("%s: Of(%v) = %d, want %d", test.name, test.err, got, test.want)
		}
	}
}

// The same with errors that net/http really returns.
func TestOfRealErrors(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, end := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer end()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		address string
		want    Fault
	}{
		{"no answer", t.Context(), plain.URL, Broken},
		{"nobody listens", t.Context(), gone.URL, NotSent},
		{"unknown authority", t.Context(), secure.URL, Certificate},
		{"no TLS", t.Context(), "https" + plain.URL[len("http"):], Certificate},
		{"cancelled", cancelled, plain.URL, Cut},
		{"deadline", late, plain.URL, Timeout},
		{"scheme", t.Context(), "htp://localhost/", BadURL},
		{"no host", t.Context(), "http:///items", BadURL},
	} {
		request, err := http.NewRequestWithContext(test.ctx, http.MethodPost, test.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := new(http.Client).Do(request)
		if err == nil {
			_ = response.Body.Close()
			t.Errorf("%s: an answer: %s", test.name, response.Status)
		} else if got := Of(err); got != test.want {
			t.Errorf("%s: Of(%v) = %d, want %d", test.name, err, got, test.want)
		}
	}
	if _, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://%", nil); Of(err) != None {
		t.Errorf("Of(%v) = %d, want %d: it is this item's own address", err, Of(err), None)
	}
}
