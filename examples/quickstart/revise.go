package main

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/catalog"
	"github.com/windrow-go/windrow/examples/internal/lockstep"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
)

// pageSize is how many records a page of the second phase has.
const pageSize = 500

// note is what the new edition adds to the documentation of some symbols.
const note = "\nThis text was revised by the quickstart.\n"

// edition returns a symbol with its documentation as the new edition has it: the
// note is added to about one in sixteen, always the same.
func edition(s stdlib.Symbol) stdlib.Symbol {
	hash := fnv.New32a()
	_, _ = io.WriteString(hash, s.Key())
	if hash.Sum32()%16 == 0 && !strings.HasSuffix(s.Doc, note) {
		s.Doc += note
	}
	return s
}

// revision is what came of the second phase.
type revision struct {
	updates, deletes    windrow.RunStats
	patched, deleted    pocket.Traffic // the server's own count of the requests
	changed, deprecated int            // records that should have been updated and deleted
	left                int            // records that were found at the end
	found               []readback.Mismatch
	mismatches          int
	err                 error // what ended it early
}

// revise streams the records back page by page, updates those whose
// documentation changed, and deletes the deprecated ones. Whatever the number of
// records, a few pages are in memory and what is in flight. At the end it compares
// every record with what it should be.
//
// The pages are asked for by key: read by offset, records would move to pages
// that were read before, and be missed, while others are deleted.
func (w *work) revise(ctx context.Context, input []stdlib.Symbol, res *result) *revision {
	r := &revision{}
	if r.err = w.update(ctx, r); r.err == nil {
		r.err = w.remove(ctx, r)
	}
	if r.err == nil {
		r.err = w.compare(ctx, r, input, res)
	}
	return r
}

// update sends the records whose documentation changed.
func (w *work) update(ctx context.Context, r *revision) error {
	changed := choose(pages.Read(ctx, w.symbols.Sorted(pageSize)), func(record readback.Record) (readback.Record, bool) {
		old := record.Symbol
		record.Symbol = edition(old)
		return record, record.Symbol != old && !old.Deprecated
	})
	upsert := windrow.NewUpsertProcessor(w.symbols, w.options())
	upsert.Key = readback.Record.Key
	stream := upsert.Stream(ctx, changed)
	err := take(stream.All())
	r.updates, r.patched = stream.Stats(), w.server.Traffic(http.MethodPatch)
	return err
}

// remove deletes the deprecated symbols.
func (w *work) remove(ctx context.Context, r *revision) error {
	deprecated := choose(pages.Read(ctx, w.symbols.Sorted(pageSize)), func(record readback.Record) (string, bool) {
		return record.ID, record.Deprecated
	})
	stream := windrow.NewDeleteProcessor(w.symbols, w.options()).Stream(ctx, deprecated)
	err := take(stream.All())
	r.deletes, r.deleted = stream.Stats(), w.server.Traffic(http.MethodDelete)
	return err
}

// choose makes the input of a stream of the records that are to be worked on.
func choose[T any](records iter.Seq2[readback.Record, error], choice func(readback.Record) (T, bool)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for record, err := range records {
			item, ok := choice(record)
			if err != nil {
				ok = true // it ends the stream
			}
			if ok && !yield(item, err) {
				return
			}
		}
	}
}

// take takes all results of a stream, and returns what ended it, or the first
// error of an item.
func take[In, Out any](results iter.Seq2[windrow.Result[In, Out], error]) (found error) {
	for _, err := range results {
		if err != nil {
			found = catalog.Graver(found, err)
		}
	}
	return found
}

// compare reads everything once more, next to what it should be.
func (w *work) compare(ctx context.Context, r *revision, input []stdlib.Symbol, res *result) error {
	var want []readback.Record
	for i, symbol := range input {
		switch revised := edition(symbol); {
		case symbol.Deprecated:
			r.deprecated++
			continue
		case revised != symbol:
			r.changed++
			fallthrough
		default:
			want = append(want, readback.Record{ID: res.At(i).Value.ID, Symbol: revised})
		}
	}
	slices.SortFunc(want, func(a, b readback.Record) int { return cmp.Compare(a.Key(), b.Key()) })

	got := pages.Read(ctx, w.symbols.Sorted(pageSize))
	for pair, err := range lockstep.Pairs(windrow.FromSlice(want), got, readback.Record.Key) {
		if err != nil {
			return err
		}
		if pair.Got != nil {
			r.left++
		}
		switch {
		case pair.Got == nil:
			r.mismatch(readback.Mismatch{Key: pair.Key, Field: "record", Want: "id " + pair.Want.ID, Got: "none"})
		case pair.Want == nil:
			r.mismatch(readback.Mismatch{Key: pair.Key, Field: "record", Want: "none", Got: "id " + pair.Got.ID})
		default:
			if pair.Want.ID != pair.Got.ID {
				r.mismatch(readback.Mismatch{Key: pair.Key, Field: "id", Want: pair.Want.ID, Got: pair.Got.ID})
			}
			r.mismatch(readback.Fields(pair.Want.Symbol, pair.Got.Symbol)...)
		}
	}
	count, err := w.server.Count()
	r.check("count", len(want), count)
	r.check("updated", r.changed, r.updates.Succeeded)
	r.check("deleted", r.deprecated, r.deletes.Succeeded)
	return err
}

// mismatch notes what is not as it should be, and keeps what will be shown.
func (r *revision) mismatch(found ...readback.Mismatch) {
	r.mismatches += len(found)
	r.found = append(r.found, found[:min(len(found), shown-min(shown, len(r.found)))]...)
}

func (r *revision) check(field string, want, got int) {
	if want != got {
		r.mismatch(readback.Mismatch{Key: "all", Field: field, Want: fmt.Sprint(want), Got: fmt.Sprint(got)})
	}
}

// good reports whether everything is as it should be.
func (r *revision) good() bool { return r.err == nil && r.mismatches == 0 }

// print writes what was done.
func (r *revision) print(w io.Writer) {
	step := func(name, which string, stats windrow.RunStats, server pocket.Traffic) {
		fmt.Fprintf(w, "%s: %d %s, in %v, with %d requests, %d of them throttled. The server counted %d and %d.\n",
			name, stats.Succeeded, which, stats.Elapsed.Round(time.Millisecond), stats.Requests, stats.Throttled, server.Requests, server.Throttled)
	}
	step("Updated", "records whose documentation changed", r.updates, r.patched)
	step("Deleted", "deprecated ones", r.deletes, r.deleted)
	switch {
	case r.err != nil:
		fmt.Fprintf(w, "Stopped: %v\n", r.err)
	case r.mismatches == 0:
		fmt.Fprintf(w, "Read again: %d records. Each field is as it should be.\n", r.left)
	default:
		fmt.Fprintf(w, "Read again: %d records, with %d mismatches.\n", r.left, r.mismatches)
		list(w, r.found, r.mismatches)
	}
}
