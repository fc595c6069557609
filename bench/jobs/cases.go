package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/journal"
)

// throughput compares a large job with the floor, in turns, and measures its file.
func (b *bench) throughput() error {
	if err := b.title("throughput: %d items whose calls do nothing", b.n); err != nil {
		return err
	}
	var floors, took []time.Duration
	var size int64
	for k := range 3 {
		hand, err := b.floor(b.path(fmt.Sprint("floor", k)), b.n)
		if err != nil {
			return err
		}
		c, path := &noop{n: b.n}, b.path(fmt.Sprint("throughput", k))
		m, err := started(b.ctx, path, c)
		if err != nil {
			return err
		}
		began := time.Now()
		_, err = finish(b.ctx, m, deletion(64))
		lasted := time.Since(began)
		if err := errors.Join(err, m.Close()); err != nil {
			return err
		}
		floors, took = append(floors, hand), append(took, lasted)
		if size, err = sizeOf(path); err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  by hand %v (%.0f/s), as a job %v (%.0f/s)\n", hand.Round(time.Millisecond), float64(b.n)/hand.Seconds(),
			lasted.Round(time.Millisecond), float64(b.n)/lasted.Seconds())
		_ = os.Remove(path)
	}
	b.most("time of the job x by hand", median(took).Seconds()/median(floors).Seconds(), 1.25)
	b.most("bytes on disk for each item", float64(size)/float64(b.n), 120)
	return nil
}

func sizeOf(path string) (size int64, err error) {
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	return size, nil
}

// creates compares creates that must not be repeated with the file journal.
func (b *bench) creates() error {
	n := min(b.n/10, 90_000)
	if err := b.title("creates that must not be repeated: %d records", n); err != nil {
		return err
	}
	for _, flying := range []int{8, 64} {
		var files, rows []time.Duration
		for k := range 3 {
			inputs, records := make([]input, n), make([]any, n)
			for i := range inputs {
				inputs[i], records[i] = input{i}, input{i}
			}
			c := &noop{}
			j, err := journal.Open(filepath.Join(b.dir, fmt.Sprint("creates", flying, k, ".journal")), "creates")
			if err != nil {
				return err
			}
			began := time.Now()
			_, err = windrow.CreateMany[input, record](b.ctx, c, inputs, windrow.Concurrency(flying), windrow.WithJournal(j), windrow.WithKey(func(in input) string { return strconv.Itoa(in.N) }))
			files = append(files, time.Since(began))
			if err := errors.Join(err, j.Close()); err != nil {
				return err
			}
			m, err := manager(b.ctx, b.path(fmt.Sprint("creates", flying, "-", k)), c)
			if err != nil {
				return err
			}
			s := jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields", Records: records}}, Options: jobs.Options{MaxConcurrent: flying}}
			job, err := m.Submit(b.ctx, s)
			if err != nil {
				return err
			}
			began = time.Now()
			if err := m.Start(b.ctx); err != nil {
				return err
			}
			_, err = waitFor(b.ctx, m, job.ID)
			rows = append(rows, time.Since(began))
			if err := errors.Join(err, m.Close()); err != nil {
				return err
			}
		}
		file, row := float64(n)/median(files).Seconds(), float64(n)/median(rows).Seconds()
		fmt.Fprintf(b.out, "  %d calls in flight: file journal %.0f/s, job %.0f/s\n", flying, file, row)
		b.least(fmt.Sprintf("pace of the job x file journal, %d in flight", flying), row/file, 0.333)
	}
	return nil
}

// childFlag makes the program run one job and print the peak of its memory.
const childFlag = "-measure-memory"

// memory compares the peaks of a large and a small job, in processes of their own.
func (b *bench) memory() error {
	if err := b.title("memory: jobs of %d and %d items", b.n, b.n/10); err != nil {
		return err
	}
	var peaks [2]float64
	for k, n := range []int{b.n / 10, b.n} {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(b.ctx, program, childFlag, b.path(fmt.Sprint("memory", k)), strconv.Itoa(n))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return err
		}
		if peaks[k], err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "  peak %.1f MiB for %d items, %.1f MiB for %d\n", peaks[0]/1024, b.n/10, peaks[1]/1024, b.n)
	b.most("peak of the large x the small", peaks[1]/peaks[0], 1.1)
	return nil
}

// runChild runs a job and prints the peak of the process's memory in KiB.
func runChild(ctx context.Context, path, items string) int {
	n, err := strconv.Atoi(items)
	if err == nil {
		var m *jobs.Manager
		if m, err = started(ctx, path, &noop{n: n}); err == nil {
			_, err = finish(ctx, m, deletion(64))
			err = errors.Join(err, m.Close())
		}
	}
	var peak int64
	if err == nil {
		peak, err = peakMemory()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(peak)
	return 0
}

// peakMemory returns the largest resident size of the process so far, in KiB.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("the peak of memory is read from Linux's /proc: %w", err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		}
	}
	return 0, errors.New("there is no VmHWM in /proc/self/status")
}

// statusReads measures Get while a job runs flat out.
func (b *bench) statusReads() error {
	if err := b.title("status reads while a job of %d items runs flat out", b.n); err != nil {
		return err
	}
	m, err := started(b.ctx, b.path("status"), &noop{n: b.n})
	if err != nil {
		return err
	}
	defer m.Close()
	j, err := m.Submit(b.ctx, deletion(64))
	if err != nil {
		return err
	}
	var took []time.Duration
	for {
		began := time.Now()
		now, err := m.Get(b.ctx, j.ID)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		if now.State.Ended() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Fprintf(b.out, "  %d reads: median %v\n", len(took), median(took).Round(time.Microsecond))
	b.most("99th percentile in milliseconds", percentile(took, 99).Seconds()*1000, 10)
	return m.Close()
}

// stops measures how soon nothing is sent any more.
func (b *bench) stops() error {
	if err := b.title("pause and cancel, with 64 calls of 20 ms in flight"); err != nil {
		return err
	}
	for name, stop := range map[string]func(*jobs.Manager, string) (jobs.Job, error){
		"pause":  func(m *jobs.Manager, id string) (jobs.Job, error) { return m.Pause(b.ctx, id) },
		"cancel": func(m *jobs.Manager, id string) (jobs.Job, error) { return m.Cancel(b.ctx, id) },
	} {
		c := &noop{n: 100_000, latency: 20 * time.Millisecond, begun: make(chan struct{})}
		m, err := started(b.ctx, b.path(name), c)
		if err != nil {
			return err
		}
		defer m.Close()
		j, err := m.Submit(b.ctx, deletion(64))
		if err != nil {
			return err
		}
		<-c.begun
		time.Sleep(300 * time.Millisecond)
		asked := time.Now()
		if _, err := stop(m, j.ID); err != nil {
			return err
		}
		if j, err = m.Wait(b.ctx, j.ID); err != nil {
			return err
		}
		last := time.Unix(0, c.last.Load()).Sub(asked)
		b.most(name+": seconds until the last send", max(0, last.Seconds()), 1)
		b.most(name+": calls cut", float64(c.cut.Load()), 0)
		if j.Progress.Completed() != c.calls.Load() {
			return fmt.Errorf("%s: %d calls, and %d items ended", name, c.calls.Load(), j.Progress.Completed())
		}
		if err := m.Close(); err != nil {
			return err
		}
	}
	return nil
}

// reopen measures how soon a job that is half done goes on.
func (b *bench) reopen() error {
	if err := b.title("open the store of a job of %d items that is half done", b.n); err != nil {
		return err
	}
	path := b.path("reopen")
	m, err := started(b.ctx, path, &noop{n: b.n})
	if err != nil {
		return err
	}
	defer m.Close()
	j, err := m.Submit(b.ctx, deletion(64))
	if err != nil {
		return err
	}
	for j.Progress.Completed() < int64(b.n/2) && !j.State.Ended() {
		time.Sleep(5 * time.Millisecond)
		if j, err = m.Get(b.ctx, j.ID); err != nil {
			return err
		}
	}
	if err := m.Close(); err != nil {
		return err
	}
	c := &noop{n: b.n, begun: make(chan struct{})}
	began := time.Now()
	again, err := started(b.ctx, path, c)
	if err != nil {
		return err
	}
	defer again.Close()
	<-c.begun
	b.most("seconds from the opening to the first send", time.Since(began).Seconds(), 2)
	if _, err := waitFor(b.ctx, again, j.ID); err != nil {
		return err
	}
	return again.Close()
}
