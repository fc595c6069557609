// Package objectstack is a client of the data API of an ObjectStack server, in bulk: one request creates, updates,
// upserts or deletes up to 200 records (or what the deployment allows), each of which has its own result.
//
//	client, err := objectstack.New("https://crm.example/api/v1", token, nil)
//	accounts := objectstack.NewResource[Account, Account](client, "account")
//	res, err := windrow.CreateMany(ctx, accounts, drafts)
//
// The verbs of windrow take a [Resource]. It chooses the endpoint, always sends the options whose defaults differ, and reads
// the responses of both generations of servers: those before 17, which omit the records after the one that stopped a batch,
// and those since, which mark them NOT_ATTEMPTED.
//
// [Client.Transaction] applies operations on several objects as a whole. Later operations may refer to records that earlier
// ones create.
//
// A server without transactions treats an atomic batch as an ordinary one, and keeps the records written before a failure.
// So before the first atomic batch the client asks the server whether it can roll back ([Client.Probe]), and sends the batch
// only then. Some servers write in a dry run (validateOnly); it is not used until [Client.VerifyDryRun] has verified that
// the server does not.
//
// A refusal is an [*Error]. The types of the protocol ([BatchUpdateRequest] and the others) can be read and checked with
// [Parse].
package objectstack
