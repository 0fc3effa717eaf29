//go:build !linux

package target

import "net"

// onThread returns the connection as it is: only Linux has the other kind.
func onThread(nc net.Conn) net.Conn { return nc }
