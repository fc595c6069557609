// Package windrow does bulk work against a rate-limited API: it creates, updates, upserts, deletes and reads many records
// through a client that takes them one at a time or some at a time, and says of every record how it ended.
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
// No limit has to be told: the run finds out how much the server takes, waits while it throttles or is away, and sends again
// what may be sent again. It never repeats a write that may have been applied, unless that is harmless.
//
// # Vocabulary
//
// An item is one input. A verb ([CreateMany], [UpdateMany], [UpsertMany], [DeleteMany], [GetMany]) runs one operation
// for many items. A client is any value with the verb's method ([Creator] and its siblings); [CreateFunc] and its
// siblings make one of a function. Package [github.com/windrow-go/windrow/mixed] runs operations of several kinds. A
// [BatchProcessor] is what is behind the verbs, for those who want hooks: a Key, a Validate, a Reconcile, an OnResult. An
// [Option] is a policy of a run. An attempt is one call of the client for an item, or for a chunk of items where the client
// has a native batch request. A [Limiter] bounds how many calls are in flight and how fast they start, for all who share it.
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
// Without options a run has a [Limiter] of its own, which learns from the answers: it starts with 4 calls at once, doubles
// that while it brings throughput, up to 64, and shuts for all runs when the server throttles. Quotas told in headers are
// never overdrawn; without headers it learns a rate, a window's quota, or how many calls in flight are too many. Its comment
// has the details. [Concurrency] and [Rate] are ceilings to all that, [WithLimiter] shares one among the runs of an account,
// [OnAdjust] and [LimiterStats] tell what it believes and why, and [StartFrom] gives it what an earlier program has learned.
//
// # More
//
//   - More items than fit into memory: [BatchProcessor.Stream], from [FromSlice], [FromSeq] or any [iter.Seq2].
//   - Lists in pages, as input or to be read: [Pages].
//   - A program that is killed and started again: [WithJournal] and [github.com/windrow-go/windrow/journal].
//   - Changes to be looked at first, confirmed and backed up: [github.com/windrow-go/windrow/plan].
//   - Files: [github.com/windrow-go/windrow/upload].
//   - Clients of one's own, with batches, look-ups and jobs: [github.com/windrow-go/windrow/clients], and
//     [github.com/windrow-go/windrow/windrowtest] to test them.
//   - JSON APIs, and the http.Client of any SDK: [github.com/windrow-go/windrow/adapters/rest]. Beside it are the clients of ready-made systems: [datocms],
//     [objectstack], [appery] and [bloomy].
//   - Watching: [OnProgress], [WithLogger] and [WithObserver].
//
// # Concurrency
//
// Processors and limiters may be used from many goroutines. Client methods and hooks are called from many goroutines
// at once, but for OnProgress and OnResult, which are called from one. A run has ended all its goroutines when it
// returns.
//
// [datocms]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/datocms
// [objectstack]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/objectstack
// [appery]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/appery
// [bloomy]: https://pkg.go.dev/github.com/windrow-go/windrow/adapters/bloomy
package windrow
