// Package appery is a client of the database API of Appery.io, in bulk: one request carries operations of all kinds on all
// collections, each of which has its own result.
//
//	client, err := appery.New("", databaseID, nil, appery.WithSessionToken(token))
//	res, err := mixed.Run(ctx, client, []mixed.Operation{
//		{Kind: windrow.OpCreate, Resource: "Labels", Data: Label{Name: "nick"}},
//		{Kind: windrow.OpDelete, Resource: "Labels", ID: "58a59381975a4fa00e0ff512"},
//	})
//
// A [Client] is for [mixed.Run], and a [Collection] for the other verbs of windrow. Operations are applied in their
// order, a failure does not stop the others, and each counts as one call against the quota: a batch saves round trips but no
// quota, and costs the limiter one unit for each operation.
//
// The status of a response says nothing about the operations in it. A refusal is an [*Error], with the server's own code.
package appery
