package dialect

import (
	"net/http"
	"testing"
)

// BenchmarkParse is what each response costs, with the headers that servers send anyway.
func BenchmarkParse(b *testing.B) {
	for name, lines := range map[string][]string{
		"none":       nil,
		"X":          {"X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 59", "X-RateLimit-Reset: 3"},
		"structured": {`RateLimit: "default";r=50;t=30`, `RateLimit-Policy: "default";q=100;w=60`},
	} {
		h := header(append(lines, "Date: Sat, 21 Nov 2026 23:40:00 GMT", "Content-Type: application/json", "Content-Length: 120", "Server: nginx",
			"Vary: Accept-Encoding", "Cache-Control: no-store", "X-Request-Id: 7", "Strict-Transport-Security: max-age=1")...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var got Reading
			for b.Loop() {
				got, _ = Parse(http.Header(h), now, Auto)
			}
			if name != "none" && got.Policies == nil {
				b.Error("nothing was read")
			}
		})
	}
}
