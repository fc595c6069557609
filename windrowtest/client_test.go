package windrowtest_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/windrowtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "atomic", "ids of the client", "executes"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			windrowtest.TestClient(t, conformance(kind))
		})
	}
}

// defects are clients that are not as they should be, and a test that must fail for each, with something that it says.
var defects = []struct{ defect, test, says string }{
	{"ignores the context", "Cancel", "returns after"},
	{"drops the cause", "Cancel", "does not match"},
	{"leaves a goroutine", "Round_trip", "leaves goroutines behind"},
	{"leaves a goroutine", "Statuses", "notesAPI"},
	{"leaves bodies open", "Round_trip", "responses are not closed"},
	{"sends again", "Statuses", "a client never sends again"},
	{"waits", "Statuses", "a client never waits"},
	{"does not tell how long to wait", "Statuses", "the error has a Retry-After of 0s"},
	{"does not tell the status", "Statuses", "the class of the error is permanent, want throttled"},
	{"takes 500 for well", "Statuses", "there is no error"},
	{"takes any page for a response", "Lost_responses", "there is no error"},
	{"takes half a response for a whole", "Lost_responses", "there is no error"},
	{"forgets the path of its URL", "Round_trip", "404"},
	{"tells its token", "Refused_connection", "Secrets[0] is in the text of an error"},
	{"can be printed", "Secrets", "Secrets[0] is in the client printed with"},
	{"a secret that is not sent", "Secrets", "Secrets[1] is never sent"},
	{"forgets the idempotency key", "Repeated_creates", "made 9 records"},
	{"sends keys that the server ignores", "Repeated_creates", "3 creates whose responses were lost made 4 records"},
	{"sends keys that the server ignores", "Hidden_repeats", "POST /base/path/notes was sent again within one attempt"},
	{"does not send ids", "Repeated_creates", "two creates with one id made 2 records"},
	{"mixes calls up", "Many_goroutines", "Create among others returned"},
	{"returns nothing", "Round_trip", "which is not what was sent"},
	{"upserts twice", "Round_trip", "two upserts of one record made 2"},
	{"drops what failed", "Bad_item_in_a_batch", "of 5 items has 4 outcomes"},
	{"drops what failed", "Not_found_in_a_batch", "of 5 items has 4 outcomes"},
	{"fails as a whole", "Bad_item_in_a_batch", "and the whole request failed"},
	{"does not see errors of items", "Bad_item_in_a_batch", "is bad, and its outcome has no error"},
	{"does not see errors of items", "Not_found_in_a_batch", "item 2 does not exist, and its error is <nil>"},
	{"does not tell the status of items", "Bad_item_in_a_batch", "the class of its error is transient"},
	{"sorts the response", "Batch_round_trip", "is not that of item"},
	{"reports one more", "Batch_round_trip", "of 5 items has 6 outcomes"},
	{"takes an error for nothing found", "Reconcile", "it must not say that nothing was applied"},
	{"finds anything", "Reconcile", "Reconcile of an item that was created"},
	{"cost of nothing", "Capabilities", "Cost(1) is 0"},
	{"nobody counts", "Capabilities", "set Count"},
	{"promises more items than fit", "Batches_of_many_sizes", "of 20 items"},
	{"is said to be atomic", "Bad_item_in_a_batch", "and item 0 succeeded"},
	{"is said not to be atomic", "Bad_item_in_a_batch", "does not affect the others"},
	{"a verb that is not listed", "Implements", "it is not tested"},
	{"executes and sorts the response", "Operations_of_all_kinds", "is not that of operation"},
	{"executes without values", "Operations_of_all_kinds", "is not that of operation"},
	{"executes into other values", "Batch_round_trip", "which is not the Out of the test"},
	{"executes and does not say how", "Implements", "is a mixed.Executor, and Operation is not set"},
	{"said to execute", "Implements", "is no mixed.Executor"},
	{"hides what it can", "Implements", "is no clients.BatchCreator"},
}

// inChild makes the test program run what must fail, which is judged by the parent.
const inChild = "WINDROW_TEST_OF_DEFECTS"

// Each defect is found, by the test that is for it.
func TestDefectsAreFound(t *testing.T) {
	t.Parallel()
	byTest := map[string][]string{}
	for _, d := range defects {
		byTest[d.test] = append(byTest[d.test], strings.ReplaceAll(d.defect, " ", "_"))
	}
	said := map[string]string{}
	for test, names := range byTest {
		maps.Copy(said, reports(child(t, fmt.Sprintf("^TestDefectiveClients$/^(%s)$/^%s$", strings.Join(names, "|"), test))))
	}
	for _, d := range defects {
		report, failed := said[fmt.Sprintf("TestDefectiveClients/%s/%s", strings.ReplaceAll(d.defect, " ", "_"), d.test)]
		if !failed {
			t.Errorf("a client that %s passes %s", d.defect, d.test)
		} else if !strings.Contains(report, d.says) {
			t.Errorf("a client that %s: the report does not say %q: %.2000s", d.defect, d.says, report)
		}
	}
}

// reports returns what each test that failed says in the output of a test program.
func reports(out string) map[string]string {
	all, failed := map[string]string{}, map[string]string{}
	name := ""
	for line := range strings.Lines(out) {
		if head, ok := strings.CutPrefix(line, "=== "); ok {
			name = strings.Fields(head)[1]
		} else {
			all[name] += line
		}
		if head, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			failed[strings.Fields(head)[0]] = ""
		}
	}
	for name := range failed {
		failed[name] = all[name]
	}
	return failed
}

// child runs tests in another process, where they are to fail, and returns what that prints.
func child(t *testing.T, tests string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+tests, "-test.v", "-test.timeout=120s")
	cmd.Env = append(os.Environ(), inChild+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("nothing failed")
	}
	if strings.Contains(string(out), "panic: ") {
		t.Fatalf("the child panicked:\n%s", out)
	}
	return string(out)
}

func TestDefectiveClients(t *testing.T) {
	if os.Getenv(inChild) == "" {
		return // it is for a child of TestDefectsAreFound
	}
	done := map[string]bool{}
	for _, d := range defects {
		if done[d.defect] {
			continue
		}
		done[d.defect] = true
		t.Run(d.defect, func(t *testing.T) { windrowtest.TestClient(t, conformance(d.defect)) })
	}
}

// A test that is not complete says what is missing.
func TestIncompleteClientTests(t *testing.T) {
	if os.Getenv(inChild) == "" {
		t.Parallel()
		out := child(t, "^TestIncompleteClientTests$")
		for _, want := range []string{
			"API must be set", "New must be set", "Verbs or Batches must say", "Verbs and Batches must be", "Input must be set", "Same must be set",
			"Missing must be an id", "ID or Put must be set", "Put must be set", "New returned no client",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("nobody says %q:\n%s", want, out)
			}
		}
		return
	}
	type test = windrowtest.ClientTest[string, note, note]
	for i, spoil := range []func(c *test){
		func(c *test) { c.API = nil },
		func(c *test) { c.New = nil },
		func(c *test) { c.Verbs, c.Batches = nil, nil },
		func(c *test) { c.Verbs = []windrow.OpKind{windrow.OpDo} },
		func(c *test) { c.Input = nil },
		func(c *test) { c.Same = nil },
		func(c *test) { c.Missing = "" },
		func(c *test) { c.ID = nil },
		func(c *test) { c.Verbs = []windrow.OpKind{windrow.OpGet} },
		func(c *test) { c.New = func(testing.TB, string, *http.Client) any { return nil } },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			c := conformance("")
			spoil(&c)
			windrowtest.TestClient(t, c)
		})
	}
}
