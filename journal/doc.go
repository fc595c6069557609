// Package journal keeps in a file what bulk runs have begun and ended, so that the same program, started again after it
// was killed, goes on where it was.
//
//	j, err := journal.Open("import.journal", "import articles")
//	if err != nil {
//		return err
//	}
//	defer j.Close()
//	res, err := windrow.CreateMany(ctx, articles, drafts, windrow.WithJournal(j),
//		windrow.WithKey(func(d Draft) string { return d.Slug }),
//		windrow.WithResultID(func(a Article) string { return a.ID }))
//
// Items are known by their Key, so the input may come in another order, and with more items, when the program runs
// again. What is done is skipped. What was begun and has not ended is Unknown, unless a Reconcile finds out or repeating
// it is harmless.
//
// # What it promises
//
// An item that must not be sent twice is sent only after the journal has made durable that it will be: when the process
// is killed or the power fails, the item is Unknown afterwards, and never sent again as if nothing had been. That an item
// has ended is made durable in groups, at the latest after a second: what is lost of it makes items Unknown that are
// known, or repeats what is harmless to repeat.
//
// What no journal can do is to close the gap between the request and its answer. Whether an item in that gap was applied
// only the server knows: let it honour idempotency keys or ids that the client chooses, or look the item up with a
// Reconcile.
//
// # The file
//
// It is text, one record a line: a CRC-32C in 8 hexadecimal digits, a space, and JSON. The checksum covers the number of
// the line too. The first record says whose journal it is; the others what is about to be sent and how it ended:
//
//	6487cd47 {"v":1,"job":"import articles","verb":"create","keyScheme":"","version":0,"scope":"5e8d0c4f9a2b7163d4e5f607","created":"2026-11-21T23:40:00Z"}
//	409e6642 {"t":"intent","k":["a1"],"a":1,"idem":"cfd6d361-7c2f-836f-8cc8-7096afc98fee"}
//	7c25b97b {"t":"done","k":"a1","id":"4711","p":152}
//
// "scope" is what the idempotency keys are derived from, beside the keys of the items: each journal has its own. One that
// has none is older, and goes on with the keys of the items themselves. "t" is intent, or how the item ended: done, fail,
// skip, unknown, none (it was proved not to have been applied). "k" is its key, or for an intent the keys of all the items
// of the request; a string that is not valid UTF-8 is its bytes in hexadecimal after a U+0000. "a" counts attempts, "idem"
// is the idempotency key, "h" the handle of a job on the server, "id" what was stored of the result, "r" why it was
// skipped, "fp" the fingerprint of its content, "p" where the record before of the key is, and "i" where an intent is of
// which this is the repetition with a handle.
//
// The file only grows, by about 100 bytes an item. Remove it when the job is done for good. [Inspect] lists what it holds.
package journal
