// Package child runs a part of a program in a process of its own, and tells how much memory that took. The memory of
// one process says little about one part: the largest resident set never shrinks.
package child

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// variable is the environment variable by which a process knows that it is to run a part.
const variable = "WINDROW_BENCH_PART"

// Part does its work for an argument. What it returns is handed to the caller of [Run] as JSON.
type Part func(ctx context.Context, argument string) (any, error)

// answer is the output of a part's process.
type answer struct {
	Peak  int64           `json:"peak"`
	Value json.RawMessage `json:"value"`
}

// Main is to be called before anything else, also in tests that use [Run]. In a process that Run has started it runs
// the part and exits; elsewhere it does nothing.
func Main(parts map[string]Part) {
	name, argument, ok := strings.Cut(os.Getenv(variable), " ")
	if !ok {
		return
	}
	if err := serve(parts, name, argument); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve runs a part and prints its response.
func serve(parts map[string]Part, name, argument string) error {
	part := parts[name]
	if part == nil {
		return fmt.Errorf("child: no part is called %q", name)
	}
	value, err := part(context.Background(), argument)
	if err != nil {
		return err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answer{Peak: peakMemory(), Value: data})
}

// Run starts this program again to run the part, unpacks what it returns into value, which may be nil, and returns the
// largest resident set of its process in bytes.
func Run(ctx context.Context, part, argument string, value any) (peak int64, err error) {
	if peakMemory() == 0 {
		return 0, errors.New("child: this system does not tell the largest resident set of a process")
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	command := commandOf(ctx, self, part, argument)
	command.WaitDelay = time.Second
	var words bytes.Buffer
	command.Stderr = &words
	out, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("child: %s %s: %w: %s", part, argument, err, strings.TrimSpace(words.String()))
	}
	var got answer
	if err := json.Unmarshal(out, &got); err != nil {
		return 0, fmt.Errorf("child: %s %s: %w in %q", part, argument, err, out)
	}
	if value != nil {
		if err := json.Unmarshal(got.Value, value); err != nil {
			return 0, fmt.Errorf("child: %s %s: %w", part, argument, err)
		}
	}
	return got.Peak, nil
}

// Kill starts this program again to run the part, and kills it as soon as kill is closed. killed is false when the part
// ended before; the error is then the part's.
func Kill(ctx context.Context, part, argument string, kill <-chan struct{}) (killed bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	command := commandOf(ctx, self, part, argument)
	var words bytes.Buffer
	command.Stderr = &words
	if err := command.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case err = <-ended:
	case <-kill:
		if err := command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return false, err
		}
		err = <-ended
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && !exit.Exited() && ctx.Err() == nil {
		return true, nil // by a signal
	}
	if err != nil {
		err = fmt.Errorf("child: %s: %w: %s", part, err, strings.TrimSpace(words.String()))
	}
	return false, err
}

func commandOf(ctx context.Context, self, part, argument string) *exec.Cmd {
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), variable+"="+part+" "+argument)
	return command
}
