// Package windrowtest tests code that does bulk work, and what bulk work is done with, against a server that misbehaves.
//
// # Faults
//
// A [Server] stands between clients and an API and does with each request what a script says: [Status], [Throttled],
// [LostAnswer], [CutAnswer], [NeverAnswers], [Slow], [HTML] and others are steps of scripts, and a [Step] is what they
// are made of. Its connections are pipes, so that it works inside a testing/synctest bubble, where no waiting takes time.
// [Records] is a small JSON API to put behind it; any [net/http.Handler] will do.
//
//	records := &windrowtest.Records{}
//	server := windrowtest.NewServer(t, records)
//	server.Script(windrowtest.Pass, windrowtest.LostAnswer(), windrowtest.Status(503))
//	// run something with server.URL and server.Client()
//
// # Truth
//
// A [Ledger] notes what the server really applied, and [Verify] holds a [windrow.BulkResult] against it: nothing was
// applied twice, nothing succeeded that was not applied, nothing failed that was.
//
// # Conformance
//
// [TestClient] is for authors of clients: it checks all that runs rely on. [TestJournal] is for those who keep a
// [windrow.Journal] in a place of their own.
package windrowtest
