package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// preferredNice is the nice value of the thread that takes packets: what it does
// not take in time is lost.
const preferredNice = -10

// preferred runs f on a thread of its own that the kernel prefers to the others,
// where it lets us (CAP_SYS_NICE, or a limit on nice). When f returns the thread
// ends.
func preferred(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()                                                // never unlocked: the thread ends with the goroutine
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), preferredNice) // else it is a thread like others
		done <- f()
	}()
	return <-done
}
