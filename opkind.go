package windrow

import "github.com/windrow-go/windrow/internal/enum"

// OpKind is what is done to an item. The zero OpKind is [OpDo].
type OpKind uint8

// The kinds of operation.
const (
	OpDo OpKind = iota // calls the function given to NewBatchProcessor
	OpCreate
	OpUpdate
	OpUpsert
	OpDelete
	OpGet
	OpExecute // a run of package mixed, whose operations have kinds of their own
)

var opKinds = enum.New("operation", "do", "create", "update", "upsert", "delete", "get", "execute")

// String returns the kind in lower case.
func (k OpKind) String() string { return opKinds.Name(uint8(k)) }

// MarshalText implements [encoding.TextMarshaler].
func (k OpKind) MarshalText() ([]byte, error) { return opKinds.Text(uint8(k)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *OpKind) UnmarshalText(text []byte) error { return opKinds.Read(text, (*uint8)(k)) }
