package datocms_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// A record goes out and comes back as the API writes it, in the input's order.
func TestA2_A5_A14_CreatesOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		var bodies []string
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			bodies = append(bodies, r.Method+" "+r.Path+" "+string(r.Body))
			return nil
		})
		res, err := windrow.CreateMany(t.Context(), articlesOf(client), drafts(3), windrow.PreserveOrder())
		accounts(t, 3, res)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "records on the server", server.IDs(), []string{res.At(0).Value.ID, res.At(1).Value.ID, res.At(2).Value.ID})
		for k, value := range res.Values() {
			if !idForm.MatchString(value.ID) {
				t.Errorf("the id %q is no UUID in URL-safe base64", value.ID)
			}
			want := fmt.Sprintf(`POST /items {"data":{"id":%q,"type":"item","attributes":{"pages":%d,"slug":"slug-%d","title":"Title %d"},`+
				`"relationships":{"item_type":{"data":{"type":"item_type","id":%q}}}}}`, value.ID, k, k, k, articleModel)
			if k == 0 { // omitempty leaves the field out
				want = strings.Replace(want, `"pages":0,`, "", 1)
			}
			testkit.Check(t, "request", want, bodies[k])
			testkit.Check(t, "value", article{
				Record: datocms.Record{
					ID: value.ID, ItemType: datocms.Ref{Type: "item_type", ID: articleModel}, Creator: datocms.Ref{Type: "access_token", ID: "312"},
					Meta: value.Meta,
				},
				Title: fmt.Sprintf("Title %d", k), Slug: fmt.Sprintf("slug-%d", k), Pages: k,
			}, value)
			if value.Meta.CurrentVersion == "" || value.Meta.Status != "draft" || !value.Meta.IsValid {
				t.Errorf("meta %+v", value.Meta)
			}
		}
	})
}

// The model is that of the resource; a record that names another has its own. "itemType", as the guide has it, is a field
// that no model has.
func TestA5_ARecordsOwnModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		type record = map[string]any
		items := datocms.NewItems[record, record](client, articleModel)
		res, err := windrow.CreateMany(t.Context(), items, []record{
			{"title": "an article"},
			{"name": "an author", "item_type": datocms.Ref{Type: "item_type", ID: authorModel}},
			{"title": "no article", "itemType": "article"},
		}, windrow.PreserveOrder())
		testkit.Check(t, "ends", []string{"succeeded", "succeeded", "failed"}, ends(res))
		testkit.Check(t, "models", []any{articleModel, authorModel}, []any{
			res.At(0).Value["item_type"].(record)["id"], res.At(1).Value["item_type"].(record)["id"],
		})
		if e, ok := errors.AsType[*datocms.Error](err); !ok || e.Code() != "INVALID_ATTRIBUTES" {
			t.Errorf("error %v", err)
		}
		testkit.Check(t, "records", 2, server.Len(""))
	})
}

// One failure stops nothing; its error is that of its item, with the server's code and field, by its index.
func TestA6_A11_A15_FailuresOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		in := drafts(45)
		in[3].Title, in[44].Slug = "", "slug-0"
		res, err := windrow.CreateMany(t.Context(), articlesOf(client), in, windrow.PreserveOrder())
		accounts(t, 45, res)
		testkit.Check(t, "records", 43, server.Len(""))
		bulk, ok := errors.AsType[*windrow.BulkError](err)
		if !ok {
			t.Fatalf("error %v", err)
		}
		var failed []string
		for _, item := range bulk.Items() {
			for _, field := range windrow.FieldErrors(item) {
				failed = append(failed, fmt.Sprint(item.Index, " ", item.Kind, " ", field.Field, " ", field.Code))
			}
		}
		testkit.Check(t, "failed", []string{"3 validation title VALIDATION_REQUIRED", "44 validation slug VALIDATION_UNIQUE"}, failed)
		testkit.Check(t, "input", in[44], res.At(44).Input)
		want := "datocms: POST /items: status 422 (INVALID_FIELD slug VALIDATION_UNIQUE)"
		testkit.Check(t, "text", want, res.At(44).Err.Error())
	})
}

// The answer to a create is lost after it was carried out. The next attempt has the same id: no second record comes to be,
// and what the first one made is read back.
func TestA72_CreatesAreRepeatable(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]datocmstest.Fault{
		"lost after it was carried out":  {Cut: true},
		"lost before it was carried out": {Lose: true},
		"500":                            {Status: http.StatusInternalServerError},
		"a proxy's 502":                  {Status: http.StatusBadGateway, HTML: true},
		"a page with 200":                {Status: http.StatusOK, HTML: true},
		"429":                            {Status: http.StatusTooManyRequests},
		"transient":                      {Status: http.StatusUnprocessableEntity, Code: "BATCH_DATA_VALIDATION_IN_PROGRESS", Transient: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := start(t, datocmstest.Config{})
				sent := map[string][]string{} // ids by title
				server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
					if r.Method != http.MethodPost {
						return nil
					}
					data := bodyOf(t, r.Body)["data"].(map[string]any)
					title := data["attributes"].(map[string]any)["title"].(string)
					sent[title] = append(sent[title], data["id"].(string))
					if len(sent[title]) == 1 && (title == "Title 1" || title == "Title 3") {
						return &fault
					}
					return nil
				})
				res, err := windrow.CreateMany(t.Context(), articlesOf(client), drafts(5))
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "records", 5, server.Len(""))
				looks := 0 // only for an id that is taken, which may be by the attempt before
				if fault.Cut {
					looks = 2
				}
				testkit.Check(t, "look-ups", looks, server.Count(http.MethodGet, "/items/"))
				for r := range res.All() {
					ids := slices.Compact(sent[r.Input.Title])
					testkit.Check(t, "ids of "+r.Input.Title, []string{r.Value.ID}, ids)
					testkit.Check(t, "title", r.Input.Title, r.Value.Title)
				}
			})
		})
	}
}

// An id of the caller's is kept, and one that is taken is refused as such.
func TestAnIDOfTheCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		items := datocms.NewItems[article, article](client, articleModel)
		id := datocms.NewID()
		in := []article{{Record: datocms.Record{ID: id}, Title: "a"}, {Record: datocms.Record{ID: id}, Title: "b"}, {Record: datocms.Record{ID: "mine"}, Title: "c"}}
		res, _ := windrow.CreateMany(t.Context(), items, in, windrow.PreserveOrder())
		testkit.Check(t, "ends", []string{"succeeded", "failed", "failed"}, ends(res))
		testkit.Check(t, "ids", []string{id}, server.IDs())
		testkit.Check(t, "the id is taken", []bool{false, true, false}, []bool{
			errors.Is(res.At(0).Err, windrow.ErrAlreadyExists), errors.Is(res.At(1).Err, windrow.ErrAlreadyExists), errors.Is(res.At(2).Err, windrow.ErrAlreadyExists),
		})
	})
}

// A Key names the record: another run, or another program, gives it the same id. Without one every run makes its own.
func TestAKeyNamesTheRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		keyed := func() []string {
			p := windrow.NewCreateProcessor(datocms.NewItems[draft, article](client, authorModel))
			p.Key = func(d draft) string { return d.Slug }
			res, _ := p.Run(t.Context(), drafts(3))
			return ends(res)
		}
		testkit.Check(t, "first run", []string{"succeeded", "succeeded", "succeeded"}, keyed())
		testkit.Check(t, "second run", []string{"failed", "failed", "failed"}, keyed())
		testkit.Check(t, "records", 3, server.Len(""))
		if id := datocms.IDFor(authorModel, "slug-0"); !slices.Contains(server.IDs(), id) {
			t.Errorf("no record has the id %s", id)
		}
		for range 2 {
			if _, err := windrow.CreateMany(t.Context(), datocms.NewItems[draft, article](client, authorModel), drafts(3)); err != nil {
				t.Fatal(err)
			}
		}
		testkit.Check(t, "records", 9, server.Len(""))
	})
}

// What a run left is sent again with the ids that it had.
func TestRerunKeepsTheIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.Method == http.MethodGet || strings.Contains(string(r.Body), "Title 1") {
				return &datocmstest.Fault{Cut: true} // also when it is looked up
			}
			return nil
		})
		p := windrow.NewCreateProcessor(articlesOf(client), fast)
		res, _ := p.Run(t.Context(), drafts(3))
		testkit.Check(t, "ends", []string{"succeeded", "unknown", "succeeded"}, ends(res))
		text, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		var stored windrow.BulkResult[draft, article]
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		server.Fault(nil)
		res, err = p.Rerun(t.Context(), &stored)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ends", []string{"succeeded", "succeeded", "succeeded"}, ends(res))
		testkit.Check(t, "records", 3, server.Len(""))
	})
}

// A refusal that has nothing to do with the id stays one, also after an answer was lost.
func TestARefusalAfterALostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.Method == http.MethodPost && r.N == 1 {
				return &datocmstest.Fault{Lose: true}
			}
			return nil
		})
		res, err := windrow.CreateMany(t.Context(), articlesOf(client), []draft{{Slug: "no title"}})
		testkit.Check(t, "ends", []string{"failed"}, ends(res))
		testkit.Check(t, "fields", 1, len(windrow.FieldErrors(err)))
		testkit.Check(t, "records", 0, server.Len(""))
	})
}

// Each environment has records of its own.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{Environments: []string{"sandbox"}}, datocms.WithEnvironment("sandbox"))
		if _, err := windrow.CreateMany(t.Context(), articlesOf(client), drafts(2)); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "records", []int{0, 2}, []int{server.Len(""), server.Len("sandbox")})
		_, err := windrow.CreateMany(t.Context(), articlesOf(clientOf(t, server, datocms.WithEnvironment("none"))), drafts(1))
		if e, ok := errors.AsType[*datocms.Error](err); !ok || e.Code() != "INVALID_ENVIRONMENT" {
			t.Errorf("error %v", err)
		}
	})
}

// Of the rest of a record only what a create takes is sent.
func TestMetaOfACreate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := start(t, datocmstest.Config{})
		items := datocms.NewItems[article, article](client, articleModel)
		in := article{Title: "a", Record: datocms.Record{
			ID: datocms.NewID(), ItemType: datocms.Ref{Type: "item_type", ID: articleModel}, Creator: datocms.Ref{Type: "account", ID: "7"},
			Meta: datocms.Meta{CurrentVersion: "1", Status: "published", Stage: "review", IsValid: true, CreatedAt: "2020-01-02T03:04:05.000+00:00", UpdatedAt: "x"},
		}}
		out, err := items.Create(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "creator", in.Creator, out.Creator)
		testkit.Check(t, "created", in.Meta.CreatedAt, out.Meta.CreatedAt)
		testkit.Check(t, "status", "draft", out.Meta.Status)
	})
}

func TestIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := datocms.NewID()
		if !idForm.MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	testkit.Check(t, "the same name", datocms.IDFor("a", "b"), datocms.IDFor("a", "b"))
	for _, other := range [][]string{{"a", "c"}, {"ab"}, {"b", "a"}, {"a", "b", ""}} {
		if datocms.IDFor("a", "b") == datocms.IDFor(other...) {
			t.Errorf("%q has the id of another name", other)
		}
	}
	if id := datocms.IDFor("a"); !idForm.MatchString(id) {
		t.Errorf("id %q", id)
	}
}

// Inputs that cannot be sent are refused before anything is.
func TestBadRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		items := datocms.NewItems[any, article](client, articleModel)
		for _, in := range []any{"text", []int{1}, nil, make(chan int), map[string]any{"id": 7}, map[string]any{"meta": "none"}} {
			_, err := items.Create(t.Context(), in)
			if c := windrow.Classify(err); err == nil || c.Class != windrow.ClassPermanent || c.Kind != windrow.KindValidation {
				t.Errorf("%T: error %v, %+v", in, err, c)
			}
		}
		if _, err := items.Update(t.Context(), "", map[string]any{}); err == nil {
			t.Error("no error of an update without an id")
		}
		testkit.Check(t, "requests", 0, len(server.Seen()))
	})
}
