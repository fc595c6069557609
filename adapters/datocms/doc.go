// Package datocms is a client for the Content Management API of DatoCMS, for bulk work with windrow.
//
//	limiter := datocms.NewLimiter()
//	client, err := datocms.New("", token, nil, rest.WithLimiter(limiter))
//	articles := datocms.NewItems[Draft, Article](client, "UZyfjdBES8y2W2ruMEHSoA") // the id of the model
//	res, err := windrow.CreateMany(ctx, articles, drafts, windrow.WithLimiter(limiter))
//
// [Items] are the records of one model, a client for the verbs of windrow: creates that may be repeated, since the client
// chooses each record's id; updates that are refused when the record was changed meanwhile; deletes and reads in bulk; lists
// as pagers and as ids. [Items.PublishProcessor] and its siblings publish, unpublish and move records between the stages of
// a workflow. [Uploads] are the assets, a client for package upload.
//
// # Records
//
// A record is any Go value with the JSON form that DatoCMS's own client calls simplified: the fields by their API keys,
// beside id, item_type, creator and meta. Embed [Record] for these, or use a map[string]any. All fields of the JSON form are
// sent: omit others with omitempty or a plan.Patch.
//
// # Jobs
//
// Deletes, bulk operations and new assets are jobs of the server. Each method waits for its job ([Client.Poll]), and returns
// the result of the job: a response with the status 200 and a failed job is an error. Polls count against the limiter like
// any request. If the end of a job stays unknown, a retry polls the same job, and does not start another.
//
// # Bulk
//
// The bulk endpoints return how many records succeeded and failed, but not which. If any failed, the records are read again
// by their ids: those that are done have succeeded, and the others are sent one by one, so that each gets its own error.
//
// # Errors
//
// A refusal of DatoCMS is an [*Error] with the server's codes; [windrow.Classify] classifies it, and [windrow.FieldErrors]
// returns the fields. Texts of errors hold codes and names of fields, and no content.
package datocms
