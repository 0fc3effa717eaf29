//go:build !linux

package packet

import "errors"

// OpenLive is only there on Linux.
func OpenLive([]string, LiveOptions) (*Source, error) {
	return nil, errors.New("capture live: only Linux is supported; read what tcpdump writes instead")
}
