//go:build !linux

package relay

import (
	"fmt"
	"syscall"
)

func checkTransparent() error { return fmt.Errorf("%w: it needs Linux", ErrPreserve) }

func transparent(_, _ string, _ syscall.RawConn) error { return checkTransparent() }
