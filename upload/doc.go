// Package upload sends many files to an API: a few at a time, skipping files that exist already, with an outcome for each
// file.
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
// A [File] has a function that opens it, so that a retry reads it from its beginning. A [Client] has one method that sends a
// file. If that takes several requests, such as asking for a URL, putting the bytes there, creating a record and waiting for
// a job, the method makes each a [Step] or [Once], and a retry goes on at the request that failed: completed steps are not
// repeated, and no file is uploaded twice.
//
// Results are those of the root package: Succeeded, Failed, Skipped with the existing file as the value, NotAttempted, and
// Unknown for a file whose last response was lost and which cannot be found on the server.
package upload
