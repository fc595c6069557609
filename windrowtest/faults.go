package windrowtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Status answers with a status and a small JSON body, in place of the API.
func Status(code int) Step {
	return Step{Instead: JSON(code, fmt.Sprintf(`{"code":"STATUS_%d","message":%q}`, code, http.StatusText(code)))}
}

// Throttled answers 429 in place of the API (RFC 6585 section 4). The header may tell when the limit is renewed: nil
// tells nothing, [Dialects] has what APIs say.
func Throttled(header http.Header) Step {
	a := JSON(http.StatusTooManyRequests, `{"code":"RATE_LIMITED"}`)
	for name := range header {
		a = a.Set(name, header.Get(name))
	}
	return Step{Instead: a}
}

// RetryAfter answers with a status, such as 429 or 503, and a Retry-After field, in place of the API. [RetryAfters] has
// what APIs write into it.
func RetryAfter(status int, value string) Step {
	return Step{Instead: JSON(status, `{"code":"BUSY"}`).Set("Retry-After", value)}
}

// LostAnswer lets the API carry out the request, and ends the connection without an answer.
func LostAnswer() Step { return Step{Ending: CutHead} }

// LostRequest ends the connection without an answer, and the API does not see the request.
func LostRequest() Step { return Step{Instead: Answer{}, Ending: CutHead} }

// CutAnswer lets the API carry out the request, and ends the connection after so many bytes of the body.
func CutAnswer(bytes int) Step { return Step{Ending: CutBody, At: bytes} }

// NeverAnswers lets the API carry out the request, or not, and says nothing more.
func NeverAnswers(applied bool) Step {
	s := Step{Ending: Silence}
	if !applied {
		s.Instead = Answer{}
	}
	return s
}

// Slow lets the API carry out the request after d, whether the client is still waiting or not.
func Slow(d time.Duration) Step { return Step{Delay: d} }

// HTML answers with a page of a proxy, in place of the API, with any status: 502 is as usual as 200.
func HTML(status int) Step {
	a := Answer{Status: status, Body: "<!DOCTYPE html><html><head><title>" + http.StatusText(status) + "</title></head><body>proxy</body></html>\n"}
	return Step{Instead: a.Set("Content-Type", "text/html; charset=utf-8")}
}

// WithStatus changes the status of the API's answer, such as 200 into 201 or 207.
func WithStatus(code int) Step { return Step{Edit: func(a *Answer) { a.Status = code }} }

// Skewed changes the Date field of the answer as if the server's clock were ahead by that much.
func Skewed(ahead time.Duration) Step {
	return Step{Edit: func(a *Answer) { *a = a.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat)) }}
}

// TooLarge answers that a request holds too many items, in place of the API, in the words of one that says how many it
// takes (ObjectStack). See [MoreThan] for when.
func TooLarge(count, most int) Step {
	return Step{Instead: JSON(http.StatusBadRequest, fmt.Sprintf(
		`{"error":"Batch too large: %d records (max %d)","code":"BATCH_TOO_LARGE","count":%d,"max":%d}`, count, most, count, most))}
}

// EntityTooLarge answers 413 in place of the API.
func EntityTooLarge() Step { return Status(http.StatusRequestEntityTooLarge) }

// AirtableTooMany answers 422 in the words of Airtable, which mean that there are too many items in the request.
func AirtableTooMany(most int) Step {
	return Step{Instead: JSON(http.StatusUnprocessableEntity, fmt.Sprintf(
		`{"error":{"type":"INVALID_RECORDS","message":"\"records\" must be an array of up to %d record IDs."}}`, most))}
}

// MoreThan makes a step of what is wrong with a request of more than most items, in place of the API. The items are
// counted in the first array in the JSON of the request.
func MoreThan(most int, wrong func(count, most int) Step) Rule {
	return func(r *Request) (Step, bool) {
		items := findArray(r.Body)
		if items == nil || len(items.array) <= most {
			return Step{}, false
		}
		return wrong(len(items.array), most), true
	}
}

// AtomicRejection answers that a batch was refused as a whole since one of its items is bad, in place of the API. It
// names the position of that item, from 0, as PocketBase does; a negative position names none.
func AtomicRejection(position int) Step {
	requests := "{}"
	if position >= 0 {
		requests = fmt.Sprintf(`{"%d":{"code":"batch_request_failed","message":"Batch request failed.","response":{"status":400,"data":{"title":{"code":"validation_required"}}}}}`, position)
	}
	return Step{Instead: JSON(http.StatusBadRequest, `{"status":400,"message":"Batch transaction failed.","data":{"requests":`+requests+`}}`)}
}

// NeedsHeader answers 403 to requests that match and lack a field of the header with that value, as a store does that was
// promised one. Nil matches all requests.
func NeedsHeader(match func(r *Request) bool, name, value string) Rule {
	return func(r *Request) (Step, bool) {
		return Status(http.StatusForbidden), (match == nil || match(r)) && r.Header.Get(name) != value
	}
}

// Is matches requests by method and path, such as "POST /articles". The path may be "" for any.
func Is(method, path string) func(r *Request) bool {
	return func(r *Request) bool {
		target, _, _ := strings.Cut(r.Target, "?")
		return r.Method == method && (path == "" || target == path)
	}
}

// Holds matches requests whose path, query or body contain a text, such as the key of an item.
func Holds(text string) func(r *Request) bool {
	return func(r *Request) bool { return strings.Contains(r.Target, text) || strings.Contains(r.Body, text) }
}
