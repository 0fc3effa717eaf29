package target

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// threadConn is a connection whose reads keep their thread in the kernel
// instead of waiting in Go's poller: a round trip is then two system calls, not
// four, and takes about half the CPU. It suits few connections that always have
// a command under way. One goroutine reads and writes; Close may come from any.
//
// The runtime does not know that a read will wait, and takes its processor away
// only after a while. So a read lets others go first, and mostly finds its
// answer there when it is its turn again.
type threadConn struct {
	net.Conn // closed: for its addresses only
	fd       int
	using    sync.Mutex // held by who uses fd, but for the shutdown
	closing  sync.Once
	closed   bool          // guarded by using
	sharing  *atomic.Int64 // how many connections keep a thread
}

// onThread turns a TCP or unix connection into one that keeps a thread. Others,
// and those that the system does not let it, stay as they are.
func onThread(nc net.Conn, sharing *atomic.Int64) net.Conn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nc
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	own := -1
	err = rc.Control(func(fd uintptr) { own, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil || own < 0 {
		return nc
	}
	if unix.SetNonblock(own, false) != nil {
		unix.Close(own)
		return nc
	}
	nc.Close() // takes it out of Go's poller; the copy holds the connection
	return &threadConn{Conn: nc, fd: own, sharing: sharing}
}

// Read implements net.Conn.
func (t *threadConn) Read(b []byte) (int, error) {
	t.using.Lock()
	defer t.using.Unlock()
	if t.sharing.Load() > 1 && !t.closed {
		runtime.Gosched() // while the server is at it, it is the turn of the others
		if n := atOnce(unix.SYS_RECVFROM, t.fd, b); n > 0 {
			return n, nil
		}
	}
	for !t.closed {
		n, err := unix.Read(t.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, t.failed("read", err)
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
	return 0, net.ErrClosed
}

// Write implements net.Conn.
func (t *threadConn) Write(b []byte) (sent int, err error) {
	t.using.Lock()
	defer t.using.Unlock()
	if t.closed {
		return 0, net.ErrClosed
	}
	for sent = atOnce(unix.SYS_SENDTO, t.fd, b); sent < len(b); {
		n, err := unix.SendmsgN(t.fd, b[sent:], nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return sent, t.failed("write", err)
		default:
			sent += n
		}
	}
	return sent, nil
}

// atOnce sends (SYS_SENDTO) or receives (SYS_RECVFROM) what goes without waiting
// and returns how much that was: 0 also at the end of the stream and after an
// error, which the caller meets when it goes on. It can't wait, so the runtime
// needs not be told: that is what makes it cheap.
func atOnce(call uintptr, fd int, b []byte) int {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	n, _, e := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// failed returns the error of a system call as package net words it.
func (t *threadConn) failed(op string, err error) error {
	if err == unix.EAGAIN {
		err = os.ErrDeadlineExceeded
	} else {
		err = os.NewSyscallError(op, err)
	}
	return &net.OpError{Op: op, Net: t.LocalAddr().Network(), Source: t.LocalAddr(), Addr: t.RemoteAddr(), Err: err}
}

// Close implements net.Conn. A read or write under way ends at once.
func (t *threadConn) Close() error {
	t.closing.Do(func() {
		_ = unix.Shutdown(t.fd, unix.SHUT_RDWR) // the peer may have reset it
		t.using.Lock()
		defer t.using.Unlock()
		t.closed = true
		unix.Close(t.fd)
	})
	return nil
}

// SetDeadline implements net.Conn. As with those below, it limits each later
// read and write to the time that is left now, and does not end one under way.
func (t *threadConn) SetDeadline(at time.Time) error {
	if err := t.SetReadDeadline(at); err != nil {
		return err
	}
	return t.SetWriteDeadline(at)
}

// SetReadDeadline implements net.Conn.
func (t *threadConn) SetReadDeadline(at time.Time) error { return t.limit(unix.SO_RCVTIMEO, at) }

// SetWriteDeadline implements net.Conn.
func (t *threadConn) SetWriteDeadline(at time.Time) error { return t.limit(unix.SO_SNDTIMEO, at) }

func (t *threadConn) limit(option int, at time.Time) error {
	var left time.Duration
	if !at.IsZero() {
		left = max(time.Until(at), time.Microsecond)
	}
	tv := unix.NsecToTimeval(int64(left))
	t.using.Lock()
	defer t.using.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(t.fd, unix.SOL_SOCKET, option, &tv))
}
