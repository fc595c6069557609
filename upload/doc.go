// Package upload sends many files to somebody else's API: some at a time, skipping what is there already, and telling of
// each file how it ended.
//
//	paths, err := filepath.Glob("assets/images/*.jpg")
//	...
//	files, err := upload.FromFiles(paths)
//	...
//	uploader := upload.New(client) // three files at a time
//	uploader.SkipExisting = upload.SameMD5
//	uploader.Add(files...)
//	res, err := uploader.Process(ctx)
//
// A [File] is a function that opens it, so that a retry reads it from its beginning. A [Client] is one method that sends
// it. Where that takes several requests, such as asking for a URL, putting the bytes there, creating a record and waiting
// for a job, the method says so with [Step] and [Once], and a retry goes on at the request that failed: what was done is
// not done again, and no file is uploaded twice.
//
// Results are those of the root package: Succeeded, Failed, Skipped with what was found as the value, NotAttempted, and
// Unknown for a file whose last answer was lost and which cannot be found on the server.
package upload
