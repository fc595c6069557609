package journal

import (
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk/disktest"
	"github.com/windrow-go/windrow/internal/idem"
)

// A journal draws a scope when it is begun, and keeps it. One that is older than scopes gets none, so that what it has begun
// is sent again with the same keys, and goes on in its old form.
func TestScope(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"": true}
	for range 3 {
		d := new(disktest.Disk)
		j, err := Open(name, "import", on(d))
		must(t, err)
		check(t, "before it is begun", "", j.Scope())
		must(t, j.Begin(windrow.OpCreate))
		scope := j.Scope()
		if seen[scope] || !idem.Fits(scope) {
			t.Errorf("the scope %q is another's, or no good", scope)
		}
		seen[scope] = true
		must(t, j.Record(entry("a", succeeded)))
		must(t, j.Close())
		j = start(t, d)
		check(t, "after a restart", scope, j.Scope())
		check(t, "what it knows", succeeded, stateOf(t, j, "a"))
		must(t, j.Close())
	}

	d := new(disktest.Disk)
	const header = `{"v":1,"job":"import","verb":"create","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z"}`
	d.Put(name, seal([]byte(room+header), 0, 0))
	for range 2 {
		j := start(t, d)
		check(t, "the scope of an older one", "", j.Scope())
		must(t, j.Record(entry("a", succeeded)))
		must(t, j.Close())
	}
	check(t, "its header", string(seal([]byte(room+header), 0, 0)), string(d.Bytes(name)[:len(room+header)+1]))
	for _, text := range []string{`"scope":""`, `"scope":7`, `"scope":"\u0041"`} {
		if h, err := parseHeader([]byte(`{"v":1,"job":"x","verb":"do","keyScheme":"","version":0,` + text + `,"created":"2026-11-21T23:40:00Z"}`)); err == nil {
			t.Errorf("%s is read as %+v", text, h)
		}
	}
}
