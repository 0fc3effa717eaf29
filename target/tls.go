package target

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSMode says whether a connection is encrypted, and what is verified.
type TLSMode uint8

// The modes, named as MySQL's clients do (--ssl-mode).
const (
	// TLSDefault is TLSVerifyIdentity, and TLSDisabled on the loopback interface
	// and on unix sockets.
	TLSDefault TLSMode = iota
	TLSDisabled
	// TLSPreferred encrypts when the server offers it, and verifies nothing.
	TLSPreferred
	// TLSRequired encrypts, and verifies nothing.
	TLSRequired
	// TLSVerifyCA verifies who signed the server's certificate.
	TLSVerifyCA
	// TLSVerifyIdentity verifies also that the certificate has the host's name.
	TLSVerifyIdentity
)

var tlsModeNames = []string{"", "disabled", "preferred", "required", "verify-ca", "verify-identity"}

// String returns the name in a URL.
func (m TLSMode) String() string { return nameOf(tlsModeNames, uint8(m)) }

// tlsMode returns the mode in force.
func (u *URL) tlsMode() TLSMode {
	switch {
	case u.TLS != TLSDefault:
		return u.TLS
	case u.loopback():
		return TLSDisabled
	}
	return TLSVerifyIdentity
}

// resumed is how many TLS sessions are kept to be resumed.
const resumed = 64

// tlsConfig returns the configuration that the URL stands for, nil for
// TLSDisabled.
func (u *URL) tlsConfig() (*tls.Config, error) {
	mode := u.tlsMode()
	if mode == TLSDisabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.ServerName, ClientSessionCache: tls.NewLRUClientSessionCache(resumed)}
	if c.ServerName == "" {
		c.ServerName = u.Host
	}
	if u.CA != "" {
		pem, err := os.ReadFile(u.CA)
		if err != nil {
			return nil, fmt.Errorf("the certificates to trust: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the certificates to trust: %s holds no certificate in PEM", u.CA)
		}
	}
	if u.Cert != "" {
		pair, err := tls.LoadX509KeyPair(u.Cert, u.Key)
		if err != nil {
			return nil, fmt.Errorf("the client's certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch mode {
	case TLSVerifyIdentity:
		if c.ServerName == "" {
			return nil, errors.New("tls=verify-identity on a unix socket needs server-name=NAME")
		}
	case TLSVerifyCA:
		c.InsecureSkipVerify = true
		roots := c.RootCAs
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, roots) }
	default:
		c.InsecureSkipVerify = true
	}
	return c, nil
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

// explainTLS adds to an error of a TLS handshake what to do about it.
func explainTLS(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w: name the certificates to trust with ca=FILE (MySQL keeps its own in ca.pem of its data folder), or say tls=required to encrypt without verifying", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w: say server-name=NAME with the name in the certificate, or tls=verify-ca to verify only who signed it", err)
	}
	return err
}
