// Package sqlitestore keeps jobs in one SQLite file. No cgo and no server are needed.
//
// The file is in WAL mode: beside jobs.db there are jobs.db-wal and jobs.db-shm while it is open, and jobs.db.lock, which
// stays. A commit is durable when the call that makes it returns (synchronous = FULL). One [Store] at a time has the file
// open; the lock ends with its process, however that ends. The file belongs on a local disk: network file systems do not
// keep the promises of locks and shared memory that SQLite needs.
//
// Copy a store that is open with [Store.Backup] only. A copy of the file alone lacks what is in jobs.db-wal.
package sqlitestore
