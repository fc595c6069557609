package pgstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// server is the Postgres of the tests; "" when there is none.
var server, missing string

func TestMain(m *testing.M) {
	stop, err := startPostgres()
	if err != nil {
		missing = err.Error()
	}
	status := m.Run()
	stop()
	os.Exit(status)
}

// startPostgres starts a server of its own, in a folder of its own.
func startPostgres() (stop func(), err error) {
	stop = func() {}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.Sort(found)
	initdb, err := exec.LookPath("initdb")
	if len(found) > 0 {
		initdb, err = found[len(found)-1], nil
	}
	if err != nil {
		return stop, errors.New("Postgres is not installed: install Debian's package postgresql")
	}
	folder, err := os.MkdirTemp("/tmp", "wpg") // the path of a socket is short
	if err != nil {
		return stop, err
	}
	as := func(name string, args ...string) *exec.Cmd {
		if os.Geteuid() == 0 { // Postgres refuses to run as root; the change of user clears the death signal below
			args = append([]string{"--pdeathsig=KILL", "--reuid=postgres", "--regid=postgres", "--init-groups", name}, args...)
			name = "setpriv"
		}
		c := exec.Command(name, args...)
		c.Dir = folder
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return c
	}
	remove := func() { _ = os.RemoveAll(folder) }
	if os.Geteuid() == 0 {
		if out, err := exec.Command("chown", "postgres", folder).CombinedOutput(); err != nil {
			remove()
			return stop, fmt.Errorf("chown: %w: %s", err, out)
		}
	}
	data := filepath.Join(folder, "data")
	if out, err := as(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-N", "--locale=C", "-E", "UTF8").CombinedOutput(); err != nil {
		remove()
		return stop, fmt.Errorf("initdb: %w: %s", err, out)
	}
	postgres := as(filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=300")
	if err := postgres.Start(); err != nil {
		remove()
		return stop, err
	}
	stop = func() {
		_ = postgres.Process.Signal(syscall.SIGQUIT)
		_ = postgres.Wait()
		remove()
	}
	server = "host=" + folder + " user=postgres"
	for range 200 {
		pool, err := pgxpool.New(context.Background(), server+" dbname=postgres")
		if err == nil {
			err = pool.Ping(context.Background())
			pool.Close()
		}
		if err == nil {
			return stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	server = ""
	return stop, errors.New("Postgres was started and does not answer")
}

var databases atomic.Int64

// database returns a pool of a new database.
func database(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	if server == "" {
		if strings.Contains(os.Getenv("WINDROW_NEEDS"), "postgres") {
			tb.Fatal(missing)
		}
		tb.Skip("skipped: " + missing)
	}
	name := fmt.Sprint("test", databases.Add(1))
	admin, err := pgxpool.New(tb.Context(), server+" dbname=postgres")
	if err != nil {
		tb.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Exec(tb.Context(), "create database "+name); err != nil {
		tb.Fatal(err)
	}
	pool, err := pgxpool.New(tb.Context(), server+" pool_max_conns=10 dbname="+name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}
