package windrow_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// What the default classifier makes of an error.
func TestClassify(t *testing.T) {
	t.Parallel()
	type judged struct {
		Class    windrow.Class
		Kind     windrow.ErrorKind
		After    time.Duration
		MaxItems int
		BadItem  int
	}
	status := func(code int, after time.Duration) error {
		return fmt.Errorf("the SDK says: %w", &statusError{code, after})
	}
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	request := func(err error) error { return &url.Error{Op: "Post", URL: "https://api.example/items", Err: err} }
	fatal := judged{Class: windrow.ClassFatal}
	transient := judged{Class: windrow.ClassTransient}
	ambiguous := judged{Class: windrow.ClassAmbiguous}
	timeout := judged{Class: windrow.ClassAmbiguous, Kind: windrow.KindTimeout}
	for _, test := range []struct {
		name string
		err  error
		want judged
	}{
		{"unrecognised", errors.New("what?"), judged{}},
		{"nil in an interface", fmt.Errorf("nothing: %w", error(nil)), judged{}},

		{"marked permanent", windrow.Permanent(request(io.EOF)), judged{Kind: windrow.KindResource}},
		{"marked transient", windrow.Transient(status(500, 0)), transient},
		{"marked throttled", fmt.Errorf("deep: %w", windrow.Throttled(status(200, 0), time.Minute)), judged{Class: windrow.ClassThrottled, After: time.Minute}},
		{"marked too large", windrow.TooLarge(errServer, 30), judged{Class: windrow.ClassTooLarge, MaxItems: 30, Kind: windrow.KindValidation}},
		{"marked ambiguous", windrow.Ambiguous(dial), ambiguous},
		{"marked fatal", windrow.Fatal(status(404, 0)), fatal},
		{
			"classified", windrow.Classified(errServer, windrow.Classification{Class: windrow.ClassTransient, After: 1, BadItem: 3, Kind: windrow.KindTimeout}),
			judged{Class: windrow.ClassTransient, After: 1, BadItem: 3, Kind: windrow.KindTimeout},
		},
		{"the outer mark counts", windrow.Transient(windrow.Fatal(errServer)), transient},
		{"joined", errors.Join(errServer, windrow.Fatal(errServer)), fatal},
		{"backoff permanent", backoff.Permanent(io.ErrUnexpectedEOF), judged{}},
		{"backoff permanent with a status", fmt.Errorf("%w", backoff.Permanent(&statusError{503, time.Second})), judged{}},
		{"skipped", clients.Skip(windrow.ReasonUnchanged), judged{}},
		{"not found", fmt.Errorf("no: %w", windrow.ErrNotFound), judged{Kind: windrow.KindResource}},
		{"exists", fmt.Errorf("no: %w", windrow.ErrAlreadyExists), judged{Kind: windrow.KindResource}},
		{"attempt timeout", fmt.Errorf("slow: %w", windrow.ErrAttemptTimeout), timeout},

		{"200 and an error", status(200, 0), ambiguous},
		{"302", status(302, 0), judged{Kind: windrow.KindValidation}},
		{"400", status(400, 0), judged{Kind: windrow.KindValidation}},
		{"401", status(401, 0), judged{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"403", status(403, 0), judged{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"404", status(404, 0), judged{Kind: windrow.KindResource}},
		{"405", status(405, 0), judged{Kind: windrow.KindResource}},
		{"407", status(407, 0), judged{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"408", status(408, 0), timeout},
		{"409", status(409, 0), judged{Kind: windrow.KindResource}},
		{"410", status(410, 0), judged{Kind: windrow.KindResource}},
		{"413", status(413, 0), judged{Class: windrow.ClassTooLarge, Kind: windrow.KindValidation}},
		{"414", status(414, 0), judged{Class: windrow.ClassTooLarge, Kind: windrow.KindValidation}},
		{"431", status(431, 0), judged{Class: windrow.ClassTooLarge, Kind: windrow.KindValidation}},
		{"422", status(422, 0), judged{Kind: windrow.KindValidation}},
		{"423", status(423, 0), judged{Kind: windrow.KindResource}},
		{"425", status(425, 0), transient},
		{"429", status(429, 0), judged{Class: windrow.ClassThrottled}},
		{"429 and a hint", status(429, 7*time.Second), judged{Class: windrow.ClassThrottled, After: 7 * time.Second}},
		{"429 and a negative hint", status(429, -7*time.Second), judged{Class: windrow.ClassThrottled}},
		{"500", status(500, 0), ambiguous},
		{"502", status(502, 0), ambiguous},
		{"503", status(503, 0), ambiguous},
		{"503 and a hint", status(503, time.Second), judged{Class: windrow.ClassThrottled, After: time.Second}},
		{"504", status(504, 0), timeout},
		{"507", status(507, 0), ambiguous},
		{"no status", status(0, 0), judged{}},

		{"dial refused", request(dial), transient},
		{"no route", request(&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), transient},
		{"dial timeout", request(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), transient},
		{"name server down", request(&net.OpError{Op: "dial", Err: &net.DNSError{IsTemporary: true}}), transient},
		{"no such name", request(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), transient},
		{"reset", request(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), ambiguous},
		{"broken pipe", request(&net.OpError{Op: "write", Err: syscall.EPIPE}), ambiguous},
		{"closed", request(net.ErrClosed), ambiguous},
		{"half an answer", fmt.Errorf("decode: %w", io.ErrUnexpectedEOF), ambiguous},
		{"end of file", request(io.EOF), ambiguous},
		{"client timeout", request(os.ErrDeadlineExceeded), timeout},
		{"deadline", request(context.DeadlineExceeded), timeout},
		{"cancelled", request(context.Canceled), ambiguous},
		{"anything of net/http", request(errors.New("http2: server sent GOAWAY")), ambiguous},
		{"handshake timeout", request(errors.New("net/http: TLS handshake timeout")), transient},
		{"certificate", request(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), fatal},
		{"unknown authority", x509.UnknownAuthorityError{}, fatal},
		{"another name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, fatal},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, fatal},
		{"not TLS", request(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), fatal},
		{"HTTP on the TLS port", request(errors.New("http: server gave HTTP response to HTTPS client")), fatal},
		{"scheme", request(errors.New(`unsupported protocol scheme "htp"`)), fatal},
		{"no host", request(errors.New("http: no Host in request URL")), fatal},
		{"this item's URL", &url.Error{Op: "parse", URL: ":", Err: errors.New("missing protocol scheme")}, judged{}},
	} {
		c := windrow.Classify(test.err)
		got := judged{c.Class, c.Kind, c.After, c.MaxItems, c.BadItem}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// A marked error still is what it was, and marking nothing gives nothing.
func TestClassifiedKeepsTheError(t *testing.T) {
	t.Parallel()
	marks := map[string]func(error) error{
		"Permanent": windrow.Permanent, "Transient": windrow.Transient, "Ambiguous": windrow.Ambiguous, "Fatal": windrow.Fatal,
		"Throttled":  func(err error) error { return windrow.Throttled(err, time.Second) },
		"TooLarge":   func(err error) error { return windrow.TooLarge(err, 3) },
		"Classified": func(err error) error { return windrow.Classified(err, windrow.Classification{}) },
	}
	for name, mark := range marks {
		if err := mark(nil); err != nil {
			t.Errorf("%s(nil) = %v", name, err)
		}
		if err := mark(errServer); !errors.Is(err, errServer) || err.Error() != errServer.Error() {
			t.Errorf("%s changes the error to %v", name, err)
		}
	}
}

// The record that a transport keeps of the attempt overrules what the error alone would mean.
func TestClassifyWithTheRecord(t *testing.T) {
	t.Parallel()
	sent := func(a clients.Attempt) { a.Engage(); a.Sending() }
	answered := func(statuses ...int) func(clients.Attempt) {
		return func(a clients.Attempt) {
			a.Engage()
			for _, status := range statuses {
				a.Sending()
				a.Answered(status, true)
			}
		}
	}
	reset := &url.Error{Op: "Post", Err: syscall.ECONNRESET}
	refused := &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	plain := errors.New("the SDK's own")
	const (
		failed    = windrow.Failed
		unknown   = windrow.Unknown
		again     = windrow.Succeeded // it was sent again, and that succeeded
		throttled = windrow.Skipped   // in this table: the limiter was shut, and it was sent again
	)
	for _, test := range []struct {
		name   string
		record func(clients.Attempt)
		err    error
		want   windrow.State // of a create that must not be repeated blindly
	}{
		{"nothing recorded, reset", func(clients.Attempt) {}, reset, unknown},
		{"nothing recorded, refused", func(clients.Attempt) {}, refused, again},
		{"nothing recorded, unrecognised", func(clients.Attempt) {}, plain, failed},
		{"never left, reset", clients.Attempt.Engage, reset, again},
		{"never left, timeout", clients.Attempt.Engage, context.DeadlineExceeded, again},
		{"never left, unrecognised", clients.Attempt.Engage, plain, failed},
		{"left, reset", sent, reset, unknown},
		{"left, refused connection", sent, refused, unknown}, // of a second request, or a dial after a redirect
		{"left, unrecognised", sent, plain, unknown},
		{"left, 404 of another request", sent, &statusError{status: 404}, unknown},
		{"left, 429 of another request", sent, &statusError{status: 429}, unknown},
		{"200, unrecognised", answered(200), plain, unknown},
		{"200, half an answer", answered(200), io.ErrUnexpectedEOF, unknown},
		{"201, a second request refused", answered(201), refused, unknown},
		{"201, a second request throttled", answered(201, 429), &statusError{status: 429}, unknown},
		{"201, a second request not valid", answered(201, 422), &statusError{status: 422}, unknown},
		{"400, unrecognised", answered(400), plain, failed},
		{"401, unrecognised", answered(401), plain, failed},
		{"429, unrecognised", answered(429), plain, throttled},
		{"429", answered(429), &statusError{status: 429}, throttled},
		{"503 with a hint", answered(503), &statusError{503, time.Second}, throttled},
		{"500, then 503 with a hint", answered(500, 503), &statusError{503, time.Second}, unknown},
		{"503, unrecognised", answered(503), plain, unknown},
		{"500", answered(500), &statusError{status: 500}, unknown},
		{"425", answered(425), &statusError{status: 425}, again},
		{"302", answered(302), &statusError{status: 302}, failed},
		{"marks stand: transient", answered(200), windrow.Transient(plain), again},
		{"marks stand: throttled", sent, windrow.Throttled(plain, time.Second), throttled},
		{"marks stand: ambiguous", clients.Attempt.Engage, windrow.Ambiguous(plain), unknown},
		{"marks stand: permanent", sent, windrow.Permanent(plain), failed},
	} {
		for name, classify := range map[string]windrow.Classifier{"default": nil, "passed on": windrow.Classify, "rebuilt": rebuilt} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						if c.nth > 1 {
							return nil
						}
						test.record(c.attempt)
						return test.err
					})
					s := createVerb.run(t.Context(), f, ids(1),
						windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: windrow.Constant(time.Second), Classify: classify}))
					got := s.states[0]
					if got == windrow.Succeeded && s.stats.Throttled > 0 {
						got = throttled
					}
					if got != test.want {
						t.Errorf("the item is %v after %d calls, want %v; %v", got, len(f.calls), test.want, s.errs[0])
					}
				})
			})
		}
	}
}

// rebuilt is a classifier that hands on what the default one says, field by field: a Classification holds nothing else.
func rebuilt(err error) windrow.Classification {
	c := windrow.Classify(err)
	return windrow.Classification{Class: c.Class, After: c.After, MaxItems: c.MaxItems, BadItem: c.BadItem, Kind: c.Kind, Tentative: c.Tentative}
}
