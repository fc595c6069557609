// Package objectstack is a client of the data API of an ObjectStack server, in bulk: one request creates, updates,
// upserts or deletes up to 200 records (or what the deployment allows), each of which has its own result.
//
//	client, err := objectstack.New("https://crm.example/api/v1", token, nil)
//	accounts := objectstack.NewResource[Account, Account](client, "account")
//	res, err := windrow.CreateMany(ctx, accounts, drafts)
//
// A [Resource] is what the verbs of windrow take. It chooses the endpoint, always sends the options that decide over
// the records, and reads the answers of both generations of servers: those before 17, which leave out the records after
// the one that stopped a batch, and those since, which name them NOT_ATTEMPTED.
//
// [Client.Transaction] carries out operations on several objects as a whole, in which later ones may refer to what
// earlier ones create.
//
// A server without transactions takes an atomic batch for an ordinary one, and keeps what it had written before the
// failure. So before the first atomic batch the client asks the server whether it can roll back ([Client.Probe]), and
// does not send it otherwise. A server's dry run (validateOnly) has been known to write; it is not used until
// [Client.VerifyDryRun] has seen that it does not.
//
// What the server refuses is an [*Error]. The types of the protocol ([BatchUpdateRequest] and the others) can be read and
// checked with [Parse].
package objectstack
