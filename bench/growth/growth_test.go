package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/bench/child"
)

func TestMain(m *testing.M) {
	child.Main(parts)
	os.Exit(m.Run())
}

// BenchmarkGrowth runs each series by itself, with ten thousand items.
func BenchmarkGrowth(b *testing.B) {
	const items = 10_000
	for _, s := range allSeries {
		b.Run("series="+strings.ReplaceAll(s.name, " ", "-"), func(b *testing.B) {
			argument, err := json.Marshal(task{s.name, items})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := measureOnce(b.Context(), string(argument)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestEverySeriesHandlesEveryItem(t *testing.T) {
	t.Parallel()
	for _, s := range allSeries {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			sizes := []int{1_000, 2_000}
			points, err := s.measure(t.Context(), sizes, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(points) != len(sizes) {
				t.Fatalf("got %+v", points)
			}
			for i, p := range points {
				if p.Items != sizes[i] || p.Wall <= 0 || p.Allocs <= 0 || p.Peak <= 0 {
					t.Errorf("got %+v", p)
				}
				if !s.stream && p.Held < 16 { // inputs and values are there, and should be counted
					t.Errorf("a run leaves %.1f bytes an item", p.Held)
				}
			}
		})
	}
}

func TestEveryStormBlows(t *testing.T) {
	t.Parallel()
	for _, name := range storms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := measureStorm(t.Context(), name, 10_000, 1)
			if err != nil {
				t.Fatal(err)
			}
			if st.Short <= 0 || st.Long <= 0 || st.InStream < 1 || st.InStream > window+beside {
				t.Errorf("got %+v", st)
			}
		})
	}
	if _, err := measureStorm(t.Context(), "a calm", 100, 1); err == nil {
		t.Error("a storm that is not there was measured")
	}
}

func TestMissed(t *testing.T) {
	t.Parallel()
	good := func() output {
		return output{
			Series: []curve{
				{Name: plainRun, Points: []point{{Items: 1000, Wall: 90}, {Items: 10_000, Wall: 100, Peak: 100, Held: 30}, {Items: 100_000, Wall: 110, Peak: 900, Held: 30}}},
				{Name: plainStream, Points: []point{{Items: 10_000, Wall: 100, Peak: 100}, {Items: 100_000, Wall: 110, Peak: 104}}},
			},
			Storms: []storm{{Name: allFail, Items: 100, Short: 100, Long: 104, InStream: window + beside}},
		}
	}
	if got := missed(good()); len(got) > 0 {
		t.Errorf("missed %q", got)
	}
	for _, test := range []struct {
		change func(out *output)
		want   string
	}{
		{func(out *output) { out.Series[0].Points[2].Wall = 116 }, "Run: an item of 100000 takes 1.160 x the time"},
		{func(out *output) { out.Series[1].Points[1].Wall = 116 }, "Stream: an item of 100000 takes 1.160 x the time"},
		{func(out *output) { out.Series[1].Points[1].Peak = 106 }, "Stream: 100000 items take 1.060 x the memory"},
		{func(out *output) { out.Series[0].Points[2].Held = 41 }, "Run: an item of 100000 leaves 41.0 bytes"},
		{func(out *output) { out.Storms[0].Long = 106 }, "every item fails: 100 items take 1.060 x the memory"},
		{func(out *output) { out.Storms[0].InStream++ }, "every item fails: 4099 items were in the stream at once"},
	} {
		out := good()
		test.change(&out)
		if got := missed(out); len(got) != 1 || !strings.HasPrefix(got[0], test.want) {
			t.Errorf("missed %q, want %q", got, test.want)
		}
	}
}

// The chart is well-formed, and shows every point of every series in both of its panels.
func TestChart(t *testing.T) {
	t.Parallel()
	curves := []curve{
		{Name: "a < b", Points: []point{{Items: 1000, Wall: 90, Peak: 8 << 20}, {Items: 10_000, Wall: 1e7, Peak: 2 << 30}}},
		{Name: "c", Points: []point{{Items: 1000, Wall: 5, Peak: 8 << 20}}},
	}
	for _, curves := range [][]curve{curves, nil} {
		drawn := chart(curves)
		points, texts := 0, ""
		for d := xml.NewDecoder(strings.NewReader(string(drawn))); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, drawn)
			}
			switch token := token.(type) {
			case xml.StartElement:
				if token.Name.Local == "circle" {
					points++
				}
			case xml.CharData:
				texts += string(token)
			}
		}
		want := 0
		for _, c := range curves {
			want += 2 * len(c.Points)
		}
		if points != want {
			t.Errorf("%d points, want %d", points, want)
		}
		for _, c := range curves {
			if !strings.Contains(texts, c.Name) {
				t.Errorf("the name %q is missing", c.Name)
			}
		}
		if strings.Contains(string(drawn), "NaN") || strings.Contains(string(drawn), "Inf") || strings.Contains(string(drawn), "%!") {
			t.Errorf("numbers that are none:\n%s", drawn)
		}
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	got := []string{timeLabel(10), timeLabel(1e3), timeLabel(1e6), memoryLabel(10), memoryLabel(1e3), itemsLabel(100), itemsLabel(1e3), itemsLabel(1e7)}
	want := []string{"10 ns", "1 µs", "1 ms", "10 MB", "1 GB", "100", "1 k", "10 M"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRunPrintsTablesAndDrawsTheChart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "growth.svg")
	var stdout, stderr strings.Builder
	status := run(t.Context(), []string{"-max", "10000", "-reps", "1", "-series", "Run,Stream", "-svg", file}, &stdout, &stderr)
	if status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d, stderr %q", status, &stderr)
	}
	for _, want := range []string{"held bytes/item", " Stream  10000 ", "every item fails: "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &stdout)
		}
	}
	if data, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(data), "<svg ") {
		t.Errorf("the chart is %.20q, %v", data, err)
	}
}

func TestRunPrintsJSON(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	run(t.Context(), []string{"-max", "10000", "-reps", "1", "-series", "Run", "-json", "-check"}, &stdout, &stderr)
	var got output
	if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
		t.Fatalf("%v in %s, stderr %q", err, &stdout, &stderr)
	}
	if len(got.Series) != 1 || len(got.Series[0].Points) != 2 || len(got.Storms) != len(storms) || !got.Checked {
		t.Errorf("got %+v", got)
	}
}

func TestRunRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-max", "1000"}, "-max is 1000"},
		{[]string{"-max", "20000"}, "-max is 20000"},
		{[]string{"-reps", "0"}, "-reps is 0"},
		{[]string{"-series", "Walk"}, `"Walk"`},
		{[]string{"8"}, `unexpected argument "8"`},
		{[]string{"-unknown"}, "not defined"},
	} {
		var stdout, stderr strings.Builder
		status := run(t.Context(), test.args, &stdout, &stderr)
		if status != 2 || !strings.Contains(stderr.String(), test.want) || stdout.Len() > 0 {
			t.Errorf("%q: status %d, stderr %q; want 2 and %q", test.args, status, &stderr, test.want)
		}
	}
}
