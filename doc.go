// Package windrow does bulk work against somebody else's API: it creates, updates, upserts, deletes and reads many
// records through a client that takes them one at a time or some at a time, and says of every record how it ended.
//
// # Vocabulary
//
// An item is one input. A verb ([CreateMany], [UpdateMany], [UpsertMany], [DeleteMany], [GetMany]) runs one operation
// for many items. A client is any value with the verb's method ([Creator] and its siblings); [CreateFunc] and its
// siblings make one of a function. Package [github.com/windrow-go/windrow/mixed] runs operations of several kinds. A
// [BatchProcessor] is what is behind the verbs, for those who want hooks: a Key, a
// Validate, a Reconcile, an OnResult. An attempt is one call of the client for an item, or for a chunk of items where
// the client has a native batch request (package [github.com/windrow-go/windrow/clients] tells how to write one).
//
// # Outcomes
//
// Every item ends in exactly one [State]: [Succeeded], [Failed], [Skipped], [NotAttempted] or [Unknown]. That holds
// after a cancel, a panic, a deadline, and when the server answers short, long or never. Unknown is the honest name
// for a write that was sent and whose answer was lost. [BulkResult] holds all outcomes in the order of the input, and
// [BatchProcessor.Rerun] sends what may be sent again.
//
// # Errors
//
// A run's error is nil or a [*BulkError], which unwraps to one [*ItemError] for each item that did not make it, and to
// what stopped the run ([BulkError.Cause]). Error texts name items by index and key and never show their content.
// What is wrong with options is said before anything is sent, in an [*OptionError].
//
// # Retries
//
// An error is judged by a [Classifier], by default [Classify]; the [RetryPolicy] says what follows from its [Class].
// A write whose answer was lost is repeated only where that is harmless: see [Capabilities] and [Repeatable].
//
// # Limits
//
// A [Limiter] bounds how many calls are in flight and how fast they start. Without options a run has one of its own.
// It is told nothing and learns from the answers. It starts with 4 calls at once and doubles that while it brings
// throughput, up to 64. When the server throttles (429, or 503 with Retry-After) it shuts for everybody until the time
// the server names, or for a growing random pause; then one call tries, and its success opens it again. Next time it
// does better. Quotas told in headers are spread over their window and never overdrawn. Without headers the server's
// rate is what it accepted between two times at which it refused; if it refuses everything for long, it has windows,
// whose quota and length are learned and kept to as if they were told. Where neither explains the refusal, fewer calls are in
// flight. [LimiterStats] and [OnAdjust] tell what it believes and why. What it learned lasts as long as the limiter.
// [Concurrency] and [Rate] are ceilings to all that: Concurrency(8) starts at 8, Rate(60, 3*time.Second) is
// kept from the first call. To share one account's limit among several runs, give them one limiter ([WithLimiter]);
// to let it see every request's headers, put adapters/rest.Transport into the SDK's http.Client.
//
// # Concurrency
//
// Processors and limiters may be used from many goroutines. Client methods and hooks are called from many goroutines
// at once, but for OnProgress and OnResult, which are called from one. A run has ended all its goroutines when it
// returns.
package windrow
