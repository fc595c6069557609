package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations" // registers the system collections
	"github.com/pocketbase/pocketbase/tools/hook"
	"github.com/pocketbase/pocketbase/tools/security"
)

// collection is where the records go.
const collection = "items"

// A server is what the clients talk to.
type server struct {
	url, token string
	count      func() (int, error) // records, asked of the database
	stop       func() error
}

// startPocket runs a PocketBase in this process that lets so many creates through in each second, 0 for any number.
func startPocket(ctx context.Context, rate int) (*server, error) {
	dir, err := os.MkdirTemp("", "headtohead")
	if err != nil {
		return nil, err
	}
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir})
	token, err := prepare(app, rate)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	app.OnServe().Unbind("__pbCronStart__") // its jobs would find no database at the end
	ready, served := make(chan struct{}), make(chan error, 1)
	app.OnServe().Bind(&hook.Handler[*core.ServeEvent]{Func: func(e *core.ServeEvent) error {
		e.Listener, e.InstallerFunc = listener, nil
		if err := e.Next(); err != nil {
			return err
		}
		close(ready)
		return nil
	}})
	go func() { served <- apis.Serve(app, apis.ServeConfig{HttpAddr: listener.Addr().String()}) }()
	select {
	case <-ready:
	case err := <-served:
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &server{
		url: "http://" + listener.Addr().String(), token: token,
		count: func() (int, error) {
			n, err := app.CountRecords(collection)
			return int(n), err
		},
		stop: func() error {
			err := app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(*core.TerminateEvent) error {
				return errors.Join(<-served, app.ResetBootstrapState())
			})
			return errors.Join(err, os.RemoveAll(dir))
		},
	}, nil
}

// prepare makes the database with its collection, and returns an ordinary user's token: superusers are not limited.
func prepare(app *core.BaseApp, rate int) (token string, err error) {
	if err := errors.Join(app.Bootstrap(), app.RunAllMigrations()); err != nil {
		return "", err
	}
	s := app.Settings()
	s.Logs.MaxDays = 0 // its writes would compete with those of the records
	s.RateLimits.Enabled = rate > 0
	s.RateLimits.Rules = []core.RateLimitRule{{Label: collection + ":create", MaxRequests: max(1, rate), Duration: 1}}
	c := core.NewBaseCollection(collection)
	c.CreateRule = new(`@request.auth.id != ""`)
	c.Fields.Add(&core.TextField{Name: "name", Required: true})
	c.AddIndex("idx_items_name", true, "name", "")
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		return "", err
	}
	user := core.NewRecord(users)
	user.SetEmail("someone@example.com")
	user.SetPassword(security.RandomString(30))
	for _, m := range []core.Model{s, c, user} {
		if err := app.Save(m); err != nil {
			return "", err
		}
	}
	return user.NewAuthToken()
}

// startNginx runs an nginx in front of a PocketBase without a limit of its own.
func startNginx(ctx context.Context, rate, burst int) (*server, error) {
	nginx, err := findNginx(nginxNames)
	if err != nil {
		return nil, err
	}
	back, err := startPocket(ctx, 0)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "headtohead")
	if err != nil {
		return nil, errors.Join(err, back.stop())
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, errors.Join(err, back.stop())
	}
	name := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(name, []byte(nginxConfig(dir, address, back.url, rate, burst)), 0o600); err != nil {
		return nil, errors.Join(err, back.stop())
	}
	var words strings.Builder
	command := exec.Command(nginx, "-p", dir, "-c", name)
	command.Stderr = &words
	if err := command.Start(); err != nil {
		return nil, errors.Join(err, back.stop())
	}
	stop := func() error {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait() // it was asked to end
		return errors.Join(back.stop(), os.RemoveAll(dir))
	}
	for range 250 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return &server{url: "http://" + address, token: back.token, count: back.count, stop: stop}, conn.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("nginx does not start: "+words.String()), stop())
}

// nginxConfig is all that nginx is told.
func nginxConfig(dir, address, backend string, rate, burst int) string {
	limit := ""
	if burst > 0 {
		limit = fmt.Sprintf(" burst=%d nodelay", burst)
	}
	return fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  limit_req_zone $binary_remote_addr zone=z:1m rate=%[2]dr/s;
  limit_req_status 429;
  server { listen %[3]s; location / { limit_req zone=z%[4]s; proxy_pass %[5]s; } }
}
`, dir, rate, address, limit, backend)
}

// freeAddress returns a free loopback address.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
