module github.com/windrow-go/windrow/internal/proptest

go 1.26.0

replace github.com/windrow-go/windrow => ../../

require (
	github.com/windrow-go/windrow v0.0.0-00010101000000-000000000000
	pgregory.net/rapid v1.3.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)
