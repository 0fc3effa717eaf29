package capfile

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/session"
)

// killEvery is how many events the child writes for one flush interval.
const killEvery = 100

// TestKill kills a process with SIGKILL while it writes. The capture opens
// without more than a torn end, holds all that the Writer had reported as
// written, and lacks at most what came within the flush interval.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for i := range 10 {
		dir := filepath.Join(t.TempDir(), "c")
		offered, written := killChild(t, dir, 500+i*777)
		got := readAll(t, dir)
		if len(got.damage) > 1 || len(got.unfinished) != 1 {
			t.Fatalf("damage %v, unfinished %v", got.damage, got.unfinished)
		}
		events := got.events
		if len(got.damage) == 1 && got.damage[0].Events != 0 {
			events = events[:len(events)-1]
		}
		for n, ev := range events {
			if id, _ := ev.Key(); id != uint64(n+1) {
				t.Fatalf("event %d is of session %d", n, id)
			}
		}
		// The child stays at most one interval ahead of the disk.
		if len(events) < written || len(events) < offered-2*killEvery {
			t.Fatalf("%d events offered, %d reported as written, %d read", offered, written, len(events))
		}
		if _, err := Create(dir, testMeta, Options{}); err == nil {
			t.Fatal("the next start overwrites the capture")
		}
	}
}

// killChild starts a child that writes and kills it when it has written a
// number of events. It returns the last numbers that the child told.
func killChild(t *testing.T, dir string, after int) (offered, written int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	cmd.Env = append(os.Environ(), "CAPFILE_KILL_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 2 {
			t.Fatalf("the child says %q", lines.Text())
		}
		offered, _ = strconv.Atoi(f[0])
		written, _ = strconv.Atoi(f[1])
		if written >= after && !killed {
			cmd.Process.Kill()
			killed = true
		}
	}
	cmd.Wait()
	if !killed {
		t.Fatal("the child ended by itself")
	}
	return offered, written
}

// TestKillChild is not a test but what TestKill runs in another process.
func TestKillChild(t *testing.T) {
	dir := os.Getenv("CAPFILE_KILL_DIR")
	if dir == "" {
		t.Skip("run by TestKill")
	}
	w, err := Create(dir, testMeta, Options{FlushEvery: killEvery * time.Millisecond, SyncEvery: -1, Policy: Wait})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 1e6; i++ {
		at := int64(i) * int64(time.Millisecond)
		if err := w.Write(&session.End{ID: uint64(i), At: at}); err != nil {
			t.Fatal(err)
		}
		w.Tick(at)
		if i%10 != 0 {
			continue
		}
		for w.Totals().Events+killEvery+10 < uint64(i) {
			time.Sleep(50 * time.Microsecond)
		}
		fmt.Println(i, w.Totals().Events)
	}
}
