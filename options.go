package windrow

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Option is a policy of a processor or a [Limiter] that does not depend on the type of the items.
type Option interface{ apply(*options) }

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

// Options joins several options into one that can be named and shared. A later option overrides an earlier one; nil is
// ignored.
func Options(opts ...Option) Option {
	return optionFunc(func(o *options) {
		for _, opt := range opts {
			if opt != nil {
				opt.apply(o)
			}
		}
	})
}

// options holds the values of the options.
type options struct {
	given map[string]bool // by name
	errs  []error

	concurrency    int
	rate           rate.Limit
	rateSet        bool
	burst          int
	batchSize      int
	batchDelay     time.Duration
	retry          RetryPolicy
	attemptTimeout time.Duration
	preserveOrder  bool
	maxFailures    int // -1: no bound
	maxFailureRate float64
	minFailureRate int
	dryRun         bool
	atomic         bool
	settling       time.Duration
	canary         int
	repeatable     bool
	keepPanics     bool
	duplicates     DuplicatePolicy
	onProgress     func(Progress)
	limiter        *Limiter
	onAdjust       func(LimiterStats)
	learned        Learned
	logger         *slog.Logger
	observer       Observer
	control        *Control
	journal        Journal
	scope          string // "" when none was given
	unordered      bool   // of a stream, like the next two
	window         int
	linger         time.Duration
	runOnly        bool // the call makes no stream
	key            any  // a func(In) string
	resultID       any  // a func(Out) string
}

func newOptions(opts []Option) *options {
	o := &options{given: map[string]bool{}, maxFailures: -1, maxFailureRate: -1, settling: defaultSettlingTime}
	Options(opts...).apply(o)
	return o
}

// option returns the Option with that name. When the value is good, set applies it; otherwise the option is refused
// with the problem.
func option(name string, good bool, value any, problem string, set func(*options)) Option {
	return optionFunc(func(o *options) {
		o.given[name] = true
		if !good {
			o.errs = append(o.errs, &OptionError{Option: name, Value: value, Problem: problem})
			return
		}
		set(o)
	})
}

// OptionError is the error of an invalid option, parameter, or field of one. Nothing was sent.
type OptionError struct {
	Option  string // its name
	Field   string // of the option's value; "" when the value has no fields
	Value   any    // the given value; nil when the value is not the problem
	Problem string // what is wrong, and how to correct it
}

// Error implements error.
func (e *OptionError) Error() string {
	var b strings.Builder
	b.WriteString("windrow: " + e.Option)
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	if e.Value != nil {
		fmt.Fprintf(&b, " (%v)", e.Value)
	}
	return b.String() + " " + e.Problem
}

// maxConcurrency bounds the goroutines of a stream.
const maxConcurrency = 100_000

const concurrencyProblem = "must be from 1 to 100,000"

// Concurrency is how many calls may be in flight at once, from 1 to 100,000. It is a ceiling: there are fewer when the
// server throttles because of their number. Without it a run starts with 4 and grows to 64. Beside [WithLimiter] it is
// a lower ceiling for this processor alone.
func Concurrency(n int) Option {
	return option("Concurrency", n >= 1 && n <= maxConcurrency, n, concurrencyProblem, func(o *options) { o.concurrency = n })
}

// Rate is how many quota units may be used in each period: a request uses one, unless the client's Cost says otherwise.
// It is a ceiling. Without it there is no rate, until the server shows one. It is refused beside [WithLimiter], since
// that limiter has its own.
func Rate(n int, per time.Duration) Option {
	return option("Rate", n >= 1 && per > 0, fmt.Sprintf("%d, %v", n, per), "must be at least 1 in a positive period",
		func(o *options) { o.rate, o.rateSet = rateOf(n, per), true })
}

// Burst is how many quota units may leave at one instant after a quiet time, at least 1 and not less than the cost of
// one request. Defaults to 10 milliseconds' worth of the [Rate], or to the cost of one request if that is more. Without
// a Rate it applies to the rate that the server shows, and to that of [Limiter.SetRate].
func Burst(n int) Option {
	return option("Burst", n >= 1, n, "must be at least 1", func(o *options) { o.burst = n })
}

// WithLimiter makes the processor share a limiter with others. Without it the processor has one of its own.
func WithLimiter(l *Limiter) Option {
	return option("WithLimiter", l != nil, "nil", "must be a limiter", func(o *options) { o.limiter = l })
}

// OnAdjust calls f after each change of the limits that the limiter has learned, with the reason in Why. Steady growth
// is no such change. Without [WithLimiter] it applies to the processor's own limiter. f is called by the goroutine that
// saw the evidence, possibly by several at once. It may use the limiter, and should return soon. A panic of f is
// ignored.
func OnAdjust(f func(LimiterStats)) Option {
	return option("OnAdjust", f != nil, "nil", "must be a function", func(o *options) { o.onAdjust = f })
}

// BatchSize is how many items a batch holds, at least 1. For native batches it is the number of items in one request,
// at most the client's MaxItems, which is the default. It is also the number of items between two delays of
// [BatchDelay]. For single calls it matters only with BatchDelay, and defaults to 20 for creates and 10 otherwise;
// without a delay it is refused there.
func BatchSize(n int) Option {
	return option("BatchSize", n >= 1, n, "must be at least 1", func(o *options) { o.batchSize = n })
}

// BatchDelay pauses after each batch but the last, when every item of the batch has ended. Without it there is no
// barrier between batches: the limiter alone sets the pace. A [Rate] is nearly always the better choice.
func BatchDelay(d time.Duration) Option {
	return option("BatchDelay", d >= 0, d, "must not be negative", func(o *options) { o.batchDelay = d })
}

// PreserveOrder makes the calls one at a time, in the order of the input. While an item waits for its retry no other
// item is sent. The run goes on after an error. Without it only the results are in order.
func PreserveOrder() Option {
	return option("PreserveOrder", true, nil, "", func(o *options) { o.preserveOrder = true })
}

// Atomic makes the run all or nothing: all items go in one request, which the server applies as a whole or not at all.
// When an item is refused, it ends as Failed where the server names it, and the others as NotAttempted with an error
// that matches [ErrRolledBack]. The run is refused, and nothing is sent, when the client's [Atomicity] is partial, when
// the items do not fit into one request, or when one of them is not valid.
func Atomic() Option {
	return option("Atomic", true, nil, "", func(o *options) { o.atomic = true })
}

// Duplicates says how items with equal keys are handled. Two items with one key are never in two requests at once.
// Beside [WithJournal], which knows items only by their keys, [KeepAllInOrder] is RejectDuplicates. A policy other than
// KeepAllInOrder is refused where items have neither a Key nor an id, and by a stream.
func Duplicates(policy DuplicatePolicy) Option {
	return option("Duplicates", policy <= FailDuplicates, policy,
		"must be RejectDuplicates, KeepFirst, KeepLast, KeepAllInOrder or FailDuplicates", func(o *options) { o.duplicates = policy })
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

// AttemptTimeout bounds each call, from its start until its whole response is read. Without it only the run's context
// does. The error of an attempt that takes longer is [ErrAttemptTimeout], unless the function returns another error
// when its context ends; a late result still counts.
func AttemptTimeout(d time.Duration) Option {
	return option("AttemptTimeout", d > 0, d, "must be positive", func(o *options) { o.attemptTimeout = d })
}

// SettlingTime is how long after a lost response a look-up that finds nothing is not believed, since a write may arrive
// late and the search may lag behind. An item is looked up at once and, when it is not found, again after that time,
// counted from the end of its attempt, or from the start of the run for one that an earlier run has sent. Only then is
// it sent again, or has failed. A write that the server applies even later may be doubled. Defaults to 2 seconds; 0
// believes the first look-up.
func SettlingTime(d time.Duration) Option {
	return option("SettlingTime", d >= 0, d, "must not be negative", func(o *options) { o.settling = d })
}

// Repeatable says that calling the function twice for an item has the effect of calling it once. Without it that is
// assumed of reads, deletes, updates and upserts, and of creates when the client's [Capabilities] say so.
func Repeatable() Option {
	return option("Repeatable", true, nil, "", func(o *options) { o.repeatable = true })
}

// IdempotencyScope names what the idempotency keys of runs belong to. Two runs with one scope send the same key for
// items with the same operation and Key, so that a server that honours keys carries out only the first. It is for a
// program that has no [Journal] and may be started again in the middle. Choose a text that no later import has, such as
// "import 2031-05-06"; any text but "" is valid, and it is not sent. Without it every run has a scope of its own, and a
// Rerun that of its run. It is refused beside [WithJournal], since a journal has its own. Items without a Key always
// have keys of their run. When a create is refused because its key is in use, or because the record exists, an earlier
// run may have begun it: it is looked up, or repeated with its key, or is Unknown.
func IdempotencyScope(scope string) Option {
	return option("IdempotencyScope", scope != "", `""`, "must not be empty", func(o *options) { o.scope = scope })
}

// MaxFailures stops the run once more than n items have ended as Failed or Unknown, including those that Validate
// refuses: MaxFailures(0) stops it at the first. Calls in flight are waited for and count; the other items end as
// NotAttempted. When Validate refuses more than n items of a [BatchProcessor.Run] nothing is sent at all. Without it an
// error never stops the others.
func MaxFailures(n int) Option {
	return option("MaxFailures", n >= 0, n, "must not be negative", func(o *options) { o.maxFailures = n })
}

// MaxFailureRate stops the run as [MaxFailures] does, once at least minimum of the items that were sent have ended and
// more than share of them have failed. A share of 0.05 is 5 %. Items that Validate refuses are not sent.
func MaxFailureRate(share float64, minimum int) Option {
	return option("MaxFailureRate", share >= 0 && share <= 1 && minimum >= 0, fmt.Sprintf("%v, %d", share, minimum),
		"must be a share from 0 to 1 (1 is 100 %) of at least 0 items",
		func(o *options) { o.maxFailureRate, o.minFailureRate = share, minimum })
}

// Canary sends the first n items one by one, and the others only when all of these have succeeded or were skipped: an
// error that every item has shows in the first. When one of them fails the run stops as with [MaxFailures]. Items that
// Validate refuses are not sent, and not among the n. Without it all items may be sent at once.
func Canary(n int) Option {
	return option("Canary", n >= 1, n, "must be at least 1", func(o *options) { o.canary = n })
}

// DryRun validates the items, checks their keys, and sends nothing: valid items end as Skipped. When the client is a
// clients.DryRunner whose dry run was verified, the server validates them, too; Do and Batch are never called.
func DryRun() Option {
	return option("DryRun", true, nil, "", func(o *options) { o.dryRun = true })
}

// PropagatePanics passes a panic of a caller's function on to the caller of the run, as a [*PanicError], after the
// calls in flight have returned. Without it a panic is the error of its item, and the run goes on.
func PropagatePanics() Option {
	return option("PropagatePanics", true, nil, "", func(o *options) { o.keepPanics = true })
}

// Unordered makes a stream hand over results as the items end. Without it they come in the order of the input.
//
// It is for [BatchProcessor.Stream], like [Window] and [Linger]. [CreateMany] and its siblings, which make no stream,
// refuse it. [BatchProcessor.Run] ignores it, since the processor may serve streams as well.
func Unordered() Option {
	return option("Unordered", true, nil, "", func(o *options) { o.unordered = true })
}

// Window is how many items a stream holds at once, from when they are pulled until their results are handed over, at
// least 1. It bounds the memory, and how far the work runs ahead of the oldest item that has not ended. Defaults to
// 4,096. A call that makes no stream handles it like [Unordered].
func Window(n int) Option {
	return option("Window", n >= 1 && n <= 1<<30, n, "must be from 1 to 1,073,741,824", func(o *options) { o.window = n })
}

// Linger is how long items of a stream wait for a chunk of a native batch to fill up. Without it a chunk holds the
// items that the source has yielded when a call may leave, so a slow source is never held back. A stream of single
// calls refuses it, and a call that makes no stream handles it like [Unordered].
func Linger(d time.Duration) Option {
	return option("Linger", d >= 0, d, "must not be negative", func(o *options) { o.linger = d })
}

// WithLogger makes runs log their start, their end with what stopped them, throttles, and outages. A logger that takes
// [slog.LevelDebug] when a run starts also gets a line for each attempt when it ends: its operation, index, items,
// number and key as in [Attempt], the class of its error, the HTTP status where it is known, and the latency; the
// [Classifier] is called once more for that. Of the items only their number is logged, and at that level their index
// and key. Without it nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return option("WithLogger", l != nil, "nil", "must be a logger", func(o *options) { o.logger = l })
}

// WithKey sets the [BatchProcessor.Key] of a call, such as [CreateMany] with a journal. The function takes the inputs
// of the run ([Update] for [UpdateMany]); a function of another type is refused before anything is sent.
func WithKey[In any](key func(in In) string) Option {
	return option("WithKey", key != nil, "nil", "must be a function", func(o *options) { o.key = key })
}

// WithResultID sets the [BatchProcessor.ResultID] of a call, such as [CreateMany] with a journal. The function takes
// the outputs of the run; a function of another type is refused before anything is sent.
func WithResultID[Out any](id func(out Out) string) Option {
	return option("WithResultID", id != nil, "nil", "must be a function", func(o *options) { o.resultID = id })
}

// hook returns the function that an option has set, nil for none. A function of another type than F is recorded as an
// error.
func hook[F any](o *options, name string, given any) (f F) {
	if given == nil {
		return f
	}
	f, ok := given.(F)
	if !ok {
		o.errs = append(o.errs, &OptionError{Option: name, Value: fmt.Sprintf("%T", given), Problem: fmt.Sprintf("must be a %T here", f)})
	}
	return f
}

// runOnly says that the call makes no stream.
var runOnly Option = optionFunc(func(o *options) { o.runOnly = true })

// forRun returns the options of a call that makes no stream.
func forRun(opts []Option) []Option { return append(slices.Clip(opts), runOnly) }

// checkCalls returns errors for given options that have no effect on runs without a stream, or on single calls.
func (o *options) checkCalls(single bool) (errs []error) {
	if o.runOnly {
		for _, name := range []string{"Unordered", "Window", "Linger"} {
			if o.given[name] {
				errs = append(errs, &OptionError{Option: name, Problem: "is for a stream, and this call makes none: leave it out, or use Stream of a processor"})
			}
		}
	}
	if single && o.batchSize > 0 && o.batchDelay == 0 {
		errs = append(errs, &OptionError{Option: "BatchSize", Value: o.batchSize,
			Problem: "has no effect on single calls without BatchDelay: leave it out, or use a client with batches"})
	}
	return errs
}

var limiterOptions = []string{"Concurrency", "Rate", "Burst", "OnAdjust", "StartFrom"}

// foreignTo returns the names of the given options that are not in the list.
func (o *options) foreignTo(list []string) []string {
	var foreign []string
	for name := range o.given {
		if !slices.Contains(list, name) {
			foreign = append(foreign, name)
		}
	}
	slices.Sort(foreign)
	return foreign
}

// checkLimiter returns what is wrong with the given limiter, or with options beside it.
func (o *options) checkLimiter() (errs []error) {
	if o.limiter == nil {
		return nil
	}
	for _, name := range []string{"Rate", "Burst", "OnAdjust", "StartFrom"} {
		if o.given[name] {
			errs = append(errs, &OptionError{Option: name, Problem: "is refused beside WithLimiter: set it on the limiter, for all who share it"})
		}
	}
	if o.limiter.err != nil {
		errs = append(errs, o.limiter.err)
	}
	return errs
}
