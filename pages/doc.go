// Package pages reads lists that a server gives out in pages: by offset, page number, cursor, link or key.
//
//	pager := pages.Cursor(func(ctx context.Context, cursor string) (pages.Page[Article], error) {
//		list, err := sdk.ListArticles(ctx, cursor)
//		return pages.Page[Article]{Items: list.Articles, Next: list.NextCursor}, err
//	})
//	retitle := windrow.NewBatchProcessor(func(ctx context.Context, a Article) (Article, error) {
//		return sdk.UpdateArticle(ctx, a.ID, Draft{Title: "On " + a.Slug})
//	})
//	for r, err := range retitle.Stream(ctx, pages.Read(ctx, pager, pages.Run())).All() {
//		if err != nil {
//			log.Print(err)
//			continue
//		}
//		fmt.Println(r.Value.ID)
//	}
//
// A [Pager] has the function that fetches one page, and knows how the list goes on and where it ends. [Read] yields its
// records one at a time, as the input of a stream ([windrow.BatchProcessor.Stream]) or for a range statement of your
// own. It holds a bounded number of pages and fetches ahead ([Prefetch], [Parallel]). A list that leads back to earlier
// pages ends with [ErrCursorLoop]. [Run] has the pages fetched through a limiter and again when a fetch fails.
//
// When a reading ends early, its [Error] has the [Position] of the page that was not read to its end, and [StartAt]
// goes on there. [OnPage] reports each position for a program that may be killed.
//
// Packages adapters/rest and adapters/datocms have pagers for the lists of JSON APIs and of DatoCMS.
package pages
