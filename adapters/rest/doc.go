// Package rest connects windrow with anything that speaks HTTP.
//
// [Transport] is for callers with an SDK: put it into the SDK's http.Client. It reports the server's responses to the
// limiter, sends the item's idempotency key, and tells the run whether a request left before it failed, so that a write is
// repeated after a refused connection and not after a lost response. The SDK needs no change.
//
//	limiter := windrow.NewLimiter(windrow.Concurrency(16))
//	sdk := cms.New(token, &http.Client{Transport: &rest.Transport{Limiter: limiter}})
//	res, err := windrow.CreateMany(ctx, windrow.CreateFunc(sdk.CreateArticle), drafts, windrow.WithLimiter(limiter))
//
// [Client] and [Resource] are for callers without an SDK: create, read, update, delete and list the records of a JSON API.
// The verbs of windrow take a Resource.
//
//	client, err := rest.New("https://cms.example/api", rest.WithToken(token), rest.WithLimiter(limiter))
//	articles := rest.NewResource[Draft, Article](client, "/articles")
//	res, err := windrow.CreateMany(ctx, articles, drafts, windrow.WithLimiter(limiter))
//
// A resource also has a pager for each kind of list, whose records [pages.Read] yields one at a time.
//
//	pager := articles.ByCursor(rest.WithNextField("meta.next_cursor"))
//	for article, err := range pages.Read(ctx, pager) {
//
// A client translates, and never retries, sleeps or logs. (One exception: after a 401 the client asks the token source for
// another token, and sends the request, which was not applied, once more.) A refusal is an [*Error], and [windrow.Classify]
// classifies it by its status.
package rest
