package journal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/windrow-go/windrow"
)

// A line of the file is a checksum in 8 hexadecimal digits, a space, a record in JSON, and a line feed. The checksum covers
// the record's number and its JSON, so that a missing or repeated line is detected. A record has one canonical form, and no
// other form is read.

const (
	formatVersion = 1
	prefixLength  = 9       // the checksum and the space
	maxRecord     = 4 << 20 // bytes of a line
	maxTries      = 1 << 30 // attempts in an intent
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// prefixOf returns the checksum of a record and the space.
func prefixOf(number uint64, record []byte) (prefix [prefixLength]byte) {
	sum := ^uint32(0) // of the number, inline: crc32.Update would need a slice, an allocation for each line
	for shift := 56; shift >= 0; shift -= 8 {
		sum = castagnoli[byte(sum)^byte(number>>shift)] ^ sum>>8
	}
	sum = crc32.Update(^sum, castagnoli, record)
	const digits = "0123456789abcdef"
	for i := range 8 {
		prefix[i] = digits[sum>>(28-4*i)&15]
	}
	prefix[8] = ' '
	return prefix
}

// seal writes the prefix of the line that begins at start, and ends the line.
func seal(line []byte, start int, number uint64) []byte {
	prefix := prefixOf(number, line[start+prefixLength:])
	copy(line[start:], prefix[:])
	return append(line, '\n')
}

// unseal returns the record of a line without its line feed. ok is false if the checksum is wrong.
func unseal(line []byte, number uint64) (record []byte, ok bool) {
	if len(line) < prefixLength {
		return nil, false
	}
	record = line[prefixLength:]
	prefix := prefixOf(number, record)
	return record, string(prefix[:]) == string(line[:prefixLength])
}

// header is the first record. Its fields are in the order of the file.
type header struct {
	Format    int            `json:"v"`
	Job       text           `json:"job"`
	Verb      windrow.OpKind `json:"verb"`
	KeyScheme text           `json:"keyScheme"`
	Version   int            `json:"version"`
	Scope     text           `json:"scope,omitempty"` // of the idempotency keys; older journals have none
	Created   time.Time      `json:"created"`
}

// text is a string that is written in the form of all strings in the file.
type text string

// MarshalJSON implements [json.Marshaler].
func (t text) MarshalJSON() ([]byte, error) { return appendString(nil, string(t)), nil }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(data []byte) error {
	p := parser{rest: data}
	*t = text(p.string(true))
	return p.err
}

// appendHeader appends the record of a header.
func appendHeader(to []byte, h header) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(h); err != nil {
		return nil, err
	}
	return append(to, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...), nil
}

// errFormat says that a header is of a version that this package does not read.
type errFormat struct{ version int }

func (e errFormat) Error() string { return fmt.Sprintf("format version %d", e.version) }

func parseHeader(record []byte) (h header, err error) {
	var format struct {
		Version int `json:"v"`
	}
	if json.Unmarshal(record, &format) == nil && format.Version > formatVersion {
		return h, errFormat{format.Version}
	}
	if err := json.Unmarshal(record, &h); err != nil {
		return h, errors.New("not a header")
	}
	again, err := appendHeader(nil, h)
	if err != nil || !bytes.Equal(again, record) || h.Format != formatVersion {
		return h, errors.New("not a header")
	}
	return h, nil
}

// record is any record except the header: an intent, or the end of a key.
type record struct {
	intent bool
	keys   []string // of an intent
	before []int64  // for each key, the offset of its previous record: 0 if there is none, or notMoved. Nil: all 0.
	tries  int
	idem   string
	handle string
	made   int64 // offset of the intent that this one repeats with a handle; 0 if it repeats none

	key         string // of an end
	previous    int64  // offset of key's previous record, 0 if there is none
	state       windrow.State
	reason      windrow.Reason
	id          string
	fingerprint string
}

// notMoved stands for the previous record of a key that an intent names and does not change.
const notMoved = -1

// kinds are the names of the states in the file.
var kinds = [...]string{
	windrow.NotAttempted: "none",
	windrow.Succeeded:    "done",
	windrow.Failed:       "fail",
	windrow.Skipped:      "skip",
	windrow.Unknown:      "unknown",
}

// entry returns the entry of a key of the record.
func (r *record) entry(key string) windrow.JournalEntry {
	if r.intent {
		return windrow.JournalEntry{Key: key, State: windrow.Unknown}
	}
	return windrow.JournalEntry{Key: key, State: r.state, Reason: r.reason, ID: r.id, Fingerprint: r.fingerprint}
}

// says reports whether the record changes the state of a key.
func (r *record) says(key string) bool {
	if !r.intent {
		return r.key == key
	}
	i := slices.Index(r.keys, key)
	return i >= 0 && r.beforeOf(i) != notMoved
}

// beforeOf returns the offset of the previous record of an intent's i-th key.
func (r *record) beforeOf(i int) int64 {
	if r.before == nil {
		return 0
	}
	return r.before[i]
}

// appendRecord appends the JSON of a record.
func appendRecord(to []byte, r *record) []byte {
	if !r.intent {
		to = append(to, `{"t":"`...)
		to = append(to, kinds[r.state]...)
		to = append(to, `","k":`...)
		to = appendString(to, r.key)
		if r.reason != windrow.NoReason {
			to = append(to, `,"r":"`...)
			to = append(to, r.reason.String()...)
			to = append(to, '"')
		}
		to = appendField(to, `,"id":`, r.id)
		to = appendField(to, `,"fp":`, r.fingerprint)
		to = appendPlace(to, `,"p":`, r.previous)
		return append(to, '}')
	}
	to = append(to, `{"t":"intent","k":[`...)
	for i, key := range r.keys {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendString(to, key)
	}
	to = append(to, `],"a":`...)
	to = strconv.AppendInt(to, int64(r.tries), 10)
	to = appendField(to, `,"idem":`, r.idem)
	to = appendField(to, `,"h":`, r.handle)
	to = appendPlace(to, `,"i":`, r.made)
	if r.before != nil {
		to = append(to, `,"p":[`...)
		for i, p := range r.before {
			if i > 0 {
				to = append(to, ',')
			}
			to = strconv.AppendInt(to, p, 10)
		}
		to = append(to, ']')
	}
	return append(to, '}')
}

func appendField(to []byte, name, value string) []byte {
	if value == "" {
		return to
	}
	return appendString(append(to, name...), value)
}

func appendPlace(to []byte, name string, offset int64) []byte {
	if offset == 0 {
		return to
	}
	return strconv.AppendInt(append(to, name...), offset, 10)
}

// binary begins a string that is not valid UTF-8, which JSON cannot hold; its bytes follow in hexadecimal. A string that
// begins with binary itself is written in the same way, so that no two strings have one form.
const binary = "\x00"

func isBinary(s string) bool {
	return len(s) > 0 && s[0] == binary[0] || !utf8.ValidString(s)
}

// appendString appends a string as JSON. It escapes only what must be escaped, always in the same way.
func appendString(to []byte, s string) []byte {
	to = append(to, '"')
	if isBinary(s) {
		to = append(to, `\u0000`...)
		to = hex.AppendEncode(to, []byte(s))
		return append(to, '"')
	}
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(to, s[start:i]...)
		if start = i + 1; c < ' ' {
			to = append(to, `\u00`...)
			to = hex.AppendEncode(to, []byte{c})
		} else {
			to = append(to, '\\', c)
		}
	}
	to = append(to, s[start:]...)
	return append(to, '"')
}
