package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a pseudo-terminal of that width.
func openTerminal(t *testing.T, columns uint16) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlock: %v", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("number: %v", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatalf("width: %v", err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("open the terminal: %v", err)
	}
	t.Cleanup(func() { terminal.Close() })
	return screen, terminal
}

// TestBarOnATerminal runs the program on one of a usual width, and on one of
// which no width is known.
func TestBarOnATerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{100, 0} {
		t.Run(fmt.Sprintf("%d columns", columns), func(t *testing.T) {
			t.Parallel()
			screen, terminal := openTerminal(t, columns)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-n", "100", "-rate", "100000", "-json")
			cmd.Env = append(os.Environ(), asProgram+"=1", "TERM=xterm")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			terminal.Close() // so that the screen ends with the program
			text, err := io.ReadAll(screen)
			if err != nil && !errors.Is(err, syscall.EIO) {
				t.Errorf("read the screen: %v", err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the program: %v", err)
			}
			for _, want := range []string{"Creating 100 / 100 [=====", "] 100% ", `"mismatches":0}` + "\r\n"} {
				if !strings.Contains(string(text), want) {
					t.Errorf("the screen lacks %q: %q", want, text)
				}
			}
		})
	}
}
