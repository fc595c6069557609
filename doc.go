// Package windrow does bulk work against a rate-limited API: it creates, updates, upserts, deletes and reads many
// records through a client, one at a time or in batches, and reports how each record ended.
//
//	articles := windrow.CreateFunc(sdk.Articles.Create) // func(context.Context, Draft) (Article, error)
//
//	res, err := windrow.CreateMany(ctx, articles, drafts)
//	for r := range res.Succeeded() {
//		fmt.Println(r.Index, r.Value.ID)
//	}
//	for r := range res.Failed() {
//		fmt.Println(r.Index, r.Err)
//	}
//	if err != nil {
//		res, err = windrow.NewCreateProcessor(articles).Rerun(ctx, res) // sends what may be sent again
//	}
//
// No limits need to be set: the run learns how much the server takes, waits while it throttles or is down, and sends
// again what may be sent again. It never repeats a write that may have been applied, unless that is harmless.
//
// # Vocabulary
//
// An item is one input. A verb ([CreateMany], [UpdateMany], [UpsertMany], [DeleteMany], [GetMany]) runs one operation
// for many items. A client is any value with the verb's method ([Creator] and its siblings); [CreateFunc] and its
// siblings make a client from a function. Package [github.com/windrow-go/windrow/mixed] runs operations of several
// kinds. A [BatchProcessor] is behind the verbs; use one to set hooks: Key, Validate, Reconcile, OnResult. An [Option]
// is a policy of a run. An attempt is one call of the client, for an item or, where the client has a native batch
// request, for a chunk of items. A [Limiter] bounds how many calls are in flight and how fast they start, for all
// processors that share it.
//
// # Outcomes
//
// Every item ends in exactly one [State]: [Succeeded], [Failed], [Skipped], [NotAttempted] or [Unknown]. That holds
// after a cancel, a panic, a deadline, and when a response is short, late or lost. Unknown means that a write may have
// been applied, mostly since its response was lost. [BulkResult] holds all outcomes in the order of the input, and
// [BatchProcessor.Rerun] sends what may be sent again.
//
// # Errors
//
// A run's error is nil or a [*BulkError], which unwraps to one [*ItemError] for each item that is Failed, Unknown or
// NotAttempted, and to what stopped the run ([BulkError.Cause]). Error texts name items by index and key and never show
// their content. Invalid options are reported before anything is sent, as an [*OptionError].
//
// # Retries
//
// A [Classifier], by default [Classify], gives each error a [Class]; the [RetryPolicy] says what follows from it. A
// write whose response was lost is repeated only where that is harmless: see [Capabilities] and [Repeatable].
//
// # Limits
//
// Without options a run has a [Limiter] of its own, which learns from responses: it starts with 4 calls at once,
// doubles the number while that brings throughput, up to 64, and shuts for all runs while the server throttles. Quotas
// in headers are never overdrawn; without headers it learns a rate, a window's quota, or how many calls in flight are
// too many. The Limiter comment has the details. [Concurrency] and [Rate] set ceilings, [WithLimiter] shares one
// limiter among the runs of an account, [OnAdjust] and [LimiterStats] report the present limits and their reason, and
// [StartFrom] begins with what an earlier program has learned.
//
// # More
//
//   - More items than fit into memory: [BatchProcessor.Stream], from [FromSlice], [FromSeq] or any [iter.Seq2].
//   - Lists in pages, as input or to be read: [github.com/windrow-go/windrow/pages].
//   - A program that is killed and started again: [WithJournal] and [github.com/windrow-go/windrow/journal].
//   - Changes to be reviewed, confirmed and backed up: [github.com/windrow-go/windrow/plan].
//   - Files: [github.com/windrow-go/windrow/upload].
//   - Your own clients, with batches, look-ups and jobs: [github.com/windrow-go/windrow/clients], and
//     [github.com/windrow-go/windrow/windrowtest] to test them.
//   - JSON APIs, and the http.Client of any SDK: [github.com/windrow-go/windrow/adapters/rest].
//     Beside it are the clients of ready-made systems: [datocms], [objectstack], [appery] and [bloomy].
//   - Watching: [OnProgress], [WithLogger] and [WithObserver].
//
// # Concurrency
//
// Processors and limiters may be used from many goroutines. Client methods and hooks are called from many goroutines at
// once, except OnProgress and OnResult, which are called from one. All goroutines of a run have ended when it returns.
//
// [datocms]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/datocms
// [objectstack]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/objectstack
// [appery]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/appery
// [bloomy]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/bloomy
package windrow
