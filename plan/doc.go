// Package plan shows what bulk updates and deletes will do before they do it.
//
// Changing many records takes two steps. [Updates] or [Deletes] reads and makes a plan: it is the dry run, and has no client
// to write with. The plan can be printed, counted, stored as JSON and read back. [ApplyUpdates], [ApplyPatches] or
// [ApplyDeletes] then applies that plan, in this order: OnStage with the number of records, Confirm, the check that the
// records have not changed, Backup, the writes. If a step before the writes fails, nothing is written.
//
//	p, err := plan.Updates(ctx, pages.Read(ctx, articles), Article.Key, addPrefix, plan.MaxItems(1000))
//	if err != nil {
//		return err
//	}
//	if err := p.Print(os.Stdout); err != nil || dryRun {
//		return err
//	}
//	p.Backup = plan.BackupFile[Article]("articles.json")
//	res, err := plan.ApplyUpdates(ctx, p, client, windrow.Concurrency(8))
//
// All matches are collected before the first write. If matching records of a list read by offset were changed meanwhile,
// later records would move up, and every other page would be missed.
//
// Records are compared, stored and backed up in their JSON form. A field that the Go type lacks is not compared, and not in
// a backup: use map[string]any or [encoding/json.RawMessage] if that matters.
package plan
