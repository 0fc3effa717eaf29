package netlab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// transparently connects from an address that is not the host's (IP_TRANSPARENT,
// ip(7)) and returns the address that the other side saw, or the error.
func transparently(h *Host, from, to string, wait time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from)),
		Control: func(network, _ string, raw syscall.RawConn) (err error) {
			level, option := unix.SOL_IP, unix.IP_TRANSPARENT
			if network == "tcp6" {
				level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
			}
			failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
			return errors.Join(failed, err)
		},
	}
	var c net.Conn
	err := h.try(func() (err error) {
		c, err = d.DialContext(ctx, "tcp", to)
		return err
	})
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
