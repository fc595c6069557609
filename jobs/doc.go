// Package jobs carries out durable batch jobs on windrow's engine: submit, walk away, watch, pause, be killed, go on.
//
//	store, err := sqlitestore.Open("jobs.db")
//	m, err := jobs.Open(ctx, jobs.Config{Store: store})
//	defer m.Close()
//	err = jobs.Register(m, "fields", jobs.Resource[Patch, Field]{
//		Client: fields, List: listFields, ID: func(f Field) string { return f.ID },
//	})
//	err = m.Start(ctx) // unfinished jobs go on here
//	job, err := m.Submit(ctx, jobs.Spec{
//		Type: "field_update", IdempotencyKey: "irrigation-2026-12",
//		Operations: []jobs.Operation{{Type: jobs.Update, Resource: "fields",
//			Filter: jobs.Fields{"status": "active"}, Update: jobs.Fields{"irrigation_schedule": daily}}},
//	})
//	job, err = m.Wait(ctx, job.ID)
//
// A [Manager] keeps jobs in a Store, and carries them out. A [Resource] says how the records of one kind are listed and
// changed. A [Spec] has [Operation]s, each of which becomes many [Item]s; a [Job] says how far they have come.
//
// # What a job promises
//
// Every item ends in one of windrow's five states, and is counted once. After a kill the job goes on where it was: an
// item whose end is stored is not sent again. One that was being sent is sent again where that is harmless (updates,
// deletes, and creates with an idempotency key or an id of the client's choice), is looked up where the client can look,
// and is Unknown otherwise. So an item is carried out at least once where that is harmless, and at most once elsewhere.
//
// A server that throttles or is down never ends a job: it stays running, and says why it waits. A refused credential
// pauses it.
package jobs
