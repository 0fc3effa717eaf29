package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// TestKilledCapture kills a live capture with SIGKILL, of many statements and
// of few. What was recorded can be read but for the end, which is told, and the
// next recording does not write over it.
func TestKilledCapture(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	t.Run("busy", func(t *testing.T) { killCapture(t, s, 0) })
	t.Run("quiet", func(t *testing.T) { killCapture(t, s, 5*time.Millisecond) })
}

// killCapture kills a capture of a client that pauses between its statements.
func killCapture(t *testing.T, s *mysqltest.Server, pause time.Duration) {
	const flush, slack = 200 * time.Millisecond, time.Second
	r := recordLive(t, s, "--flush-every", flush.String())
	load := startCounting(&client{t, s, s.Addr}, pause)
	time.Sleep(slack / 2)
	early := load.done.Load()
	time.Sleep(flush + slack)
	r.process.Kill()
	load.stop()
	before := filesIn(t, r.dir)

	shown := myreplay(t, "show", r.dir, "--json", "--match", "counted")
	if shown.code != exitSame || !strings.Contains(shown.errs, "000001.myr has no end: its recorder was killed") {
		t.Errorf("show: exit code %d, %s", shown.code, shown.errs)
	}
	if got := countedIn(t, shown.out); got < early || early < 10 {
		t.Errorf("%d statements can be read; %d were made %v before the kill", got, early, flush+slack)
	}
	if verified := myreplay(t, "show", r.dir, "--verify"); !strings.Contains(verified.out, "000001.myr") {
		t.Errorf("show --verify does not name the segment without an end\n%s%s", verified.out, verified.errs)
	}
	if again := myreplay(t, "capture", "-i", "lo", "-o", r.dir, "--for", "1s"); again.code != exitFailed || !strings.Contains(again.errs, r.dir) {
		t.Errorf("another capture: exit code %d, %s", again.code, again.errs)
	}
	if after := filesIn(t, r.dir); !maps.Equal(before, after) {
		t.Error("another capture has changed the files of the first one")
	}
}

// counting is a client that sends numbered statements until it is stopped.
type counting struct {
	done        atomic.Int64
	quit, ended chan struct{}
}

func startCounting(c *client, pause time.Duration) *counting {
	l := &counting{quit: make(chan struct{}), ended: make(chan struct{})}
	conn := c.driver("")
	go func() {
		defer close(l.ended)
		defer conn.Close()
		for {
			select {
			case <-l.quit:
				return
			case <-time.After(pause):
				conn.read(fmt.Sprintf("SELECT %d AS counted", l.done.Load()+1))
				l.done.Add(1)
			}
		}
	}()
	return l
}

func (l *counting) stop() {
	close(l.quit)
	<-l.ended
}

var counted = regexp.MustCompile(`"sql":"SELECT (\d+) AS counted"`)

// countedIn returns how many numbered statements are in show's output, which
// must be all from the first one on.
func countedIn(t *testing.T, out string) int64 {
	n := int64(0)
	for _, m := range counted.FindAllStringSubmatch(out, -1) {
		i, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || i != n+1 {
			t.Fatalf("statement %s follows on %d", m[1], n)
		}
		n = i
	}
	return n
}

// filesIn returns the contents of a folder's files.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%s: %v, %v", dir, list, err)
	}
	all := map[string]string{}
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}
