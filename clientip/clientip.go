// Package clientip connects to servers from the addresses of clients, which are
// not this host's own: it sets IP_TRANSPARENT (ip(7)) and leaves the rest to the
// kernel's TCP. The server must route its answers to this host, and this host
// must take them for its own; what is missing is named in the errors.
//
// A Mode says which address a client's sessions come from: its own, one of a
// list, or the host's.
package clientip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// DefaultTimeout limits a Dial whose context has no deadline.
	DefaultTimeout = 10 * time.Second
	// otherPorts is how often another port is tried than the one wanted: the
	// kernel chooses it, and may only come upon the same again.
	otherPorts = 4
)

var (
	// ErrCapability is wrapped by the errors of a system that lets no program
	// connect from addresses that are not its own, or not this program.
	ErrCapability = errors.New("keeping the clients' addresses is not possible")
	// ErrFamily: the client's address is IPv4 and the server's IPv6, or the other
	// way round.
	ErrFamily = errors.New("the server has no address of the client's kind (IPv4 or IPv6): give it one, or map the clients' addresses")
)

// RouteHint says what a server's missing answer may be for.
const RouteHint = "the server's answers to the clients' addresses must come back to this host: " +
	"on the server, a route for them by way of this host; here, 'ip rule add iif DEVICE lookup 100' and " +
	"'ip route add local CLIENTS dev lo table 100'"

// Request says from where to connect, and to where.
type Request struct {
	// From is the client's address and port. Port 0: any. The zero AddrPort: this
	// host's own address.
	From netip.AddrPort
	// To is the server, "host:port", or the path of a unix socket, where From does
	// not matter.
	To string
	// OtherPort: not from From's port, which is another connection's: for copies,
	// second connections and reconnects.
	OtherPort bool
	// KeepAlive is as for net.Dialer.
	KeepAlive net.KeepAliveConfig
}

// Got tells from where a connection comes.
type Got struct {
	// From is what the server sees, where no other host translates it; zero for
	// unix sockets.
	From netip.AddrPort
	// OwnPort: it is the Request's address and port. OtherPort: the address, but
	// not the port. Neither: none was asked for.
	OwnPort, OtherPort bool
	// InUse: another connection from the client's port to the same server is open
	// here, or was a moment ago.
	InUse bool
}

// Dial connects as the Request says. Where the client's port is in use it takes
// another one. Errors say what to do where that is known; without the capability
// they wrap ErrCapability.
func Dial(ctx context.Context, r Request) (net.Conn, Got, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	if strings.HasPrefix(r.To, "/") || !r.From.IsValid() {
		return r.plain(ctx)
	}
	r.From = netip.AddrPortFrom(r.From.Addr().Unmap(), r.From.Port())
	c, got, err := r.fromClient(ctx)
	if err != nil {
		return nil, Got{InUse: got.InUse}, explain(err)
	}
	return c, got, nil
}

// plain connects from this host's own address.
func (r Request) plain(ctx context.Context) (net.Conn, Got, error) {
	network := "tcp"
	if strings.HasPrefix(r.To, "/") {
		network = "unix"
	}
	d := net.Dialer{KeepAliveConfig: r.KeepAlive}
	c, err := d.DialContext(ctx, network, r.To)
	if err != nil {
		return nil, Got{}, err
	}
	return c, Got{From: local(c)}, nil
}

// fromClient connects from the client's address: from its port, or from another
// one where that is in use or not wanted.
func (r Request) fromClient(ctx context.Context) (c net.Conn, got Got, err error) {
	own := r.From.Port()
	if own != 0 && !r.OtherPort {
		if c, err = r.fromPort(ctx, own); err == nil {
			return c, Got{From: local(c), OwnPort: true}, nil
		}
		if !taken(err) {
			return nil, got, err
		}
		got.InUse = true
	}
	for range otherPorts {
		if c, err = r.fromPort(ctx, 0); err != nil {
			if taken(err) {
				continue
			}
			return nil, got, err
		}
		got.From, got.OtherPort = local(c), own != 0
		if own == 0 || got.From.Port() != own {
			return c, got, nil
		}
		// The kernel chose just the client's own port. It does not choose it again
		// while it remembers this connection, or seldom.
		c.Close()
		err = fmt.Errorf("no other port than the client's own: %w", syscall.EADDRNOTAVAIL)
	}
	return nil, got, err
}

// fromPort connects from the client's address and a port; 0: any.
func (r Request) fromPort(ctx context.Context, port uint16) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: r.KeepAlive, Control: transparent(port == 0),
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.From.Addr(), port))}
	return d.DialContext(ctx, "tcp", r.To)
}

// taken tells whether a connection failed because of its port.
func taken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// local returns a connection's own address; zero when it has no port.
func local(c net.Conn) netip.AddrPort {
	a, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// explain says why there is no connection from a client's address.
func explain(err error) error {
	var unsuitable *net.AddrError
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("from a client's address: %w; %s", err, RouteHint)
	case errors.As(err, &unsuitable):
		return fmt.Errorf("from a client's address: %w (%w)", ErrFamily, err)
	case taken(err):
		return fmt.Errorf("from a client's address: all ports are in use: %w; net.ipv4.ip_local_port_range says which there are", err)
	}
	return fmt.Errorf("from a client's address: %w", err)
}

// Check tells whether this program may connect from addresses that are not this
// host's own. Its errors wrap ErrCapability and name the mend.
func Check() error { return checkTransparent() }

// IsLocal tells whether an address means nothing to other hosts: loopback,
// link-local, unspecified, multicast, or none at all as that of a client on a
// unix socket. Sessions from there can only come from this host's own address.
func IsLocal(a netip.Addr) bool {
	a = a.Unmap()
	return !a.IsValid() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast()
}
