// Package classic is the codec of MySQL's classic client/server protocol, for
// MySQL 5.7 to 9.7 and MariaDB 10.5 to 11.8: frames, compression, and every
// message of both sides. It does no I/O. Whoever moves the bytes (a decoder of
// a recording, a relay, a replaying client, a fake server) feeds a Framer for
// each direction and asks one State what the next frame means.
//
// Messages borrow their bytes from the payload they were decoded from. Layouts
// follow the "Client/Server Protocol" chapter of the MySQL Source Code
// Documentation and the MariaDB Knowledge Base.
package classic

import "fmt"

// FormatError tells that bytes do not follow the protocol.
type FormatError struct {
	// Message names the message or layer that was being read.
	Message string
	// Offset is where in the payload it went wrong.
	Offset int
	// Reason says what is wrong.
	Reason string
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: byte %d: %s", e.Message, e.Offset, e.Reason)
}
