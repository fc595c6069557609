package rest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// timeoutKey is the context key of the [time.Duration] that an exchange may take.
type timeoutKey struct{}

// timeoutError is the error of an exchange that took longer than the Timeout of the client's [http.Client]. It does not
// match [context.DeadlineExceeded], which stands for the caller's deadline.
type timeoutError struct{ limit time.Duration }

// Error implements error.
func (e *timeoutError) Error() string {
	return fmt.Sprintf("the response took longer than the Timeout of the http.Client (%v)", e.limit)
}

// Timeout makes the error a timeout for package net/http and for [windrow.Classify].
func (e *timeoutError) Timeout() bool { return true }

// stopwatch bounds one exchange, from when the limiter let it pass until its response is read. A nil stopwatch has no bound.
type stopwatch struct {
	ctx    context.Context
	cancel context.CancelFunc
	err    *timeoutError
}

// startWatch returns the request with its stopwatch, if its client has a Timeout.
func startWatch(req *http.Request) (*http.Request, *stopwatch) {
	limit, ok := req.Context().Value(timeoutKey{}).(time.Duration)
	if !ok {
		return req, nil
	}
	t := &stopwatch{err: &timeoutError{limit}}
	t.ctx, t.cancel = context.WithTimeoutCause(req.Context(), limit, t.err)
	return req.WithContext(t.ctx), t
}

// judge replaces an error that the stopwatch caused by its timeoutError.
func (t *stopwatch) judge(err error) error {
	if err != nil && err != io.EOF && context.Cause(t.ctx) == error(t.err) {
		return t.err
	}
	return err
}

// end takes the outcome of the exchange. The stopwatch runs until the body is read or closed.
func (t *stopwatch) end(res *http.Response, err error) (*http.Response, error) {
	if t == nil {
		return res, err
	}
	if err != nil {
		err = t.judge(err)
		t.cancel()
		return res, err
	}
	res.Body = &timedBody{res.Body, t}
	return res, nil
}

// timedBody is a response body under a stopwatch.
type timedBody struct {
	io.ReadCloser
	watch *stopwatch
}

// Read implements [io.Reader].
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = b.watch.judge(err)
		b.watch.cancel()
	}
	return n, err
}

// Close implements [io.Closer].
func (b *timedBody) Close() error {
	defer b.watch.cancel()
	return b.ReadCloser.Close()
}
