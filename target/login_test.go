package target

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/session"
)

const testPassword = "s3cret with spaces"

// serverKey is a server's RSA key and its public part as PEM.
type serverKey struct {
	private *rsa.PrivateKey
	public  string
}

var serverKeys = sync.OnceValue(func() []serverKey {
	keys := make([]serverKey, 2)
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
		if err != nil {
			panic(err)
		}
		keys[i] = serverKey{k, strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))}
	}
	return keys
})

var switchedNonce = []byte("switched-nonce-12345") // what Script's "switch" sends

// open returns the password in an encrypted answer.
func (k *serverKey) open(answer []byte) string {
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, k.private, answer, nil)
	if err != nil {
		return err.Error()
	}
	for i := range plain {
		plain[i] ^= switchedNonce[i%len(switchedNonce)]
	}
	return string(plain)
}

// judge plays a server's side of an authentication and lets the client in only
// when the password is right.
type judge struct {
	plugin string
	key    *serverKey
	full   bool     // caching_sha2_password asks for the password itself
	said   []string // what the client answered, for the test
}

func (j *judge) login(p *classictest.Peer) error {
	if err := p.Send("switch " + j.plugin); err != nil {
		return err
	}
	answer, err := j.read(p)
	if err != nil {
		return err
	}
	ok := false
	switch j.plugin {
	case classic.PluginNative:
		ok = bytes.Equal(answer, classic.ScrambleNative(testPassword, switchedNonce))
	case classic.PluginClear:
		ok = string(answer) == testPassword+"\x00"
	case classic.PluginCaching:
		ok = bytes.Equal(answer, classic.ScrambleCaching(testPassword, switchedNonce))
		if j.full && ok {
			if err := p.Send("more \x04"); err != nil {
				return err
			}
			if answer, err = j.read(p); err != nil {
				return err
			}
			ok, err = j.password(p, answer)
		} else if ok {
			err = p.Send("more \x03")
		}
	case classic.PluginSHA256:
		ok, err = j.password(p, answer)
	}
	if err != nil {
		return err
	}
	if !ok {
		return p.Send("err 1045 28000 Access denied")
	}
	return p.Send("ok")
}

func (j *judge) read(p *classictest.Peer) ([]byte, error) {
	f, _, err := p.Read()
	if err != nil {
		return nil, err
	}
	return bytes.Clone(f.Payload), nil
}

// password reads the password itself: in clear, encrypted, or after the client
// has asked for the key.
func (j *judge) password(p *classictest.Peer, answer []byte) (ok bool, err error) {
	if len(answer) == 1 && (answer[0] == classic.CachingKeyRequest || answer[0] == classic.SHA256KeyRequest) {
		j.said = append(j.said, "key?")
		if err := p.Send("more " + j.key.public); err != nil {
			return false, err
		}
		if answer, err = j.read(p); err != nil {
			return false, err
		}
	}
	if string(answer) == testPassword+"\x00" {
		j.said = append(j.said, "clear")
		return true, nil
	}
	j.said = append(j.said, "encrypted")
	return j.key.open(answer) == testPassword+"\x00", nil
}

// logIn connects to a fake server.
func logIn(t *testing.T, s *Server) (*Conn, error) {
	t.Helper()
	c, err := s.Connect(t.Context(), &session.Start{ID: 1, Login: session.Login{Known: true, User: "app"}})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func fakeTarget(t *testing.T, fake *classictest.Server, url string) *Server {
	t.Helper()
	u, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(u, Options{Users: OneUser("replay", testPassword)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every plugin over a connection that others can read: the password itself goes
// only encrypted, or not at all.
func TestPluginsInClear(t *testing.T) {
	key := &serverKeys()[0]
	for _, c := range []struct {
		judge judge
		want  string // what is said besides scrambles
		err   error
	}{
		{judge{plugin: classic.PluginNative}, "[]", nil},
		{judge{plugin: classic.PluginCaching}, "[]", nil},
		{judge{plugin: classic.PluginCaching, full: true}, "[key? encrypted]", nil},
		{judge{plugin: classic.PluginSHA256}, "[key? encrypted]", nil},
		{judge{plugin: classic.PluginClear}, "[]", ErrClearPassword},
		{judge{plugin: "parsec"}, "[]", ErrPlugin},
	} {
		c.judge.key = key
		fake := &classictest.Server{Login: c.judge.login}
		s := fakeTarget(t, fake, "mysql://"+fake.Listen(t)+"/")
		if _, err := logIn(t, s); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.judge.plugin, err, c.err)
		}
		if got := fmt.Sprint(c.judge.said); got != c.want {
			t.Errorf("%s: said %s, want %s", c.judge.plugin, got, c.want)
		}
	}
}

// Inside TLS, and but for sha256_password on a unix socket, the password goes in
// clear where the plugin has it so.
func TestPluginsInPrivate(t *testing.T) {
	_, server := certificatePair(t, "localhost")
	for _, plugin := range []string{classic.PluginNative, classic.PluginCaching, classic.PluginSHA256, classic.PluginClear} {
		for _, where := range []string{"tls", "unix"} {
			j := judge{plugin: plugin, full: true, key: &serverKeys()[0]}
			fake := &classictest.Server{Login: j.login, TLS: server}
			url := "mysql://" + fake.Listen(t) + "/?tls=required"
			if where == "unix" {
				url = "mysql:///?socket=" + fake.ListenUnix(t)
			}
			c, err := logIn(t, fakeTarget(t, fake, url))
			if err != nil {
				t.Errorf("%s %s: %v", plugin, where, err)
				continue
			}
			if encrypted := c.Start().Encrypted; encrypted != (where == "tls") {
				t.Errorf("%s %s: encrypted %t", plugin, where, encrypted)
			}
			want := "[]"
			switch {
			case plugin == classic.PluginSHA256 && where == "unix":
				want = "[key? encrypted]" // its server wants no other
			case plugin == classic.PluginCaching || plugin == classic.PluginSHA256:
				want = "[clear]"
			}
			if got := fmt.Sprint(j.said); got != want {
				t.Errorf("%s %s: said %s, want %s", plugin, where, got, want)
			}
		}
	}
}

// The server's RSA key is asked for once; when the server has a new one it is
// asked for again.
func TestKeyIsKept(t *testing.T) {
	keys := serverKeys()
	j := judge{plugin: classic.PluginCaching, full: true, key: &keys[0]}
	fake := &classictest.Server{Login: j.login}
	s := fakeTarget(t, fake, "mysql://"+fake.Listen(t)+"/")
	for _, step := range []struct {
		key  *serverKey
		want string
	}{
		{&keys[0], "[key? encrypted]"},
		{&keys[0], "[encrypted]"},
		{&keys[1], "[encrypted key? encrypted]"}, // refused, and tried anew
		{&keys[1], "[encrypted]"},
	} {
		j.key, j.said = step.key, nil
		if _, err := logIn(t, s); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(j.said); got != step.want {
			t.Errorf("said %s, want %s", got, step.want)
		}
	}
	if n := s.Stats().KeysFetched; n != 2 {
		t.Errorf("%d keys fetched", n)
	}
}

// A pinned key is the only one that is used.
func TestPinnedKey(t *testing.T) {
	keys := serverKeys()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(keys[0].public), 0o600); err != nil {
		t.Fatal(err)
	}
	j := judge{plugin: classic.PluginSHA256, key: &keys[0]}
	fake := &classictest.Server{Login: j.login}
	s := fakeTarget(t, fake, "mysql://"+fake.Listen(t)+"/?server-key="+file)
	if _, err := logIn(t, s); err != nil {
		t.Fatal(err)
	}
	j.key = &keys[1]
	var ce *ConnectError
	if _, err := logIn(t, s); !errors.As(err, &ce) || ce.Refused == nil {
		t.Errorf("another key: %v", err)
	}
	if got := fmt.Sprint(j.said); got != "[encrypted encrypted]" {
		t.Errorf("said %s", got)
	}
	for _, text := range []string{"", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(&URL{Network: "tcp", ServerKey: file}, Options{}); err == nil {
			t.Errorf("%q was taken for a key", text)
		}
	}
}

// A server that answers the wish for its key with something else.
func TestBadKey(t *testing.T) {
	fake := &classictest.Server{Script: "S greeting\nC login\nS switch sha256_password\nC auth\nS more no key at all\nC auth\nS ok"}
	if _, err := logIn(t, fakeTarget(t, fake, "mysql://"+fake.Listen(t)+"/")); err == nil || !strings.Contains(err.Error(), "RSA key") {
		t.Error(err)
	}
}

// certificatePair makes an authority's file and a server's configuration with a
// certificate for name.
func certificatePair(t *testing.T, name string) (ca string, server *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of " + name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return ca, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// What each TLS mode accepts, and what its errors advise.
func TestTLSModes(t *testing.T) {
	ca, server := certificatePair(t, "db.example")
	other, _ := certificatePair(t, "db.example")
	for _, c := range []struct {
		script, query string
		encrypted     bool
		err           string
	}{
		{"", "tls=disabled", false, ""},
		{"", "", false, ""}, // loopback
		{"", "tls=preferred", true, ""},
		{"S greeting without=SSL", "tls=preferred", false, ""},
		{"S greeting without=SSL", "tls=required", false, "the server offers no TLS"},
		{"", "tls=required", true, ""},
		{"", "tls=verify-ca&ca=" + ca, true, ""},
		{"", "tls=verify-ca&ca=" + other, false, "ca=FILE"},
		{"", "tls=verify-ca", false, "ca=FILE"},
		{"", "tls=verify-identity&ca=" + ca, false, "server-name=NAME"},
		{"", "tls=verify-identity&server-name=db.example&ca=" + ca, true, ""},
		{"", "tls=verify-identity&server-name=db.other&ca=" + ca, false, "server-name=NAME"},
		// A word of the server's that came before TLS could be anybody's.
		{"S greeting\nS ok", "tls=required", false, "bytes after it"},
	} {
		fake := &classictest.Server{TLS: server, Script: c.script}
		if strings.HasSuffix(c.script, "S ok") {
			fake.Script = ""
			fake = injected(t)
		}
		s := fakeTarget(t, fake, "mysql://"+fake.Listen(t)+"/?"+c.query)
		conn, err := logIn(t, s)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.query, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.query, err)
		case conn.Start().Encrypted != c.encrypted:
			t.Errorf("%s: encrypted %t", c.query, conn.Start().Encrypted)
		}
	}
}

// injected is a server whose greeting has an OK behind it.
func injected(t *testing.T) *classictest.Server {
	var script classictest.Script
	list, err := script.Parse("S greeting\nS ok")
	if err != nil {
		t.Fatal(err)
	}
	return &classictest.Server{Script: fmt.Sprintf("S raw %x", append(list[0].Bytes, list[1].Bytes...))}
}

// A client certificate goes out when the server asks for one.
func TestClientCertificate(t *testing.T) {
	ca, server := certificatePair(t, "db.example")
	pair := server.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	server.ClientAuth = tls.RequireAnyClientCert
	fake := &classictest.Server{TLS: server}
	at := fake.Listen(t)
	if _, err := logIn(t, fakeTarget(t, fake, "mysql://"+at+"/?tls=required&cert="+ca+"&key="+key)); err != nil {
		t.Error(err)
	}
	if _, err := logIn(t, fakeTarget(t, fake, "mysql://"+at+"/?tls=required")); err == nil {
		t.Error("let in without a certificate")
	}
}

// The files that a URL names are read at once, and errors name them.
func TestBadFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"tls=verify-ca&ca=/nosuch.pem", "tls=verify-ca&ca=" + empty,
		"tls=required&cert=/nosuch.pem&key=/nosuch.pem", "server-key=/nosuch.pem", "socket=/s&tls=verify-identity"} {
		raw := "mysql://localhost/?" + query
		u, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(u, Options{}); err == nil {
			t.Errorf("%s: no error", query)
		}
	}
}

// TestEmptyPassword: an empty password is an empty answer, never the scramble of
// one.
func TestEmptyPassword(t *testing.T) {
	for _, plugin := range []string{classic.PluginNative, classic.PluginCaching, classic.PluginSHA256} {
		var got []byte
		fake := &classictest.Server{Login: func(p *classictest.Peer) error {
			if err := p.Send("switch " + plugin); err != nil {
				return err
			}
			f, _, err := p.Read()
			if err != nil {
				return err
			}
			got = bytes.Clone(f.Payload)
			return p.Send("ok")
		}}
		u, err := Parse("mysql://" + fake.Listen(t) + "/")
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(u, Options{Users: OneUser("replay", "")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Connect(context.Background(), &session.Start{}); err != nil {
			t.Errorf("%s: %v", plugin, err)
		}
		want := ""
		if plugin == classic.PluginSHA256 {
			want = "\x00"
		}
		if string(got) != want {
			t.Errorf("%s: answered %q", plugin, got)
		}
	}
}
