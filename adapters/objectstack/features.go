package objectstack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/gone"
)

// Features are the optional features of a server.
type Features struct {
	// Transactions says that it rolls back an atomic batch when a record is refused.
	Transactions bool
	// DryRun says that validateOnly was verified to write nothing.
	DryRun bool
}

// Probe reads the server's features from /discovery, and stores them. A server without /discovery has none. A client without
// known features does so before its first atomic batch.
//
// /discovery does not tell whether validateOnly writes: DryRun is set by [Client.VerifyDryRun] or [Client.Assume] only.
func (c *Client) Probe(ctx context.Context) (Features, error) {
	data, err := c.do(ctx, http.MethodGet, "/discovery", nil)
	e, refused := errors.AsType[*Error](err)
	if err != nil && (!refused || !gone.Says(e.request) || gone.IsPage(e.request)) {
		return Features{}, err
	}
	var response struct{ Capabilities map[string]json.RawMessage }
	_ = json.Unmarshal(data, &response) // a server without capabilities has no features
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.features.Transactions = true, enabled(response.Capabilities["transactionalBatch"])
	return c.features, nil
}

// enabled reads a capability: true, or {"enabled": true}.
func enabled(raw json.RawMessage) (yes bool) {
	if json.Unmarshal(raw, &yes) == nil {
		return yes
	}
	var nested struct{ Enabled bool }
	return json.Unmarshal(raw, &nested) == nil && nested.Enabled
}

// Assume sets the server's features, so that the client does not ask.
func (c *Client) Assume(f Features) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.features = true, f
}

// transactions reports whether the server can roll back, and whether that is known.
func (c *Client) transactions() (can, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.features.Transactions, c.known
}

func (c *Client) dryRunVerified() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.features.DryRun
}

// ErrNoTransactions is the error of an atomic batch for a server that cannot roll back. The batch was not sent: such a
// server keeps the records written before a failure.
var ErrNoTransactions = errors.New("objectstack: the server cannot roll back (capabilities.transactionalBatch at /discovery): nothing was sent; leave out windrow.Atomic, or see Client.Assume")

// needTransactions returns an error unless the server can roll back.
func (c *Client) needTransactions(ctx context.Context) error {
	can, known := c.transactions()
	if !known {
		f, err := c.Probe(ctx)
		if err != nil {
			return err
		}
		can = f.Transactions
	}
	if !can {
		return windrow.Permanent(ErrNoTransactions)
	}
	return nil
}

// VerifyDryRun finds out whether the server's dry run writes, and stores the result. It sends a dry run that creates a
// record of the object with a new id, looks whether the record exists, and deletes it if it does. data must be valid for the
// server, and its JSON an object.
//
// If it returns true, [windrow.DryRun] asks the server, too.
func (c *Client) VerifyDryRun(ctx context.Context, object string, data any) (bool, error) {
	path, err := dataPath(object, "batch")
	if err != nil {
		return false, err
	}
	id := "windrow-dry-run-" + rand.Text()
	record, err := withID(data, id)
	if err != nil {
		return false, err
	}
	response, err := c.post(ctx, path, BatchUpdateRequest{
		Operation: OperationCreate, Records: []BatchRecord{{ID: id, Data: record}}, Options: BatchOptions{ContinueOnError: true, ValidateOnly: true},
	})
	if e, refused := errors.AsType[*Error](err); refused && e.HTTPStatus >= 400 && e.HTTPStatus < 500 && windrow.Classify(err).Class == windrow.ClassPermanent {
		return c.setDryRun(false), nil // the server has no dry run
	}
	if err != nil {
		return false, err
	}
	if len(response.Results) != 1 || !response.Results[0].Success {
		return false, errors.New("objectstack: VerifyDryRun: the server did not accept the record: give one that it would create")
	}
	wrote := false
	ids := []string{id}
	if other := response.Results[0].ID; other != "" && other != id { // the server chose the id
		ids = append(ids, other)
	}
	for _, id := range ids {
		record, err := dataPath(object, id)
		if err == nil {
			_, err = c.do(ctx, http.MethodGet, record, nil)
		}
		switch {
		case errors.Is(err, windrow.ErrNotFound):
			continue
		case err != nil:
			return false, err
		}
		wrote = true
		if _, err := c.rest.Do(ctx, deletion(record), nil); err != nil {
			return c.setDryRun(false), fmt.Errorf("objectstack: VerifyDryRun: the dry run created the record %q, which could not be deleted: %w", id, err)
		}
	}
	return c.setDryRun(!wrote), nil
}

func (c *Client) setDryRun(verified bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.features.DryRun = verified
	return verified
}

// withID returns the JSON form of a record with an id in it.
func withID(data any, id string) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, errors.New("objectstack: VerifyDryRun: the data cannot be turned into JSON")
	}
	var record map[string]json.RawMessage
	if json.Unmarshal(text, &record) != nil || record == nil {
		return nil, errors.New("objectstack: VerifyDryRun: the JSON of the data is not an object")
	}
	record["id"], err = json.Marshal(id)
	return record, err
}
