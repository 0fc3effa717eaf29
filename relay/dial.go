package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"myreplay/preface"
)

const (
	// dialTimeout limits how long the server may take to accept a connection.
	dialTimeout = 10 * time.Second
	// headerTimeout limits how long it may take to take a PROXY header.
	headerTimeout = 10 * time.Second
)

// keepAlive finds peers that are gone without a word, after two minutes.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 4}

// ClientIP says how a server learns the addresses of its clients.
type ClientIP uint8

// The ways to tell a server its clients' addresses.
const (
	// Off: the server sees the relay's address.
	Off ClientIP = iota
	// Preserve connects from the client's own address. The server's answers must
	// be routed back to this host, where Linux needs CAP_NET_RAW or
	// CAP_NET_ADMIN.
	Preserve
	// Proxy begins each connection with a header of the PROXY protocol, version
	// 2. The server must expect it: MariaDB's proxy_protocol_networks.
	Proxy
)

// ErrPreserve is wrapped by the errors of a system that lets no program connect
// from addresses that are not its own.
var ErrPreserve = errors.New("keeping the clients' addresses is not possible")

// routeHint says what a server's missing answer may be for.
const routeHint = "the server's answers to the clients' addresses must come back to this host: " +
	"on the server, a route for them by way of this host; here, 'ip rule add iif DEVICE lookup 100' and " +
	"'ip route add local CLIENTS dev lo table 100'"

// check tells whether this system can do it.
func (c ClientIP) check() error {
	if c != Preserve {
		return nil
	}
	return checkTransparent()
}

// network returns the network of an address: that of a path is "unix".
func network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}

// dial connects to the server on behalf of a client.
func (r *Relay) dial(ctx context.Context, d *door, client net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	from, tcp := client.RemoteAddr().(*net.TCPAddr)
	if r.options.ClientIP == Preserve && tcp && network(d.To) == "tcp" {
		return dialFrom(ctx, from, d.To)
	}
	plain := net.Dialer{KeepAliveConfig: keepAlive}
	server, err := plain.DialContext(ctx, network(d.To), d.To)
	if err != nil || r.options.ClientIP != Proxy {
		return server, err
	}
	server.SetWriteDeadline(time.Now().Add(headerTimeout))
	if _, err := server.Write(preface.Proxy(addrOf(client.RemoteAddr()), addrOf(client.LocalAddr()))); err != nil {
		server.Close()
		return nil, fmt.Errorf("PROXY header: %w", err)
	}
	server.SetWriteDeadline(time.Time{})
	return server, nil
}

// dialFrom connects from the client's own address: from its port, or from
// another where that is in use.
func dialFrom(ctx context.Context, from *net.TCPAddr, to string) (net.Conn, error) {
	var err error
	for _, port := range []int{from.Port, 0} {
		d := net.Dialer{KeepAliveConfig: keepAlive, Control: transparent,
			LocalAddr: &net.TCPAddr{IP: from.IP, Zone: from.Zone, Port: port}}
		var c net.Conn
		if c, err = d.DialContext(ctx, "tcp", to); err == nil {
			return c, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
	}
	return nil, fromError(err)
}

// fromError says why there is no connection from a client's address.
func fromError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		return fmt.Errorf("from a client's address: %w; %s", err, routeHint)
	}
	return fmt.Errorf("from a client's address: %w", err)
}
