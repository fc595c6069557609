// Package pocket runs a real PocketBase inside the calling process: SQLite in a
// temporary folder, HTTP on a free loopback port, an ordinary user, and
// PocketBase's own rate limiter switched on. The examples use it as a
// third-party API that anyone can start with nothing but Go.
//
// PocketBase counts requests in windows of one second, per address, collection
// and action (create, list, view, update, delete). A request over the limit is
// answered with 429 and nothing else: no Retry-After, no remaining quota.
// Superusers are exempt, which is why the server hands out an ordinary user's
// token.
package pocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations" // registers the system collections
	"github.com/pocketbase/pocketbase/tools/hook"
)

// Config says how to start a [Server]. Its zero value starts one without a
// rate limit that removes its folder on [Server.Close].
type Config struct {
	// Rate is how many requests of one action (create, list, view, update,
	// delete) one address may send in each second of the server's clock.
	// Defaults to 0: PocketBase's rate limiter stays off.
	Rate int

	// Batch is how many records one request to PocketBase's /api/batch may
	// carry. It creates all of them or none, and each counts against Rate.
	// Defaults to 0: PocketBase answers such requests with 403.
	Batch int

	// Loose lets two records of [Collection] have the same key, so that a
	// record that was created twice shows.
	Loose bool

	// Keep leaves the data folder in place after [Server.Close].
	Keep bool
}

// Server is a running PocketBase. Its methods may be called from several
// goroutines.
type Server struct {
	url     string
	token   string
	dir     string
	keep    bool
	app     *core.BaseApp
	traffic traffic
	changes changes

	served    chan struct{} // closed when apis.Serve has returned
	serveErr  error         // its error, valid once served is closed
	closeOnce sync.Once
	closeErr  error
}

// Start creates the folder, the database, the collection, the user and the
// listener, and returns once requests are accepted. Nothing is written to
// standard output. The context bounds the start only: the server runs until
// [Server.Close].
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Rate < 0 || cfg.Batch < 0 {
		return nil, fmt.Errorf("pocket: rate %d and batch %d: a limit cannot be negative", cfg.Rate, cfg.Batch)
	}
	dir, err := os.MkdirTemp("", "windrow-pocketbase-")
	if err != nil {
		return nil, fmt.Errorf("pocket: make the data folder: %w", err)
	}
	s := &Server{
		dir:    dir,
		keep:   cfg.Keep,
		app:    core.NewBaseApp(core.BaseAppConfig{DataDir: dir}),
		served: make(chan struct{}),
	}
	if err := s.prepare(cfg); err != nil {
		close(s.served)
		return nil, errors.Join(err, s.Close())
	}
	if err := s.serve(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare opens the database and puts the settings, the collection and the
// user into it.
func (s *Server) prepare(cfg Config) error {
	if err := s.app.Bootstrap(); err != nil {
		return fmt.Errorf("pocket: open the database: %w", err)
	}
	if err := s.app.RunAllMigrations(); err != nil {
		return fmt.Errorf("pocket: create the system collections: %w", err)
	}
	if err := saveSettings(s.app, cfg.Rate, cfg.Batch); err != nil {
		return err
	}
	if err := createCollection(s.app, !cfg.Loose); err != nil {
		return err
	}
	if err := createFiles(s.app); err != nil {
		return err
	}
	if err := createFarm(s.app); err != nil {
		return err
	}
	s.changes.watch(s.app)
	token, err := createUser(s.app)
	if err != nil {
		return err
	}
	s.token = token
	return nil
}

// serve starts PocketBase's HTTP server and waits until it listens.
func (s *Server) serve(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		close(s.served)
		return fmt.Errorf("pocket: listen on a loopback port: %w", err)
	}
	s.url = "http://" + listener.Addr().String()

	// PocketBase's minute jobs have nothing to do here, and one that fires while
	// the server closes would find no database.
	s.app.OnServe().Unbind("__pbCronStart__")
	ready := make(chan struct{})
	s.app.OnServe().Bind(&hook.Handler[*core.ServeEvent]{
		Func: func(e *core.ServeEvent) error {
			e.Listener = listener
			e.InstallerFunc = nil // it would open a browser to ask for a superuser
			e.Router.Bind(s.traffic.middleware())
			if err := e.Next(); err != nil {
				return err
			}
			close(ready)
			return nil
		},
	})
	go func() {
		defer close(s.served)
		defer listener.Close() // also when the hooks failed before it was used
		s.serveErr = apis.Serve(s.app, apis.ServeConfig{HttpAddr: listener.Addr().String()})
	}()

	// Not cut short by ctx: PocketBase can only be stopped once it serves, and
	// what is left until then takes milliseconds.
	select {
	case <-ready:
	case <-s.served:
		return errors.New("pocket: the server ended before it was ready") // Close tells why
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("pocket: start: %w", err)
	}
	return nil
}

// URL is the server's address, such as http://127.0.0.1:40123, without a
// trailing slash.
func (s *Server) URL() string { return s.url }

// Token is the ordinary user's token: the value of the Authorization header.
// It is valid for seven days.
func (s *Server) Token() string { return s.token }

// Dir is the data folder.
func (s *Server) Dir() string { return s.dir }

// Count is the number of records in [Collection], asked of the database and
// not over HTTP, so that no limiter, client or page can bend it.
func (s *Server) Count() (int, error) {
	n, err := s.app.CountRecords(Collection)
	if err != nil {
		return 0, fmt.Errorf("pocket: count the records: %w", err)
	}
	return int(n), nil
}

// Traffic is what the server itself has counted of requests with the method
// until now, the throttled ones included.
func (s *Server) Traffic(method string) Traffic { return s.traffic.of(method) }

// Close stops the server, waits for it, closes the database and removes the
// folder unless [Config.Keep] is set. Requests in flight get one second to
// end. Only the first call does anything; all return its error.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		event := &core.TerminateEvent{App: s.app}
		err := s.app.OnTerminate().Trigger(event, func(e *core.TerminateEvent) error {
			<-s.served // shut down by PocketBase's own hook
			return s.app.ResetBootstrapState()
		})
		if err != nil {
			err = fmt.Errorf("pocket: stop: %w", err)
		}
		if s.serveErr != nil {
			err = errors.Join(err, fmt.Errorf("pocket: serve: %w", s.serveErr))
		}
		if !s.keep {
			if rmErr := os.RemoveAll(s.dir); rmErr != nil {
				err = errors.Join(err, fmt.Errorf("pocket: remove the data folder: %w", rmErr))
			}
		}
		s.closeErr = err
	})
	return s.closeErr
}
