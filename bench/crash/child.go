package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/journal"
)

// point is where the import is killed.
type point int

const (
	beforeIntent point = iota
	afterIntent
	afterSend // the request was carried out, and its response is here
	beforeDone
	anyTime // by its parent
	never
)

// childConfig is what the import is told.
type childConfig struct {
	URL, Folder string
	Items       int
	Keys, IDs   bool
	Reconcile   bool
	Point       point
	After       int // how often the point is passed before it kills
}

// childVariable tells a process that it is the import.
const childVariable = "WINDROW_CRASH_IMPORT"

func isChild() bool { return os.Getenv(childVariable) != "" }

func (c childConfig) env() []string {
	text, _ := json.Marshal(c) // strings and numbers
	return []string{childVariable + "=" + string(text)}
}

// runChild is the import. It returns the exit status.
func runChild(ctx context.Context, stderr io.Writer) int {
	var cfg childConfig
	err := json.Unmarshal([]byte(os.Getenv(childVariable)), &cfg)
	if err == nil {
		err = importAll(ctx, cfg)
	}
	if err != nil {
		fmt.Fprintf(stderr, "crash: the import: %v\n", err)
		return 1
	}
	return 0
}

// killer kills its own process when a point was passed so often.
type killer struct {
	cfg    childConfig
	passed atomic.Int64
}

func (k *killer) at(p point) {
	if p == k.cfg.Point && k.passed.Add(1) == int64(k.cfg.After) {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			panic(err)
		}
		select {} // nothing more is done here
	}
}

// deadly is a journal with points.
type deadly struct {
	*journal.Journal
	*killer
}

func (d deadly) Intend(ctx context.Context, intent windrow.JournalIntent) error {
	d.at(beforeIntent)
	err := d.Journal.Intend(ctx, intent)
	d.at(afterIntent)
	return err
}

func (d deadly) Record(entries ...windrow.JournalEntry) error {
	d.at(beforeDone)
	return d.Journal.Record(entries...)
}

// answer is the server's response for an item.
type answer struct {
	ID string `json:"id"`
}

// importAll imports all items, from wherever the journal ends.
func importAll(ctx context.Context, cfg childConfig) (err error) {
	j, err := journal.Open(filepath.Join(cfg.Folder, "import.journal"), "crash")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	limiter := windrow.NewLimiter(windrow.Concurrency(16))
	client, err := rest.New(cfg.URL, rest.WithLimiter(limiter))
	if err != nil {
		return err
	}
	kill := &killer{cfg: cfg}
	path := func(item int) string { return "/items/" + strconv.Itoa(item) }
	p := windrow.NewCreateProcessor(windrow.CreateFunc(func(ctx context.Context, item int) (answer, error) {
		var a answer
		_, err := client.Do(ctx, rest.Request{Method: http.MethodPost, Path: path(item)}, &a)
		kill.at(afterSend)
		return a, err
	}), windrow.WithLimiter(limiter), windrow.WithJournal(deadly{j, kill}))
	p.Capabilities.IdempotencyKeys, p.Capabilities.ClientIDs = cfg.Keys, cfg.IDs
	p.Key = func(item int) string { return "item-" + strconv.Itoa(item) }
	p.ResultID = func(a answer) string { return a.ID }
	if cfg.Reconcile {
		p.Reconcile = func(ctx context.Context, item int) (a answer, there bool, err error) {
			_, err = client.Do(ctx, rest.Request{Path: path(item)}, &a)
			if errors.Is(err, windrow.ErrNotFound) {
				return a, false, nil
			}
			return a, err == nil, err
		}
	}
	items := make([]int, cfg.Items)
	for i := range items {
		items[i] = i
	}
	res, err := p.Run(ctx, items)
	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok && bulk.Cause == nil {
		err = nil // items that are in doubt are what this is about
	}
	return errors.Join(err, writeStates(filepath.Join(cfg.Folder, statesFile), res))
}

// statesFile holds the outcome of each item at the end of the import: s if its record exists, u if that is not known, f
// otherwise.
const statesFile = "states"

func writeStates(path string, res *windrow.BulkResult[int, answer]) error {
	text := make([]byte, 0, res.Len())
	for r := range res.All() {
		switch {
		case r.State == windrow.Succeeded, r.State == windrow.Skipped && r.ID != "":
			text = append(text, 's')
		case r.State == windrow.Unknown:
			text = append(text, 'u')
		default:
			text = append(text, 'f')
		}
	}
	return os.WriteFile(path, text, 0o600)
}

func readStates(path string, items int) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) != items {
		err = fmt.Errorf("%d states of %d items", len(text), items)
	}
	return text, err
}
