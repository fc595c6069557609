package jobs

import (
	"time"
)

// Fields are the fields of a record, by their names in JSON. Numbers that come from JSON are [json.Number].
type Fields map[string]any

// A Spec says what a job is to do. [Manager.Submit] refuses it with a [*SpecError] that names all its mistakes. Its JSON
// form is that of the HTTP API: see [ParseSpec].
type Spec struct {
	Type        string // a label of your own, such as "field_update"; at most 200 bytes
	Description string // for people; at most 10,000 bytes
	// IdempotencyKey makes Submit idempotent: a second Submit with the key and the same spec returns the first job. It is
	// kept as long as the job. "" means that each Submit makes a job. At most 255 bytes.
	IdempotencyKey string
	Operations     []Operation       // carried out one after the other; from 1 to 100
	Options        Options           // how they are carried out
	Labels         map[string]string // of your own, for List; at most 20, names and values of at most 200 bytes
	Priority       int               // jobs with a higher one are begun first; from -1000 to 1000
}

// OperationType says what an [Operation] does.
type OperationType string

// The types of operations.
const (
	Create OperationType = "create" // creates Records
	Update OperationType = "update" // applies a patch to the records that a Filter selects, or to those with IDs
	Delete OperationType = "delete" // deletes the records that a Filter selects, or those with IDs
)

// An Operation is one step of a job: one change of many records of a resource.
type Operation struct {
	Type     OperationType // Create, Update or Delete
	Resource string        // name that it was registered under
	// Filter selects the records whose fields have exactly these values. An empty Filter that is not nil selects all
	// records. Every record that the resource lists is compared again here: one that does not match fails the job before
	// anything is sent, since its server ignores the filter.
	Filter Fields
	IDs    []string // of the records; an alternative to Filter
	// Update is the patch of an update, by RFC 7396: fields replace those of the record, null removes one, objects are
	// merged.
	Update Fields
	// Records are the records to be created: values whose JSON form is an object.
	Records []any
}

// Options say how a job is carried out. The zero Options are ready to use.
type Options struct {
	Sequential     bool              // items one after the other, in order; in JSON it is "parallel": false
	MaxConcurrent  int               // calls in flight at once; 0 means 5, at most 1,000. The resource's limiter may allow fewer
	Retry          RetryOptions      // how often and when an item is sent again
	Validation     ValidationOptions // what happens to inputs that are not valid
	AttemptTimeout time.Duration     // of one call; 0 means 60 s, at most an hour
}

// RetryOptions say how often and when an item is sent again.
type RetryOptions struct {
	Attempts int     // 0 means 3, at most 100. Throttled attempts do not count
	Backoff  Backoff // "" means exponential
	// Delay is the fixed delay of linear, and the first one of exponential. 0 means 1 s and windrow's default.
	Delay time.Duration
	// Custom is the name of a strategy in the Config, for custom.
	Custom string
}

// Backoff is how the delays between the attempts for an item grow.
type Backoff string

// The strategies.
const (
	BackoffImmediate   Backoff = "immediate"   // no delay
	BackoffLinear      Backoff = "linear"      // a fixed delay
	BackoffExponential Backoff = "exponential" // delays grow, with jitter
	BackoffCustom      Backoff = "custom"      // a strategy of the Config
)

// ValidationOptions say what happens to items that are not valid.
type ValidationOptions struct {
	Mode    ValidationMode // "" means strict
	OnError OnError        // "" means skip
}

// ValidationMode says how inputs are checked before they are sent.
type ValidationMode string

// The modes.
const (
	ValidationStrict  ValidationMode = "strict"  // unknown fields and what the resource's Validate refuses are errors of the item
	ValidationLenient ValidationMode = "lenient" // unknown fields are dropped; Validate is an error of the item
	ValidationNone    ValidationMode = "none"    // unknown fields are dropped; Validate is not called
)

// OnError says what a failed item does to the job.
type OnError string

// The consequences.
const (
	OnErrorSkip  OnError = "skip"  // the others go on
	OnErrorAbort OnError = "abort" // nothing more is sent, and the job fails; calls in flight finish
)

const (
	defaultMaxConcurrent  = 5
	defaultAttempts       = 3
	defaultAttemptTimeout = time.Minute
	defaultLinearDelay    = time.Second
)

// withDefaults fills the zero fields.
func (o Options) withDefaults() Options {
	set(&o.MaxConcurrent, defaultMaxConcurrent)
	set(&o.AttemptTimeout, defaultAttemptTimeout)
	set(&o.Retry.Attempts, defaultAttempts)
	set(&o.Retry.Backoff, BackoffExponential)
	set(&o.Validation.Mode, ValidationStrict)
	set(&o.Validation.OnError, OnErrorSkip)
	if o.Retry.Backoff == BackoffLinear {
		set(&o.Retry.Delay, defaultLinearDelay)
	}
	return o
}

// set sets a zero value.
func set[T comparable](value *T, to T) {
	if *value == *new(T) {
		*value = to
	}
}
