// Package windrowtest tests bulk jobs, clients and journals against a server that injects faults.
//
// # Faults
//
// A [Server] stands between clients and an API and handles each request by a script of steps: [Status], [Throttled],
// [LostAnswer], [CutAnswer], [NeverAnswers], [Slow], [HTML] and others, or any [Step]. Its connections are pipes, so that it
// works inside a testing/synctest bubble, where no waiting takes time. [Records] is a small JSON API to put behind it; any
// [net/http.Handler] will do.
//
//	records := &windrowtest.Records{}
//	server := windrowtest.NewServer(t, records)
//	server.Script(windrowtest.Pass, windrowtest.LostAnswer(), windrowtest.Status(503))
//	// run something with server.URL and server.Client()
//
// # Truth
//
// A [Ledger] records what the server really applied, and [Verify] checks a [windrow.BulkResult] against it: nothing was
// applied twice, every Succeeded item was applied, and no Failed item was.
//
// # Conformance
//
// [TestClient] is for authors of clients: it checks all properties on which runs rely. [TestJournal] is for authors of a
// [windrow.Journal].
package windrowtest
