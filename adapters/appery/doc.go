// Package appery is a client of the database API of Appery.io, in bulk: one request carries operations of all kinds on all
// collections, each of which has its own result.
//
//	client, err := appery.New("", databaseID, nil, appery.WithSessionToken(token))
//	res, err := mixed.Run(ctx, client, []mixed.Operation{
//		{Kind: windrow.OpCreate, Resource: "Labels", Data: Label{Name: "nick"}},
//		{Kind: windrow.OpDelete, Resource: "Labels", ID: "58a59381975a4fa00e0ff512"},
//	})
//
// A [Client] is what [mixed.Run] takes, and a [Collection] what the other verbs of windrow take. Operations are
// carried out in their order, one's failure does not stop the others, and each counts as one call against the quota: a
// batch saves round trips and no quota, so a limiter is asked for as many units as it has operations.
//
// The status of an answer says nothing of the operations in it. What the server refuses is an [*Error], with the server's
// own code.
package appery
