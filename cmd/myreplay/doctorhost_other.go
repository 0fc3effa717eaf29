//go:build !linux

package main

import (
	"errors"
	"net/netip"
)

// thisHost is the host that this program runs on, of which only Linux tells
// enough.
type thisHost struct{}

var errNoHost = errors.New("it needs Linux")

func (thisHost) Program() string                        { return "myreplay" }
func (thisHost) NetRaw() (bool, error)                  { return false, errNoHost }
func (thisHost) Transparent() error                     { return errNoHost }
func (thisHost) PacketSocket() error                    { return errNoHost }
func (thisHost) Devices() ([]netDevice, error)          { return nil, errNoHost }
func (thisHost) Rules(bool) ([]netRule, error)          { return nil, errNoHost }
func (thisHost) Routes(int, bool) ([]netRoute, error)   { return nil, errNoHost }
func (thisHost) RouteTo(netip.Addr) (netRoute, error)   { return netRoute{}, errNoHost }
func (thisHost) Sysctl(string) (int, error)             { return 0, errNoHost }
func (thisHost) Listening(uint16) ([]netip.Addr, error) { return nil, errNoHost }
func (thisHost) Free(string) (uint64, error)            { return 0, errNoHost }
func (thisHost) Memory() (uint64, error)                { return 0, errNoHost }
func (thisHost) Operator() netip.Addr                   { return netip.Addr{} }
func (thisHost) Arriving(string, netip.Addr, netip.Addr) (netRoute, error) {
	return netRoute{}, errNoHost
}
