package fidelity

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// removals is how often it is tried to remove what is left, removePause the time
// between: a recorder may still write.
const (
	removals    = 20
	removePause = 50 * time.Millisecond
)

// stopping says that the measurement was interrupted: nothing is a result any more.
// A replay that was interrupted, too, looks like one that has ended.
var stopping atomic.Bool

// stopWithSignals makes an interrupted measurement end at once and leave nothing
// but the results that it has. Captures and runs go into one folder, which is
// removed. The kernel ends the servers.
func stopWithSignals(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "fidelity-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir) // where t.TempDir is
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		stopping.Store(true)
		for try := 1; os.RemoveAll(dir) != nil && try < removals; try++ {
			time.Sleep(removePause)
		}
		os.Exit(1)
	}()
}

// whileRunning returns unless the measurement was interrupted; then the process ends.
func whileRunning() {
	if stopping.Load() {
		select {}
	}
}
