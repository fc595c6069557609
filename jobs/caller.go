package jobs

import "context"

// A Caller says on whose behalf a call is made. The zero Caller is the only user of an embedded manager.
type Caller struct {
	Tenant string // jobs of other tenants are invisible; at most 200 bytes
	Actor  string // named in the job and in its events, for the audit log; at most 200 bytes
}

type callerKey struct{}

// WithCaller returns a context for calls that are made on behalf of a caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of a context, the zero Caller without one.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
