package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// startDetached starts this program with args in a session of its own, without
// stdin, stdout and stderr; said is the file that it says on when it is ready.
func startDetached(args []string, said *os.File) (pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	c := exec.Command(self, args...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), readyVariable+"=3")
	c.ExtraFiles = []*os.File{said}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return 0, err
	}
	pid = c.Process.Pid // Release forgets it
	return pid, c.Process.Release()
}

// inheritedPipe returns the file on which the process that started this one
// waits.
func inheritedPipe() (*os.File, error) {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s is for the program itself: unset it", readyVariable)
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil || s.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, fmt.Errorf("%s names no pipe: it is for the program itself: unset it", readyVariable)
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "ready"), os.Unsetenv(readyVariable)
}

// redirect makes the file std another name for f.
func redirect(std, f *os.File) error {
	return unix.Dup3(int(f.Fd()), int(std.Fd()), 0)
}

// alive tells whether there is a process with that id that has not ended.
func alive(pid int) bool {
	if err := unix.Kill(pid, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// "1234 (name) Z ...": the name may hold anything.
	_, state, ok := strings.Cut(string(status[strings.LastIndexByte(string(status), ')')+1:]), " ")
	return !ok || !strings.HasPrefix(state, "Z")
}

// terminalThere tells whether the process has a terminal that can end it.
func terminalThere() bool {
	f, err := os.OpenFile("/dev/tty", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// notifySystemd tells the service manager of a unit with Type=notify how the
// process is; without one it does nothing. See sd_notify(3).
func notifySystemd(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	c.Write([]byte(state)) // nobody to tell of a failure
}
