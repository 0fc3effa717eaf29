package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

const (
	// The pauses after an accept that failed, out of descriptors for instance:
	// each twice as long as the one before.
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept takes clients until the listener is closed. Only an error that will
// not pass ends it.
func (r *Relay) accept(ctx context.Context, d *door) error {
	pause := firstPause
	for {
		client, err := d.listener.Accept()
		switch {
		case err == nil:
			pause = firstPause
			r.running.Add(1)
			go func() {
				defer r.running.Done()
				r.serve(ctx, d, client)
			}()
		case errors.Is(err, net.ErrClosed):
			return nil
		case broken(err):
			return fmt.Errorf("accepting on %s: %w", d.listener.Addr(), err)
		default:
			r.stats.fail("accepting", err)
			time.Sleep(pause)
			pause = min(2*pause, lastPause)
		}
	}
}

// broken tells whether an error of accept says that the listener can't be used
// any more. Others are of the moment, or of one client.
func broken(err error) bool {
	for _, never := range []syscall.Errno{syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EFAULT} {
		if errors.Is(err, never) {
			return true
		}
	}
	return false
}
