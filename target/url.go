package target

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"myreplay/session"
	"myreplay/tlsmode"
)

// DefaultPort is the classic protocol's port, DefaultXPort the X Protocol's.
const (
	DefaultPort  = "3306"
	DefaultXPort = "33060"
)

// URL says where a target is and how to talk to it.
type URL struct {
	// Protocol is what is spoken there; session.Unknown stands for
	// session.Classic.
	Protocol session.Protocol
	// Network and Address are as for net.Dial: "tcp" and "host:port", or "unix"
	// and a path.
	Network, Address string
	// Host is the host's name or address; "" for a unix socket.
	Host string
	// User is who logs in where one user does for all; "" when not given.
	User string
	// Schema is the default schema of sessions whose own was not recorded.
	Schema string

	// TLS is the mode; tlsmode.Default is tlsmode.VerifyIdentity, but
	// tlsmode.Disabled on the loopback interface and on unix sockets (of the X
	// Protocol Preferred on loopback).
	TLS tlsmode.Mode
	// CA, Cert and Key are PEM files: the certificates to trust instead of the
	// system's, and the client's own.
	CA, Cert, Key string
	// ServerName is the name that the server's certificate must have; "": Host.
	ServerName string
	// ServerKey is a PEM file with the server's RSA key, for passwords over
	// connections without TLS; "": the server is asked for it.
	ServerKey string

	// Compression is what to ask for.
	Compression Compression
}

// Compression says what compression to ask a target for.
type Compression uint8

// The compressions. CompressZlib and CompressZstd are those of the classic
// protocol, the last three those of the X Protocol.
const (
	CompressOff Compression = iota
	CompressZlib
	CompressZstd
	// CompressRecorded asks for what the recorded session had.
	CompressRecorded
	CompressDeflateStream
	CompressZstdStream
	CompressLZ4Message
)

// The names in a URL, by protocol.
var (
	compressionNames  = []string{"off", "zlib", "zstd", "as-recorded"}
	xCompressionNames = []string{"off", "", "", "as-recorded", "deflate_stream", "zstd_stream", "lz4_message"}
)

// String returns the name in a URL.
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return nameOf(xCompressionNames, uint8(c))
}

func nameOf(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "?"
}

var errPassword = errors.New("a password does not belong into a URL, where others can read it: use MYSQL_PWD, an option file (--defaults-file) or the prompt")

// errUnreadable does not say more, because what can't be read may be a
// password.
var errUnreadable = errors.New("it can't be read: write mysql://user@host:port/schema, other characters than letters, digits and -._~ as %XX")

// parameters are those that a URL may have.
var parameters = []string{"ca", "cert", "compress", "key", "server-key", "server-name", "socket", "tls"}

// Parse reads a target's URL:
//
//	mysql://user@host:3306/schema?tls=verify-identity&ca=ca.pem&compress=zstd
//	mysql://user@[::1]/
//	mysql:///schema?socket=/run/mysqld/mysqld.sock
//	mysqlx://user@host:33060/schema?tls=required
//
// mysql:// is the classic protocol, mysqlx:// the X Protocol. Parameters: tls
// (disabled, preferred, required, verify-ca, verify-identity), ca, cert, key,
// server-name, socket, compress (off, as-recorded; classic: zlib, zstd; X:
// deflate_stream, zstd_stream, lz4_message); classic only: server-key.
func Parse(raw string) (*URL, error) {
	p, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("target URL: %w", errUnreadable)
	}
	u := &URL{}
	if err := u.read(p); err != nil {
		return nil, fmt.Errorf("target URL: %w", err)
	}
	return u, nil
}

func (u *URL) read(p *url.URL) error {
	u.Protocol = session.Classic
	if p.Scheme == "mysqlx" {
		u.Protocol = session.X
	}
	switch {
	case p.Scheme != "mysql" && p.Scheme != "mysqlx" || p.Opaque != "":
		return errors.New("it must begin with mysql://, or mysqlx:// for the X Protocol")
	case p.Fragment != "":
		return errUnreadable
	}
	if p.User != nil {
		if _, ok := p.User.Password(); ok {
			return errPassword
		}
		u.User = p.User.Username()
	}
	u.Schema = strings.TrimPrefix(p.Path, "/")
	if strings.Contains(strings.TrimPrefix(p.EscapedPath(), "/"), "/") {
		return errUnreadable
	}
	q, err := url.ParseQuery(p.RawQuery)
	if err != nil {
		return errUnreadable
	}
	if err := u.address(p, q.Get("socket")); err != nil {
		return err
	}
	return u.parameters(q)
}

func (u *URL) address(p *url.URL, socket string) error {
	u.Host = p.Hostname()
	if socket != "" {
		if u.Host != "" && u.Host != "localhost" || p.Port() != "" {
			return errors.New("either a host or a socket")
		}
		u.Network, u.Address, u.Host = "unix", socket, ""
		return nil
	}
	if u.Host == "" {
		return errors.New("it needs a host, or socket=PATH")
	}
	port := p.Port()
	switch {
	case port != "":
	case u.Protocol == session.X:
		port = DefaultXPort
	default:
		port = DefaultPort
	}
	u.Network, u.Address = "tcp", net.JoinHostPort(u.Host, port)
	return nil
}

func (u *URL) parameters(q url.Values) (err error) {
	for name, values := range q {
		if !slices.Contains(parameters, name) {
			if strings.Contains(name, "pass") || name == "pwd" {
				return errPassword
			}
			return fmt.Errorf("no parameter %q: there are %s", name, strings.Join(parameters, ", "))
		}
		if len(values) > 1 {
			return fmt.Errorf("%s is given twice", name)
		}
	}
	if u.TLS, err = choice(q, "tls", tlsmode.Names, u.TLS); err != nil {
		return err
	}
	compressions := compressionNames
	if u.Protocol == session.X {
		compressions = xCompressionNames
	}
	if u.Compression, err = choice(q, "compress", compressions, u.Compression); err != nil {
		return err
	}
	u.CA, u.Cert, u.Key = q.Get("ca"), q.Get("cert"), q.Get("key")
	u.ServerName, u.ServerKey = q.Get("server-name"), q.Get("server-key")
	if u.ServerKey != "" && u.Protocol == session.X {
		return errors.New("server-key is for mysql://: the X Protocol sends passwords over TLS or as a hash")
	}
	if (u.Cert == "") != (u.Key == "") {
		return errors.New("cert and key belong together")
	}
	if u.tlsMode() == tlsmode.Disabled && (u.CA != "" || u.Cert != "" || u.ServerName != "") {
		return errors.New("ca, cert, key and server-name are for TLS: say tls=verify-ca, or tls=verify-identity, too")
	}
	return nil
}

// choice reads a parameter that is one of names.
func choice[T ~uint8](q url.Values, name string, names []string, none T) (T, error) {
	v := q.Get(name)
	if v == "" {
		return none, nil
	}
	for i, n := range names {
		if n == v {
			return T(i), nil
		}
	}
	var known []string
	for _, n := range names {
		if n != "" {
			known = append(known, n)
		}
	}
	return none, fmt.Errorf("%s=%s: there are %s", name, v, strings.Join(known, ", "))
}

// protocol returns what is spoken there.
func (u *URL) protocol() session.Protocol {
	if u.Protocol == session.Unknown {
		return session.Classic
	}
	return u.Protocol
}

// loopback tells whether the target is on this machine.
func (u *URL) loopback() bool {
	if u.Network == "unix" || u.Host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(u.Host)
	return err == nil && a.Unmap().IsLoopback()
}

// String names the target for a reader, without user and parameters.
func (u *URL) String() string {
	return u.Address
}
