package replay

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/session"
)

// TestAway: while the target lets nobody in, it is told how many sessions wait
// for it, and why.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		f := &fake{connect: func(int, *session.Start) error {
			if !back.Load() {
				return errPasses
			}
			return nil
		}}
		l := begin(t, context.Background(), f, Options{})
		stats := l.r.Stats()
		for id := range uint64(3) {
			l.say(&session.Start{ID: id + 1, Protocol: session.Classic})
		}
		time.Sleep(time.Minute)
		if n, err := stats.Away.Load(), stats.Trouble(); n != 3 || !errors.Is(err, errPasses) {
			t.Errorf("%d sessions wait: %v", n, err)
		}
		back.Store(true)
		time.Sleep(time.Minute)
		if n, err := stats.Away.Load(), stats.Trouble(); n != 0 || err != nil {
			t.Errorf("%d sessions wait: %v", n, err)
		}
		if err := l.feed.End(); err != nil {
			t.Error(err)
		}
	})
}
