package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// spareProcessors are those that the runtime gets beyond the machine's own: the
	// thread that takes packets must not wait for the processor of a thread that the
	// kernel has put aside.
	spareProcessors = 2
	// liveGC is how much garbage may be there for what lives, in percent: a mirror
	// holds little and makes much.
	liveGC = 400
	// liveHeap is how large the heap may become by that, beyond the memory for what
	// waits.
	liveHeap = 256 << 20
	// noLimit is a window whose size is not known.
	noLimit = -1
)

// tuneRuntime suits the runtime to a live mirror, where nobody has said otherwise
// in the environment (GOMAXPROCS, GOGC, GOMEMLIMIT).
func tuneRuntime(window int64) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + spareProcessors)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(liveGC)
	}
	if os.Getenv("GOMEMLIMIT") == "" && window >= 0 {
		debug.SetMemoryLimit(window + liveHeap)
	}
}
