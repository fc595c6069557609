// Package plan shows what bulk updates and deletes will do before they do it.
//
// Changing many records takes two steps. [Updates] or [Deletes] reads and makes a plan: it is the dry run, and it
// cannot write, since it is given nothing to write with. The plan can be printed, counted, stored as JSON and read back.
// [ApplyUpdates], [ApplyPatches] or [ApplyDeletes] then carries out that very plan, in this order: the notice of how many
// records there are, Confirm, the check that they are still as they were, Backup, the writes. Whatever goes wrong before
// the writes, nothing is written.
//
//	p, err := plan.Updates(ctx, windrow.Pages(ctx, articles), Article.Key, addPrefix, plan.MaxItems(1000))
//	if err != nil {
//		return err
//	}
//	if err := p.Print(os.Stdout); err != nil || dryRun {
//		return err
//	}
//	p.Backup = plan.BackupFile[Article]("articles.json")
//	res, err := plan.ApplyUpdates(ctx, p, client, windrow.Concurrency(8))
//
// All matches are collected before the first write. A list that is read by offset while its records are changed so that
// they stop matching moves the next ones up, and every other page is missed.
//
// Records are compared, stored and backed up by their JSON form. A field that the Go type does not have is not seen, and
// is not in a backup: where that matters use map[string]any or [encoding/json.RawMessage].
package plan
