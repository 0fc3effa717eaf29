package target

import (
	"errors"
	"fmt"

	"myreplay/session"
)

// What ends a login or a connection.
var (
	// ErrNoCredentials: Users has nobody for the recorded user.
	ErrNoCredentials = errors.New("no credentials for the recorded user")
	// ErrProtocol: the session speaks another protocol than the target.
	ErrProtocol = errors.New("the target's URL is of the other protocol: a session of the classic protocol needs mysql://, one of the X Protocol mysqlx://")
	// ErrNoTLS: TLS is asked for and the server offers none.
	ErrNoTLS = errors.New("the server offers no TLS: switch it on there, or say tls=disabled to send everything in clear")
	// ErrNoCompression: the URL asks for a compression that the server does not
	// offer.
	ErrNoCompression = errors.New("the server does not offer the compression that was asked for (see its variable protocol_compression_algorithms)")
	// ErrNoXCompression: as ErrNoCompression, in the X Protocol.
	ErrNoXCompression = errors.New("the server does not offer the compression that was asked for (see its variable mysqlx_compression_algorithms)")
	// ErrHashUnknown: a login of the X Protocol in the clear was denied. The
	// password may be wrong, or not in the server's cache.
	ErrHashUnknown = errors.New("without TLS a login works only while the server remembers the account's password, from a login over TLS or its unix socket since it started: say tls=required or use the server's unix socket (or the password is wrong)")
	// ErrMechanism: the server offers no mechanism that is supported.
	ErrMechanism = errors.New("the server offers none of the authentication mechanisms SHA256_MEMORY and MYSQL41: use tls=required, where PLAIN is enough")
	// ErrClearPassword: the server wants the password in clear, outside TLS and
	// unix sockets.
	ErrClearPassword = errors.New("the server asks for the password in clear over an unencrypted connection: use tls=required or better, or the server's unix socket")
	// ErrPlugin: the account uses an authentication plugin that is not
	// supported.
	ErrPlugin = errors.New("the account's authentication plugin is not supported: give the account mysql_native_password, caching_sha2_password, sha256_password or ed25519")
	// ErrMultiFactor: the account needs more than one factor.
	ErrMultiFactor = errors.New("the account needs multi-factor authentication, which is not supported: replay as an account with one factor")
	// ErrPasswordExpired: the account's password has expired.
	ErrPasswordExpired = errors.New("the account's password has expired: set a new one on the target (ALTER USER ... IDENTIFIED BY ...)")
	// ErrConnectTimeout: dialling and logging in took longer than
	// Options.ConnectTimeout.
	ErrConnectTimeout = errors.New("no login within the connect timeout")
	// ErrTimeout: a reply took longer than Options.ReplyTimeout.
	ErrTimeout = errors.New("the reply took longer than the reply timeout")
	// ErrReplyTooLong: a reply had more bytes than Options.ReplyLimit.
	ErrReplyTooLong = errors.New("the reply is longer than the reply limit")
	// ErrTooManyResults: a reply had more results than any client asks for.
	ErrTooManyResults = errors.New("the reply has too many results")
	// ErrTooManyExchanges: the server does not come to an end with the login.
	ErrTooManyExchanges = errors.New("the server asks for ever more authentication data")
	// ErrFileIncomplete: the target asked for a file (LOAD DATA LOCAL) of which
	// the recording has only a part.
	ErrFileIncomplete = errors.New("the recording has only a part of the file that the target asked for: the connection was ended so that it does not load that part")
	// ErrFileUnforeseen: the target asked for a file although the statement does
	// not read as if it could, and other commands were behind it already.
	ErrFileUnforeseen = errors.New("the target asked for a file where none could be foreseen: the connection was ended so that it does not take the commands behind for one")
	// ErrServerClosed: the server closed the connection.
	ErrServerClosed = errors.New("the server closed the connection")
	// ErrClosed: the connection was closed before, by this side.
	ErrClosed = errors.New("the connection is closed")
)

// ConnectError tells why a session has no connection to the target.
type ConnectError struct {
	// Step is what failed: "protocol", "credentials", "dial", "greeting", "TLS", "login" or
	// "state".
	Step string
	// User is who was to log in, where that is known.
	User string
	// Refused is the server's error when it refused, as for a bad password or
	// too many connections; else nil.
	Refused *session.Error
	// Err is the cause; where there is none but Refused, that.
	Err error
}

// Error implements error.
func (e *ConnectError) Error() string {
	who := ""
	if e.User != "" {
		who = fmt.Sprintf(" (user %q)", e.User)
	}
	if e.Refused != nil && e.Err != error(e.Refused) {
		return fmt.Sprintf("%s%s: %v: the server said %v", e.Step, who, e.Err, e.Refused)
	}
	return fmt.Sprintf("%s%s: %v", e.Step, who, e.Err)
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// Sent tells how much of a command went out before its connection was lost.
type Sent uint8

const (
	// NotSent: nothing of it, or the server closed the connection without
	// reading it. It was not executed.
	NotSent Sent = iota
	// PartlySent: some bytes, so it was not executed.
	PartlySent
	// WhollySent: all of it; whether it was executed is not known.
	WhollySent
)

var sentNames = [...]string{"not sent", "sent in part", "sent"}

// String returns it in words.
func (s Sent) String() string {
	if int(s) < len(sentNames) {
		return sentNames[s]
	}
	return "?"
}

// LostError tells that a connection is lost, with the command that was under
// way. All later commands of the connection fail with it too, as NotSent.
type LostError struct {
	Sent Sent
	// Notice is what the server said before it closed, or nil.
	Notice *session.Error
	// Err is the cause: ErrServerClosed, ErrTimeout, ErrClosed, the context's
	// cause, a *classic.FormatError or *xproto.FormatError when the server does
	// not follow the protocol, or a network error.
	Err error
}

// Error implements error.
func (e *LostError) Error() string {
	said := ""
	if e.Notice != nil {
		said = fmt.Sprintf("; it said %v", e.Notice)
	}
	return fmt.Sprintf("connection to the target lost (command %v): %v%s", e.Sent, e.Err, said)
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }
