package windrow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/windrowtest"
)

// Sixty things that go wrong in bulk work. Those that happen between a client and a server are done to a real client by a
// scripted server, and what the run says is held against what the server really applied. The others name the tests that
// show them, each in its place.

// record is what the server of the sixty keeps.
type record struct {
	ID  string `json:"id,omitempty"`
	Key string `json:"key"`
	Bad bool   `json:"bad,omitempty"`
}

// bench is a run against a scripted server.
type bench struct {
	t       *testing.T
	server  *windrowtest.Server
	records *windrowtest.Records
	started time.Time

	classify func(e *rest.Error) error // of the client, nil for none
	caps     windrow.Capabilities
	opts     []windrow.Option
	body     int64 // how long an answer may be; 0 for the default
}

// resource returns a client of the server's articles.
func (b *bench) resource() *rest.Resource[record, record] {
	opts := []rest.Option{rest.WithHTTPClient(b.server.Client())}
	if b.classify != nil {
		opts = append(opts, rest.WithClassifier(b.classify))
	}
	if b.body > 0 {
		opts = append(opts, rest.WithMaxBody(b.body))
	}
	c, err := rest.New(b.server.URL, opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	return rest.NewResource[record, record](c, "/articles", rest.WithCapabilities(b.caps))
}

// create creates n records, and returns how each ended.
func (b *bench) create(n int, opts ...windrow.Option) string {
	b.t.Helper()
	res, err := windrow.CreateMany(b.t.Context(), b.resource(), someRecords(n), append(slices.Clone(b.opts), opts...)...)
	return b.verdict(res, err)
}

// batch creates n records with requests for many; match puts their answers to them.
func (b *bench) batch(n int, match func(ids []string, answers []batchAnswer) ([]windrow.Outcome[record], error)) string {
	b.t.Helper()
	r := b.resource()
	c, err := rest.New(b.server.URL, rest.WithHTTPClient(b.server.Client()))
	if err != nil {
		b.t.Fatal(err)
	}
	p := windrow.NewCreateProcessor(r, b.opts...)
	p.Batch = func(ctx context.Context, in []record) ([]windrow.Outcome[record], error) {
		var keys []string
		request := batchRequest{Operation: "create"}
		for _, one := range in {
			keys = append(keys, one.Key)
			request.Records = append(request.Records, map[string]any{"data": one})
		}
		var answer struct {
			Results []batchAnswer `json:"results"`
		}
		if _, err := c.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/articles/batch", In: request}, &answer); err != nil {
			return nil, err
		}
		return match(keys, answer.Results)
	}
	res, err := p.Run(b.t.Context(), someRecords(n))
	return b.verdict(res, err)
}

type batchRequest struct {
	Operation string           `json:"operation"`
	Records   []map[string]any `json:"records"`
}

type batchAnswer struct {
	Index   int    `json:"index"`
	Record  record `json:"record"`
	Success bool   `json:"success"`
	Error   struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	} `json:"error"`
}

func (a batchAnswer) outcome() windrow.Outcome[record] {
	if a.Success {
		return windrow.Outcome[record]{Value: a.Record}
	}
	return windrow.Outcome[record]{Err: &statusError{status: a.Error.Status}}
}

// byPosition takes the answers as they come, byIndex by the index that each has.
func byPosition(_ []string, answers []batchAnswer) ([]windrow.Outcome[record], error) {
	var out []windrow.Outcome[record]
	for _, a := range answers {
		out = append(out, a.outcome())
	}
	return out, nil
}

func byIndex(keys []string, answers []batchAnswer) ([]windrow.Outcome[record], error) {
	positions := make([]int, len(keys))
	for i := range positions {
		positions[i] = i
	}
	return clients.MatchByID(positions, answers, nil, func(a batchAnswer) (int, windrow.Outcome[record]) { return a.Index, a.outcome() })
}

func someRecords(n int) []record {
	all := make([]record, n)
	for i := range all {
		all[i].Key = fmt.Sprint("r", i)
	}
	return all
}

// verdict holds a result against the ledger, and returns how the items ended.
func (b *bench) verdict(res *windrow.BulkResult[record, record], err error) string {
	b.t.Helper()
	checkAccounts(b.t, res.Len(), res, err)
	if err := windrowtest.Verify(&b.records.Ledger, res, func(r record) string { return r.Key }); err != nil {
		b.t.Errorf("the result is not true: %v", err)
	}
	for r := range res.Succeeded() {
		if r.Value.Key != r.Input.Key {
			b.t.Errorf("item %d has the value of another: %+v", r.Index, r.Value)
		}
	}
	var s strings.Builder
	for r := range res.All() {
		s.WriteString(r.State.String()[:1])
	}
	return s.String()
}

// stored puts n records on the server behind the client's back, and returns their ids.
func (b *bench) stored(n int) []string {
	var ids []string
	for _, r := range someRecords(n) {
		ids = append(ids, b.records.Put("/articles", windrowtest.Fields{"key": r.Key}))
	}
	return ids
}

// deleted deletes the records, and returns how each ended.
func (b *bench) deleted(ids []string) string {
	b.t.Helper()
	res, err := windrow.DeleteMany(b.t.Context(), b.resource(), ids, b.opts...)
	checkAccounts(b.t, len(ids), res, err)
	var s strings.Builder
	for r := range res.All() {
		s.WriteString(r.State.String()[:1])
	}
	return s.String()
}

// expect compares what was seen: the states of the items (s succeeded, f failed, u unknown, n not attempted), and the number of requests.
func (b *bench) expect(states string, requests int, got string) {
	b.t.Helper()
	if states != got || requests >= 0 && len(b.server.Requests()) != requests {
		b.t.Errorf("states %s with %d requests, want %s with %d", got, len(b.server.Requests()), states, requests)
	}
}

// waited checks how long after the first request the n-th came, give or take the upward jitter of a tenth.
func (b *bench) waited(n int, least, most time.Duration) {
	b.t.Helper()
	requests := b.server.Requests()
	if len(requests) < n {
		b.t.Fatalf("%d requests", len(requests))
	}
	if got := requests[n-1].At.Sub(requests[0].At); got < least || got > most {
		b.t.Errorf("request %d came after %v, want %v to %v", n, got, least, most)
	}
}

// sixty are the rows, by their numbers from 1.
var sixty = []struct {
	row   string
	what  string
	do    func(b *bench)
	tests string // that show the row elsewhere, in the root unless they name a folder
}{
	{row: "F1", what: "body half-read", do: func(b *bench) {
		b.server.Script(windrowtest.CutAnswer(4))
		b.expect("u", 1, b.create(1))
		b.repeatable()
		b.server.Script(windrowtest.CutAnswer(4))
		b.expect("s", 3, b.create(1))
	}},
	{row: "F2", what: "reset after the commit", do: func(b *bench) {
		b.server.Script(windrowtest.LostAnswer())
		b.expect("u", 1, b.create(1))
	}},
	{row: "F3", what: "refused connection", do: func(b *bench) {
		b.server.FailDials(3, nil)
		b.expect("s", 1, b.create(1))
	}},
	{row: "F4", what: "reset while the body is written", do: func(b *bench) {
		b.server.CutRequests(1, 1)
		b.expect("u", 0, b.create(1))
	}, tests: "adapters/rest.TestF4ResetWhileWriting"},
	{row: "F5", what: "stale keep-alive", do: func(b *bench) {
		b.server.Script(windrowtest.Step{Ending: windrowtest.HangUp})
		b.expect("ss", 2, b.create(2, windrow.PreserveOrder()))
	}, tests: "adapters/rest.TestF5StaleConnection"},
	{row: "F6", what: "timeout of a create", do: func(b *bench) {
		b.server.Script(windrowtest.Slow(time.Minute))
		b.expect("u", 1, b.create(1, windrow.AttemptTimeout(10*time.Second)))
	}},
	{row: "F7", what: "its own first attempt is in the way", do: func(b *bench) {
		b.caps.ClientIDs, b.records.ClientIDs = true, true
		b.server.Script(windrowtest.LostAnswer())
		p := windrow.NewCreateProcessor(b.resource())
		p.Reconcile = func(context.Context, record) (record, bool, error) { return record{"x", "r0", false}, true, nil }
		res, err := p.Run(b.t.Context(), []record{{ID: "x", Key: "r0"}})
		b.expect("s", 2, b.verdict(res, err))
	}, tests: "TestF7ChunkExists"},
	{row: "F8", what: "404 on a repeated delete", do: func(b *bench) {
		ids := b.stored(1)
		b.server.Script(windrowtest.LostAnswer())
		b.expect("s", 2, b.deleted(ids))
		b.expect("s", 3, b.deleted(ids)) // skipped, at once: it was not there
	}},
	{row: "F9", what: "429 with Retry-After", do: func(b *bench) {
		b.server.Script(windrowtest.RetryAfter(429, "20"))
		b.expect("sss", 4, b.create(3, windrow.Concurrency(1)))
		b.waited(2, 20*time.Second, 22*time.Second)
	}},
	{row: "F10", what: "Retry-After in the past", do: func(b *bench) {
		b.server.Script(windrowtest.RetryAfter(429, "Fri, 31 Dec 1999 23:59:59 GMT"))
		b.expect("s", 2, b.create(1))
		b.waited(2, 100*time.Millisecond, time.Second)
	}},
	{row: "F11", what: "Retry-After far ahead, and junk", do: func(b *bench) {
		b.server.Script(windrowtest.RetryAfter(429, "soon"), windrowtest.RetryAfter(429, "-5"), windrowtest.RetryAfter(429, "99999999999999999999"))
		b.expect("nn", 3, b.create(2, windrow.Concurrency(1)))
	}},
	{row: "F12", what: "the client's clock is wrong", do: func(b *bench) {
		b.server.Script(windrowtest.Step{Instead: windrowtest.Answer{Status: 429, Header: http.Header{
			"Date": {"Sat, 21 Nov 2026 23:40:00 GMT"}, "Retry-After": {"Sat, 21 Nov 2026 23:40:37 GMT"},
		}}})
		b.expect("s", 2, b.create(1))
		b.waited(2, 37*time.Second, 41*time.Second)
	}},
	{row: "F13", what: "reset in seconds, epoch, milliseconds, dates", do: func(b *bench) {
		time.Sleep(27 * 365 * 24 * time.Hour) // the bubble begins when an epoch looked like a delay
		for k := range windrowtest.Dialects(time.Now(), 0) {
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // a Date has whole seconds: it would add up to one
			d := windrowtest.Dialects(time.Now(), 30*time.Second)[k]
			if !d.Tells {
				continue
			}
			before := len(b.server.Requests())
			b.server.Script(windrowtest.Throttled(d.Header))
			if got := b.create(1); got != "s" {
				b.t.Errorf("%s: %s", d.Name, got)
			}
			requests := b.server.Requests()[before:]
			if wait := requests[1].At.Sub(requests[0].At); wait < 29*time.Second || wait > 34*time.Second {
				b.t.Errorf("%s: waited %v, want 30s", d.Name, wait)
			}
			b.records.Ledger = windrowtest.Ledger{}
		}
	}, tests: "adapters/rest.TestF13LimitsOfAnAnswer"},
	{row: "F14", what: "503 without a header", do: func(b *bench) {
		b.server.Script(windrowtest.Status(503))
		b.expect("u", 1, b.create(1))
		b.repeatable()
		b.server.Script(windrowtest.Status(503))
		b.expect("s", 3, b.create(1))
	}},
	{row: "F15", what: "403 that is a secondary limit", do: func(b *bench) {
		b.classify = func(e *rest.Error) error {
			if e.Status == 403 && strings.Contains(string(e.Body), "secondary rate limit") {
				return windrow.Throttled(e, 10*time.Second)
			}
			return e
		}
		b.server.Script(windrowtest.Step{Instead: windrowtest.JSON(403, `{"message":"You have exceeded a secondary rate limit"}`)})
		b.expect("ss", 3, b.create(2, windrow.Concurrency(1)))
		b.waited(2, 10*time.Second, 11*time.Second)
	}},
	{row: "F16", what: "401", do: func(b *bench) {
		b.server.Always(nil, windrowtest.Status(401))
		got := b.create(1000, windrow.Concurrency(1))
		b.expect("f"+strings.Repeat("n", 999), 1, got)
	}, tests: "adapters/rest.TestF16RefusedCredentials"},
	{row: "F17", what: "chunk too large", do: func(b *bench) {
		b.server.Add(windrowtest.MoreThan(3, windrowtest.TooLarge))
		b.caps.MaxItems = 8
		b.expect("ssssssss", -1, b.batch(8, byPosition))
	}, tests: "TestF17_P13_TooLargeLearnsTheCap TestF17_P19_OneItemOverTheCapFailsAlone"},
	{row: "F18", what: "poison in an atomic chunk", do: func(b *bench) {
		b.records.Atomic = true
		b.records.Refuse = func(_ windrow.OpKind, fields windrowtest.Fields) int {
			if fields["key"] == "r5" {
				return 422
			}
			return 0
		}
		b.caps = windrow.Capabilities{Atomicity: windrow.AtomicityAll, MaxItems: 16}
		b.expect("sssssfssssssssss", -1, b.batch(16, byPosition))
	}, tests: "TestF18PoisonedChunk TestP10_PartialOverAnAtomicEndpoint"},
	{row: "F19", what: "missing results", do: func(b *bench) {
		b.server.Script(windrowtest.Step{Edit: editResults(func(all []json.RawMessage) []json.RawMessage { return all[1:] })})
		b.expect("uss", 1, b.batch(3, byIndex))
	}, tests: "TestF19_F20_P5_MatchByID"},
	{row: "F20", what: "wrong number of results, one twice", do: func(b *bench) {
		b.server.Script(windrowtest.Step{Edit: editResults(func(all []json.RawMessage) []json.RawMessage { return all[:2] })})
		b.expect("uuu", 1, b.batch(3, byPosition))
		b.records.Ledger = windrowtest.Ledger{}
		b.server.Script(windrowtest.Step{Edit: editResults(func(all []json.RawMessage) []json.RawMessage { return append(all[:2], all[0]) })})
		b.expect("uuu", 2, b.batch(3, byIndex))
	}, tests: "TestF20WrongLength TestEveryResultShape"},
	{row: "F21", what: "200 with HTML", do: func(b *bench) {
		b.server.Script(windrowtest.HTML(200))
		b.expect("u", 1, b.create(1))
		b.repeatable()
		b.server.Script(windrowtest.HTML(200))
		b.expect("s", 3, b.create(1))
	}},
	{row: "F22", what: "a job that never ends", tests: "TestF22_JobThatDoesNotEnd"},
	{row: "F23", what: "a redirect of a write", do: func(b *bench) {
		b.server.Script(windrowtest.Step{Instead: windrowtest.Answer{Status: 302, Header: http.Header{"Location": {"/articles"}}}})
		b.create(1)
		if n := len(b.server.Requests()); n != 1 {
			b.t.Errorf("%d requests", n)
		}
	}, tests: "adapters/rest.TestF23RedirectOfAWrite"},
	{row: "F24", what: "hung server and slow body", do: func(b *bench) {
		b.repeatable()
		b.server.Script(windrowtest.NeverAnswers(true), windrowtest.Step{Ending: windrowtest.StallBody, At: 3})
		b.expect("s", 3, b.create(1, windrow.AttemptTimeout(5*time.Second)))
	}},
	{row: "F25", what: "DNS", do: func(b *bench) {
		b.server.FailDials(1, &net.DNSError{Err: "server misbehaving", Name: "api.test", IsTemporary: true})
		b.expect("s", 1, b.create(1))
	}, tests: "TestF25NameResolution adapters/rest.TestF25NameResolution"},
	{row: "F26", what: "certificate, scheme", tests: "TestF26BadConfiguration adapters/rest.TestF26CertificateOrScheme"},
	{row: "F27", what: "huge answer", do: func(b *bench) {
		b.body = 1000
		b.server.Script(windrowtest.Step{Edit: func(a *windrowtest.Answer) { a.Body = `{"x":"` + strings.Repeat("x", 5000) + `"}` }})
		b.expect("u", 1, b.create(1))
	}, tests: "adapters/rest.TestF27HugeAnswer"},
	{row: "F28", what: "429 on every request, for long", do: func(b *bench) {
		b.server.Always(nil, windrowtest.Throttled(nil))
		began := time.Now()
		got := b.create(50)
		b.expect(strings.Repeat("n", 50), -1, got)
		if took := time.Since(began); took < 4*time.Minute || took > 6*time.Minute {
			b.t.Errorf("it took %v", took)
		}
	}},
	{row: "F29", what: "cancel while waiting", tests: "TestF29CancelWhileWaiting TestF29CancelWhileAnotherHasTheSlots"},
	{row: "F30", what: "rate and deadline", tests: "TestF30RateAndDeadline TestF30HintAndDeadline"},
	{row: "F31", what: "no silent limit of 15 minutes", tests: "TestF31NoSilentLimit"},
	{row: "F32", what: "panic in a callback", tests: "TestF32F33CallsThatNeverReturn TestF32F33HooksThatNeverReturn TestF32PropagatePanics"},
	{row: "F33", what: "Goexit in a callback", tests: "TestF32F33CallsThatNeverReturn TestF32F33HooksThatNeverReturn"},
	{row: "F34", what: "the source panics", tests: "TestF34APanicOfTheSourceGoesOnToTheCaller pages.TestF34PanicInFetch"},
	{row: "F35", what: "the source blocks", tests: "TestF35CancelDoesNotWaitForABlockedSource pages.TestF35StreamOfPagesThatBlock"},
	{row: "F36", what: "the consumer leaves", tests: "pages.TestF36LeavingTheLoopLeavesNothingRunning"},
	{row: "F37", what: "the consumer blocks", tests: "TestF37ASlowConsumerHoldsUpTheSourceAndLosesNothing"},
	{row: "F38", what: "ten million items", tests: "TestA74AndF38MemoryIsBoundedByTheWindow TestF38ManyFailures"},
	{row: "F39", what: "no sibling is cancelled", tests: "TestF39NoSiblingIsCancelled"},
	{row: "F40", what: "burst below a cost", tests: "TestF40BurstBelowCost"},
	{row: "F41", what: "clock jump, suspend", tests: "TestF41NoCreditForSleep"},
	{row: "F42", what: "request body used again", do: func(b *bench) {
		b.repeatable()
		b.server.Script(windrowtest.LostAnswer(), windrowtest.Status(500))
		b.expect("s", 3, b.create(1))
		for _, r := range b.server.Requests() {
			if !strings.Contains(r.Body, `"key":"r0"`) {
				b.t.Errorf("request %d has the body %q", r.Number, r.Body)
			}
		}
	}, tests: "TestF42FreshInputForEachAttempt adapters/rest.TestF42BodyOfEachAttempt"},
	{row: "F43", what: "retry storm", tests: "TestF43NoRetryStorm TestF43HalfOpen"},
	{row: "F44", what: "others use the quota, too", do: func(b *bench) {
		// Somebody else takes most of what the server allows: every third request is one too many.
		b.server.Add(func(r *windrowtest.Request) (windrowtest.Step, bool) {
			return windrowtest.RetryAfter(429, "1"), r.Number%3 == 0
		})
		b.expect(strings.Repeat("s", 60), -1, b.create(60))
	}},
	{row: "F45", what: "duplicate ids", tests: "TestF45Duplicates TestF45SameIDWithoutKey"},
	{row: "F46", what: "delete while listing by offset", tests: "pages.TestF46A36ListThatShrinks plan.TestF46_AListThatShrinksWhileItIsWritten"},
	{row: "F47", what: "insert while listing", tests: "pages.TestF47InsertAtTheFront"},
	{row: "F48", what: "cursor expired", tests: "pages.TestF48ErrorSaysWhereAndStartAtGoesOn adapters/rest.TestF48ErrorSaysWhichPage"},
	{row: "F49", what: "page loop", tests: "pages.TestF49RepeatedCursor pages.TestF49RepeatedRecords adapters/rest.TestF49ServerThatIgnoresTheKey"},
	{row: "F50", what: "empty page with a next cursor", tests: "pages.TestF50EmptyPageWithNextCursor"},
	{row: "F51", what: "totals that lie", tests: "pages.TestF51TotalThatLies pages.TestF51TotalOfAServerThatCapsPages"},
	{row: "F52", what: "torn last record", tests: "journal.TestF52_TornLastRecord"},
	{row: "F53", what: "corrupt middle", tests: "journal.TestF53_EveryBitThatIsChanged journal.TestF53_LinesThatMoved"},
	{row: "F54", what: "disk full", tests: "journal.TestF54_DiskFull TestF54_JournalThatFails"},
	{row: "F55", what: "fsync fails", tests: "journal.TestF55_SyncFails journal.TestF55_AllWhoWaitAreTold"},
	{row: "F56", what: "two processes", tests: "journal.TestF56_AnotherProcess journal.TestF56_TheSameProcess"},
	{row: "F57", what: "another's journal", tests: "journal.TestF57_TheJournalOfAnother TestF57_ChangedContent"},
	{row: "F58", what: "killed between sending and writing down", tests: "TestF58_BegunAndNotEnded journal.TestF58_Killed"},
	{row: "F59", what: "another order", tests: "journal.TestF59_OtherOrder TestJournalSkipsWhatIsDone"},
	{row: "F60", what: "directory entry lost", tests: "journal.TestF60_TheEntryInTheFolder"},
}

// repeatable makes creates repeatable from now on, on a server that has nothing yet.
func (b *bench) repeatable() {
	b.caps.IdempotencyKeys, b.records.IdempotencyKeys = true, true
	b.records.Ledger = windrowtest.Ledger{}
}

// editResults changes the results of a batch's answer.
func editResults(edit func(all []json.RawMessage) []json.RawMessage) func(*windrowtest.Answer) {
	return func(a *windrowtest.Answer) {
		var body struct {
			Results []json.RawMessage `json:"results"`
		}
		if json.Unmarshal([]byte(a.Body), &body) != nil {
			return
		}
		body.Results = edit(body.Results)
		text, _ := json.Marshal(body)
		a.Body = string(text)
	}
}

func TestSixtyFaults(t *testing.T) {
	t.Parallel()
	known := testNames(t)
	for i, row := range sixty {
		t.Run(row.row+" "+row.what, func(t *testing.T) {
			if want := fmt.Sprint("F", i+1); row.row != want {
				t.Fatalf("row %s stands in the place of %s", row.row, want)
			}
			if row.do == nil && row.tests == "" {
				t.Error("nothing shows this row")
			}
			for name := range strings.FieldsSeq(row.tests) {
				if known[name] == "" && known["."+name] == "" {
					t.Errorf("there is no test %s", name)
				}
			}
			if row.do == nil {
				return
			}
			synctest.Test(t, func(t *testing.T) {
				b := &bench{t: t, records: &windrowtest.Records{}, started: time.Now()}
				b.server = windrowtest.NewServer(t, b.records)
				row.do(b)
			})
		})
	}
	if diff := cmp.Diff(60, len(sixty)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// testNames returns the tests of all modules, as folder.Name, those of the root as .Name, and the file of each.
func testNames(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[strings.TrimPrefix(folder, ".")+"."+f.Name.Name] = filepath.ToSlash(path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
