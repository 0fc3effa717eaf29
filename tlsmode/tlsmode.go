// Package tlsmode says whether a connection to a server is encrypted and what
// of the server's certificate is verified, in the modes that MySQL's clients
// have (--ssl-mode). It also makes the certificates of whoever ends TLS itself.
package tlsmode

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Mode says whether a connection is encrypted, and what is verified.
type Mode uint8

// The modes, named as MySQL's clients do (--ssl-mode).
const (
	// Default is for whoever has the Config to give a meaning to: Config.TLS
	// takes it for VerifyIdentity.
	Default Mode = iota
	// Disabled: no TLS.
	Disabled
	// Preferred encrypts when the server offers it, and verifies nothing.
	Preferred
	// Required encrypts, and verifies nothing.
	Required
	// VerifyCA verifies who signed the server's certificate.
	VerifyCA
	// VerifyIdentity verifies also that the certificate has the host's name.
	VerifyIdentity
)

// Names are the modes' names, as in a URL or after --ssl-mode, in the order of
// the constants; Default's is empty.
var Names = []string{"", "disabled", "preferred", "required", "verify-ca", "verify-identity"}

// String returns the mode's name.
func (m Mode) String() string {
	if int(m) < len(Names) {
		return Names[m]
	}
	return "?"
}

// Must tells whether a server that offers no TLS is refused.
func (m Mode) Must() bool { return m >= Required }

// Config says how to speak TLS to a server.
type Config struct {
	Mode Mode
	// CA, Cert and Key are PEM files: the certificates to trust instead of the
	// system's, and one's own with its key.
	CA, Cert, Key string
	// ServerName is the name that the server's certificate must have.
	ServerName string
}

// resumed is how many TLS sessions are kept to be resumed.
const resumed = 64

// ErrNoName is the error of VerifyIdentity without a name to look for: a unix
// socket has none.
var ErrNoName = errors.New("tls=verify-identity on a unix socket needs server-name=NAME")

// TLS returns the configuration of the client's side, nil for Disabled. It reads
// the files, and keeps sessions to be resumed: make one for many connections.
func (c *Config) TLS() (*tls.Config, error) {
	if c.Mode == Disabled {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, ClientSessionCache: tls.NewLRUClientSessionCache(resumed)}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("the certificates to trust: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the certificates to trust: %s holds no certificate in PEM", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("the client's certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	switch c.Mode {
	case Default, VerifyIdentity:
		if c.ServerName == "" {
			return nil, ErrNoName
		}
	case VerifyCA:
		t.InsecureSkipVerify = true
		roots := t.RootCAs
		t.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, roots) }
	default:
		t.InsecureSkipVerify = true
	}
	return t, nil
}

// verifyChain verifies who signed the server's certificate, whatever its names.
func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(o)
	return err
}

// Words are how one says what Explain advises.
type Words struct{ CA, NoVerify, Name, VerifyCA string }

// The words of a target's URL, and of the relay's flags.
var (
	URLWords  = Words{"ca=FILE", "tls=required", "server-name=NAME", "tls=verify-ca"}
	FlagWords = Words{"--server-ca FILE", "--verify none", "--server-name NAME", "--verify ca"}
)

// Explain adds to an error of a TLS handshake what to do about it.
func Explain(err error, w Words) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w: name the certificates to trust with %s (MySQL keeps its own in ca.pem of its data folder), or say %s to encrypt without verifying", err, w.CA, w.NoVerify)
	case errors.As(err, &name):
		return fmt.Errorf("%w: say %s with the name in the certificate, or %s to verify only who signed it", err, w.Name, w.VerifyCA)
	}
	return err
}
