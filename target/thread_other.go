//go:build !linux

package target

import (
	"net"
	"sync/atomic"
)

// onThread returns the connection as it is: only Linux has the other kind.
func onThread(nc net.Conn, _ *atomic.Int64) net.Conn { return nc }
