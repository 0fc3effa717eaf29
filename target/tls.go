package target

import (
	"crypto/tls"

	"myreplay/session"
	"myreplay/tlsmode"
)

// tlsMode returns the mode in force: Default is VerifyIdentity, and Disabled on
// the loopback interface and on unix sockets; of the X Protocol Preferred on
// loopback.
func (u *URL) tlsMode() tlsmode.Mode {
	switch {
	case u.TLS != tlsmode.Default:
		return u.TLS
	case u.loopback() && u.Protocol == session.X && u.Network == "tcp":
		return tlsmode.Preferred // X logins in the clear need a warm cache
	case u.loopback():
		return tlsmode.Disabled
	}
	return tlsmode.VerifyIdentity
}

// TLSConfig returns the configuration that the URL stands for, nil for
// tlsmode.Disabled.
func (u *URL) TLSConfig() (*tls.Config, error) {
	c := tlsmode.Config{Mode: u.tlsMode(), CA: u.CA, Cert: u.Cert, Key: u.Key, ServerName: u.ServerName}
	if c.ServerName == "" {
		c.ServerName = u.Host
	}
	return c.TLS()
}
