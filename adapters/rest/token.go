package rest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/windrow-go/windrow"
)

// tokens keeps the token of a source. Of many callers that need a new one, one calls the source with its own context, and
// the others wait: a singleflight whose waiters can leave, and whose call ends with its caller's context.
type tokens struct {
	source func(context.Context) (string, error)
	turn   chan struct{} // holds one value: the caller that has taken it may call source

	mu    sync.Mutex
	token string // "" before the first round
	round int    // how often the source has returned
	err   error  // of the last round
}

func newTokens(source func(context.Context) (string, error)) *tokens {
	t := &tokens{source: source, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// get returns a token. refused is the token that the server refused, "" when there is none.
func (t *tokens) get(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	token, round := t.token, t.round
	t.mu.Unlock()
	if token != refused {
		return token, nil
	}
	select {
	case <-t.turn:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { t.turn <- struct{}{} }()
	t.mu.Lock()
	token, err, refreshed := t.token, t.err, t.round != round
	t.mu.Unlock()
	if refreshed { // another caller got a token while this one waited
		return token, err
	}
	token, err = t.ask(ctx)
	if err != nil && ctx.Err() != nil {
		return "", err // the end of this caller's ctx is no error for the others
	}
	t.mu.Lock()
	t.round++
	if t.err = err; err == nil {
		t.token = token
	}
	t.mu.Unlock()
	return token, err
}

var errNoToken = errors.New("it returned an empty token, or one that no header can hold")

// ask calls the source. A permanent error stops the run; after one that may pass the item is retried, since nothing of it
// was sent.
func (t *tokens) ask(ctx context.Context) (string, error) {
	token, err := t.source(ctx)
	if err == nil && (token == "" || !isFieldValue(token)) {
		err = errNoToken
	}
	if err == nil {
		return token, nil
	}
	class := windrow.Classify(err).Class
	err = fmt.Errorf("rest: the token source: %w", err)
	switch class {
	case windrow.ClassThrottled, windrow.ClassTransient:
		return "", err
	case windrow.ClassAmbiguous:
		return "", windrow.Transient(err)
	default:
		return "", windrow.Fatal(err)
	}
}
