package capfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"myreplay/session"
)

// small makes captures of several blocks and segments from few events.
var small = Options{Policy: Wait, BlockBytes: 2000, RotateBytes: 8000, FlushEvery: -1}

// TestFaults makes the n-th call of the disk fail, for every n, once and from
// then on. The Writer must say so and name the file, and what can be read
// afterwards must be the beginning of what was written, without damage.
func TestFaults(t *testing.T) {
	events := sysbenchEvents(600, false)
	clean := newMemDisk()
	if err := runOn(clean, small, events); err != nil {
		t.Fatal(err)
	}
	calls := len(clean.calls)
	if calls < 40 {
		t.Fatalf("only %d calls to fail", calls)
	}
	for _, forever := range []bool{false, true} {
		for n := range calls {
			d := newMemDisk()
			d.fault = func(call int, op string) error {
				if call == n || forever && call > n {
					return syscall.EIO
				}
				return nil
			}
			what := fmt.Sprintf("call %d (%s) fails, forever %v", n, clean.calls[n], forever)
			if err := runOn(d, small, events); err == nil {
				if forever || clean.calls[n] != "allocate" { // which is tried again with less
					t.Fatalf("%s: no error", what)
				}
			} else {
				checkFault(t, d, err, what)
			}
			checkLeft(t, d, events, forever, what)
		}
	}
}

// checkFault checks the error, and that nothing stays open.
func checkFault(t *testing.T, d *memDisk, err error, what string) {
	t.Helper()
	var failed *WriteError
	if !errors.As(err, &failed) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), ".myr") {
		t.Fatalf("%s: error is %v", what, err)
	}
	for name, f := range d.files {
		if f.open {
			t.Fatalf("%s: %s was not closed", what, name)
		}
	}
}

// checkLeft checks what can be read.
func checkLeft(t *testing.T, d *memDisk, events []session.Event, forever bool, what string) {
	t.Helper()
	first := d.files[segmentName(1)]
	if first == nil || len(first.data) < headSize || forever && first.synced == nil {
		return // nothing was begun
	}
	got := readAll(t, d.save(t))
	if !forever && len(got.damage) > 0 {
		t.Fatalf("%s: damage %v", what, got.damage)
	}
	// Where the disk fails for good, half a block or half a footer stays, and
	// may be half a head of the next segment.
	if len(got.damage) > 2 {
		t.Fatalf("%s: damage %v", what, got.damage)
	}
	n := len(got.events)
	for n > 0 && len(got.damage) > 0 {
		if g, ok := got.events[n-1].(*session.Gap); !ok || g.Reason != session.LostBytes {
			break
		}
		n--
	}
	same(t, got.events[:n], events[:n])
}

// runOn writes events to a disk and returns the first error.
func runOn(d *memDisk, o Options, events []session.Event) error {
	w, err := create(d, "dir", testMeta, o)
	if err != nil {
		return err
	}
	for _, ev := range events {
		if err := w.Write(ev); err != nil {
			w.Close()
			return err
		}
	}
	return w.Close()
}

// TestFaultsOnce: after one failure, the segment that failed is ended as it
// should be: no damage, and a footer, whatever call it was that failed, unless
// it was the footer's own.
func TestFaultsOnce(t *testing.T) {
	events := sysbenchEvents(200, false)
	for n := range 12 {
		d := newMemDisk()
		writes := 0
		d.fault = func(call int, op string) error {
			if op == "write" {
				if writes++; writes == n+2 { // not the head's
					return syscall.EIO
				}
			}
			return nil
		}
		o := small
		o.RotateBytes = 0
		err := runOn(d, o, events)
		if err == nil {
			continue // fewer writes than that
		}
		got := readAll(t, d.save(t))
		if len(got.damage) != 0 {
			t.Fatalf("write %d fails: %v", n, got.damage)
		}
		same(t, got.events, events[:len(got.events)])
		if len(got.events) == 0 && n > 0 {
			t.Fatal("nothing can be read")
		}
	}
}

// TestDiskFull: a full disk stops the capture with an error that says so; the
// footer still fits, because room was set aside for it.
func TestDiskFull(t *testing.T) {
	events := sysbenchEvents(3000, false)
	for full := int64(30000); full < 70000; full += 3777 {
		d := newMemDisk()
		d.full = full
		err := runOn(d, Options{Policy: Wait, BlockBytes: 4000, FlushEvery: -1}, events)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("error is %v", err)
		}
		got := readAll(t, d.save(t))
		if len(got.damage) != 0 || len(got.unfinished) != 0 || len(got.events) == 0 {
			t.Fatalf("%d bytes: %d events, damage %v, unfinished %v", full, len(got.events), got.damage, got.unfinished)
		}
		same(t, got.events, events[:len(got.events)])
	}
}

// TestPowerCut: whatever a power cut leaves of what was not synced, all before
// the last sync can be read, and nothing that was not written.
func TestPowerCut(t *testing.T) {
	events := sysbenchEvents(600, true)
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		d := newMemDisk()
		n := 100 + r.IntN(len(events)-100)
		w, err := create(d, "dir", testMeta, Options{Policy: Wait, BlockBytes: 1500, SyncEvery: 20 * time.Millisecond, FlushEvery: -1, RotateBytes: 20000})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range events[:n] {
			if err := w.Write(ev); err != nil {
				t.Fatal(err)
			}
		}
		safe := syncedEvents(t, d)
		dir := d.crash(t, r)
		w.Abort()
		checkSubset(t, readAll(t, dir), events[:n], safe)
	}
}

// syncedEvents returns how many events are in the synced parts of all files.
func syncedEvents(t *testing.T, d *memDisk) int {
	t.Helper()
	dir := t.TempDir()
	d.mu.Lock()
	for name, f := range d.files {
		os.WriteFile(filepath.Join(dir, name), f.synced, 0o600)
	}
	d.mu.Unlock()
	if r, err := Open(dir); err != nil {
		return 0 // nothing was synced yet
	} else {
		r.Close()
	}
	got := readAll(t, dir)
	n := 0
	for _, ev := range got.events {
		if g, ok := ev.(*session.Gap); ok && g.ID == 0 {
			break
		}
		n++
	}
	return n
}

// checkSubset demands that a reading is the events in order, with a Gap where
// some are left out, and that the first ones are all there.
func checkSubset(t *testing.T, got reading, events []session.Event, first int) {
	t.Helper()
	i, gap := 0, false
	for n, ev := range got.events {
		if g, ok := ev.(*session.Gap); ok && g.ID == 0 && g.Reason == session.LostBytes {
			gap = true
			if n < first {
				t.Fatalf("event %d of %d that should be safe is lost: %s", n, first, g.Detail)
			}
			continue
		}
		for i < len(events) && !reflect.DeepEqual(events[i], ev) {
			if !gap {
				t.Fatalf("event %d of the reading follows without a gap on what was not before it: %#v", n, ev)
			}
			i++
		}
		if i == len(events) {
			t.Fatalf("event %d of the reading was never written: %#v", n, ev)
		}
		i++
		gap = false
	}
	if len(got.events) < first {
		t.Fatalf("read %d events, fewer than the %d that should be safe", len(got.events), first)
	}
	if gap && len(got.damage) == 0 {
		t.Fatal("a gap without damage")
	}
}

// TestRotate: segments end by size and by the events' time, each can be read
// alone, and together they are the whole.
func TestRotate(t *testing.T) {
	events := sysbenchEvents(2000, true)
	for name, o := range map[string]Options{
		"size": {Policy: Wait, BlockBytes: 2000, RotateBytes: 10000},
		"time": {Policy: Wait, BlockBytes: 2000, RotateEvery: 20 * time.Millisecond},
	} {
		dir := filepath.Join(t.TempDir(), "c")
		writeAll(t, dir, o, events)
		same(t, readAll(t, dir).events, events)
		names, _ := filepath.Glob(filepath.Join(dir, "*.myr"))
		if len(names) < 3 {
			t.Fatalf("by %s: only %v", name, names)
		}
		var parts []session.Event
		for i, file := range names {
			got := readAll(t, file)
			if i > 0 {
				if g, ok := got.events[0].(*session.Gap); !ok || g.Reason != session.JoinedLate {
					t.Fatalf("a later segment alone begins with %#v", got.events[0])
				}
				got.events = got.events[1:]
			}
			parts = append(parts, got.events...)
		}
		same(t, parts, events)
	}
}

// TestRing: with a size limit the oldest segments are deleted, the rest can be
// read without damage, and what was deleted is counted and told.
func TestRing(t *testing.T) {
	d := newMemDisk()
	events := sysbenchEvents(3000, false)
	w, err := create(d, "dir", testMeta, Options{Policy: Wait, BlockBytes: 2000})
	if err != nil {
		t.Fatal(err)
	}
	w.store.opts.MaxTotal, w.store.opts.Ring, w.store.opts.RotateBytes = 60000, true, 10000 // less than Create allows
	for _, ev := range events {
		if err := w.Write(ev); err != nil {
			t.Fatal(err)
		}
		if n := d.size(); n > 60000+2*allocateStep {
			t.Fatalf("the disk holds %d bytes", n)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := d.size(); n > 60000 {
		t.Fatalf("the disk holds %d bytes", n)
	}
	dir := d.save(t)
	got := readAll(t, dir)
	if len(got.damage) != 0 || len(got.events) < 100 {
		t.Fatalf("%d events, damage %v", len(got.events), got.damage)
	}
	if g, ok := got.events[0].(*session.Gap); !ok || g.Reason != session.JoinedLate || g.ID != 0 {
		t.Fatalf("the first event is %#v", got.events[0])
	}
	kept := len(got.events) - 1
	same(t, got.events[1:], events[len(events)-kept:])
	if n := w.Totals(); n.Deleted != uint64(len(events)-kept) || n.Events != uint64(len(events)) {
		t.Fatalf("deleted %d of %d, %d are left", n.Deleted, n.Events, kept)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.Totals(); err != nil || n.Deleted != uint64(len(events)-kept) || n.Events != uint64(kept) {
		t.Fatalf("the files say that %d are deleted and %d are left, %v", n.Deleted, n.Events, err)
	}
}

// TestMaxTotal: without Ring the capture ends at the limit, whole.
func TestMaxTotal(t *testing.T) {
	d := newMemDisk()
	events := sysbenchEvents(3000, false)
	w, err := create(d, "dir", testMeta, Options{Policy: Wait, BlockBytes: 2000})
	if err != nil {
		t.Fatal(err)
	}
	w.store.opts.MaxTotal = 40000
	taken := 0
	for _, ev := range events {
		if err = w.Write(ev); err != nil {
			break
		}
		taken++
	}
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Limit != 40000 {
		t.Fatalf("error is %v", err)
	}
	if cerr := w.Close(); cerr != err {
		t.Fatalf("Close says %v", cerr)
	}
	got := readAll(t, d.save(t))
	if len(got.damage) != 0 || len(got.unfinished) != 0 || d.size() > 40000 {
		t.Fatalf("%d bytes, damage %v, unfinished %v", d.size(), got.damage, got.unfinished)
	}
	same(t, got.events, events[:len(got.events)])
	if n := w.Totals(); n.Events != uint64(len(got.events)) || n.Events+n.Dropped.Events() != uint64(taken) {
		t.Fatalf("%d events counted and %d dropped, %d read of %d", n.Events, n.Dropped.Events(), len(got.events), taken)
	}
}

// TestCreate: a directory with a capture is refused, also while it is being
// written, and so is a symbolic link; nobody else may read what is made.
func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	w, err := Create(dir, testMeta, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Create(dir, testMeta, Options{})
	var exists *ExistsError
	if !errors.As(err, &exists) || exists.Dir != dir || exists.File != "000001.myr" {
		t.Fatalf("second writer: %v", err)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "000001.myr"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Fatalf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Fatal("closed twice without an error")
	}
	if err := w.Write(&session.End{}); err == nil {
		t.Fatal("written after Close without an error")
	}
	if got := readAll(t, dir); len(got.events) != 0 || len(got.unfinished) != 0 {
		t.Fatalf("an empty capture holds %+v", got)
	}
	link := filepath.Join(t.TempDir(), "link")
	os.Symlink(t.TempDir(), link)
	if _, err := Create(link, testMeta, Options{}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Fatalf("symbolic link: %v", err)
	}
	if _, err := Create(t.TempDir(), Meta{}, Options{}); err == nil || !strings.Contains(err.Error(), "kind") {
		t.Fatalf("no kind: %v", err)
	}
}

// TestSegmentTaken: a file in the place of a later segment, be it a link to
// somewhere else, is never touched.
func TestSegmentTaken(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("precious"), 0o600)
	w, err := Create(dir, testMeta, small)
	if err != nil {
		t.Fatal(err)
	}
	os.Symlink(victim, filepath.Join(dir, "000002.myr"))
	for _, ev := range sysbenchEvents(500, false) {
		if err = w.Write(ev); err != nil {
			break
		}
	}
	if err := w.Close(); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "000002.myr") {
		t.Fatalf("error is %v", err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Fatalf("the file holds %q", b)
	}
}

// TestTooLarge: an event over the format's limit is left out, counted and
// marked; what follows is written.
func TestTooLarge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	big := make([]byte, MaxEvent)
	events := []session.Event{
		&session.Command{ID: 1, Seq: 1, At: 10, End: 10, Payload: big[:17<<20], Size: 17 << 20},
		&session.Command{ID: 1, Seq: 2, At: 20, End: 20, Payload: big, Size: 1 << 26},
		&session.Reply{ID: 1, Seq: 2, First: 30, Last: 30, Bytes: 99, Results: []session.Result{{Kept: [][]byte{big}}}},
		&session.Command{ID: 1, Seq: 3, At: 40, End: 40, Kind: session.Query, Payload: big[:33<<20], SQL: big[1 : 33<<20], Size: 33 << 20},
	}
	totals := writeAll(t, dir, Options{Policy: Wait}, events)
	got := readAll(t, dir)
	if len(got.events) != 4 || totals.Dropped.Commands != 1 || totals.Dropped.Replies != 1 {
		t.Fatalf("%d events, %+v", len(got.events), totals.Dropped)
	}
	same(t, []session.Event{got.events[0], got.events[3]}, []session.Event{events[0], events[3]})
	for i, seq := range []uint64{3, 3} {
		g, ok := got.events[1+i].(*session.Gap)
		if !ok || g.ID != 1 || g.Seq != seq || g.Reason != session.MemoryLimit || g.Client != (i == 0) {
			t.Fatalf("in its place stands %#v", got.events[1+i])
		}
	}
}

// TestConcurrentTotals: Totals may be asked for while events are written.
func TestConcurrentTotals(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "c"), testMeta, small)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var last uint64
		for {
			select {
			case <-stop:
				return
			default:
			}
			n := w.Totals()
			if n.Events < last || n.CommandCount()+n.Replies != n.Events {
				t.Errorf("totals went from %d to %+v", last, n)
				return
			}
			last = n.Events
		}
	})
	events := sysbenchEvents(3000, false)
	for i, ev := range events {
		if err := w.Write(ev); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			w.Tick(1763697000_000000000 + int64(i)*1e9)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	if n := w.Totals(); n.Events != uint64(len(events)) {
		t.Fatalf("%d events of %d", n.Events, len(events))
	}
}

// TestTick: a block is written once its first event has waited long enough by
// the data's own time, whether other events or only ticks tell that time.
func TestTick(t *testing.T) {
	d := newMemDisk()
	w, err := create(d, "dir", testMeta, Options{Policy: Wait, FlushEvery: time.Second, SyncEvery: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	wait := func(events uint64) {
		t.Helper()
		for w.Totals().Events < events {
			if w.enc.events == 0 && len(w.queue) == 0 && len(w.free) == w.made && w.Totals().Events < events {
				t.Fatalf("%d events written, not %d", w.Totals().Events, events)
			}
			time.Sleep(time.Millisecond)
		}
	}
	const s = int64(time.Second)
	w.Write(&session.End{ID: 1, At: 100 * s})
	w.Tick(100*s + s/2)
	if w.enc.events != 1 {
		t.Fatal("flushed too early")
	}
	w.Tick(101 * s)
	wait(1)
	w.Write(&session.End{ID: 2, At: 102 * s})
	w.Write(&session.End{ID: 3, At: 103 * s})
	if w.enc.events != 1 {
		t.Fatal("not flushed by an event's time")
	}
	wait(2)
	w.Tick(104 * s)
	wait(3)
	w.Tick(104 * s)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	syncs := 0
	for _, c := range d.calls {
		if c == "sync" {
			syncs++
		}
	}
	if syncs < 2 {
		t.Fatalf("calls were %v", d.calls)
	}
}
