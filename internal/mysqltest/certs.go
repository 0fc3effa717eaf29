package mysqltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateYears is how long the certificates of the cache are good for.
const certificateYears = 20

// certificates returns a folder with ca.pem, cert.pem and key.pem: the same for
// all servers of an address, good for "localhost", the loopback addresses and
// that address, and for clients that have to show one. The servers that make
// certificates themselves put no names into them, and MariaDB before 11.4 makes
// none.
func certificates(host string) (string, error) {
	name, ips := "loopback-both", []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(host); !ip.IsLoopback() {
		name, ips = "at-"+host, append(ips, ip)
	}
	return cached("tls", name, func(dir string) error {
		caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		ca := certificate(1, "myreplay test CA")
		ca.IsCA, ca.BasicConstraintsValid = true, true
		ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
		caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
		if err != nil {
			return err
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		leaf := certificate(2, "localhost")
		leaf.KeyUsage = x509.KeyUsageDigitalSignature
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		leaf.DNSNames = []string{"localhost"}
		leaf.IPAddresses = ips
		leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
		if err != nil {
			return err
		}
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		return writePEM(dir, map[string]*pem.Block{
			"ca.pem":   {Type: "CERTIFICATE", Bytes: caDER},
			"cert.pem": {Type: "CERTIFICATE", Bytes: leafDER},
			"key.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
		})
	})
}

func certificate(serial int64, name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.AddDate(0, 0, -1),
		NotAfter:     now.AddDate(certificateYears, 0, 0),
	}
}

func writePEM(dir string, blocks map[string]*pem.Block) error {
	for name, block := range blocks {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
