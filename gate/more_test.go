package gate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/tlsmode"
)

// TestSocket: a server behind its unix socket takes passwords in clear, which a
// client over TCP must not send so.
func TestSocket(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Users(mysqltest.User{Name: "sha", Password: "shapw", Plugin: mysqltest.SHA256}))
	for _, o := range []Options{{}, {TLS: Plain}, {TLS: End, Certificate: selfSigned()},
		{TLS: End, Certificate: selfSigned(), Server: tlsmode.Config{Mode: tlsmode.Required}}} {
		p := listen(t, o, db.Socket)
		for _, user := range []string{"cap", "sha"} {
			db.Exec(t, "FLUSH PRIVILEGES")
			for range 2 {
				out := runs(t, program(t, mysqltest.MySQL97, p.port(), user, user+"pw", false, "select 'end'"))
				if !strings.HasSuffix(out, "end\n") {
					t.Errorf("%+v as %s: %s", o, user, out)
				}
				story(t, p.take(t))
			}
		}
	}
}

// TestCompressed: a compressed session passes where the legs are alike, and is
// not offered where they are not.
func TestCompressed(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97)
	for _, w := range ways {
		p := listen(t, w.options(), db.Addr)
		for _, algorithm := range []string{"zlib", "zstd"} {
			out := runs(t, program(t, mysqltest.MySQL97, p.port(), db.User, db.Password, w.tls, bigQuery+"; select variable_value from performance_schema.session_status where variable_name='Compression'; select 'end'",
				"--compression-algorithms="+algorithm+",uncompressed"))
			if !strings.HasSuffix(out, "end\n") {
				t.Errorf("%s %s: %.300s", w.name, algorithm, out)
			}
			p.take(t)
		}
	}
}

// TestVerify: what a client reads when the server's certificate is not to be
// trusted, the server has no TLS, or speaks none of the versions.
func TestVerify(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97)
	bare := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.NoTLS())
	ca := db.CA
	for _, c := range []struct {
		what   string
		db     *mysqltest.Server
		server tlsmode.Config
		handle Handling
		tls    bool
		want   string
	}{
		{"trusted", db, tlsmode.Config{Mode: tlsmode.VerifyIdentity, CA: ca, ServerName: "localhost"}, End, true, `^end`},
		{"trusted, as the client does", db, tlsmode.Config{CA: ca, ServerName: "localhost"}, End, true, `^end`},
		{"trusted, client clear", db, tlsmode.Config{Mode: tlsmode.VerifyCA, CA: ca}, End, false, `^end`},
		{"untrusted", db, tlsmode.Config{Mode: tlsmode.VerifyCA}, End, true, `1043 \(08S01\).*myreplay relay: TLS with the server: .*unknown authority: name the certificates to trust`},
		{"untrusted, client clear", db, tlsmode.Config{Mode: tlsmode.VerifyCA}, End, false, `1043 \(08S01\).*name the certificates to trust`},
		{"untrusted, plain", db, tlsmode.Config{Mode: tlsmode.VerifyCA}, Plain, false, `1043 \(08S01\).*name the certificates to trust`},
		{"wrong name", db, tlsmode.Config{Mode: tlsmode.VerifyIdentity, CA: ca, ServerName: "db.example.com"}, End, true, `1043 \(08S01\).*say --server-name NAME`},
		{"no TLS", bare, tlsmode.Config{Mode: tlsmode.Required}, End, true, `3159.*the server offers no TLS`},
		{"no TLS, client clear", bare, tlsmode.Config{Mode: tlsmode.Required}, Plain, false, `3159.*the server offers no TLS`},
		{"no TLS, preferred", bare, tlsmode.Config{Mode: tlsmode.Preferred}, End, true, `^end`},
		{"no TLS, preferred, client clear", bare, tlsmode.Config{Mode: tlsmode.Preferred}, End, false, `^end`},
		{"no TLS, as the client does", bare, tlsmode.Config{}, End, true, noneOffered},
		{"no TLS, as the client does, client clear", bare, tlsmode.Config{}, End, false, `^end`},
		{"plain", db, tlsmode.Config{}, Plain, true, noneOffered},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := Options{TLS: c.handle, Certificate: selfSigned(), Server: c.server}
			p := listen(t, o, c.db.Addr)
			for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB, mysqltest.MariaDB118} {
				out := runs(t, program(t, kind, p.port(), c.db.User, c.db.Password, c.tls, "select 'end'"))
				want := c.want
				if want == noneOffered && kind != mysqltest.MySQL97 {
					want = `^end` // their --ssl goes on without
				}
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("%v: %s", kind, out)
				}
				p.take(t)
			}
		})
	}
}

const noneOffered = `SSL is required but the server doesn't support it`

// TestVerifyClient: clients verify the gate's certificate.
func TestVerifyClient(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB118} {
		db := mysqltest.Start(t, kind)
		p := listen(t, Options{TLS: End, Certificate: selfSigned()}, db.Addr)
		ca := filepath.Join(t.TempDir(), "ca.pem")
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned().Certificate[0]})
		if err := os.WriteFile(ca, b, 0o600); err != nil {
			t.Fatal(err)
		}
		base := []string{"-hlocalhost", "--protocol=tcp", "-P" + p.port(), "-u" + db.User, "-p" + db.Password, "-N", "-B", "-e", "select 'end'"}
		for name, args := range map[string][]string{
			"mysql97":    {"--ssl-mode=VERIFY_IDENTITY", "--ssl-ca=" + ca},
			"mariadb118": {"--ssl-verify-server-cert", "--ssl-ca=" + ca},
			"mariadb":    {"--ssl-verify-server-cert", "--ssl-ca=" + ca},
		} {
			k, _ := mysqltest.ParseKind(name)
			if out := runs(t, mysqltest.Client(t, k, "mysql", append(args, base...)...)); !strings.HasSuffix(out, "end\n") {
				t.Errorf("%v with %v: %s", db.Kind, k, out)
			}
		}
		if kind == mysqltest.MariaDB118 {
			// It checks the certificate by the password when it has no CA.
			out := runs(t, mysqltest.Client(t, kind, "mysql", base...))
			if !strings.Contains(out, "Certificate verification failure") {
				t.Errorf("the client did not check the server's certificate by the password: %s", out)
			}
			// With the server's own certificate that works.
			dir := filepath.Dir(db.CA)
			own, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
			if err != nil {
				t.Fatal(err)
			}
			p := listen(t, Options{TLS: End, Certificate: &own}, db.Addr)
			base[2] = "-P" + p.port()
			if out := runs(t, mysqltest.Client(t, kind, "mysql", base...)); !strings.HasSuffix(out, "end\n") {
				t.Errorf("with the server's certificate: %s", out)
			}
		}
	}
}

// TestClientCertificate: an account that needs a certificate, through a gate
// that ends TLS.
func TestClientCertificate(t *testing.T) {
	cert := clientCertificate(t)
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB118} {
		db := mysqltest.Start(t, kind)
		db.Exec(t, "CREATE USER x509 IDENTIFIED BY 'x509pw' REQUIRE X509")
		for _, mode := range []tlsmode.Mode{tlsmode.Default, tlsmode.Disabled} {
			p := listen(t, Options{TLS: End, Certificate: selfSigned(), Server: tlsmode.Config{Mode: mode}}, db.Addr)
			out := runs(t, program(t, mysqltest.MySQL97, p.port(), "x509", "x509pw", true, "select 'end'", cert...))
			if kind == mysqltest.MariaDB118 {
				out = runs(t, program(t, kind, p.port(), "x509", "x509pw", true, "select 'end'", cert...))
			}
			if !strings.Contains(out, "1045 (28000)") || !strings.Contains(out, "relay with --tls pass") {
				t.Errorf("%v: %s", kind, out)
			}
			p.take(t)
			// Whoever does not need it gets in.
			out = runs(t, program(t, mysqltest.MariaDB, p.port(), db.User, db.Password, true, "select 'end'", cert...))
			if !strings.HasSuffix(out, "end\n") {
				t.Errorf("%v: %s", kind, out)
			}
			story(t, p.take(t))
		}
	}
}

// clientCertificate returns the options of a client with a certificate.
func clientCertificate(t *testing.T) []string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return []string{"--ssl-cert=" + write("cert.pem", "CERTIFICATE", der), "--ssl-key=" + write("key.pem", "PRIVATE KEY", k)}
}
