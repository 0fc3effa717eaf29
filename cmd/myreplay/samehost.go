package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"myreplay/target"
)

func errTheSource(u *target.URL, server netip.AddrPort) error {
	return fmt.Errorf("the target %s is the server that was recorded (%s): use another one, or --same-server if that is what you want", u, server)
}

// noneTheSource returns the check that no target is the server that was
// recorded.
func noneTheSource(ctx context.Context, urls []*target.URL) (func(netip.AddrPort) error, error) {
	var checks []func(netip.AddrPort) error
	for _, u := range urls {
		check, err := notTheSource(ctx, u)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return func(server netip.AddrPort) error {
		for _, check := range checks {
			if err := check(server); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// notTheSource returns the check that the target is not the server that was
// recorded: by its resolved addresses and port, or by the process that listens
// on its unix socket.
func notTheSource(ctx context.Context, u *target.URL) (func(netip.AddrPort) error, error) {
	if u.Network != "tcp" {
		return notBehindSocket(u), nil
	}
	host, port, err := net.SplitHostPort(u.Address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("target port %s: %w", port, err)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", host, err)
	}
	own := ownAddrs()
	return func(server netip.AddrPort) error {
		if server.Port() != uint16(n) || !server.IsValid() {
			return nil
		}
		for _, a := range addrs {
			a = a.Unmap()
			if a == server.Addr() || own[a] && own[server.Addr()] {
				return errTheSource(u, server)
			}
		}
		return nil
	}, nil
}

// ownAddrs are the addresses of this host: a server on one of them may listen
// on all.
func ownAddrs() map[netip.Addr]bool {
	own := map[netip.Addr]bool{}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return own
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap()] = true
		}
	}
	return own
}

// notBehindSocket returns the check for a target on a unix socket: its process
// must not be the one that listens on the recorded port of this host.
func notBehindSocket(u *target.URL) func(netip.AddrPort) error {
	own := ownAddrs()
	return func(server netip.AddrPort) error {
		if !server.IsValid() || !own[server.Addr()] {
			return nil // recorded elsewhere
		}
		switch same, err := listensToo(u.Address, server.Port()); {
		case err != nil:
			return fmt.Errorf("whether the target %s is the server that was recorded (%s, on this host) can't be told: %w; run as root, or say --same-server if you are sure", u, server, err)
		case same:
			return errTheSource(u, server)
		}
		return nil
	}
}
