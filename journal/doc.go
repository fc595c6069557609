// Package journal records in a file which items bulk runs have begun and ended, so that a program that was killed and
// started again goes on where it was.
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
// Items are identified by their Key, so the input of the next run may have another order and more items. Items that are done
// are skipped. An item that was begun and has not ended is Unknown, unless Reconcile finds out or repeating it is harmless.
//
// # What it promises
//
// An item that must not be sent twice is sent only after its intent is durable. If the process is killed or the power fails,
// the item is Unknown afterwards, and is not sent again as if it were new. The end of an item is made durable with those of
// others, after a second at the latest. If ends are lost, their items are Unknown, or are repeated where that is harmless.
//
// No journal can close the gap between a request and its response. Only the server knows whether an item in that gap was
// applied: use idempotency keys or ids that the client chooses, or look the item up with Reconcile.
//
// # The file
//
// The file is text, one record a line: a CRC-32C in 8 hexadecimal digits, a space, and JSON. The checksum covers the line
// number, too. The first record is the header; each other record is an intent (items about to be sent) or an entry (how an
// item ended):
//
//	6487cd47 {"v":1,"job":"import articles","verb":"create","keyScheme":"","version":0,"scope":"5e8d0c4f9a2b7163d4e5f607","created":"2026-11-21T23:40:00Z"}
//	409e6642 {"t":"intent","k":["a1"],"a":1,"idem":"cfd6d361-7c2f-836f-8cc8-7096afc98fee"}
//	7c25b97b {"t":"done","k":"a1","id":"4711","p":152}
//
// "scope" is random for each journal; idempotency keys are derived from it and the keys of the items. An older journal has
// none, and uses the keys of the items themselves. "t" is intent, or how the item ended: done, fail, skip, unknown, none
// (proved not to have been applied). "k" is the item's key, or in an intent the keys of all items of the request; a string
// that is not valid UTF-8 is written as U+0000 and its bytes in hexadecimal. "a" counts attempts, "idem" is the idempotency
// key, "h" the handle of a job on the server, "id" the id of the result, "r" why the item was skipped, "fp" the fingerprint
// of its content, "p" the offset of the key's previous record, and "i" the offset of the intent that this record repeats
// with a handle.
//
// The file only grows, by about 100 bytes an item. Remove it when the job is done for good. [Inspect] lists what it holds.
package journal
