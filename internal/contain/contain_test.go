package contain

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestGo(t *testing.T) {
	t.Parallel()
	ran := false
	if value, stack, ok := Go(func() { ran = true }); !ok || !ran || value != nil || stack != nil {
		t.Errorf("Go = %v, %q, %v", value, stack, ok)
	}
	if value, stack, ok := Go(func() { panic("no") }); ok || value != "no" || !strings.Contains(string(stack), "TestGo") {
		t.Errorf("Go of a panic = %v, %q, %v", value, stack, ok)
	}
	if value, stack, ok := Go(runtime.Goexit); ok || value != nil || stack != nil {
		t.Errorf("Go of a Goexit = %v, %q, %v", value, stack, ok)
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	ran := false
	if value, stack, ok := Call(func() { ran = true }); !ok || !ran || value != nil || stack != nil {
		t.Errorf("Call = %v, %q, %v", value, stack, ok)
	}
	if value, stack, ok := Call(func() { panic("no") }); ok || value != "no" || !strings.Contains(string(stack), "TestCall") {
		t.Errorf("Call of a panic = %v, %q, %v", value, stack, ok)
	}
	var none *runtime.PanicNilError
	if value, _, ok := Call(func() { panic(nil) }); ok || !errors.As(value.(error), &none) {
		t.Errorf("Call of panic(nil) = %v, %v", value, ok)
	}
	returned, done := false, make(chan struct{})
	go func() {
		defer close(done)
		Call(runtime.Goexit)
		returned = true
	}()
	if <-done; returned {
		t.Error("Call of a Goexit returned")
	}
}

func TestTry(t *testing.T) {
	t.Parallel()
	failure := errors.New("it failed")
	lost := func(value any, stack []byte) error {
		return fmt.Errorf("lost with %v here: %t", value, strings.Contains(string(stack), "TestTry"))
	}
	if err := Try(func() error { return nil }, lost); err != nil {
		t.Errorf("Try = %v", err)
	}
	if err := Try(func() error { return failure }, lost); err != failure {
		t.Errorf("Try of an error = %v", err)
	}
	if err := Try(func() error { panic("no") }, lost); err == nil || err.Error() != "lost with no here: true" {
		t.Errorf("Try of a panic = %v", err)
	}
}

// A panic that lost passes on keeps the stack of the call.
func TestRecoverPassesOn(t *testing.T) {
	t.Parallel()
	value, stack, ok := Call(func() {
		calling := true
		defer Recover(&calling, func(value any, _ []byte) { panic(value) })
		blow()
		calling = false
	})
	if ok || value != "no" || !strings.Contains(string(stack), "contain.blow") {
		t.Errorf("%v, %q, %v", value, stack, ok)
	}
}

//go:noinline
func blow() { panic("no") }

func TestRecoverLeavesOtherPanics(t *testing.T) {
	t.Parallel()
	value, _, ok := Call(func() {
		calling := false
		defer Recover(&calling, func(any, []byte) { t.Error("called for a panic outside a call") })
		panic("no")
	})
	if ok || value != "no" {
		t.Errorf("%v, %v", value, ok)
	}
}

func TestCallsDoNotAllocate(t *testing.T) {
	n := 0
	lost := func(any, []byte) error { return nil }
	if got := testing.AllocsPerRun(100, func() {
		Call(func() { n++ })
		_ = Try(func() error { n++; return nil }, lost)
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
