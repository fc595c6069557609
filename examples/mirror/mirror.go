package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/catalog"
	"github.com/windrow-go/windrow/examples/internal/lockstep"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/pages"
)

// pageSize is how many records are read at a time.
const pageSize = 200

// mirror makes one collection like another.
type mirror struct {
	from, to           catalog.Catalog
	fromLimit, toLimit *windrow.Limiter // one for each server
	fromLists, toLists int              // pages read
}

func newMirror(from, to *pocket.Server) (*mirror, error) {
	m := &mirror{fromLimit: windrow.NewLimiter(), toLimit: windrow.NewLimiter()}
	var err error
	if m.from, err = catalog.Open(from, m.fromLimit); err != nil {
		return nil, err
	}
	m.to, err = catalog.Open(to, m.toLimit)
	return m, err
}

// pairs yields what the servers have under each key.
func (m *mirror) pairs(ctx context.Context) iter.Seq2[lockstep.Pair[readback.Record], error] {
	read := func(c catalog.Catalog, count *int) iter.Seq2[readback.Record, error] {
		return pages.Read(ctx, c.Sorted(pageSize), pages.OnPage(func(pages.Info) { *count++ }))
	}
	return lockstep.Pairs(read(m.from, &m.fromLists), read(m.to, &m.toLists), readback.Record.Key)
}

// changes is what a run did.
type changes struct {
	upserts, deletes   windrow.RunStats
	created, updated   int
	fromLists, toLists int
	elapsed            time.Duration
}

// String tells it in one line.
func (c changes) String() string {
	return fmt.Sprintf("%d created, %d updated, %d deleted, in %v; %d pages read of the first server and %d of the second, %d requests to write, %d of them throttled",
		c.created, c.updated, c.deletes.Succeeded, c.elapsed.Round(time.Millisecond), c.fromLists, c.toLists,
		c.upserts.Requests+c.deletes.Requests, c.upserts.Throttled+c.deletes.Throttled)
}

// run makes the second collection like the first. It goes through both twice: to
// write what is missing or other, and to delete what should not be there. It may
// be stopped at any point and run again, since it only ever sends what differs.
//
// The pages are asked for by key, so that what is written and deleted meanwhile
// moves no record out of sight.
func (m *mirror) run(ctx context.Context) (done changes, err error) {
	start := time.Now()
	m.fromLists, m.toLists = 0, 0
	defer func() {
		done.elapsed, done.fromLists, done.toLists = time.Since(start), m.fromLists, m.toLists
	}()
	options := windrow.Options(windrow.WithLimiter(m.toLimit), windrow.AttemptTimeout(catalog.Timeout))

	upsert := windrow.NewUpsertProcessor(m.to, options)
	upsert.Key = readback.Record.Key
	stream := upsert.Stream(ctx, choose(m.pairs(ctx), other))
	for result, itemErr := range stream.All() {
		switch {
		case itemErr != nil:
			err = catalog.Graver(err, itemErr)
		case result.Input.ID == "":
			done.created++
		default:
			done.updated++
		}
	}
	done.upserts = stream.Stats()
	if err != nil {
		return done, fmt.Errorf("write: %w", err)
	}

	remove := windrow.NewDeleteProcessor(m.to, options).Stream(ctx, choose(m.pairs(ctx), surplus))
	for _, itemErr := range remove.All() {
		if itemErr != nil {
			err = catalog.Graver(err, itemErr)
		}
	}
	done.deletes = remove.Stats()
	if err != nil {
		return done, fmt.Errorf("delete: %w", err)
	}
	return done, nil
}

// other chooses the records that the second server does not have as the first
// has them. They get the id that they have there, "" for those that are missing.
func other(p lockstep.Pair[readback.Record]) (record readback.Record, chosen bool) {
	switch {
	case p.Want == nil:
		return record, false
	case p.Got == nil:
		return readback.Record{Symbol: p.Want.Symbol}, true
	}
	return readback.Record{ID: p.Got.ID, Symbol: p.Want.Symbol}, p.Want.Symbol != p.Got.Symbol
}

// surplus chooses the ids of the records that only the second server has.
func surplus(p lockstep.Pair[readback.Record]) (id string, chosen bool) {
	if p.Want != nil || p.Got == nil {
		return "", false
	}
	return p.Got.ID, true
}

// choose makes the input of a stream.
func choose[T any](pairs iter.Seq2[lockstep.Pair[readback.Record], error], choice func(lockstep.Pair[readback.Record]) (T, bool)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for pair, err := range pairs {
			item, chosen := choice(pair)
			if (chosen || err != nil) && !yield(item, err) {
				return
			}
		}
	}
}

// verify compares the collections record by record. It returns how many are the
// same, and an error that names the first that are not.
func (m *mirror) verify(ctx context.Context) (same int, err error) {
	const shown = 20
	var text strings.Builder
	differ := 0
	for pair, err := range m.pairs(ctx) {
		if err != nil {
			return same, fmt.Errorf("compare: %w", err)
		}
		found := differences(pair)
		if len(found) == 0 {
			same++
			continue
		}
		if differ++; differ <= shown {
			for _, mismatch := range found {
				_, _ = io.WriteString(&text, "\n  "+mismatch.String())
			}
		}
	}
	if differ > 0 {
		return same, fmt.Errorf("%d records differ, the first of them:%s", differ, &text)
	}
	return same, nil
}

// differences returns what is not the same.
func differences(p lockstep.Pair[readback.Record]) []readback.Mismatch {
	switch {
	case p.Got == nil:
		return []readback.Mismatch{{Key: p.Key, Field: "record", Want: "one", Got: "none"}}
	case p.Want == nil:
		return []readback.Mismatch{{Key: p.Key, Field: "record", Want: "none", Got: "one"}}
	}
	return readback.Fields(p.Want.Symbol, p.Got.Symbol)
}
