// Package mixed runs operations of several kinds: creates beside updates, deletes and reads, in one request where the
// API has such a request ([Executor]), and one record at a time where it does not ([Clients]). All else is as package
// windrow has it: the options, the result and its errors. One exception: a journal in a file (package journal) records
// operations of one kind, so a mixed run is refused beside it. An implementation of [windrow.Journal] of your own may
// take [windrow.OpExecute].
//
//	res, err := mixed.Run(ctx, client, []mixed.Operation{
//		{Kind: windrow.OpCreate, Resource: "labels", Data: label{Name: "new"}},
//		{Kind: windrow.OpDelete, Resource: "labels", ID: "7"},
//	})
package mixed
