package main

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMatchProcessors: sessions that wait for others get no processor, those that go
// on get theirs again, and in the end all is as it was.
func TestMatchProcessors(t *testing.T) {
	own := runtime.GOMAXPROCS(0)
	synctest.Test(t, func(t *testing.T) {
		var waiting atomic.Int64
		stop := matchProcessors(func() int { return 16 }, func() int { return int(waiting.Load()) })
		for _, c := range []struct{ waiting, least, most int }{{0, 16, 16}, {12, 4, 6}, {100, 0, 2}, {1, 15, 16}, {0, 16, 16}} {
			waiting.Store(int64(c.waiting))
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := runtime.GOMAXPROCS(0); n < max(own, c.least) || n > max(own, c.most) {
				t.Errorf("%d processors while %d of 16 wait, want %d to %d", n, c.waiting, c.least, c.most)
			}
		}
		stop()
	})
	if n := runtime.GOMAXPROCS(0); n != own {
		t.Errorf("%d processors afterwards, not %d", n, own)
	}
}
