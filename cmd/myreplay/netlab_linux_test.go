package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
	"myreplay/internal/netlab"
)

// The tests of the live mirror run in a lab of network namespaces with the
// README's three roles: clients, the online server that they work on, and a
// target, with or without an assistant.

// mirrorLab is the lab with its servers.
type mirrorLab struct {
	*netlab.Roles
	t              testing.TB
	source, target *mysqltest.Server
	// user and password are the clients'.
	user, password string
	// six: the clients come by IPv6.
	six bool
	// relay: the clients connect to a relay on the online server.
	relay bool
	// parameters of go-sql-driver's DSN.
	parameters string
	// copies of each session, 0 is 1.
	copies int
	// numbered is how many short sessions there were.
	numbered int
	// before and traffic are what the clients do before and after the mirror begins.
	before, traffic func(l *mirrorLab)
}

// older sets what clients do whose sessions are older than the mirror.
func (l *mirrorLab) older(before, traffic func()) {
	l.before, l.traffic = func(*mirrorLab) { before() }, func(*mirrorLab) { traffic() }
}

// newMirrorLab starts a source and a target. Both have TLS: only then a login
// over the network is safe. The clients use it where a test says so.
func newMirrorLab(t testing.TB, source, target mysqltest.Kind, opts ...mysqltest.Option) *mirrorLab {
	t.Helper()
	l := &mirrorLab{Roles: netlab.ThreeRoles(t), t: t, user: mysqltest.AdminUser, password: mysqltest.AdminPassword}
	opts = append([]mysqltest.Option{mysqltest.MaxConnections(1000),
		mysqltest.Args("--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin", "--sql-mode=STRICT_TRANS_TABLES")}, opts...)
	l.source = l.Online.Start(source, opts...)
	l.target = l.Target.Start(target, opts...)
	return l
}

// both runs statements on both servers.
func (l *mirrorLab) both(statements ...string) {
	l.t.Helper()
	l.source.Exec(l.t, statements...)
	l.target.Exec(l.t, statements...)
}

// clientAddr is the address of the n-th client, which is its own up to n = 49,999.
func (l *mirrorLab) clientAddr(n int) netip.Addr {
	if l.six {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:50::%x:%x", 1+n/250, 2+n%250))
	}
	return netip.AddrFrom4([4]byte{10, 50, byte(1 + n/250), byte(2 + n%250)})
}

// relayPort is where a relay on the online server listens.
const relayPort = 3390

// sourceAddr is where clients connect to.
func (l *mirrorLab) sourceAddr() string {
	addr := l.Online.Addr()
	if l.six {
		addr = l.Online.Addr6()
	}
	port := uint16(l.source.Port)
	if l.relay {
		port = relayPort
	}
	return netip.AddrPortFrom(addr, port).String()
}

// connect opens a connection of go-sql-driver from a client's address and port; 0
// is any port.
func (l *mirrorLab) connect(n int, port uint16) (*connection, error) {
	dsn := fmt.Sprintf("%s:%s@tcp(%s)/%s?%s", l.user, l.password, l.sourceAddr(), mysqltest.Schema, l.parameters)
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	config.Logger = &mysql.NopLogger{}
	config.DialFunc = l.Client.Dialer(netip.AddrPortFrom(l.clientAddr(n), port))
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(context.Background())
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("client %d: %w", n, err)
	}
	return &connection{l.t, db, conn}, nil
}

// client is connect for one that the test holds.
func (l *mirrorLab) client(n int) *connection {
	l.t.Helper()
	c, err := l.connect(n, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// atOnce is how many of the short sessions are open at a time.
const atOnce = 16

// sessions runs n short sessions from n clients; each gets a number that no other
// session of the lab has. A later call has the same clients: what its sessions do
// must not depend on the earlier ones, since a mirror that is behind runs both at
// once.
func (l *mirrorLab) sessions(n int, port uint16, each func(n int, c *connection)) {
	l.t.Helper()
	var wg sync.WaitGroup
	next, first := make(chan int), l.numbered
	l.numbered += n
	for range atOnce {
		wg.Go(func() {
			for n := range next {
				c, err := l.connect(n, port)
				if err != nil {
					l.t.Error(err)
					continue
				}
				each(first+n, c)
				c.Close()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// sysbench runs a workload on the source from the clients' host.
func (l *mirrorLab) sysbench(w mysqltest.Sysbench) {
	l.t.Helper()
	mysqltest.Output(l.t, l.Client.Inside(w.Command(l.t, l.source, "run")))
}

// program runs a real command-line client of the source's kind on the clients'
// host, and returns what it printed.
func (l *mirrorLab) program(name string, args ...string) string {
	l.t.Helper()
	c := client{l.t, l.source, l.sourceAddr()}
	return mysqltest.Output(l.t, l.Client.Inside(mysqltest.Client(l.t, l.source.Kind, name, append(c.plainArgs(), args...)...)))
}
