package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/windrow-go/windrow"
)

// A Resource says how jobs work on the records of one kind, such as the fields of a farm or the articles of a CMS. Its
// functions are called from many goroutines at once.
type Resource[In, Out any] struct {
	// Client does the work: any client that package windrow takes. Its verbs ([windrow.Creator], [windrow.Updater] and
	// [windrow.Deleter], with string ids), its native batches, its look-ups and its capabilities are found by its
	// methods. An operation whose verb it lacks is refused by Submit.
	Client any
	// Limiter bounds the calls of all jobs that use the resource. Resources of one account share one. Nil means one of
	// the resource's own, which starts with what it had learned when the manager was last closed.
	Limiter *windrow.Limiter
	// List yields the records that a filter selects; package pages makes such a function from pages. It is needed for
	// operations with a Filter.
	List func(ctx context.Context, filter Fields) iter.Seq2[Out, error]
	// Count returns how many records a filter selects, so that a job knows its size from the beginning. Nil means that
	// the size is known when the records have been listed.
	Count func(ctx context.Context, filter Fields) (int, error)
	// ID returns the id of a record. It is needed for operations with a Filter, and names what a create has made.
	ID func(Out) string
	// Key is the identity of a record to be created: it must not be "", and no two records of an operation may have the
	// same. Nil means that records are told apart by their index.
	Key func(In) string
	// Fields are the names of the fields that a filter may use. Nil means the fields of Out's JSON form; a resource of
	// maps has to declare its own.
	Fields []string
	// Validate returns what is wrong with an input. Nil means no check.
	Validate func(In) error
	// Reconcile looks up whether a create whose response was lost was applied. Nil means that of the Client, if it has
	// one.
	Reconcile func(ctx context.Context, in In) (out Out, applied bool, err error)
	// Describe returns the code and the message of an item's error as people are to see them, such as those in the body of
	// the server's response; "" stands for the usual ones: a code for the kind of the error, and its text. Nil means the
	// usual ones. What it returns is stored, cut at 500 bytes and cleaned of control characters.
	Describe func(err error) (code, message string)
	// Replaces says that an update replaces the whole record. An update then reads the record, applies the patch to it,
	// and writes it, so In must be the whole record; the Client must be a [windrow.Getter], too.
	Replaces bool
	// Retry is the policy of what a job does not say: Classify, and Budget. A job's attempts and backoff come from its
	// Options.
	Retry windrow.RetryPolicy
}

// Register adds a resource under a name. It is called before [Manager.Start]. The error says what is missing or does not
// go together.
func Register[In, Out any](m *Manager, name string, r Resource[In, Out]) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("jobs: resource %q: %s", shorten(name), fmt.Sprintf(format, args...))
	}
	switch {
	case m == nil:
		return errors.New("jobs: the manager is nil")
	case name == "" || len(name) > maxName || !utf8.ValidString(name):
		return refuse("its name must have from 1 to %d bytes of UTF-8", maxName)
	case isNil(r.Client):
		return refuse("its Client is nil")
	}
	t := &typed[In, Out]{Resource: r, name: name}
	t.creator, _ = r.Client.(windrow.Creator[In, Out])
	t.updater, _ = r.Client.(windrow.Updater[string, In, Out])
	t.deleter, _ = r.Client.(windrow.Deleter[string])
	t.getter, _ = r.Client.(windrow.Getter[string, Out])
	if t.creator == nil && t.updater == nil && t.deleter == nil {
		return refuse("its Client (%T) is no windrow.Creator[%v, %v], windrow.Updater[string, %v, %v] or windrow.Deleter[string]",
			r.Client, reflect.TypeFor[In](), reflect.TypeFor[Out](), reflect.TypeFor[In](), reflect.TypeFor[Out]())
	}
	if r.Replaces && (t.updater == nil || t.getter == nil) {
		return refuse("Replaces needs a Client that is a windrow.Updater and a windrow.Getter[string, %v]", reflect.TypeFor[Out]())
	}
	if r.List != nil && r.ID == nil {
		return refuse("a List needs an ID, by which the records are known")
	}
	if t.fields = r.Fields; t.fields == nil {
		t.fields = fieldsOf(reflect.TypeFor[Out]())
	}
	return m.register(t)
}

// resource is a registered Resource, without its types.
type resource interface {
	title() string
	limiter() *windrow.Limiter
	setLimiter(l *windrow.Limiter)
	retry() windrow.RetryPolicy
	knows(field string) bool
	// declares says what to do when no field is known; "" when some are.
	declares() string
	// supports returns why an operation is not possible.
	supports(op *Operation) error
	// named reports whether the items' keys are those of their records: else they are indexes, which other jobs have too.
	named(op *Operation) bool
	// decides reports whether an item whose response was lost can be sent again, or looked up.
	decides(op *Operation) bool
	// checkPatch returns what is wrong with a patch, as an input of the client.
	checkPatch(patch Fields) error
	// key returns the key of a record to be created; "" if that is its index.
	key(record json.RawMessage) (string, error)
	count(ctx context.Context, filter Fields) (n int, known bool, err error)
	// list yields the records that a filter selects, with their JSON form if it is asked for.
	list(ctx context.Context, filter Fields, form bool) iter.Seq2[listed, error]
	// describe returns the code and the message of an item's error.
	describe(e windrow.JournalEntry) (code, message string)
	// run carries out a part.
	run(ctx context.Context, t *task) error
}

// listed is a record that was listed.
type listed struct {
	id   string
	form json.RawMessage // nil when it was not asked for
}

// typed is a Resource with what was found of its client.
type typed[In, Out any] struct {
	Resource[In, Out]
	name    string
	fields  []string // sorted or not; that a filter may use
	creator windrow.Creator[In, Out]
	updater windrow.Updater[string, In, Out]
	deleter windrow.Deleter[string]
	getter  windrow.Getter[string, Out]
}

func (t *typed[In, Out]) title() string                 { return t.name }
func (t *typed[In, Out]) limiter() *windrow.Limiter     { return t.Limiter }
func (t *typed[In, Out]) setLimiter(l *windrow.Limiter) { t.Limiter = l }
func (t *typed[In, Out]) retry() windrow.RetryPolicy    { return t.Retry }
func (t *typed[In, Out]) knows(field string) bool       { return slices.Contains(t.fields, field) }

func (t *typed[In, Out]) declares() string {
	if len(t.fields) > 0 {
		return ""
	}
	return fmt.Sprintf(", whose records (%v) show no fields: declare them in Resource.Fields", reflect.TypeFor[Out]())
}

func (t *typed[In, Out]) supports(op *Operation) error {
	missing := ""
	switch {
	case op.Type == Create && t.creator == nil:
		missing = "a windrow.Creator"
	case op.Type == Update && t.updater == nil:
		missing = "a windrow.Updater"
	case op.Type == Delete && t.deleter == nil:
		missing = "a windrow.Deleter"
	}
	switch {
	case missing != "":
		return fmt.Errorf("the resource %s cannot %s records: its client is not %s", t.name, op.Type, missing)
	case op.Filter != nil && t.List == nil:
		return fmt.Errorf("the resource %s cannot select records by a filter: it has no List; give ids", t.name)
	}
	return nil
}

func (t *typed[In, Out]) checkPatch(patch Fields) error {
	if t.Replaces {
		return nil // the patch is no whole record
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return nil // check says so
	}
	_, err = t.input(data, ValidationLenient)
	return err
}

// input reads an input from its JSON form. The error does not show its content.
func (t *typed[In, Out]) input(data []byte, mode ValidationMode) (in In, err error) {
	err = guard("UnmarshalJSON", func() error { return decodeInto(data, &in, mode == "" || mode == ValidationStrict) })
	return in, err
}

func (t *typed[In, Out]) key(record json.RawMessage) (string, error) {
	if t.Key == nil {
		return "", nil
	}
	in, err := t.input(record, ValidationNone)
	if err != nil {
		return "", err
	}
	var key string
	err = guard("Key", func() error { key = t.Key(in); return nil })
	if err == nil && key == "" {
		err = errNoKey
	}
	return key, err
}

func (t *typed[In, Out]) count(ctx context.Context, filter Fields) (n int, known bool, err error) {
	if t.Count == nil {
		return 0, false, nil
	}
	err = guard("Count", func() error { n, err = t.Count(ctx, filter); return err })
	return n, err == nil, err
}

func (t *typed[In, Out]) list(ctx context.Context, filter Fields, form bool) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		stopped := false
		err := guard("List", func() error {
			for out, err := range t.List(ctx, filter) {
				if err != nil {
					return err
				}
				l := listed{id: t.ID(out)}
				if form {
					if l.form, err = json.Marshal(out); err != nil {
						return errors.New("a record has no JSON form")
					}
				}
				if !yield(l, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped { // a List that ignores the result of yield panics
			yield(listed{}, err)
		}
	}
}

func (t *typed[In, Out]) describe(e windrow.JournalEntry) (code, message string) {
	code, message = describe(e)
	if e.Err == nil || t.Describe == nil {
		return code, message
	}
	var ownCode, ownMessage string
	if guard("Describe", func() error { ownCode, ownMessage = t.Describe(e.Err); return nil }) != nil {
		return code, message
	}
	return cmp.Or(clean(ownCode, maxName), code), cmp.Or(clean(ownMessage, maxMessage), message)
}

// fieldsOf returns the names of the fields of a type's JSON form; nil if they are not known.
func fieldsOf(t reflect.Type) (names []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "", name == "-", !f.IsExported():
		case name != "":
			names = append(names, name)
		default:
			names = append(names, f.Name)
		}
	}
	return names
}
