package windrowtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Status responds with a status and a small JSON body, instead of the API.
func Status(code int) Step {
	return Step{Instead: JSON(code, fmt.Sprintf(`{"code":"STATUS_%d","message":%q}`, code, http.StatusText(code)))}
}

// Throttled responds with 429 instead of the API (RFC 6585 section 4). The header may say when the limit is renewed: see
// [Dialects]. It may be nil.
func Throttled(header http.Header) Step {
	a := JSON(http.StatusTooManyRequests, `{"code":"RATE_LIMITED"}`)
	for name := range header {
		a = a.Set(name, header.Get(name))
	}
	return Step{Instead: a}
}

// RetryAfter responds with a status, such as 429 or 503, and a Retry-After field, instead of the API. See [RetryAfters] for
// values.
func RetryAfter(status int, value string) Step {
	return Step{Instead: JSON(status, `{"code":"BUSY"}`).Set("Retry-After", value)}
}

// LostAnswer lets the API apply the request, and ends the connection without a response.
func LostAnswer() Step { return Step{Ending: CutHead} }

// LostRequest ends the connection without a response, and the API does not see the request.
func LostRequest() Step { return Step{Instead: Answer{}, Ending: CutHead} }

// CutAnswer lets the API apply the request, and ends the connection after that many bytes of the body.
func CutAnswer(bytes int) Step { return Step{Ending: CutBody, At: bytes} }

// NeverAnswers never responds. applied says whether the API applies the request.
func NeverAnswers(applied bool) Step {
	s := Step{Ending: Silence}
	if !applied {
		s.Instead = Answer{}
	}
	return s
}

// Slow lets the API apply the request after d, whether the client is still waiting or not.
func Slow(d time.Duration) Step { return Step{Delay: d} }

// HTML responds with HTML, as a proxy does, instead of the API. Typical statuses are 502 and 200.
func HTML(status int) Step {
	a := Answer{Status: status, Body: "<!DOCTYPE html><html><head><title>" + http.StatusText(status) + "</title></head><body>proxy</body></html>\n"}
	return Step{Instead: a.Set("Content-Type", "text/html; charset=utf-8")}
}

// WithStatus changes the status of the API's response, such as 200 into 201 or 207.
func WithStatus(code int) Step { return Step{Edit: func(a *Answer) { a.Status = code }} }

// Skewed changes the Date field of the response as if the server's clock were ahead by that much.
func Skewed(ahead time.Duration) Step {
	return Step{Edit: func(a *Answer) { *a = a.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat)) }}
}

// TooLarge responds that a request holds too many items, instead of the API, with the body of ObjectStack, which says how
// many it takes. Use it with [MoreThan].
func TooLarge(count, most int) Step {
	return Step{Instead: JSON(http.StatusBadRequest, fmt.Sprintf(
		`{"error":"Batch too large: %d records (max %d)","code":"BATCH_TOO_LARGE","count":%d,"max":%d}`, count, most, count, most))}
}

// EntityTooLarge responds with 413 instead of the API.
func EntityTooLarge() Step { return Status(http.StatusRequestEntityTooLarge) }

// AirtableTooMany responds with 422 and Airtable's body for too many items in a request.
func AirtableTooMany(most int) Step {
	return Step{Instead: JSON(http.StatusUnprocessableEntity, fmt.Sprintf(
		`{"error":{"type":"INVALID_RECORDS","message":"\"records\" must be an array of up to %d record IDs."}}`, most))}
}

// MoreThan returns a rule that handles requests of more than most items with the step of wrong. The items are those of the
// first array in the JSON of the request.
func MoreThan(most int, wrong func(count, most int) Step) Rule {
	return func(r *Request) (Step, bool) {
		items := findArray(r.Body)
		if items == nil || len(items.array) <= most {
			return Step{}, false
		}
		return wrong(len(items.array), most), true
	}
}

// AtomicRejection responds that a batch was refused as a whole because of a bad item, instead of the API. It names the
// position of that item, from 0, as PocketBase does; a negative position names none.
func AtomicRejection(position int) Step {
	requests := "{}"
	if position >= 0 {
		requests = fmt.Sprintf(`{"%d":{"code":"batch_request_failed","message":"Batch request failed.","response":{"status":400,"data":{"title":{"code":"validation_required"}}}}}`, position)
	}
	return Step{Instead: JSON(http.StatusBadRequest, `{"status":400,"message":"Batch transaction failed.","data":{"requests":`+requests+`}}`)}
}

// NeedsHeader responds with 403 to requests that match and lack a header field with that value, as an object store does with
// a signed URL. Nil matches all requests.
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

// Holds matches requests whose path, query or body contains a text, such as the key of an item.
func Holds(text string) func(r *Request) bool {
	return func(r *Request) bool { return strings.Contains(r.Target, text) || strings.Contains(r.Body, text) }
}
