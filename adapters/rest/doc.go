// Package rest connects windrow with anything that speaks HTTP.
//
// [Transport] is for those who have an SDK: put it into the SDK's http.Client. It feeds the limiter from the server's
// real answers, sends the item's idempotency key, and tells the run whether a request left before it failed, so that
// a refused connection is sent again and a lost answer is not. The SDK knows nothing of it.
//
//	limiter := windrow.NewLimiter(windrow.Concurrency(16))
//	sdk := cms.New(token, &http.Client{Transport: &rest.Transport{Limiter: limiter}})
//	res, err := windrow.CreateMany(ctx, windrow.CreateFunc(sdk.CreateArticle), drafts, windrow.WithLimiter(limiter))
//
// [Client] and [Resource] are for those who have none: create, read, update, delete and list the records of a JSON
// API. A Resource is what the verbs of windrow take.
//
//	client, err := rest.New("https://cms.example/api", rest.WithToken(token), rest.WithLimiter(limiter))
//	articles := rest.NewResource[Draft, Article](client, "/articles")
//	res, err := windrow.CreateMany(ctx, articles, drafts, windrow.WithLimiter(limiter))
//
// A resource also has a pager for each kind of list, whose records [windrow.Pages] yields one at a time.
//
//	pager := articles.ByCursor(rest.WithNextField("meta.next_cursor"))
//	for article, err := range windrow.Pages(ctx, pager) {
//
// A client translates, and never retries, sleeps or logs. (One exception: after a 401 the token source is asked for
// another token, and the request, which was not carried out, is made with that.) What the server refused is an
// [*Error]. [windrow.Classify] knows what follows from its status.
package rest
