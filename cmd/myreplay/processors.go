package main

import (
	"runtime"
	"time"
)

const (
	// maxProcessors is how many processors the runtime gets at most beyond the
	// machine's own.
	maxProcessors = 16
	// processorsEvery is how often their number is looked at, processorsOver over how
	// many looks those are averaged that wait.
	processorsEvery = 100 * time.Millisecond
	processorsOver  = 4
	// idleProcessors are not worth to be taken away.
	idleProcessors = 1
)

// matchProcessors gives the runtime as many processors as there are sessions that
// keep a thread and do not wait for others here, until stop is called. With fewer, a
// session whose answer has come waits for the processor of another that waits for
// its own; with more, idle ones look for work. Which thread runs is then the kernel's
// business. How many wait is taken on the average, and a little off does no harm: to
// change the number stops all.
func matchProcessors(sessions, waiting func() int) (stop func()) {
	own := runtime.GOMAXPROCS(0)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer runtime.GOMAXPROCS(own)
		tick := time.NewTicker(processorsEvery)
		defer tick.Stop()
		blocked := 0.0
		for now := own; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			n := sessions()
			blocked += (float64(min(waiting(), n)) - blocked) / processorsOver
			want := max(own, min(n-int(blocked), maxProcessors))
			if want > now || want < now-idleProcessors {
				runtime.GOMAXPROCS(want)
				now = want
			}
		}
	}()
	return func() { close(done); <-stopped }
}
