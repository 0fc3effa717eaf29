package mysqltest

import (
	"fmt"
	"net/netip"
	"slices"
)

// Option changes how a server is started.
type Option func(*options)

type options struct {
	args           []string
	noTLS          bool
	skipGrants     bool
	maxConnections int
	bufferPool     string
	perfSchema     bool
	users          []User
	suite          *Suite // laid out and set up for its scripts
	script         Script // with the arguments that this one asks for
	within         []string
	place          place
}

// place is a fixed place to listen at.
type place struct {
	addr        netip.Addr
	port, xport int
}

func defaults() options {
	return options{maxConnections: 300, bufferPool: "32M"}
}

// Args adds arguments for the server program; they win over all others.
func Args(args ...string) Option {
	return func(o *options) { o.args = append(slices.Clone(o.args), args...) }
}

// NoTLS switches TLS off, so that what passes on the wire can be read. Clients
// that insist on TLS fail then; for accounts with caching_sha2_password a
// client must ask for the server's RSA key (mysql: --get-server-public-key).
func NoTLS() Option { return func(o *options) { o.noTLS = true } }

// SkipGrantTables lets any user in with any password. MySQL then opens no TCP
// port (Port and XPort are 0), only its sockets; MariaDB does.
func SkipGrantTables() Option { return func(o *options) { o.skipGrants = true } }

// MaxConnections sets how many connections the server takes; 300 without.
func MaxConnections(n int) Option { return func(o *options) { o.maxConnections = n } }

// BufferPool sets the size of InnoDB's buffer pool in the server's own
// notation, "256M"; 32M without.
func BufferPool(size string) Option { return func(o *options) { o.bufferPool = size } }

// PerformanceSchema switches the performance schema on; it costs memory.
func PerformanceSchema() Option { return func(o *options) { o.perfSchema = true } }

// In has the server's program started by another one that takes its command as
// its last arguments, such as "ip netns exec NAME" for a network namespace. The
// other becomes the server: it starts no process beside itself. The control
// connections reach the server there, too, since a unix socket knows no network.
func In(prefix ...string) Option {
	return func(o *options) { o.within = slices.Clone(prefix) }
}

// At makes the server listen on all addresses of its network, IPv4 and IPv6, at
// fixed ports, where it would choose some on the loopback. Addr, and what clients
// are told, is addr, and the certificate is good for it. A server of MySQL's
// listens for the X Protocol at xport, too.
func At(addr netip.Addr, port, xport int) Option {
	return func(o *options) { o.place = place{addr, port, xport} }
}

// Plugin names an authentication plugin as the server does.
type Plugin string

// The plugins of accounts that tests make.
const (
	Native      Plugin = "mysql_native_password" // MariaDB only
	Ed25519     Plugin = "ed25519"               // MariaDB only
	CachingSHA2 Plugin = "caching_sha2_password" // MySQL only
	SHA256      Plugin = "sha256_password"       // MySQL only
)

// User is an account 'Name'@'%' with all privileges.
type User struct {
	Name     string
	Password string // may be empty
	Plugin   Plugin // "" is the server's default
}

// Users adds accounts. They are made right after the start, so that a plugin
// which the server does not have is an error of the start.
func Users(users ...User) Option {
	return func(o *options) { o.users = append(slices.Clone(o.users), users...) }
}

// statements returns what makes the account on a server of the given kind.
func (u User) statements(k Kind) []string {
	how := fmt.Sprintf("IDENTIFIED BY %s", quote(u.Password))
	switch {
	case u.Plugin == "":
	case k.mysql():
		how = fmt.Sprintf("IDENTIFIED WITH %s BY %s", u.Plugin, quote(u.Password))
	default:
		how = fmt.Sprintf("IDENTIFIED VIA %s USING PASSWORD(%s)", u.Plugin, quote(u.Password))
	}
	account := quote(u.Name) + "@'%'"
	return []string{
		fmt.Sprintf("CREATE USER IF NOT EXISTS %s %s", account, how),
		fmt.Sprintf("GRANT ALL ON *.* TO %s WITH GRANT OPTION", account),
	}
}

// quote makes a string literal.
func quote(s string) string {
	out := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}
