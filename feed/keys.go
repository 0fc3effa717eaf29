package feed

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	assistantName = "myreplay-assistant"
	mirrorName    = "myreplay-mirror"

	keyYears = 10
	// clockSlack is how far the clocks of the machines may differ on the day that
	// keys are made.
	clockSlack = 48 * time.Hour
	maxKeyFile = 64 << 10

	keyBlock  = "PRIVATE KEY"
	certBlock = "CERTIFICATE"
)

// newKeys is the mend for keys that do not serve.
const newKeys = "make a new pair with `myreplay pair` and copy one file to each side"

// ErrKeys tells that the other side has not the key that belongs to ours. The
// error that wraps it says what to do.
var ErrKeys = errors.New("keys of different pairs")

// Keys are one side's half of a pair: its own key, and the other side's
// certificate.
type Keys struct {
	own  tls.Certificate
	peer *x509.Certificate
	now  func() time.Time
}

// NewPair makes a new pair of keys. Each half is a PEM file with a private key,
// which is to be kept secret, its certificate, and the certificate of the other
// half. Several mirrors may share the mirror's half.
func NewPair() (assistant, mirror []byte, err error) {
	assistantKey, assistantCert, err := newCertificate(assistantName)
	if err != nil {
		return nil, nil, err
	}
	mirrorKey, mirrorCert, err := newCertificate(mirrorName)
	if err != nil {
		return nil, nil, err
	}
	return slicesOf(assistantKey, assistantCert, mirrorCert), slicesOf(mirrorKey, mirrorCert, assistantCert), nil
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// newCertificate makes a private key and a certificate that it signs itself.
func newCertificate(name string) (key, cert []byte, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-clockSlack), NotAfter: now.AddDate(keyYears, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, nil, fmt.Errorf("making a certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	key = pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: pkcs8})
	return key, pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: der}), nil
}

// LoadKeys reads a file of NewPair's.
func LoadKeys(file []byte) (*Keys, error) {
	k, err := loadKeys(file)
	if err != nil {
		return nil, fmt.Errorf("not a key file of `myreplay pair`: %w", err)
	}
	return k, nil
}

func loadKeys(file []byte) (*Keys, error) {
	if len(file) > maxKeyFile {
		return nil, fmt.Errorf("it has %d bytes", len(file))
	}
	var key any
	var certs []*x509.Certificate
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		var err error
		switch block.Type {
		case keyBlock:
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case certBlock:
			var c *x509.Certificate
			c, err = x509.ParseCertificate(block.Bytes)
			certs = append(certs, c)
		}
		if err != nil {
			return nil, err
		}
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok || len(certs) != 2 {
		return nil, fmt.Errorf("it should have an ed25519 key and two certificates, and has %d certificates", len(certs))
	}
	public, ok := certs[0].PublicKey.(ed25519.PublicKey)
	if !ok || !public.Equal(private.Public()) {
		return nil, errors.New("the first certificate is not that of the key")
	}
	if own, peer := certs[0].Subject.CommonName, certs[1].Subject.CommonName; own != assistantName && own != mirrorName ||
		peer != assistantName && peer != mirrorName || own == peer {
		return nil, errors.New("the certificates are not those of an assistant and a mirror")
	}
	return &Keys{own: tls.Certificate{Certificate: [][]byte{certs[0].Raw}, PrivateKey: private, Leaf: certs[0]},
		peer: certs[1], now: time.Now}, nil
}

// Assistant tells whether the keys are the assistant's half.
func (k *Keys) Assistant() bool { return k.own.Leaf.Subject.CommonName == assistantName }

// Expires returns when the keys stop to serve.
func (k *Keys) Expires() time.Time {
	if k.peer.NotAfter.Before(k.own.Leaf.NotAfter) {
		return k.peer.NotAfter
	}
	return k.own.Leaf.NotAfter
}

// forRole returns an error when the keys are the other side's.
func (k *Keys) forRole(assistant bool) error {
	switch {
	case k == nil:
		return errors.New("a feed needs keys: " + newKeys)
	case k.Assistant() == assistant:
		return nil
	case assistant:
		return errors.New("these keys are the mirror's: the assistant needs the other file of the pair")
	}
	return errors.New("these keys are the assistant's: the mirror needs the other file of the pair")
}

// config returns how either side speaks TLS: the peer's certificate is the
// pinned one, and nothing else about it matters.
func (k *Keys) config() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{k.own},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // verify does it
		VerifyConnection:       k.verify,
		SessionTicketsDisabled: true,
		// Records as long as they may be: they hold a block each.
		DynamicRecordSizingDisabled: true,
		Time:                        k.now,
	}
}

// verify checks the peer's certificate. TLS has checked that the peer has its
// private key.
func (k *Keys) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) != 1 || !bytes.Equal(s.PeerCertificates[0].Raw, k.peer.Raw) {
		return k.differ()
	}
	now := k.now()
	for _, c := range []*x509.Certificate{k.own.Leaf, k.peer} {
		if now.After(c.NotAfter) {
			return fmt.Errorf("the keys expired on %s: %s", c.NotAfter.Format(time.DateOnly), newKeys)
		}
		if now.Before(c.NotBefore) {
			return fmt.Errorf("the keys begin to serve on %s: is this machine's clock right?", c.NotBefore.Format(time.DateOnly))
		}
	}
	return nil
}

// differ is the error for a peer that has another key.
func (k *Keys) differ() error {
	other := "mirror"
	if !k.Assistant() {
		other = "assistant"
	}
	return fmt.Errorf("%w: the %s's key is not the one made together with ours: %s", ErrKeys, other, newKeys)
}
