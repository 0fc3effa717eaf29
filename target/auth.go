package target

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"

	"myreplay/classic"
	"myreplay/session"
)

// maxExchanges limits how often a server may ask for authentication data in one
// login: an auth switch, a key and a password are three.
const maxExchanges = 8

// The servers' error codes that matter here.
const (
	errAccessDenied    = 1045 // ER_ACCESS_DENIED_ERROR
	errPasswordExpired = 1862 // ER_MUST_CHANGE_PASSWORD_LOGIN
)

// dialogue answers a server's questions during a login.
type dialogue struct {
	password string
	secure   bool // nobody else reads what passes
	tls      bool // by TLS
	plugin   string
	nonce    []byte
	scramble []byte // the last nonce of a plugin that shares the connection's
	store    *rsaKey

	exchanges int
	keyAsked  bool
	cachedKey bool   // key was not asked for in this login
	key       []byte // the RSA key that was used
}

// first returns a plugin's first answer. It is never nil.
func (d *dialogue) first() ([]byte, error) {
	switch d.plugin {
	case classic.PluginNative:
		return notNil(classic.ScrambleNative(d.password, d.nonce)), nil
	case classic.PluginCaching:
		return notNil(classic.ScrambleCaching(d.password, d.nonce)), nil
	case classic.PluginSHA256:
		if d.password == "" {
			return []byte{0}, nil
		}
		return d.full(classic.SHA256KeyRequest)
	case classic.PluginClear:
		if !d.secure {
			return nil, ErrClearPassword
		}
		return classic.ClearPassword(d.password), nil
	case classic.PluginEd25519:
		return classic.SignEd25519(d.password, d.nonce)
	}
	return nil, fmt.Errorf("%w (it is %q)", ErrPlugin, d.plugin)
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// full returns the password itself: in clear where nobody else reads it, else
// encrypted with the server's RSA key, or the request for that key. To
// sha256_password a unix socket is like any other connection without TLS.
func (d *dialogue) full(keyRequest byte) ([]byte, error) {
	if d.tls || d.secure && d.plugin != classic.PluginSHA256 {
		return classic.ClearPassword(d.password), nil
	}
	if key := d.store.get(); key != nil {
		d.key, d.cachedKey = key, true
		return classic.EncryptPassword(d.password, d.nonce, key)
	}
	d.keyAsked = true
	return []byte{keyRequest}, nil
}

// answer returns what to send for a server's message, nil for nothing.
func (d *dialogue) answer(part classic.ServerPart, st *classic.State, payload []byte) ([]byte, error) {
	if d.exchanges++; d.exchanges > maxExchanges {
		return nil, ErrTooManyExchanges
	}
	switch part {
	case classic.PartAuthSwitch:
		d.plugin, d.nonce, d.keyAsked = st.Switch.Plugin, slices.Clone(st.Switch.Nonce()), false
		if d.plugin == classic.PluginNative || d.plugin == classic.PluginCaching || d.plugin == classic.PluginSHA256 {
			d.scramble = d.nonce
		}
		return d.first()
	case classic.PartAuthMore:
		return d.more(payload[1:])
	}
	return nil, ErrMultiFactor
}

// more answers a plugin's further data.
func (d *dialogue) more(data []byte) ([]byte, error) {
	rsa := d.plugin == classic.PluginCaching || d.plugin == classic.PluginSHA256
	switch {
	case rsa && d.keyAsked:
		d.keyAsked = false
		d.key = slices.Clone(data)
		answer, err := classic.EncryptPassword(d.password, d.nonce, d.key)
		if err == nil {
			d.store.set(d.key)
		}
		return answer, err
	case d.plugin == classic.PluginCaching && len(data) == 1 && data[0] == classic.CachingFastOK:
		return nil, nil
	case d.plugin == classic.PluginCaching && len(data) == 1 && data[0] == classic.CachingFull:
		return d.full(classic.CachingKeyRequest)
	}
	return nil, &classic.FormatError{Message: "authentication", Reason: "unexpected data for " + d.plugin}
}

// rsaKey keeps a server's RSA key, so that not every login asks for it.
type rsaKey struct {
	mu     sync.Mutex
	pem    []byte
	pinned bool
	asked  uint64 // how often the server sent its key
}

// pin reads the key from a file: no other is used.
func (k *rsaKey) pin(file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the server's RSA key: %w", err)
	}
	if _, err := classic.EncryptPassword("", []byte{1}, pem); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	k.pem, k.pinned = pem, true
	return nil
}

func (k *rsaKey) get() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pem
}

func (k *rsaKey) set(pem []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if !k.pinned {
		k.pem = pem
	}
}

func (k *rsaKey) fetched() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

// forget drops a key that was refused, and tells whether another may be tried.
func (k *rsaKey) forget(pem []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pinned {
		return false
	}
	if bytes.Equal(k.pem, pem) {
		k.pem = nil
	}
	return true
}

// refused returns the error of a login that the server refused.
func refused(step, user string, e *classic.ERR) *ConnectError {
	se := sessionError(e)
	ce := &ConnectError{Step: step, User: user, Refused: se, Err: se}
	if e.Code == errPasswordExpired {
		ce.Err = ErrPasswordExpired
	}
	return ce
}

func sessionError(e *classic.ERR) *session.Error {
	return &session.Error{Code: e.Code, State: string(e.State), Message: string(e.Message)}
}
