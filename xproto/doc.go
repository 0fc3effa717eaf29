// Package xproto is the codec of MySQL's X Protocol: frames, compression, and
// every message of both sides. It does no I/O. Whoever moves the bytes feeds a
// Framer for each direction and tells one State every frame; what a message
// says is read from its payload by the type of its name.
//
// Messages borrow their bytes from the payload they were decoded from. They
// are protobuf messages; the field numbers are those of the "Mysqlx" messages
// in the MySQL Source Code Documentation, decoded by hand, so that a payload
// passes as it was, unknown fields included.
package xproto

import "fmt"

// FormatError tells that bytes do not follow the protocol.
type FormatError struct {
	// Message names the message or layer that was being read.
	Message string
	// Reason says what is wrong.
	Reason string
}

// Error implements error.
func (e *FormatError) Error() string { return fmt.Sprintf("%s: %s", e.Message, e.Reason) }

// What a client asked for in its capabilities that matters to a replay, as bits
// of session.Login.Capabilities.
const (
	// Interactive: client.interactive, so that interactive_timeout holds.
	Interactive uint64 = 1 << iota
	// ExpiredPasswordOK: client.pwd_expire_ok.
	ExpiredPasswordOK
)

// The names of capabilities.
const (
	CapabilityTLS         = "tls"
	CapabilityMechanisms  = "authentication.mechanisms"
	CapabilityCompression = "compression"
	CapabilityInteractive = "client.interactive"
	CapabilityExpired     = "client.pwd_expire_ok"
	CapabilityAttributes  = "session_connect_attrs"
)
