package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// endless are the outages that do not end.
func (b *bench) endless() (rows []row) {
	const section = "outages that do not end"
	for _, kind := range []struct {
		name string
		fail failure
		want string // that the reason says
	}{
		{"never up again: refused", refused(), "connection refused"},
		{"never up again: 502", status(502), "502"},
		{"never up again: no response", failure{min: 2 * maxRun, sent: true}, ""},
		{"500 on everything", status(500), "500"},
	} {
		r := row{
			section: section, name: kind.name,
			goal: "300 to 310 s after the last success; the rest NotAttempted; the reason says so",
		}
		sizes := []int{1_000, 20_000}
		if kind.want == "connection refused" {
			sizes = append(sizes, 100_000)
		}
		for _, j := range jobs(sizes...) {
			r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
				return b.never(t, j, kind.fail, kind.want)
			}})
		}
		rows = append(rows, r)
	}
	return append(rows, b.alternating(section), b.together(section), b.wrongPort(section))
}

// never runs a job whose server goes down in the middle and stays down.
func (b *bench) never(t *testing.T, j job, fail failure, want string) []figure {
	begins := b.floor(t, j) / 2
	var w *world
	faults := []fault{{from: begins, until: forever, fail: fail, kills: fail.sent && fail.err != nil}}
	if fail.err == nil { // connections break, and then each call hangs: one that was hung from the start would hang without bound
		faults = []fault{{from: begins, until: begins + time.Second, fail: reset(), kills: true}, {from: begins + time.Second, until: forever, fail: fail}}
	}
	end := b.bubble(t, j, nil, func(x *world) { w = x }, faults...)
	sent := 0
	for _, times := range w.sent {
		if times > 0 {
			sent++
		}
	}
	rest := j.items - end.states[windrow.Succeeded]
	out := []figure{
		from(300, 310, "ends after", seconds(end.elapsed-w.last), "s"),
		exactly("Failed", end.states[windrow.Failed], 0),
	}
	switch {
	case !fail.sent:
		out = append(out, exactly("NotAttempted", end.states[windrow.NotAttempted], rest))
	default:
		extra := evidence(w.most)
		if want == "500" {
			extra = max(20, 2*w.most)
		}
		out = append(out, atMost("Unknown", float64(end.states[windrow.Unknown]), float64(w.most+extra+4+probesIn(5*time.Minute, j.repeatable)), ""))
	}
	return append(append(out, reason(end, want)), broken(j, w, end)...)
}

// reason is whether a run was stopped, and says by what.
func reason(end ending, want string) figure {
	text := "it was not stopped"
	if end.cause != nil {
		text = end.cause.Error()
	}
	return holds("the reason names it", end.cause != nil && strings.Contains(text, want) && !errors.Is(end.cause, context.DeadlineExceeded), text)
}

// alternating is a server that throttles and refuses in turns, as one that restarts again and again.
func (b *bench) alternating(section string) row {
	r := row{section: section, name: "refused and 503 with Retry-After in turns", goal: "300 to 310 s after the last success"}
	for _, j := range jobs(20_000) {
		r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
			begins := b.floor(t, j) / 2
			busy, closed := status(503), refused()
			busy.err = &statusError{code: 503, after: time.Second}
			var w *world
			end := b.bubble(t, j, func(w *world) {
				w.judge = func(_, _ int, at time.Duration) *failure {
					switch {
					case at < begins:
						return nil
					case (at-begins)/(7*time.Second)%2 == 0:
						return &closed
					}
					return &busy
				}
			}, func(x *world) { w = x })
			return append([]figure{
				from(300, 310, "ends after", seconds(end.elapsed-w.last), "s"),
				exactly("NotAttempted", end.states[windrow.NotAttempted], j.items-end.states[windrow.Succeeded]),
				reason(end, ""),
			}, broken(j, w, end)...)
		}})
	}
	return r
}

// together is three runs on one limiter, one of which begins when the server is down already.
func (b *bench) together(section string) row {
	r := row{section: section, name: "three runs on one limiter, never up again", goal: "each 300 to 310 s after the last success; NotAttempted; the reason says so"}
	for _, kind := range []struct {
		name string
		fail failure
		want string
	}{{"refused", refused(), "connection refused"}, {"502", status(502), "502"}} {
		for _, j := range jobs(20_000) {
			r.variants = append(r.variants, variant{kind.name + ", " + j.String() + ", three times", func(t *testing.T) []figure {
				begins := b.floor(t, j) / 2
				var out []figure
				synctest.Test(t, func(*testing.T) {
					j.limiter = windrow.NewLimiter()
					worlds, ends := make([]*world, 3), make([]ending, 3)
					var wg sync.WaitGroup
					began := time.Now()
					for k := range worlds {
						worlds[k] = newWorld(b.seed+uint64(k), j.items, fault{from: begins, until: forever, fail: kind.fail, kills: kind.fail.sent})
						wg.Go(func() {
							if k == 2 { // it finds the server down
								time.Sleep(begins + 5*time.Second)
							}
							ends[k] = j.do(worlds[k])
							ends[k].elapsed = time.Since(began)
						})
					}
					wg.Wait()
					last := max(worlds[0].last, worlds[1].last)
					for k, end := range ends {
						out = append(out, from(300, 310, fmt.Sprintf("number %d ends after", k+1), seconds(end.elapsed-last), "s"), reason(end, kind.want))
						out = append(out, broken(j, worlds[k], end)...)
						if !kind.fail.sent {
							out = append(out, exactly("NotAttempted", end.states[windrow.NotAttempted], j.items-end.states[windrow.Succeeded]))
						}
					}
				})
				return out
			}})
		}
	}
	return r
}

// wrongPort is a server that was never there.
func (b *bench) wrongPort(section string) row {
	r := row{section: section, name: "a wrong port from the start", goal: "ends after 30 s, logged at once, NotAttempted"}
	for _, j := range jobs(1, 1_000, 100_000) {
		r.variants = append(r.variants, variant{j.String(), func(t *testing.T) []figure {
			log := &firstLine{}
			var w *world
			j.opts = []windrow.Option{windrow.WithLogger(slog.New(log))}
			end := b.bubble(t, j, nil, func(x *world) { w = x }, fault{until: forever, fail: refused()})
			return append([]figure{
				from(30, 33, "ends after", seconds(end.elapsed), "s"),
				exactly("NotAttempted", end.states[windrow.NotAttempted], j.items),
				holds("logged within 2 s", log.text != "" && log.at.Sub(w.began) <= 2*time.Second, log.text),
				reason(end, "connection refused"),
			}, broken(j, w, end)...)
		}})
	}
	return r
}

// firstLine is a log handler that keeps the first warning that names a refused connection.
type firstLine struct {
	mu   sync.Mutex
	at   time.Time
	text string
}

func (f *firstLine) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (f *firstLine) WithAttrs([]slog.Attr) slog.Handler           { return f }
func (f *firstLine) WithGroup(string) slog.Handler                { return f }

func (f *firstLine) Handle(ctx context.Context, r slog.Record) error {
	var text bytes.Buffer
	if err := slog.NewTextHandler(&text, nil).Handle(ctx, r); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.text == "" && strings.Contains(text.String(), "connection refused") {
		f.at, f.text = r.Time, strings.TrimSpace(text.String())
	}
	return nil
}
