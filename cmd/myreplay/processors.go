package main

import (
	"runtime"
	"time"
)

const (
	// maxProcessors is how many processors the runtime gets at most beyond the
	// machine's own.
	maxProcessors = 16
	// processorsEvery is how often their number is looked at.
	processorsEvery = 100 * time.Millisecond
)

// matchProcessors gives the runtime as many processors as there are sessions that
// keep a thread, until stop is called. With fewer, a session whose answer has
// come waits for the processor of another that waits for its own; with more,
// idle ones look for work. Which thread runs is then the kernel's business.
func matchProcessors(sessions func() int) (stop func()) {
	own := runtime.GOMAXPROCS(0)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer runtime.GOMAXPROCS(own)
		tick := time.NewTicker(processorsEvery)
		defer tick.Stop()
		for now := own; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if want := max(own, min(sessions(), maxProcessors)); want != now {
				runtime.GOMAXPROCS(want)
				now = want
			}
		}
	}()
	return func() { close(done); <-stopped }
}
