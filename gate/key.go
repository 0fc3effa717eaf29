package gate

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"sync"
)

// keyBits is the length of the relay's RSA key: that of servers' own.
const keyBits = 2048

// rsaKey is the relay's key for passwords of clients without TLS, and its public
// half as PEM.
type rsaKey struct {
	private *rsa.PrivateKey
	public  []byte
}

// relayKey returns the process's one key. It is made when the first client asks
// for it.
var relayKey = sync.OnceValues(func() (*rsaKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		return nil, err
	}
	return &rsaKey{k, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}, nil
})

// decrypt returns a password, with the NUL at its end, that a client encrypted
// with the relay's key and a nonce.
func (k *rsaKey) decrypt(b, nonce []byte) ([]byte, error) {
	if len(nonce) == 0 {
		return nil, errors.New("the server sent no nonce")
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, k.private, b, nil)
	if err != nil {
		return nil, errors.New("it is not encrypted with the relay's key")
	}
	for i := range plain {
		plain[i] ^= nonce[i%len(nonce)]
	}
	return plain, nil
}
