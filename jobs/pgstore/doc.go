// Package pgstore keeps the jobs of package jobs in Postgres: [Open] returns the store for its Config.
//
// The tables are in a schema of their own, windrow_jobs, which Open makes and brings to the current version. Several
// processes may use one database at a time: a job is carried out by one of them, and goes on in another when its process is
// gone. Leases are judged by the clocks of the processes, which should agree to within a second.
package pgstore
