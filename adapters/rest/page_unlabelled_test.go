package rest

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// A page is one, whatever its Content-Type says.
func TestUnlabelledPagesProveNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		contentType, body string
		page              bool
	}{
		{"", "<html><body>404 Not Found", true},
		{"text/plain", "\r\n <!DOCTYPE html><title>404", true},
		{"application/json", "\ufeff<!doctype HTML>", true},
		{"application/json", "<HTML lang=en>", true},
		{"text/plain", "404 page not found", false},
		{"application/xml", "<?xml version='1.0'?><Error/>", false},
		{"text/plain", "<htm", false},
		{"application/json", `{"error":"<html>"}`, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			articles := articlesOf(serve(t, func(w http.ResponseWriter, _ *http.Request) {
				requests++
				w.Header()["Content-Type"] = nil
				if tt.contentType != "" {
					w.Header().Set("Content-Type", tt.contentType)
				}
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, tt.body)
			}).client(t))
			_, err := articles.Get(t.Context(), "1")
			testkit.Check(t, tt.body, !tt.page, errors.Is(err, windrow.ErrNotFound))
			requests = 0
			res, _ := windrow.DeleteMany(t.Context(), articles, []string{"1"}, windrow.Retry(windrow.RetryPolicy{MaxAttempts: 2, Strategy: windrow.Constant(0)}))
			want, sent := windrow.Skipped, 1
			if tt.page {
				want, sent = windrow.Failed, 2
			}
			testkit.Check(t, tt.body, want, res.At(0).State)
			testkit.Check(t, tt.body, sent, requests)
		})
	}
}
