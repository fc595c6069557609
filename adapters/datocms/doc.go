// Package datocms is a client for the Content Management API of DatoCMS, for bulk work with windrow.
//
//	limiter := datocms.NewLimiter()
//	client, err := datocms.New("", token, nil, rest.WithLimiter(limiter))
//	articles := datocms.NewItems[Draft, Article](client, "UZyfjdBES8y2W2ruMEHSoA") // the id of the model
//	res, err := windrow.CreateMany(ctx, articles, drafts, windrow.WithLimiter(limiter))
//
// [Items] are the records of one model, and what the verbs of windrow take: creates that may be repeated, since each
// record's id is chosen before it is sent; updates that are refused when somebody else was faster; deletes and reads in
// bulk; lists as pagers and as ids. [Items.PublishProcessor] and its siblings publish, unpublish and move records between
// the stages of a workflow. [Uploads] are the assets, and what package upload takes.
//
// # Records
//
// A record is any Go value with the JSON form that DatoCMS's own client calls simplified: the fields by their API keys,
// beside id, item_type, creator and meta. Embed [Record] for these, or use a map[string]any. What is sent is what the
// JSON form holds: let fields that are not to be written leave it, by omitempty or a plan.Patch.
//
// # Jobs
//
// Deletes, everything in bulk and new assets are jobs of the server. Each method waits for its job ([Client.Poll]), and what
// it returns is what the job came to: an answer with the status 200 that holds a failed job is an error. The questions
// count against the limiter like any request. When the end of a job cannot be found out, a retry goes on asking, and
// does not start another.
//
// # Bulk
//
// The bulk endpoints tell how many records succeeded and how many failed, and not which. When any failed, the records
// are read again by their ids: what was done is done, and the others are sent alone, so that each gets its own error.
//
// # Errors
//
// What DatoCMS refuses is an [*Error] with the server's codes; [windrow.Classify] knows what follows from it, and
// [windrow.FieldErrors] finds the fields. Texts of errors hold codes and names of fields, and no content.
package datocms
