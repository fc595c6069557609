package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// errorBodies are answers with a status of success that are none, in the orders in which members may stand.
var errorBodies = []string{
	`{"error":"ratelimited"}`,
	`{"ok":false,"error":"ratelimited"}`,
	`{"error":"ratelimited","ok":false}`,
	`{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"identify"}`,
	`{"needed":"chat:write","provided":"identify","error":"missing_scope","ok":false}`,
	` { "success" : false , "message" : "Too many requests" } `,
	`{"message":"Too many requests","success":false}`,
	`{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}`,
	`{"success":false,"errors":[{"code":10000,"message":"a } or a \" in it"}],"messages":[],"result":null}`,
	`{"result":null,"messages":[],"errors":[{"code":10000}],"success":false}`,
	`{"data":null,"errors":[{"message":"THROTTLED"}]}`,
	`{"errors":[{"message":"THROTTLED"}],"data":null}`,
	`{"errors":[{"message":"THROTTLED"}],"extensions":{"cost":{"requestedQueryCost":10}}}`,
	`{"extensions":{"cost":{"requestedQueryCost":10}},"data":{"articleCreate":null,"other":null},"errors":[{"message":"THROTTLED"}]}`,
	`{"jsonrpc":"2.0","error":{"code":-32000,"message":"busy"},"id":1}`,
	`{"id":1,"jsonrpc":"2.0","error":{"code":-32000}}`,
	`{"status":"error","error":"busy"}`,
	`{"status":503,"message":"busy","error":"Service Unavailable","path":"/a","timestamp":"2026-01-01T00:00:00Z"}`,
	"\ufeff" + `{"ok":false,"error":"busy"}`,

	// What says nothing, however deep, beside an error.
	`{"id":"","error":"x"}`, `{"error":"x","id":null,"title":"","tags":{},"author":{"name":"","boss":{"name":null}}}`,
	`{"data":{},"errors":[{"message":"no"}]}`, `{"data":[],"errors":[{"message":"no"}]}`, `{"errors":[{"message":"no"}],"data":[ null , {} ]}`,
	`{"data":{"a":{"b":null}},"errors":[{"message":"no"}]}`, `{"data":"","errors":["no"]}`, `{"items":[],"error":"quota"}`,
	`{"result":{"items":[]},"error_code":4}`, `{"success":false,"errors":["no"],"result":[]}`,

	// ok, success and successful.
	`{"success":false,"id":null}`, `{"id":null,"success":false}`, `{"success":"false","error":"x"}`, `{"error":"x","success":"False"}`,
	`{"ok":0,"error":"x"}`, `{"successful":false,"message":"no"}`, `{"success":false,"msg":"no"}`, `{"ok":false}`, `{"success":false}`,
	`{"needed":"chat:write","Error":"missing_scope","OK":false}`, `{"needed":"a \" b","error":"missing_scope","Successful" : false}`,

	// Other names, and other ways to write them.
	`{"error_code":4,"error_msg":"limit"}`, `{"errorCode":"LIMIT","errorMessage":"no"}`, `{"error_description":"no"}`,
	`{"Error":{"Code":"x"}}`, `{"ERRORS":["no"],"Data":null,"RequestId":"1"}`, `{"fault":{"faultstring":"no","detail":{"errorcode":"x"}}}`,
	`{"Message":"no","Success":false}`,

	// A status that is the word for an error.
	`{"status":"error","message":"no"}`, `{"message":"no","status":"error"}`, `{"status":"Error","code":17}`, `{"status":"error","message":"no","data":{"a":null}}`,
	`{"status":"failed","message":"no"}`, `{"status":"failure","errors":["no"]}`, `{"errors":["no"],"status":"failed","code":4}`,
	`{"status":"fail","data":{"title":"A title is required"}}`, `{"data":{"title":"A title is required"},"status":"fail"}`, `{"status":"fail","data":null}`,
}

// answerBodies are answers that hold something.
var answerBodies = []string{
	`{}`, `{"id":"1"}`, `{"id":"1","ok":false,"error":"the probe timed out"}`, `{"error":"as a field","id":"1"}`, `{"id":"1","error":"as a field"}`,
	`{"error":"as a field","title":"a"}`, `{"title":"a","errors":["b"]}`, `{"errors":["some rows were left out"],"items":[{"id":"1"}]}`,
	`{"items":[],"errors":["b"]}`, `{"data":{"a":{"id":"1"},"b":null},"errors":[{"path":["b"]}]}`, `{"data":{"a":null}}`, `{"data":null}`, `{"data":{}}`,
	`{"ok":true,"error":null}`, `{"ok":true,"error":"deprecated"}`, `{"success":true,"errors":[]}`,
	`{"error":null}`, `{"errors":[]}`, `{"error":false}`, `{"error":""}`, `{"success":"false","error":"x","title":"a"}`,
	`{"status":"failed","error":"what a job says"}`, `{"error":"what a job says","status":"failed"}`, `{"message":"hello"}`, `{"code":0,"message":"ok"}`,
	`{"success":false,"results":[{"id":"1"}],"errors":["b"]}`, `[{"error":"a"}]`, `"error"`, `null`, `{"a":{"ok":false,"error":"x"}}`,

	// Values beside an error, also small ones.
	`{"id":"1","error":null}`, `{"id":"1","errors":[]}`, `{"errors":[],"id":"1"}`, `{"id":0,"error":"x"}`, `{"error":"x","done":false}`, `{"error":"x","tags":[""," "]}`,
	`{"data":{"a":{"b":0}},"errors":["no"]}`, `{"data":[false],"errors":["no"]}`, `{"author":{"name":"","boss":{"name":"b"}},"error":"x"}`,
	`{"ID":"1","Success":false,"Error":"x"}`, `{"error_rate":0.5,"name":"a"}`, `{"success":"false","error":"x","needed":"a"}`, `{"success":false,"enabled":true}`,

	// No error, told in the members for errors.
	`{"errors":0,"took":3,"items":[]}`, `{"errors":false,"items":[{"id":"1"}]}`, `{"error_code":0,"error_msg":"SUCCESS"}`, `{"errorMessage":"OK","errorCode":"0"}`,
	`{"error":false,"message":"done"}`, `{"data":{},"error":{"code":"ok","message":"","log_id":"1"}}`, `{"error":{"code":0,"message":"done"},"data":null}`,
	`{"error":{"code":null,"message":""}}`, `{"error":{}}`, `{"fault":null}`, `{"ok":true}`, `{"success":true,"error":"x"}`, `{"success":1,"error":"x"}`, `{"success":null}`,

	// Batches none of whose items succeeded say of each why.
	`{"created":[],"errors":[{"row":1,"message":"no title"}]}`, `{"errors":[{"row":1}],"success":[]}`, `{"result":{"created":[]},"errors":{"0":"no title"}}`,
	`{"success":0,"failed":3,"errors":["no title"]}`,

	// Records and jobs with a status.
	`{"status":"failed","id":"job-1"}`, `{"id":"job-1","status":"failed","message":"no"}`, `{"status":"error"}`, `{"status":"failed"}`, `{"status":"fail"}`,
	`{"status":"failed","result":null}`, `{"status":"error","message":"no","name":"pump"}`, `{"status":"ok","message":"done"}`, `{"status":"open","error":"x"}`,
	`{"status":"fail","data":{"a":"b"},"title":"a"}`, `{"status":"error","data":{"a":"b"},"message":"no"}`, `{"status":"success","data":{"result":"fail"}}`,
	`{"code":429,"message":"slow"}`,

	`{"ok":false,"error":"x"} {"id":"2"}`,
}

func TestIsErrorBody(t *testing.T) {
	t.Parallel()
	for want, bodies := range map[bool][]string{true: errorBodies, false: answerBodies} {
		for _, body := range bodies {
			if got := isErrorBody(bytes.TrimPrefix([]byte(body), bom)); got != want {
				t.Errorf("%v, want %v: %s", got, want, body)
			}
		}
	}
	for _, body := range errorBodies { // what is cut off is not judged, and nothing panics
		for n := range body {
			isErrorBody([]byte(body[:n]))
		}
	}
}

// Whether a body is an error does not depend on the order of its members.
func FuzzIsErrorBody(f *testing.F) {
	for _, body := range append(errorBodies, answerBodies...) {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := isErrorBody(body)
		var o object
		if json.Unmarshal(body, &o) != nil {
			return
		}
		var names []string
		for name := range o {
			names = append(names, name)
		}
		decoder := json.NewDecoder(bytes.NewReader(body))
		_, _ = decoder.Token()
		count := 0
		for decoder.More() {
			var name string
			var value json.RawMessage
			if decoder.Decode(&name) != nil || decoder.Decode(&value) != nil {
				break
			}
			if quoted, _ := json.Marshal(name); string(quoted) != `"`+name+`"` || !bytes.Contains(body, quoted) {
				return // with escapes in its name
			}
			count++
		}
		if count != len(names) {
			return // a name twice
		}
		for first := range names { // each order that begins with another name
			var b strings.Builder
			b.WriteString("{")
			for k := range names {
				name := names[(first+k)%len(names)]
				if k > 0 {
					b.WriteString(",")
				}
				b.WriteString(`"` + name + `":` + string(o[name]))
			}
			b.WriteString("}")
			if isErrorBody([]byte(b.String())) != got {
				t.Fatalf("%v for %s, and not for %s", got, body, b.String())
			}
		}
	})
}

// F69: a 200 whose body is only an error is no success, for no verb, in any order of its members: what may be repeated is,
// and a create that must not be is Unknown. Whether the body is wanted does not matter.
func TestF69ErrorsWithTheStatusOfSuccess(t *testing.T) {
	t.Parallel()
	for _, body := range errorBodies {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			eachVerb(t, [5]end{{unknown, 1}, {unknown, 3}, {unknown, 3}, {unknown, 3}, {failed, 3}}, func(t *testing.T) *Client {
				return serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, body)
				}).client(t)
			})
		})
	}
}

// F69: it is a throttle where the client's classifier says so.
func TestF69ThrottledByTheClassifier(t *testing.T) {
	t.Parallel()
	for _, body := range errorBodies {
		synctest.Test(t, func(t *testing.T) {
			res, took, _, err := timed(t, 2, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, body)
			}, WithClassifier(func(e *Error) error {
				if e.Status != http.StatusOK || len(e.Body) == 0 {
					t.Errorf("the classifier sees %v", e)
				}
				return windrow.Throttled(e, time.Minute)
			}))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "ends", []end{{succeeded, 1}, {succeeded, 1}}, ends(res))
			within(t, took, 60*time.Second, 66*time.Second)
		})
	}
}

// What holds something beside an error is what it was.
func TestF69AnswersStayAnswers(t *testing.T) {
	t.Parallel()
	for _, body := range answerBodies {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, body)
			}).client(t)
			var out json.RawMessage
			if _, err := c.Do(t.Context(), Request{}, &out); err != nil != strings.HasSuffix(body, `{"id":"2"}`) {
				t.Errorf("%s: %v", body, err)
			}
		})
	}
}

// What a look at an answer costs that is none but a record, or a list of them.
func BenchmarkIsErrorBody(b *testing.B) {
	text := strings.Repeat("a text of a record, ", 50)
	list := strings.TrimSuffix(strings.Repeat(`{"id":"1","draft":false,"text":"`+text+`"},`, 1000), ",")
	for name, body := range map[string]string{
		"record": `{"id":"1","draft":false,"text":"` + text + `"}`, "no id first": `{"text":"` + text + `","draft":false,"id":"1"}`,
		"data": `{"data":[` + list + `]}`, "items": `{"items":[` + list + `]}`, "total": `{"total":1000,"items":[` + list + `]}`, "array": `[` + list + `]`,
		"empty": `{"items":[` + strings.Repeat("null,", 10000) + `null]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			answer := []byte(body)
			for b.Loop() {
				if isErrorBody(answer) {
					b.Fatal("an error")
				}
			}
		})
	}
}
