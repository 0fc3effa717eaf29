//go:build !linux

package clientip

import (
	"fmt"
	"syscall"
)

func checkTransparent() error { return fmt.Errorf("%w: it needs Linux", ErrCapability) }

func transparent(bool) func(network, address string, raw syscall.RawConn) error {
	return func(string, string, syscall.RawConn) error { return checkTransparent() }
}
