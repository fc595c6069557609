package pgstore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/pgstore"
)

// The same program as with a file, but for the line that opens the store; several processes may run it.
func ExampleOpen() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	store, err := pgstore.Open(ctx, pool)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := jobs.Open(ctx, jobs.Config{Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
}
