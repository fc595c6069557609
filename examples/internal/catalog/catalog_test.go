package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/catalog"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
)

func open(t *testing.T) (catalog.Catalog, *pocket.Server) {
	t.Helper()
	server, err := pocket.Start(t.Context(), pocket.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := catalog.Open(server, windrow.NewLimiter())
	if err != nil {
		t.Fatal(err)
	}
	return c, server
}

func symbol(key string) stdlib.Symbol {
	return stdlib.Symbol{FullName: key, ImportPath: "p", Name: "N", Kind: "func", Doc: "d"}
}

func collect(t *testing.T, ctx context.Context, pager *pages.Pager[readback.Record]) (keys []string) {
	t.Helper()
	for record, err := range pages.Read(ctx, pager) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, record.Key())
	}
	return keys
}

// The order of the server's keys is that of Go's strings, also where a key has
// what a filter must escape.
func TestPagers(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	keys := []string{"b", "a.Z", "a.a", "a/b", "a", "ä", "z", `q"uote`, "q'uote", "Z", "1", "10", "2", "a b", "%", "_"}
	var input []stdlib.Symbol
	for _, key := range keys {
		input = append(input, symbol(key))
	}
	if _, err := windrow.CreateMany(t.Context(), c, input, windrow.PreserveOrder()); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 3, len(keys), 1000} {
		if diff := cmp.Diff(keys, collect(t, t.Context(), c.Written(size))); diff != "" {
			t.Errorf("Written(%d) (-want +got):\n%s", size, diff)
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(keys)), collect(t, t.Context(), c.Sorted(size))); diff != "" {
			t.Errorf("Sorted(%d) (-want +got):\n%s", size, diff)
		}
	}
}

// A36, F46: what is deleted while it is read by key makes nothing be missed.
func TestA36DeleteWhatIsRead(t *testing.T) {
	t.Parallel()
	c, server := open(t)
	var input []stdlib.Symbol
	for i := range 100 {
		input = append(input, symbol(fmt.Sprintf("k%03d", i)))
	}
	if _, err := windrow.CreateMany(t.Context(), c, input); err != nil {
		t.Fatal(err)
	}
	n := 0
	for record, err := range pages.Read(t.Context(), c.Sorted(7), pages.Prefetch(0)) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%10 != 0 {
			if err := c.Delete(t.Context(), record.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left, err := server.Count(); err != nil || n != 100 || left != 10 {
		t.Errorf("%d records read, %d left, error %v, want 100 and 10", n, left, err)
	}
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	c, server := open(t)
	upsert := func(record readback.Record) readback.Record {
		t.Helper()
		got, err := c.Upsert(t.Context(), record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(record.Symbol, got.Symbol); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return got
	}
	first := upsert(readback.Record{Symbol: symbol("a")})
	changed := symbol("a")
	changed.Doc = "other"
	if second := upsert(readback.Record{Symbol: changed}); second.ID != first.ID {
		t.Errorf("id %q, want %q: by its key it is the same record", second.ID, first.ID)
	}
	changed.Doc = "yet another"
	if third := upsert(readback.Record{ID: first.ID, Symbol: changed}); third.ID != first.ID {
		t.Errorf("id %q, want %q", third.ID, first.ID)
	}
	if err := c.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if fourth := upsert(readback.Record{ID: first.ID, Symbol: changed}); fourth.ID == first.ID {
		t.Error("the id of a deleted record came back")
	}
	if n, err := server.Count(); n != 1 || err != nil {
		t.Errorf("%d records, error %v, want 1", n, err)
	}
	bad := symbol("b")
	bad.Kind = "nonsense"
	var refused interface{ StatusCode() int }
	if _, err := c.Upsert(t.Context(), readback.Record{Symbol: bad}); !errors.As(err, &refused) || refused.StatusCode() != http.StatusBadRequest {
		t.Errorf("error %v, want status 400", err)
	}
}
