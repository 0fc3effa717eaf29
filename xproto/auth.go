package xproto

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// The authentication mechanisms.
const (
	MechanismPlain  = "PLAIN"
	MechanismNative = "MYSQL41"
	MechanismSHA256 = "SHA256_MEMORY"
)

// AuthenticateStart begins a login (Mysqlx.Session.AuthenticateStart).
type AuthenticateStart struct {
	Mechanism string
	// Data is a secret with MechanismPlain.
	Data []byte
}

// Decode reads the message from payload. Data borrows from it.
func (a *AuthenticateStart) Decode(payload []byte) error {
	*a = AuthenticateStart{}
	f := read("AuthenticateStart", payload)
	for f.next() {
		switch f.num {
		case 1:
			a.Mechanism = string(f.bytes())
		case 2:
			a.Data = f.bytes()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (a *AuthenticateStart) Append(dst []byte) []byte {
	dst = appendBytes(dst, 1, a.Mechanism)
	if a.Data != nil {
		dst = appendBytes(dst, 2, a.Data)
	}
	return dst
}

// AuthData is the bytes that go on with a login, of either side
// (Mysqlx.Session.AuthenticateContinue, AuthenticateOk).
type AuthData struct{ Data []byte }

// Decode reads the message from payload. Data borrows from it.
func (a *AuthData) Decode(payload []byte) error {
	*a = AuthData{}
	f := read("AuthenticateContinue", payload)
	for f.next() {
		if f.num == 1 {
			a.Data = f.bytes()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (a *AuthData) Append(dst []byte) []byte { return appendBytes(dst, 1, a.Data) }

// Who returns the schema and the user that a login's data name: those of
// AuthenticateStart with MechanismPlain, of AuthenticateContinue with others.
func Who(data []byte) (schema, user string, ok bool) {
	s, rest, ok := bytes.Cut(data, []byte{0})
	if !ok {
		return "", "", false
	}
	u, _, ok := bytes.Cut(rest, []byte{0})
	return string(s), string(u), ok
}

// PlainData returns the data of a login with MechanismPlain.
func PlainData(schema, user, password string) []byte {
	return []byte(schema + "\x00" + user + "\x00" + password)
}

// NativeData returns the answer to a challenge with MechanismNative.
func NativeData(schema, user, password string, challenge []byte) []byte {
	return answer(schema, user, password, func(once, twice []byte) []byte {
		h := sha1.New()
		h.Write(challenge)
		h.Write(twice)
		return h.Sum(nil)
	}, func(b []byte) []byte { h := sha1.Sum(b); return h[:] }, "*")
}

// SHA256Data returns the answer to a challenge with MechanismSHA256.
func SHA256Data(schema, user, password string, challenge []byte) []byte {
	return answer(schema, user, password, func(once, twice []byte) []byte {
		h := sha256.New()
		h.Write(twice)
		h.Write(challenge)
		return h.Sum(nil)
	}, func(b []byte) []byte { h := sha256.Sum256(b); return h[:] }, "")
}

// answer returns schema, user and the scrambled password in hex, each ended by a
// NUL but the last. The scramble of an empty password is empty.
func answer(schema, user, password string, mix func(once, twice []byte) []byte, hash func([]byte) []byte, mark string) []byte {
	out := []byte(schema + "\x00" + user + "\x00")
	if password == "" {
		return out
	}
	once := hash([]byte(password))
	scrambled := mix(once, hash(once))
	subtle.XORBytes(scrambled, scrambled, once)
	return append(out, mark+strings.ToUpper(hex.EncodeToString(scrambled))...)
}

// Reset begins the session anew (Mysqlx.Session.Reset).
type Reset struct {
	// KeepOpen: the session stays logged in.
	KeepOpen bool
}

// Decode reads the message from payload.
func (r *Reset) Decode(payload []byte) error {
	*r = Reset{}
	f := read("Reset", payload)
	for f.next() {
		if f.num == 1 {
			r.KeepOpen = f.bool()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (r *Reset) Append(dst []byte) []byte {
	if r.KeepOpen {
		dst = appendBool(dst, 1, true)
	}
	return dst
}
