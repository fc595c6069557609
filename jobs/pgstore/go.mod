module github.com/windrow-go/windrow/jobs/pgstore

go 1.26.0

replace (
	github.com/windrow-go/windrow => ../../
	github.com/windrow-go/windrow/jobs => ../
)

require (
	github.com/jackc/pgx/v5 v5.13.0
	github.com/windrow-go/windrow v0.0.0
	github.com/windrow-go/windrow/jobs v0.0.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)
