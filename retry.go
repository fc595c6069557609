package windrow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/delays"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/neterr"
	"github.com/windrow-go/windrow/internal/parallel"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/schedule"
	"github.com/windrow-go/windrow/internal/verdict"
)

// Class says what to do after an error. The zero Class is [ClassPermanent].
type Class uint8

// The classes. What follows from each depends on the verb too: see [RetryPolicy].
const (
	// ClassPermanent: the item was refused, and would be again. One attempt.
	ClassPermanent Class = iota
	// ClassTransient: it is proved that the item was not applied, and it may be sent again.
	ClassTransient
	// ClassThrottled: the server takes no more for now. The limiter shuts for everybody, and no attempt is charged.
	ClassThrottled
	// ClassTooLarge: the request holds too many items, or too much.
	ClassTooLarge
	// ClassAmbiguous: the item may or may not have been applied.
	ClassAmbiguous
	// ClassFatal: every further call would fail, too. The run stops.
	ClassFatal
)

var classes = enum.New("class", "permanent", "transient", "throttled", "too large", "ambiguous", "fatal")

// String returns the class in lower case.
func (c Class) String() string { return classes.Name(uint8(c)) }

// Classification is what a classifier makes of an error. The zero value is a permanent error of the system.
type Classification struct {
	// Class says what to do.
	Class Class
	// After is how long the server asks to wait. Zero means that it did not say.
	After time.Duration
	// MaxItems is the number of items in one request that a ClassTooLarge allows. Zero means that it is not known.
	MaxItems int
	// BadItem is the position in the chunk, counted from 1, of the item for which all of it was refused. Zero means
	// that the server named none.
	BadItem int
	// Kind groups the error for people and reports.
	Kind ErrorKind

	more verdict.Verdict // what only the default classifier knows
}

// Classifier judges an error, and the error only: what follows from the class is the business of the run. It is
// called from many goroutines at once and must not block.
type Classifier func(error) Classification

var (
	// ErrNotFound is matched by the error of a client that says: the server does not know this item. A delete that
	// fails with it had nothing to do.
	ErrNotFound = errors.New("windrow: not found")
	// ErrAlreadyExists is matched by the error of a client that says: the server has this item already. A repeated
	// create that fails with it may have met its own first attempt. It means so in an error of [ClassPermanent] only: a
	// class that the client gives comes first.
	ErrAlreadyExists = errors.New("windrow: already exists")
	// ErrRolledBack is matched by the error of an item that was not applied because of another item of its request: the
	// server undid it, or never began it. A client returns it, with what the server says, for all but the item to blame.
	ErrRolledBack = engine.ErrRolledBack
	// ErrProtocol is matched by the error of a request whose answer cannot be matched to its items: there are too many or
	// too few results, one twice, or one that nobody asked for. All its items end as Unknown, reads as Failed.
	ErrProtocol = engine.ErrProtocol
	// ErrAttemptTimeout is the error of an attempt that took longer than [AttemptTimeout]. It does not match
	// [context.DeadlineExceeded]: that is the caller's own deadline.
	ErrAttemptTimeout = errors.New("windrow: the attempt took longer than AttemptTimeout")
)

// classified is an error whose maker says what it is.
type classified struct {
	err error
	as  Classification
}

func (e *classified) Error() string { return e.err.Error() }
func (e *classified) Unwrap() error { return e.err }

// Classified returns err with a classification that the default classifier takes as it is. Clients use it, or one of
// its short forms, for errors that look like something else. A nil err stays nil.
func Classified(err error, c Classification) error {
	if err == nil {
		return nil
	}
	c.more.Marked, c.more.Invalid, c.more.Plain = true, false, false
	c.more.NotFound, c.more.Exists = errors.Is(err, ErrNotFound), errors.Is(err, ErrAlreadyExists)
	return &classified{err, c}
}

// Permanent marks err as [ClassPermanent]. A nil err stays nil. For the error of a batch it does not say that no item was
// applied: see [Atomicity].
func Permanent(err error) error { return Classified(err, Classification{Kind: KindResource}) }

// Transient marks err as [ClassTransient]: the caller vouches that nothing was applied. A nil err stays nil.
func Transient(err error) error { return Classified(err, Classification{Class: ClassTransient}) }

// Throttled marks err as [ClassThrottled]. after is how long the server asks to wait, 0 when it does not say.
// A nil err stays nil.
func Throttled(err error, after time.Duration) error {
	return Classified(err, Classification{Class: ClassThrottled, After: after})
}

// TooLarge marks err as [ClassTooLarge]. maxItems is the number of items that the server allows in one request, 0
// when it does not say. A nil err stays nil.
func TooLarge(err error, maxItems int) error {
	return Classified(err, Classification{Class: ClassTooLarge, MaxItems: maxItems, Kind: KindValidation})
}

// Ambiguous marks err as [ClassAmbiguous]: also for a server that says that it is still at work on the first request
// with an idempotency key. A nil err stays nil.
func Ambiguous(err error) error { return Classified(err, Classification{Class: ClassAmbiguous}) }

// Fatal marks err as [ClassFatal]. A nil err stays nil.
func Fatal(err error) error { return Classified(err, Classification{Class: ClassFatal}) }

// SkipError is what a client returns for an item for which there was nothing to do. The item ends as Skipped.
type SkipError struct {
	Reason Reason // why there was nothing to do
}

// Error implements error.
func (e *SkipError) Error() string { return "skipped: " + e.Reason.String() }

// Classify is the default classifier. In this order it takes:
//   - an error made by [Classified] or one of its short forms, a [SkipError], a backoff.PermanentError;
//   - [ErrRolledBack], [ErrProtocol] and [ErrAttemptTimeout], and a panic;
//   - an error with a method StatusCode() int, read as an HTTP status (RFC 9110 section 15), and RetryAfter()
//     time.Duration where it has that, too;
//   - errors of net, net/url, crypto/tls, crypto/x509, io and context;
//   - anything else: [ClassPermanent].
//
// Inside a run the record that a transport keeps of the attempt comes on top: what never left is no longer
// ambiguous, and what has left is no longer certain. It says nothing of a class that a client or a classifier of the
// caller's own gives, nor of the items of a batch.
func Classify(err error) Classification {
	if e, ok := errors.AsType[*classified](err); ok {
		return e.as
	}
	return classificationOf(judged(err))
}

// judged is what the default classifier makes of an error that nobody has marked.
func judged(err error) verdict.Verdict {
	if e, ok := errors.AsType[*SkipError](err); ok {
		return verdict.Verdict{Judgement: engine.Judgement{Skip: engine.Reason(e.Reason)}, Marked: true}
	}
	var v verdict.Verdict
	v.NotFound, v.Exists = errors.Is(err, ErrNotFound), errors.Is(err, ErrAlreadyExists)
	if v.NotFound || v.Exists {
		v.Kind = engine.Resource
	}
	if _, ok := errors.AsType[*backoff.PermanentError](err); ok {
		v.Marked = true
		return v
	}
	switch {
	case errors.Is(err, ErrRolledBack):
		v.Class, v.Undone, v.Marked = engine.Transient, true, true
		return v
	case errors.Is(err, ErrProtocol):
		v.Class, v.Final, v.Marked = engine.Ambiguous, true, true
		return v
	case errors.Is(err, ErrAttemptTimeout):
		v.Class, v.Kind = engine.Ambiguous, engine.Timeout
		return v
	}
	if e, ok := errors.AsType[interface {
		error
		StatusCode() int
	}](err); ok && e.StatusCode() != 0 {
		var after time.Duration
		if e, ok := errors.AsType[interface {
			error
			RetryAfter() time.Duration
		}](err); ok {
			after = e.RetryAfter()
		}
		return v.OfAnswer(e.StatusCode(), after, neterr.Of(err))
	}
	return v.WithFault(neterr.Of(err))
}

// verdict is all that is known.
func (c Classification) verdict() verdict.Verdict {
	v := c.more
	v.Class, v.Kind, v.After, v.MaxItems, v.BadItem = engine.Class(c.Class), engine.Kind(c.Kind), c.After, c.MaxItems, c.BadItem
	return v
}

// classificationOf is a verdict as a classifier returns it.
func classificationOf(v verdict.Verdict) Classification {
	return Classification{Class: Class(v.Class), After: v.After, MaxItems: v.MaxItems, BadItem: v.BadItem, Kind: ErrorKind(v.Kind), more: v}
}

// Strategy makes a [backoff.BackOff]. A run calls it once for each item, after the item's first failure, since a
// BackOff is not safe to share. A BackOff that returns [backoff.Stop] ends the item's attempts early.
type Strategy func() backoff.BackOff

// Immediate sends again without a delay.
func Immediate() Strategy { return func() backoff.BackOff { return &backoff.ZeroBackOff{} } }

// Constant sends again after the same delay each time. A negative one is none.
func Constant(d time.Duration) Strategy {
	return func() backoff.BackOff { return backoff.NewConstantBackOff(max(0, d)) }
}

// Exponential doubles the longest delay with each attempt, from initial up to limit, and waits a random part of it
// ("full jitter", as in the AWS Architecture Blog's "Exponential Backoff And Jitter"). Non-positive arguments mean
// 500 milliseconds and 30 seconds.
func Exponential(initial, limit time.Duration) Strategy {
	if initial <= 0 {
		initial = 500 * time.Millisecond
	}
	if limit <= 0 {
		limit = 30 * time.Second
	}
	return func() backoff.BackOff {
		return backoff.NewExponentialBackOff(
			// backoff draws from [x-x*factor, x+x*factor]; with factor 1 and half the delay that is [0, delay].
			backoff.WithInitialInterval((min(initial, limit)+1)/2), backoff.WithMaxInterval((limit+1)/2),
			backoff.WithMultiplier(2), backoff.WithRandomizationFactor(1),
			backoff.WithMaxElapsedTime(0), // MaxAttempts bounds the attempts, not a silent 15 minutes
		)
	}
}

// Custom asks delay how long to wait before the n-th repetition of an item, counted from 1. A negative answer ends
// the item's attempts. delay is called from many goroutines at once. A nil delay means the default strategy.
func Custom(delay func(n int) time.Duration) Strategy {
	if delay == nil {
		return nil
	}
	return func() backoff.BackOff { return delays.Func(delay) }
}

// RetryPolicy says which items are sent again, when, and how often. The zero value is the default policy.
//
// What happens to an item depends on the class of its error and on whether repeating it is harmless. Reads, deletes,
// upserts and updates by full value are; a create is when the client sends idempotency keys or ids of the caller's
// choice ([Capabilities]); a function given to [NewBatchProcessor] is with [Repeatable].
//
//	            repeatable                            not repeatable
//	transient   sent again                            sent again
//	throttled   the limiter shuts for all, then       the same
//	            sent again, no attempt charged
//	ambiguous   sent again; attempts used up: a       looked up if there is a Reconciler,
//	            write ends Unknown, a read Failed     else Unknown at once
//	too large   halved; a single item is Failed       the same
//	permanent   Failed                                Failed
//	fatal       the run stops                         the same
type RetryPolicy struct {
	// MaxAttempts bounds how often an item is sent, throttled attempts not counted. Defaults to 5; 1 means that
	// nothing is sent again.
	MaxAttempts int
	// Strategy says how long an item waits before it is sent again. While it waits it holds no slot of the limiter.
	// Defaults to Exponential(500 ms, 30 s), cut short for an item that met a failing server when others have succeeded
	// since and there is nothing else to send. A server's hint is waited for in any case, when it is longer.
	Strategy Strategy
	// Classify judges errors. Defaults to [Classify].
	Classify Classifier
	// MaxThrottleWait bounds how long the run waits for a server that takes nothing: one that throttles all it is sent,
	// one that takes no calls at all (an outage), or the two in turns, counted from the last call that succeeded; and how
	// long it waits for the budget. When it would be longer the run stops, with what is left as NotAttempted. Before
	// the limiter's first success ever, 30 seconds of outage are the most, since the address is likely to be wrong; but a
	// server that throttles, or only brings no response in time to what was sent, is there; of a read it is not known that it
	// was sent.
	// Defaults to 5 minutes.
	MaxThrottleWait time.Duration
	// Budget bounds the retries of a whole run beside its successes, so that failures do not multiply the load. Those
	// after a throttle and in an outage cost nothing, and neither do look-ups. When it is empty only retries wait.
	Budget RetryBudget
}

// RetryBudget is a bucket of retries, shared by the items of a run. The zero value holds 100, and gets 10 back each
// second and one for every success. It refills by time too, since a budget that only successes refill never
// recovers from an outage.
type RetryBudget struct {
	Size       float64 // retries at the start and at most, at least 1; math.Inf(1) means no bound
	PerSecond  float64 // retries a second; 10 when neither this nor PerSuccess is given
	PerSuccess float64 // retries for each success; 1 when neither this nor PerSecond is given
}

const (
	defaultMaxAttempts     = 5
	defaultMaxThrottleWait = 5 * time.Minute
)

// withDefaults fills what is zero.
func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = defaultMaxAttempts
	}
	if p.Strategy == nil {
		p.Strategy = Exponential(0, 0)
	}
	if p.MaxThrottleWait == 0 {
		p.MaxThrottleWait = defaultMaxThrottleWait
	}
	if p.Budget == (RetryBudget{}) {
		p.Budget.Size = 100
	}
	if p.Budget.PerSecond == 0 && p.Budget.PerSuccess == 0 {
		p.Budget.PerSecond, p.Budget.PerSuccess = 10, 1
	}
	return p
}

// check returns what is wrong with the policy.
func (p RetryPolicy) check() error {
	var errs []error
	refuse := func(field string, value any, problem string) {
		errs = append(errs, &OptionError{Option: "Retry", Field: field, Value: value, Problem: problem})
	}
	if p.MaxAttempts < 0 {
		refuse("MaxAttempts", p.MaxAttempts, "must be at least 1, or 0 for the default")
	}
	if p.MaxThrottleWait < 0 {
		refuse("MaxThrottleWait", p.MaxThrottleWait, "must be positive, or 0 for the default")
	}
	b := p.Budget
	switch {
	case b == RetryBudget{}:
	case !(b.Size >= 1):
		refuse("Budget.Size", b.Size, "must be at least 1")
	case !(b.PerSecond >= 0) || math.IsInf(b.PerSecond, 1):
		refuse("Budget.PerSecond", b.PerSecond, "must be 0 or more, and finite")
	case !(b.PerSuccess >= 0) || math.IsInf(b.PerSuccess, 1):
		refuse("Budget.PerSuccess", b.PerSuccess, "must be 0 or more, and finite")
	}
	return errors.Join(errs...)
}

// Retry says which items are sent again. Defaults to the zero [RetryPolicy].
func Retry(p RetryPolicy) Option {
	return optionFunc(func(o *options) {
		o.given["Retry"] = true
		if err := p.check(); err != nil {
			o.errs = append(o.errs, err)
		}
		o.retry = p
	})
}

// AttemptTimeout bounds each call, from its start until its whole answer is read. Without it only the run's context
// does. The error of an attempt that takes longer is [ErrAttemptTimeout], unless the function makes one
// of its own of the end of its context; a result that comes late still counts.
func AttemptTimeout(d time.Duration) Option {
	return option("AttemptTimeout", d > 0, d, "must be positive", func(o *options) { o.attemptTimeout = d })
}

const defaultSettlingTime = 2 * time.Second

// SettlingTime is how long after a lost answer a look-up that finds nothing proves nothing, since a write may arrive late
// and what is searched may lag behind. An item is looked up at once, and when it is not found again after that time, counted
// from the end of its attempt, or from the start of the run for one that an earlier run has sent. Only then is it sent again,
// or has failed. What the server applies later than that may be doubled. Defaults to 2 seconds; 0 believes the first
// look-up.
func SettlingTime(d time.Duration) Option {
	return option("SettlingTime", d >= 0, d, "must not be negative", func(o *options) { o.settling = d })
}

// StopOnError stops the run at the first item that ends as Failed or Unknown. Calls in flight are waited for and
// count; the rest ends as NotAttempted. When Validate refuses an item of a [BatchProcessor.Run] nothing is sent at all.
// Without it an error never stops the others.
func StopOnError() Option {
	return option("StopOnError", true, nil, "", func(o *options) { o.maxFailures = 0 })
}

// MaxFailures stops the run as [StopOnError] does, once more than n items have failed, those that Validate refuses
// included.
func MaxFailures(n int) Option {
	return option("MaxFailures", n >= 0, n, "must not be negative", func(o *options) { o.maxFailures = n })
}

// Canary sends the first n items one by one, and the others only when all of these have succeeded or were skipped: a
// mistake that every item has shows in the first. When one of them fails the run stops as with [StopOnError]. Items that
// Validate refuses do not count. Without it all items may be sent at once.
func Canary(n int) Option {
	return option("Canary", n >= 1, n, "must be at least 1", func(o *options) { o.canary = n })
}

// MaxFailureRate stops the run as [StopOnError] does, once at least minimum of the items that were sent have ended and
// more than share of them have failed. A share of 0.05 is 5 %. Items that Validate refuses do not count.
func MaxFailureRate(share float64, minimum int) Option {
	return option("MaxFailureRate", share >= 0 && share <= 1 && minimum >= 0, fmt.Sprintf("%v, %d", share, minimum),
		"must be a share from 0 to 1 (1 is 100 %) of at least 0 items",
		func(o *options) { o.maxFailureRate, o.minFailureRate = share, minimum })
}

// Repeatable says that calling the function twice for an item has the effect of calling it once. Without it that is
// taken for granted of reads, deletes, updates and upserts, and of creates when the client's [Capabilities] say so.
func Repeatable() Option {
	return option("Repeatable", true, nil, "", func(o *options) { o.repeatable = true })
}

// traits is what a kind of operation is, by a client that can do so much.
func (p *BatchProcessor[In, Out]) traits(op OpKind, c Capabilities) engine.Traits {
	if p.asksServer() {
		return engine.Traits{Read: true}
	}
	t := engine.Traits{Read: op == OpGet, Create: op == OpCreate || op == OpDo, Delete: op == OpDelete, WholeOnly: p.wholeOnly(),
		Keyed: op == OpCreate && c.IdempotencyKeys}
	switch op {
	case OpGet, OpDelete, OpUpdate, OpUpsert:
		t.Repeatable = true
	case OpCreate:
		t.Repeatable = p.opts.repeatable || c.IdempotencyKeys || c.ClientIDs
	default:
		t.Repeatable = p.opts.repeatable
	}
	return t
}

// traitsFor is what the operation on an item is.
func (p *BatchProcessor[In, Out]) traitsFor(in In) engine.Traits {
	if p.traitsOf == nil {
		return p.traits(p.op, p.Capabilities)
	}
	return p.traits(p.traitsOf(in))
}

// wholeOnly reports whether sending a chunk twice is harmless only with the same members: an idempotency key belongs to
// exactly those.
func (p *BatchProcessor[In, Out]) wholeOnly() bool {
	c := p.Capabilities
	return p.Batch != nil && (p.op == OpCreate || p.op == OpExecute) && c.IdempotencyKeys && !c.ClientIDs && !p.opts.repeatable
}

// PropagatePanics lets a panic in a caller's function go on to the caller of the run, as a [*PanicError], after the
// calls in flight have returned. Without it a panic is the error of its item, and the run goes on.
func PropagatePanics() Option {
	return option("PropagatePanics", true, nil, "", func(o *options) { o.keepPanics = true })
}

// judge returns the engine's judge: the classifier, nil for the default one, and on top what weigh makes of it by what
// the transport recorded.
func judge(op OpKind, classify Classifier, logger *slog.Logger, weigh func(verdict.Verdict, *engine.Attempt) verdict.Verdict) func(*engine.Attempt, error) engine.Judgement {
	var logged atomic.Int64 // when a throttle was last logged
	return func(a *engine.Attempt, err error) engine.Judgement {
		if isPanic(err) {
			return broken(op, a, nil)
		}
		c, failure := ask(classify, err)
		if failure != nil {
			return broken(op, a, failure)
		}
		v := weigh(c.verdict(), a)
		j := v.Judgement
		j.Responded = v.Answered || a.Status() != 0
		j.Plain = j.Class == engine.Permanent && (v.Plain || v.Unrecognised)
		j.Trouble, j.Detail = troubleOf(j, a, err)
		if j.Trouble != gate.NoTrouble {
			j.Host = neterr.Host(err)
		}
		if logger != nil && j.Class == engine.Throttled {
			now := time.Now().Unix()
			if last := logged.Load(); last != now && logged.CompareAndSwap(last, now) {
				logger.WarnContext(a, "windrow: the server throttles", "operation", op.String(), "retry_after", j.After)
			}
		}
		return j
	}
}

// troubleOf is what an error shows of the server. Only its type and its status count, not the class that a classifier has
// given it, but an error that says what became of the item shows nothing.
func troubleOf(j engine.Judgement, a *engine.Attempt, err error) (gate.Trouble, string) {
	switch {
	case j.Class != engine.Transient && j.Class != engine.Ambiguous, j.Final, j.Undone, a.Err() != nil:
		return gate.NoTrouble, ""
	case errors.Is(err, ErrAttemptTimeout):
		return gate.Silent, "no response within AttemptTimeout"
	}
	trouble, detail := verdict.Trouble(err)
	return cmp.Or(j.Trouble, trouble), detail
}

// broken judges an attempt in which a function of the caller's did not return. Nobody knows how far it got, unless
// nothing had left or the last answer was a refusal.
func broken(op OpKind, a *engine.Attempt, failure error) engine.Judgement {
	j := engine.Judgement{Final: true, Err: failure, Whole: a.Delivery() == engine.NotSent && a.Status() == 0}
	if a.Delivery() != engine.NotSent && op != OpGet {
		j.Class = engine.Ambiguous
	}
	return j
}

// ask calls a classifier. The failure is that it did not return.
func ask(classify Classifier, err error) (c Classification, failure error) {
	if classify == nil {
		defer func() {
			if v := recover(); v != nil { // of a method of the error
				failure = lost(v, debug.Stack())
			}
		}()
		return Classify(err), nil
	}
	if value, stack, ok := parallel.Call(func() { c = own(classify(err), err) }); !ok {
		failure = lost(value, stack)
	}
	return c, failure
}

// own is the classification of a caller's own classifier. One that is not what [Classify] says is meant, and nothing
// that a transport recorded overrules it.
func own(c Classification, err error) Classification {
	if c.more == (verdict.Verdict{}) || Class(c.more.Class) != c.Class {
		c.more = verdict.Verdict{Marked: true}
		c.more.NotFound, c.more.Exists = errors.Is(err, ErrNotFound), errors.Is(err, ErrAlreadyExists)
	}
	return c
}

// causeOf gives what stopped the engine the names of this package.
func causeOf(err error) error {
	switch e := err.(type) {
	case *engine.FailuresError:
		return &namedError{ErrTooManyFailures, err}
	case *engine.FatalError:
		return fmt.Errorf("%w: %w", ErrFatal, e.Err)
	case *engine.ThrottledError:
		return &namedError{ErrThrottled, err}
	case *engine.OutageError:
		return &namedError{ErrOutage, err}
	case *engine.BudgetError:
		return &namedError{ErrRetryBudget, err}
	case *engine.RefusedError:
		return fmt.Errorf("windrow: %w", err)
	case *schedule.HookError:
		return fmt.Errorf("windrow: %w", err)
	}
	return err
}

// namedError is an error that matches a name and says more than it.
type namedError struct{ name, err error }

func (e *namedError) Error() string   { return "windrow: " + e.err.Error() }
func (e *namedError) Unwrap() []error { return []error{e.name, e.err} }

// A Journal remembers across restarts what runs have begun and ended, so that the same program, started again, goes on
// where it was killed. Package journal keeps one in a file; those who keep theirs elsewhere, such as in a database,
// check it with windrowtest.TestJournal.
//
// It knows items by their key. What it says of a key is what was said last: an item that is begun or ended again is
// what it has become. Implementations must be safe for concurrent use, and must not keep or change the slices that they
// are given. An error of Begin, Intend, Save, Record or Sync says that the journal does not remember; a run that gets
// one sends nothing more.
//
// One that has a method Resumed() bool says by it whether an earlier process has used it. In a run that goes on so, also
// an item of which the journal knows nothing may have been sent, since a power loss takes intents that are Repeatable:
// when it exists already it is looked up, or Unknown. A 422 says so only of an item that an intent names: of others it is
// looked up, or Failed. Without the method that is so as soon as the journal knows one item.
type Journal interface {
	// Begin is called at the start of each run, with what the run does to its items. It refuses, with an error, a
	// journal that was begun with another operation.
	Begin(op OpKind) error
	// Scope is called after Begin. It returns what the idempotency keys of all runs with the journal belong to: a text that
	// is the same for as long as the journal is kept, also after a restart, and that no other journal has. So a run that
	// goes on sends the keys that were sent, and another import with the same items does not. "" is for a journal that is
	// older than scopes: its runs send the keys of the items themselves.
	Scope() string
	// Find returns what is known of a key: State NotAttempted when it was never begun, or was proved not to have been
	// applied; Unknown when it was begun and has not ended, or ended so; else how it ended, as it was recorded. The
	// entry has the key in any case.
	Find(key string) (JournalEntry, error)
	// Unfinished yields the intents that have keys of which nobody knows how they ended: those for which nothing was
	// recorded since, and those recorded as Unknown. It yields them in the order in which they were made, with all their
	// keys, also those that have ended: what was sent together is sent again only together, with the same idempotency
	// key, or is Unknown. A key that a later intent names too belongs to that one. Intents that are made while Unfinished
	// is running need not be yielded. An error is the last pair.
	Unfinished() iter.Seq2[JournalIntent, error]
	// Intend makes it durable that items are about to be sent together, and returns when it is, or, when the intent is
	// Repeatable, when it would survive a kill of the process. Concurrent calls share the time that it takes. It returns early when ctx ends. After an error nothing may be sent, and whether the intent
	// stands is open until it is recorded how its items ended (NotAttempted, if nothing is known of them).
	Intend(ctx context.Context, intent JournalIntent) error
	// Save adds the handle of a job on the server to the last intent with that idempotency key, so that a run that is
	// started again asks for the job instead of submitting it again. It is durable when Save returns; it is an error
	// that no unfinished intent has that key.
	Save(ctx context.Context, idempotencyKey, handle string) error
	// Record notes how items ended; with State NotAttempted, that it was proved that they were not applied. It may keep
	// that in memory for a while: to lose it costs a look-up or a harmless repetition. It returns without waiting as
	// long as the journal keeps up.
	Record(entries ...JournalEntry) error
	// Sync makes durable what was recorded. A run calls it at its end.
	Sync() error
}

// JournalIntent is what is about to be sent with one request: an item that must not be sent twice or that makes a record,
// or the members of a native batch.
type JournalIntent struct {
	Keys           []string // of the items, at least one, none twice and none ""
	IdempotencyKey string   // what the request is sent with, "" when it has none
	Attempt        int      // number of the attempt, from 1
	Handle         string   // of the job on the server that carries it out, "" as long as there is none
	// Repeatable says that it is harmless to send it twice: the intent need not be durable, but has to outlive the process.
	// What is sent again then and exists already is known to be perhaps its own. Unfinished need not tell it.
	Repeatable bool
}

// JournalEntry is how an item ended.
type JournalEntry struct {
	Key         string // of the item, not ""
	State       State  // how it ended
	Reason      Reason // why it was Skipped
	ID          string // what ResultID named of the result, "" for nothing
	Fingerprint string // of the item's content, "" when none is wanted
}

// WithJournal makes runs remember in a journal what they begin and end, so that the same program, started again, goes on
// where it was killed: what is done ends as Skipped ([ReasonDoneBefore], with its [Result.ID]), what failed or was never
// begun is sent, and what was begun and has not ended is looked up, or sent again where that is harmless, or is Unknown.
// The input may have grown or be in another order. Items need keys, and no two of them the same; what is to be stored of
// a result is named by [BatchProcessor.ResultID].
//
// A key stands for one item with one content: an item whose key is done is Skipped. Of two items with one key a run is
// refused, also with [KeepAllInOrder]; with [KeepFirst] and [KeepLast] one of them is sent and the other Skipped, and with
// [FailDuplicates] both are Failed. In a stream the later one ends as Failed while the first is in the window, and is
// Skipped when that one is done. A second change of a record needs a key of its own; with a Fingerprint it is
// refused, not Skipped, when it has the old one.
//
// Before an item leaves that must not be sent twice, the journal has it on disk. Before one leaves that makes a record and
// may be sent twice, the journal has written it down where a kill of the process does not lose it, which costs no sync.
// When the journal fails the run stops
// with its error, and returns all it knows. A dry run takes no notice of it.
func WithJournal(j Journal) Option {
	return option("WithJournal", j != nil, "nil", "must be a journal", func(o *options) { o.journal = j })
}

// book is a journal as the mechanics see it.
type book struct{ Journal }

func (b book) Find(key string) (resume.Entry, error) {
	e, err := b.Journal.Find(key)
	return resume.Entry{Key: e.Key, State: engine.State(e.State), Reason: engine.Reason(e.Reason), ID: e.ID, Fingerprint: e.Fingerprint}, err
}

func (b book) Unfinished() iter.Seq2[resume.Intent, error] {
	return func(yield func(resume.Intent, error) bool) {
		for intent, err := range b.Journal.Unfinished() {
			if !yield(resume.Intent(intent), err) {
				return
			}
		}
	}
}

func (b book) Intend(ctx context.Context, intent resume.Intent) error {
	return b.Journal.Intend(ctx, JournalIntent(intent))
}

func (b book) Record(entries []resume.Entry) error {
	out := make([]JournalEntry, len(entries))
	for k, e := range entries {
		out[k] = JournalEntry{Key: e.Key, State: State(e.State), Reason: Reason(e.Reason), ID: e.ID, Fingerprint: e.Fingerprint}
	}
	return b.Journal.Record(out...)
}

// resumption begins with the journal of a run that fills res, nil when there is none to be kept. A fresh run is no Rerun of
// one that has sent something, whose idempotency keys stay as they are.
func (p *BatchProcessor[In, Out]) resumption(res *BulkResult[In, Out], fresh bool) (*resume.Resumption, error) {
	j := p.opts.journal
	if j == nil || p.opts.dryRun {
		return nil, nil
	}
	var scope string
	if err := guarded(func() error {
		err := j.Begin(p.op)
		if err == nil {
			scope = j.Scope()
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("windrow: the journal: %w", err)
	}
	if fresh {
		res.scope = scope
	}
	r := &resume.Resumption{
		Journal: resume.Guard(book{j}, lost), Table: res.table, Key: res.key, ID: res.recordOf,
		KeyFor:  func(items []int) string { return p.owner(res).keyFor(items) },
		Traits:  func(i int) engine.Traits { return p.traitsFor(res.inputs[i&res.mask]) },
		MayLook: p.mayLook(), Atomic: p.opts.atomic, ChunkItems: p.chunkItems(), Lost: lost,
	}
	if old, ok := j.(interface{ Resumed() bool }); ok {
		if err := guarded(func() error { r.Reopened = old.Resumed(); return nil }); err != nil {
			return nil, fmt.Errorf("windrow: the journal: %w", err)
		}
	}
	if p.Validate != nil {
		r.Validate = func(i int) error { return p.Validate(res.inputs[i&res.mask]) }
	}
	if p.Fingerprint != nil {
		r.Fingerprint = func(i int) string { return p.Fingerprint(res.inputs[i&res.mask]) }
	}
	return r, nil
}

// recordOf is what the journal is to remember of the record of an item that has ended.
func (r *BulkResult[In, Out]) recordOf(item int) string {
	if s := r.table.At(item); s.State == engine.Succeeded || s.State == engine.Skipped {
		return r.id(item&r.mask, Reason(s.Reason))
	}
	return ""
}

// keepJournal has the engine tell the journal what it begins and ends.
func keepJournal(journal *resume.Resumption, cfg *engine.Config, stop func(error)) {
	journal.Keep(&cfg.Hooks, stop)
	cfg.Resumed = journal.Resumed
	cfg.Owner.(*owner).save = func(a *engine.Attempt, handle string) {
		if err := journal.SaveHandle(a, handle); err != nil {
			stop(err)
		}
	}
}
