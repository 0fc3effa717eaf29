package clientip

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// transparent returns a net.Dialer's Control that lets a socket be bound to an
// address that is not this host's, and to a port that another connection uses.
// late: the port is chosen when the server is known (IP_BIND_ADDRESS_NO_PORT),
// so that each server may have a connection from each port.
func transparent(late bool) func(network, address string, raw syscall.RawConn) error {
	return func(network, _ string, raw syscall.RawConn) error {
		level, option := unix.SOL_IP, unix.IP_TRANSPARENT
		if network == "tcp6" {
			level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
		}
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = errors.Join(setTransparent(int(fd), level, option), unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
			if late {
				// Linux 4.2 and later; without it there are fewer ports.
				_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			}
		})
		return errors.Join(err, failed)
	}
}

func setTransparent(fd, level, option int) error {
	err := unix.SetsockoptInt(fd, level, option, 1)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: it needs CAP_NET_RAW; run as root, or once 'setcap cap_net_raw+ep' on this program: %w", ErrCapability, err)
	}
	return err
}

// checkTransparent tries it on a socket that is not connected.
func checkTransparent() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("trying a socket: %w", err)
	}
	defer unix.Close(fd)
	return setTransparent(fd, unix.SOL_IP, unix.IP_TRANSPARENT)
}
