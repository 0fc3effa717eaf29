package relay

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"myreplay/clientip"
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
var ErrPreserve = clientip.ErrCapability

// check tells whether this system can do it.
func (c ClientIP) check() error {
	if c != Preserve {
		return nil
	}
	return clientip.Check()
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
		server, _, err := clientip.Dial(ctx, clientip.Request{From: from.AddrPort(), To: d.To, KeepAlive: keepAlive})
		return server, err
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
