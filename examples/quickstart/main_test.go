package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

// asProgram makes the test's own executable behave as the program.
const asProgram = "WINDROW_QUICKSTART_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// symbols returns made-up input.
func symbols(n int) []stdlib.Symbol {
	list := make([]stdlib.Symbol, n)
	for i := range list {
		name := fmt.Sprintf("F%d", i)
		list[i] = stdlib.Symbol{FullName: "p." + name, ImportPath: "p", Name: name, Kind: "func", Synopsis: "s", Doc: "d\n", Deprecated: i%2 == 0}
	}
	return list
}

// startServer runs a server that ends with the test.
func startServer(t *testing.T, rate int) *pocket.Server {
	t.Helper()
	server, err := pocket.Start(t.Context(), pocket.Config{Rate: rate})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return server
}

// fill creates the symbols on the server.
func fill(t *testing.T, server *pocket.Server, input []stdlib.Symbol, stdout, stderr io.Writer) (*work, *report, *result) {
	t.Helper()
	w, err := newWork(server, config{}, stdout, stderr)
	if err != nil {
		t.Fatalf("newWork: %v", err)
	}
	rep, res, err := w.fill(t.Context(), input)
	if err != nil {
		t.Fatalf("fill: %v", err)
	}
	return w, rep, res
}

// lastLine decodes the last line of the output.
func lastLine(t *testing.T, output string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	var fields map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &fields); err != nil {
		t.Fatalf("the last line is no JSON object: %v\n%s", err, output)
	}
	return fields
}

// TestNothingIsLostUnderTheServersLimit also holds windrow's counts against
// those of the server.
func TestNothingIsLostUnderTheServersLimit(t *testing.T) {
	t.Parallel()
	server := startServer(t, 50)
	var stdout, stderr bytes.Buffer
	_, rep, _ := fill(t, server, symbols(200), &stdout, &stderr)
	if rep.Created != 200 || rep.ServerCount != 200 || rep.read != 200 || !rep.good() {
		t.Errorf("report %+v, want 200 created, counted and read back", rep)
	}
	got := pocket.Traffic{Requests: rep.Requests, Throttled: rep.Throttled}
	if want := server.Traffic(http.MethodPost); got != want {
		t.Errorf("windrow counts %+v, the server %+v", got, want)
	}
	if rep.Throttled == 0 || rep.Requests != 200+rep.Throttled {
		t.Errorf("%d requests, %d of them throttled, for 200 records", rep.Requests, rep.Throttled)
	}
	if stderr.Len() > 0 && !strings.HasPrefix(stderr.String(), "Creating ") {
		t.Errorf("standard error:\n%s", &stderr)
	}
}

func TestTellsWhatIsNotAsItShouldBe(t *testing.T) {
	t.Parallel()
	server := startServer(t, 100_000)
	input := symbols(20)
	var output bytes.Buffer
	fill(t, server, input[3:4], &output, &output)       // what will be in the way
	fill(t, server, symbols(21)[20:], &output, &output) // what nobody sends
	output.Reset()
	_, rep, _ := fill(t, server, input, &output, &output)
	if rep.Created != 19 || rep.Failed != 1 || rep.ServerCount != 21 || rep.good() {
		t.Errorf("report %+v, want 19 created, 1 failed, 21 records", rep)
	}
	if err := rep.print(&output, false); err != nil {
		t.Fatalf("print: %v", err)
	}
	for _, want := range []string{
		"func p.F3\n", "with 3 mismatches",
		"  all: count: want 19 to 19, got 21\n", "  p.F20: record: want none, got 1 that were not sent\n", "  p.F3: record: want none, got id ",
	} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &output)
		}
	}
}

// TestRun reads several pages back, the last of them empty.
func TestRun(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-n", "2000", "-rate", "100000", "-json"}, &stdout, &stderr); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, &stdout, &stderr)
	}
	got := lastLine(t, stdout.String())
	if ms, _ := got["elapsed_ms"].(float64); ms < 1 || ms > 60_000 {
		t.Errorf("elapsed_ms %v", got["elapsed_ms"])
	}
	delete(got, "elapsed_ms")
	want := map[string]any{
		"created": 2000.0, "failed": 0.0, "unknown": 0.0, "skipped": 0.0, "not_attempted": 0.0,
		"requests": 2000.0, "throttled": 0.0, "server_count": 2000.0, "mismatches": 0.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("last line (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		" it takes 100000 requests in each second of its clock.", "\nTime: ", " records a second on average. Seconds of the server's clock that it touched: ", "\nRequests: 2000, 0 of them throttled.",
		"\nUpdated: ", " records whose documentation changed, in ", "\nDeleted: ", "\nRead again: ", " Each field is as it should be.\n{",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("standard output lacks %q:\n%s", want, &stdout)
		}
	}
	if strings.Contains(stdout.String(), "Creating") || !strings.Contains(stderr.String(), "Creating 2000 / 2000, ") {
		t.Errorf("progress belongs to standard error\nstandard output:\n%s\nstandard error:\n%s", &stdout, &stderr)
	}
}

func TestExitStatusOfBadFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"-rate 0", 2, "-rate 0: must be at least 1"},
		{"-rate -5", 2, "-rate -5: must be at least 1"},
		{"-rate x", 2, `invalid value "x" for flag -rate`},
		{"-n -1", 2, "-n -1: must be 0 for all symbols, or more"},
		{"-concurrency -1", 2, "-concurrency -1: must be 0 to let the limiter find out, or more"},
		{"-n 5 more", 2, `unexpected argument "more"`},
		{"-unheard-of", 2, "-unheard-of"},
		{"-help", 0, "default 500"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if status := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr); status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			if stdout.Len() > 0 || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("standard output %q, standard error %q, want %q", &stdout, &stderr, tt.want)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   string
		want   config
		limits int
	}{
		{"", config{rate: 500}, 0},
		{"-n 3 -rate 1 -concurrency 0 -json -keep", config{n: 3, rate: 1, json: true, keep: true}, 0},
		{"-concurrency 7", config{rate: 500}, 1},
	} {
		got, err := parse(strings.Fields(tt.args), io.Discard)
		if err != nil {
			t.Fatalf("%q: %v", tt.args, err)
		}
		if len(got.limits) != tt.limits {
			t.Errorf("%q: %d options for the limiter, want %d", tt.args, len(got.limits), tt.limits)
		}
		got.limits = nil
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(config{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.args, diff)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		report     report
		good       bool
		mismatches any // in the JSON form
	}{
		{"all created", report{Created: 5, Mismatches: new(0)}, true, 0.0},
		{"a mismatch", report{Created: 5, Mismatches: new(1)}, false, 1.0},
		{"not read back", report{Created: 5}, false, nil},
		{"failed", report{Created: 4, Failed: 1, Mismatches: new(0)}, false, 0.0},
		{"unknown", report{Created: 4, Unknown: 1, Mismatches: new(0)}, false, 0.0},
		{"not attempted", report{Created: 4, NotAttempted: 1, Mismatches: new(0)}, false, 0.0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.report.good(); got != tt.good {
				t.Errorf("good() = %t, want %t", got, tt.good)
			}
			var output bytes.Buffer
			if err := tt.report.print(&output, true); err != nil {
				t.Fatalf("print: %v", err)
			}
			fields := lastLine(t, output.String())
			got, there := fields["mismatches"]
			if got != tt.mismatches || !there {
				t.Errorf("mismatches %v, want %v", got, tt.mismatches)
			}
			var names []string
			for _, name := range []string{
				"created", "failed", "unknown", "skipped", "not_attempted", "requests", "throttled", "elapsed_ms", "server_count", "mismatches",
			} {
				if _, ok := fields[name]; ok {
					names = append(names, name)
				}
			}
			if len(names) != 10 || len(fields) != 10 {
				t.Errorf("fields %v", fields)
			}
		})
	}
}

// TestInterrupt sends the signal in the middle of the run.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no such signal for another process")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-n", "3000", "-rate", "100", "-json")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		if len(lines) == 0 { // the first line of progress
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		lines = append(lines, scanner.Text())
	}
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.ExitCode() != 1 {
		t.Errorf("exit status %v, want 1", exit)
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "Interrupted. Reading back") {
		t.Errorf("standard error:\n%s", text)
	}

	count := lastLine(t, stdout.String())
	number := func(name string) int { n, _ := count[name].(float64); return int(n) }
	if sum := number("created") + number("unknown") + number("not_attempted"); sum != 3000 || number("failed")+number("skipped") > 0 {
		t.Errorf("the states add up to %d: %v", sum, count)
	}
	if number("created") == 0 || number("not_attempted") == 0 {
		t.Errorf("not in the middle of the run: %v", count)
	}
	if n := number("server_count"); n < number("created") || n > number("created")+number("unknown") {
		t.Errorf("the server has %d records: %v", n, count)
	}
	if count["mismatches"] != 0.0 {
		t.Errorf("mismatches: %v", count)
	}
	if !strings.Contains(stdout.String(), "Stopped: interrupt signal received\n") {
		t.Errorf("standard output:\n%s", &stdout)
	}
}
