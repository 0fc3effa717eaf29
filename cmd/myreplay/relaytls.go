package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"myreplay/gate"
	"myreplay/relay"
	"myreplay/tlsmode"
)

// relayTLS are the flags about TLS on the two legs of a relay.
type relayTLS struct {
	mode, cert, key      string
	serverTLS, verify    string
	serverCA, serverName string
	made                 *tls.Certificate // the clients' leg's
	fingerprint          string
}

func (a *relayTLS) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.mode, "tls", "", "end: TLS ends here when the client asks for it; pass: it passes unread; plain: none is offered (default end with --print or -o, else pass)")
	f.StringVar(&a.cert, "cert", "", "the certificate that clients see, with what leads to its CA, from a PEM `FILE`; without it one is made at start")
	f.StringVar(&a.key, "key", "", "its key, from a PEM `FILE`")
	f.StringVar(&a.serverTLS, "server-tls", "as-client", "TLS to the server: as-client (when the client uses it), always, never")
	f.StringVar(&a.verify, "verify", "", "of the server's certificate: identity (who signed it, and its name), ca (who signed it), none (default identity; on loopback none, or ca with --server-ca)")
	f.StringVar(&a.serverCA, "server-ca", "", "the certificates that may have signed the server's, from a PEM `FILE` (default the system's)")
	f.StringVar(&a.serverName, "server-name", "", "the `NAME` that the server's certificate must have (default the host of --to)")
}

// gate says how connections to a server are opened; look tells whether somebody
// is to see what passes.
func (a *relayTLS) gate(to string, look bool) (gate.Options, error) {
	var o gate.Options
	mode := a.mode
	if mode == "" {
		mode = "pass"
		if look {
			mode = "end"
		}
	}
	switch mode {
	case "pass":
		if a.serverTLS != "as-client" || a.cert != "" {
			return o, errors.New("--server-tls and --cert are of no use with --tls pass")
		}
		return o, nil
	case "end":
		o.TLS = gate.End
		if err := a.certificate(); err != nil {
			return o, err
		}
		o.Certificate = a.made
	case "plain":
		o.TLS = gate.Plain
	default:
		return o, fmt.Errorf("--tls %s: there are end, pass, plain", mode)
	}
	var err error
	if o.Server, err = a.server(to); a.serverTLS == "as-client" {
		o.Verify, o.Server.Mode = o.Server.Mode, tlsmode.Default
	}
	return o, err
}

// server says how to speak TLS to a server.
func (a *relayTLS) server(to string) (tlsmode.Config, error) {
	c := tlsmode.Config{CA: a.serverCA, ServerName: a.serverName}
	switch a.serverTLS {
	case "never":
		c.Mode = tlsmode.Disabled
		return c, nil
	case "always", "as-client":
	default:
		return c, fmt.Errorf("--server-tls %s: there are as-client, always, never", a.serverTLS)
	}
	host := ""
	if to != "" && to[0] != '/' {
		var err error
		if host, _, err = net.SplitHostPort(to); err != nil {
			return c, fmt.Errorf("--to %s: give host:port or the path of a socket", to)
		}
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	verify := a.verify
	if verify == "" {
		verify = "identity"
		if isLoopback(host) {
			verify = "none"
			if c.CA != "" {
				verify = "ca"
			}
		}
	}
	switch verify {
	case "identity":
		c.Mode = tlsmode.VerifyIdentity
	case "ca":
		c.Mode = tlsmode.VerifyCA
	case "none":
		c.Mode = tlsmode.Required
	default:
		return c, fmt.Errorf("--verify %s: there are identity, ca, none", verify)
	}
	return c, nil
}

// isLoopback tells whether a host is this machine; "" stands for a socket.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// certificate reads or makes the certificate that clients see.
func (a *relayTLS) certificate() error {
	if a.made != nil {
		return nil
	}
	if (a.cert == "") != (a.key == "") {
		return errors.New("--cert and --key belong together")
	}
	var c tls.Certificate
	var err error
	if a.cert != "" {
		if c, err = tls.LoadX509KeyPair(a.cert, a.key); err != nil {
			return fmt.Errorf("--cert and --key: %w", err)
		}
	} else if c, err = tlsmode.SelfSigned(time.Now()); err != nil {
		return err
	}
	a.made, a.fingerprint = &c, tlsmode.Fingerprint(c)
	return nil
}

// tlsWords says for the first line what becomes of TLS.
func (a *relayTLS) tlsWords(pairs []relay.Pair) string {
	if len(pairs) == 0 {
		return ""
	}
	switch pairs[0].Gate.TLS {
	case gate.End:
		made := ""
		if a.cert == "" {
			made = " made for this run"
		}
		return fmt.Sprintf(" (TLS ends here; certificate%s, SHA-256 %s)", made, a.fingerprint)
	case gate.Plain:
		return " (clients are offered no TLS)"
	}
	return " (TLS passes as it is)"
}
