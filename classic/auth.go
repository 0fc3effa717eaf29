package classic

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"filippo.io/edwards25519"
)

// The authentication plugins.
const (
	PluginNative  = "mysql_native_password"
	PluginCaching = "caching_sha2_password"
	PluginSHA256  = "sha256_password"
	PluginClear   = "mysql_clear_password"
	PluginEd25519 = "client_ed25519"
)

// The bytes that caching_sha2_password and sha256_password exchange.
const (
	// CachingFastOK follows AuthMoreData's 0x01: the server knew the hash.
	CachingFastOK byte = 3
	// CachingFull: the server needs the password itself.
	CachingFull byte = 4
	// CachingKeyRequest is the client's wish for the server's RSA key;
	// SHA256KeyRequest that of sha256_password.
	CachingKeyRequest byte = 2
	SHA256KeyRequest  byte = 1
)

// ScrambleNative returns the answer of mysql_native_password to a nonce:
// SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))). It is empty for an
// empty password.
func ScrambleNative(password string, nonce []byte) []byte {
	if password == "" {
		return nil
	}
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	h := sha1.New()
	h.Write(nonce)
	h.Write(twice[:])
	out := h.Sum(nil)
	subtle.XORBytes(out, out, once[:])
	return out
}

// ScrambleCaching returns the answer of caching_sha2_password to a nonce:
// SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce). It is empty
// for an empty password.
func ScrambleCaching(password string, nonce []byte) []byte {
	if password == "" {
		return nil
	}
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	h := sha256.New()
	h.Write(twice[:])
	h.Write(nonce)
	out := h.Sum(nil)
	subtle.XORBytes(out, out, once[:])
	return out
}

// ClearPassword returns the password as caching_sha2_password, sha256_password
// and mysql_clear_password send it inside TLS or a unix socket: with a NUL.
func ClearPassword(password string) []byte { return append([]byte(password), 0) }

// EncryptPassword returns the password as caching_sha2_password and
// sha256_password send it without TLS: XORed with the nonce, then encrypted
// with the server's RSA key, which comes as PEM.
func EncryptPassword(password string, nonce, key []byte) ([]byte, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, errors.New("the server's RSA key is not PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the server's RSA key can't be read: " + err.Error())
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the server's key is not RSA")
	}
	plain := ClearPassword(password)
	if len(nonce) == 0 {
		return nil, errors.New("the server sent no nonce")
	}
	for i := range plain {
		plain[i] ^= nonce[i%len(nonce)]
	}
	return rsa.EncryptOAEP(sha1.New(), rand.Reader, public, plain, nil)
}

// SignEd25519 returns the answer of MariaDB's client_ed25519 to a nonce: an
// Ed25519 signature whose secret is derived from the password alone.
func SignEd25519(password string, nonce []byte) ([]byte, error) {
	h := sha512.Sum512([]byte(password))
	secret, err := edwards25519.NewScalar().SetBytesWithClamping(h[:32])
	if err != nil {
		return nil, err
	}
	public := new(edwards25519.Point).ScalarBaseMult(secret).Bytes()

	k := sha512.New()
	k.Write(h[32:])
	k.Write(nonce)
	r, err := edwards25519.NewScalar().SetUniformBytes(k.Sum(nil))
	if err != nil {
		return nil, err
	}
	commitment := new(edwards25519.Point).ScalarBaseMult(r).Bytes()

	k.Reset()
	k.Write(commitment)
	k.Write(public)
	k.Write(nonce)
	challenge, err := edwards25519.NewScalar().SetUniformBytes(k.Sum(nil))
	if err != nil {
		return nil, err
	}
	answer := edwards25519.NewScalar().MultiplyAdd(challenge, secret, r)
	return append(commitment, answer.Bytes()...), nil
}
