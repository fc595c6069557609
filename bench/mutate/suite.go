package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	// patience is how much longer than without a change tests may take.
	patience = 5
	// atLeast is how long all tests may take.
	atLeast = 20 * time.Second
	// memory is how much a test may use, in kilobytes: a loop that has lost its end should not take it all.
	memory = 8 << 20
)

// tests are those of a package.
type tests struct {
	pkg  string
	dir  string
	deps map[string]bool // packages that they depend on, the package itself included
	took time.Duration   // without a change; 0 when that was not measured yet
}

// suite is the tests that may notice a change.
type suite struct {
	folder string
	temp   string
	module string // import path of its root
	all    []*tests
	env    []string
}

// newSuite lists the tests of the packages that match.
func newSuite(ctx context.Context, folder string, patterns []string) (*suite, error) {
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	s := &suite{folder: folder, temp: temp}
	// A test that runs the go command is to see the change as well.
	s.env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+filepath.Join(temp, "overlay.json")))
	out, err := s.command(ctx, os.Environ(), "list", "-m").Output()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("go list -m: %w", err), s.close())
	}
	s.module, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	list := s.command(ctx, os.Environ(), append([]string{"list", "-test", "-json=ImportPath,Dir,Deps"}, patterns...)...)
	list.Stderr = os.Stderr
	if out, err = list.Output(); err != nil {
		return nil, errors.Join(fmt.Errorf("go list: %w", err), s.close())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var pkg struct {
			ImportPath, Dir string
			Deps            []string
		}
		if err := d.Decode(&pkg); err != nil {
			return nil, errors.Join(err, s.close())
		}
		name, ok := strings.CutSuffix(pkg.ImportPath, ".test")
		if !ok {
			continue
		}
		t := &tests{pkg: name, dir: pkg.Dir, deps: map[string]bool{}}
		for _, dep := range pkg.Deps {
			dep, _, _ = strings.Cut(dep, " ") // as it is built for a test
			t.deps[dep] = true
		}
		s.all = append(s.all, t)
	}
	return s, nil
}

// close removes what the suite has written.
func (s *suite) close() error { return os.RemoveAll(s.temp) }

// command is one of the go command.
func (s *suite) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = s.folder, env
	return cmd
}

// apply has the go command see a change, or none.
func (s *suite) apply(m *mutant) error {
	replace := map[string]string{}
	if m != nil {
		changed := filepath.Join(s.temp, filepath.Base(m.file))
		if err := os.WriteFile(changed, m.changed(), 0o600); err != nil {
			return err
		}
		replace[m.file] = changed
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.temp, "overlay.json"), text, 0o600)
}

// compiles reports whether a package still does.
func (s *suite) compiles(ctx context.Context, pkg string) bool {
	return s.command(ctx, s.env, "build", "-o", os.DevNull, pkg).Run() == nil
}

// dependents returns the tests that may notice a change of a package: its own, those of the root, and the others, the
// shortest first and last those that were not measured yet.
func (s *suite) dependents(pkg string) []*tests {
	var all []*tests
	for _, t := range s.all {
		if t.deps[pkg] {
			all = append(all, t)
		}
	}
	rank := func(t *tests) int {
		switch t.pkg {
		case pkg:
			return 0
		case s.module:
			return 1
		}
		return 2
	}
	took := func(t *tests) time.Duration { return cmp.Or(t.took, math.MaxInt64) }
	slices.SortStableFunc(all, func(a, b *tests) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(took(a), took(b)))
	})
	return all
}

// noticed runs the tests that may notice the change of a package, and returns which one did; "" when none has.
func (s *suite) noticed(ctx context.Context, pkg string) (by string, err error) {
	for _, t := range s.dependents(pkg) {
		if t.took == 0 {
			if err := s.measure(ctx, t); err != nil {
				return "", err
			}
		}
		bin, err := s.build(ctx, t, s.env)
		if err != nil {
			return "", fmt.Errorf("%s does not compile with the change: %w", t.pkg, err)
		}
		by := s.run(ctx, t, bin, s.env, max(atLeast, patience*t.took))
		if err := errors.Join(ctx.Err(), os.Remove(bin)); err != nil {
			return "", err
		}
		if by != "" {
			return strings.TrimPrefix(t.pkg, s.module+"/") + ": " + by, nil
		}
	}
	return "", nil
}

// measure runs tests without a change.
func (s *suite) measure(ctx context.Context, t *tests) error {
	bin, err := s.build(ctx, t, os.Environ())
	if err != nil {
		return fmt.Errorf("%s: %w", t.pkg, err)
	}
	began := time.Now()
	by := s.run(ctx, t, bin, os.Environ(), 30*time.Minute)
	t.took = time.Since(began)
	if by != "" {
		return fmt.Errorf("%s fails without a change: %s", t.pkg, by)
	}
	return errors.Join(ctx.Err(), os.Remove(bin))
}

// build makes the program of tests.
func (s *suite) build(ctx context.Context, t *tests, env []string) (bin string, err error) {
	bin = filepath.Join(s.temp, "tests.exe")
	if out, err := s.command(ctx, env, "test", "-c", "-vet=off", "-o", bin, t.pkg).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
}

// run runs tests until one fails, and returns what did; "" when nothing has.
func (s *suite) run(ctx context.Context, t *tests, bin string, env []string, longest time.Duration) string {
	args := []string{bin, "-test.failfast", "-test.timeout=" + longest.String()}
	if runtime.GOOS != "windows" {
		args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -v %d; exec "$0" "$@"`, memory)}, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, longest+10*time.Second) // for those that do not hear the first
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = t.dir, env
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return name
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	return err.Error()
}
