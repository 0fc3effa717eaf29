package tlsmode

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHandshake: what each mode accepts of a server with a certificate of its
// own, and what the errors advise.
func TestHandshake(t *testing.T) {
	pair, err := SelfSigned(time.Now(), "db.example.com", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca, junk := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "junk.pem")
	write := func(name string, b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	write(junk, []byte("junk"))
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Mode: Disabled}, "none"},
		{Config{Mode: Preferred}, ""},
		{Config{Mode: Required}, ""},
		{Config{Mode: VerifyCA, CA: ca}, ""},
		{Config{Mode: VerifyCA}, "name the certificates to trust with ca=FILE"},
		{Config{Mode: VerifyIdentity, CA: ca, ServerName: "db.example.com"}, ""},
		{Config{Mode: VerifyIdentity, CA: ca, ServerName: "192.0.2.1"}, ""},
		{Config{Mode: VerifyIdentity, CA: ca, ServerName: "localhost"}, ""},
		{Config{Mode: VerifyIdentity, CA: ca, ServerName: "other.example.com"}, "say server-name=NAME"},
		{Config{Mode: VerifyIdentity, CA: ca}, ErrNoName.Error()},
		{Config{Mode: Required, CA: junk}, "no certificate in PEM"},
		{Config{Mode: Required, CA: filepath.Join(dir, "none")}, "the certificates to trust"},
		{Config{Mode: Required, Cert: junk, Key: junk}, "the client's certificate"},
	} {
		got := ""
		if err := handshake(&c.config, pair); err != nil {
			got = err.Error()
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%v %+v: %q, want %q", c.config.Mode, c.config, got, c.want)
		}
	}
}

func handshake(c *Config, pair tls.Certificate) error {
	config, err := c.TLS()
	if err != nil {
		return err
	}
	if config == nil {
		return errors.New("none")
	}
	a, b := net.Pipe()
	defer a.Close()
	go func() {
		_ = tls.Server(b, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
		b.Close()
	}()
	return Explain(tls.Client(a, config).Handshake(), URLWords)
}

// TestSelfSigned: names, validity and fingerprint.
func TestSelfSigned(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pair, err := SelfSigned(now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := c.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if c.NotBefore.After(now) || c.NotAfter.Before(now.AddDate(9, 11, 0)) {
		t.Error(c.NotBefore, c.NotAfter)
	}
	sum := sha256.Sum256(pair.Certificate[0])
	f := Fingerprint(pair)
	if plain := strings.ToLower(strings.ReplaceAll(f, ":", "")); plain != hex.EncodeToString(sum[:]) || len(f) != 32*3-1 {
		t.Error(f)
	}
	if Fingerprint(tls.Certificate{}) != "" {
		t.Error("a fingerprint of nothing")
	}
}
