// Package clients is for those who write a client: a value that package windrow calls to create, update, upsert, delete or
// read records of one API. An application that only uses a client does not need this package.
//
// # The contract of a batch's error
//
// A batch method returns one [windrow.Outcome] for each item, in their order, and an error. The error is about the request,
// and is judged once for all its items; the Err of an Outcome is about its item. A plain Err there is the server's refusal of
// that item: it ends as Failed and is not sent again. [BatchCreator] says the rest.
//
// # How to write a client
//
//   - Give it the method of its verb: [windrow.Creator] and its siblings. That is a whole client.
//   - Add what the API can do: a native bulk request ([BatchCreator] and its siblings), what it supports ([Describer]), a
//     look-up of a write whose response was lost ([Reconciler], [BatchReconciler]), a dry run ([DryRunner]). The verbs find
//     these by their methods, as package io finds an [io.WriterTo]. A wrapper hides what it does not pass on.
//   - Translate, and do nothing else: a client never retries, sleeps, divides or logs.
//   - Say what an error means where its type or status does not: [windrow.Permanent], [windrow.Transient],
//     [windrow.Throttled], [windrow.Ambiguous], [windrow.TooLarge], [windrow.Fatal], [windrow.Classified]; and [Skip] for an
//     item that needed no change.
//   - Put results that come with ids into the order of the items with [MatchByID], and read one that only counts with
//     [MatchByCount].
//   - Wait for a job of the server with [SubmitAndPoll], or [Poll].
//   - Get the attempt with [AttemptFrom]: the idempotency key to send, the number of the attempt, the handle that the
//     previous attempt stored.
//   - A transport reports each response to a limiter with [Attempt.Observe]. Package adapters/rest has one for any SDK that
//     takes an http.Client.
//
// To see that a client keeps all this, run it through windrowtest.TestClient.
package clients
