package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
)

// mirrorCase is something that must arrive at the target whole.
type mirrorCase struct {
	name           string
	source, target mysqltest.Kind // 0: MariaDB
	opts           []mysqltest.Option
	// setup runs on both servers; prepare sets up the lab; before is what clients
	// do before the mirror begins, traffic what they do afterwards.
	setup           []string
	prepare         func(l *mirrorLab)
	before, traffic func(l *mirrorLab)
	arrival         arrival
	// tables have the same rows afterwards.
	tables []string
	// live: only a mirror that asks the source can do it.
	live bool
	args func(l *mirrorLab) []string // of the mirror, besides
	// check looks at what came of it; nil: nothing differs.
	check func(t *testing.T, l *mirrorLab, m *mirrored)
}

// landed is a table that sessions write to.
const landed = "CREATE TABLE landed (session INT, step INT, note LONGTEXT)"

// failures are what went wrong with TCPCopy and its modules.
var failures = []mirrorCase{
	{
		// The source's ids were 21 and up, the target's begin at 1: none of 5740
		// EXECUTEs was right.
		name:    "statement ids that start high",
		setup:   []string{landed},
		before:  func(l *mirrorLab) { l.sessions(20, 0, prepareAndLeave) },
		traffic: func(l *mirrorLab) { l.sessions(16, 0, executeHeld) },
		arrival: arrival{only: "landed"},
		tables:  []string{"landed"},
	},
	{
		// What was prepared before the mirror began was never there on the target.
		name:    "started late, prepared",
		opts:    []mysqltest.Option{mysqltest.PerformanceSchema()},
		setup:   []string{landed},
		prepare: keepPrepared,
		arrival: arrival{commands: []string{"Execute"}, only: "landed"},
		tables:  []string{"landed"},
		live:    true, args: askSource,
	},
	{
		// The same with MySQL, which tells session variables, too.
		name:   "started late, prepared, MySQL",
		source: mysqltest.MySQL97, target: mysqltest.MySQL97,
		opts:    []mysqltest.Option{mysqltest.PerformanceSchema()},
		setup:   []string{landed},
		prepare: keepPrepared,
		arrival: arrival{commands: []string{"Execute"}, only: "landed"},
		tables:  []string{"landed"},
		live:    true, args: askSource,
	},
	{
		// Sessions of which no login was seen.
		name:   "started late, text",
		source: mysqltest.MySQL97, target: mysqltest.MySQL97,
		opts:    []mysqltest.Option{mysqltest.PerformanceSchema()},
		setup:   []string{landed},
		prepare: keepText,
		arrival: arrival{only: "landed"},
		tables:  []string{"landed"},
		live:    true, args: askSource,
	},
	{
		// All sessions older than the mirror landed in the schema of the first login
		// that was seen.
		name:    "other schema",
		opts:    []mysqltest.Option{mysqltest.PerformanceSchema()},
		setup:   []string{landed, "CREATE DATABASE other", strings.Replace(landed, "landed", "other.landed", 1)},
		prepare: keepSchemas,
		arrival: arrival{only: "landed"},
		tables:  []string{"landed", "other.landed"},
		live:    true, args: askSource,
	},
	{
		// With nobody to ask nothing is borrowed from another session: what cannot be
		// known is not sent.
		name:    "other schema, and nobody to ask",
		setup:   []string{landed, "CREATE DATABASE other", strings.Replace(landed, "landed", "other.landed", 1)},
		prepare: keepSchemas,
		arrival: arrival{only: "never"},
		check: func(t *testing.T, l *mirrorLab, m *mirrored) {
			if n := l.target.Value(t, "SELECT COUNT(*) FROM landed WHERE session % 2 = 1"); n != "0" {
				t.Errorf("%s rows are in another session's schema", n)
			}
			if n := l.target.Value(t, "SELECT COUNT(*) FROM other.landed WHERE session % 2 = 0"); n != "0" {
				t.Errorf("%s rows are in another session's schema", n)
			}
			if a := m.report.Account; !a.Closes {
				t.Errorf("the account does not close: %+v", a.KindAccount)
			}
		},
	},
	{
		// Nothing of a client with TLS reached the target: the relay can read it.
		name:   "TLS client by way of the relay",
		source: mysqltest.MySQL97, target: mysqltest.MySQL97,
		setup: []string{landed},
		prepare: func(l *mirrorLab) {
			l.relay, l.parameters = true, "tls=skip-verify"
		},
		traffic: func(l *mirrorLab) { l.sessions(20, 0, writeAndRead) },
		tables:  []string{"landed"},
	},
	{
		// On the wire the same client is named, and where it can be read.
		name:   "TLS client on the wire",
		source: mysqltest.MySQL97, target: mysqltest.MySQL97,
		setup: []string{landed},
		traffic: func(l *mirrorLab) {
			l.parameters = "tls=skip-verify"
			l.sessions(5, 0, writeAndRead)
		},
		check: func(t *testing.T, l *mirrorLab, m *mirrored) {
			if !strings.Contains(m.said, "5 sessions encrypted") && m.report.Recorded.Encrypted != 5 {
				t.Errorf("said %q, report %+v", m.said, m.report.Recorded)
			}
		},
		arrival: arrival{only: "never"},
	},
	{
		// With full authentication the statements were lost, after an exchange of
		// seven frames. The first client is the only one who has it.
		name:   "caching_sha2 full and fast authentication",
		source: mysqltest.MySQL97, target: mysqltest.MySQL97,
		opts:  []mysqltest.Option{mysqltest.Users(mysqltest.User{Name: "app", Password: "apppw", Plugin: mysqltest.CachingSHA2})},
		setup: []string{landed},
		traffic: func(l *mirrorLab) {
			l.user, l.password = "app", "apppw"
			for range 2 {
				l.source.Exec(l.t, "FLUSH PRIVILEGES") // forgets whom it has seen
				l.sessions(1, 0, writeAndRead)
				l.sessions(10, 0, writeAndRead)
			}
		},
		tables: []string{"landed"},
	},
	{
		// A target that insists on a real login.
		name:   "MySQL 9.7 as the target",
		target: mysqltest.MySQL97,
		setup:  []string{landed},
		traffic: func(l *mirrorLab) {
			l.sessions(20, 0, writeAndRead)
			l.sessions(16, 0, executeHeld)
		},
		tables: []string{"landed"},
	},
	{
		// MariaDB took the bytes of query attributes for the statement's.
		name:   "MariaDB as the target of a 9.7 client",
		source: mysqltest.MySQL97, target: mysqltest.MariaDB,
		setup: []string{landed},
		traffic: func(l *mirrorLab) {
			for n := range 5 {
				l.program("mysql", "-e", fmt.Sprintf("INSERT INTO landed VALUES (%d, 1, 'of the client'); SELECT note FROM landed WHERE session = %d", n, n), mysqltest.Schema)
			}
		},
		// Before anything else the client asks whether "$$" quotes, and gets another
		// error of MariaDB, which alone logs it.
		arrival: arrival{only: "landed"},
		tables:  []string{"landed"},
		check: func(t *testing.T, l *mirrorLab, m *mirrored) {
			m.allSent(t)
			for _, d := range m.report.Differences {
				if d.Counted > 0 && (d.Class != "other_error" || d.Counted != 5) {
					t.Errorf("%+v", d)
				}
			}
		},
	},
	{
		// Copies took the ports of originals, of which 160 of 200 were left.
		name:  "every session twice",
		setup: []string{landed},
		prepare: func(l *mirrorLab) {
			l.copies = 2
		},
		traffic: func(l *mirrorLab) { l.sessions(200, 0, readOnly) },
	},
	{
		// The target still knew the connections of the first time.
		name:  "the same clients and ports twice in a row",
		setup: []string{landed},
		prepare: func(l *mirrorLab) {
			l.Client.Sysctl("net.ipv4.tcp_tw_reuse", "1")
		},
		traffic: func(l *mirrorLab) {
			for range 2 {
				l.sessions(100, 41000, writeAndRead)
			}
		},
		tables: []string{"landed"},
	},
	{
		// One of 7 sessions was empty when the network card did not join segments.
		name:  "100 KB inserts with offloads off",
		setup: []string{landed},
		prepare: func(l *mirrorLab) {
			l.Client.Offloads("eth0", false)
			l.Online.Offloads("eth0", false)
			l.Online.Offloads("eth1", false)
			l.Target.Offloads("eth0", false)
		},
		traffic: func(l *mirrorLab) { l.sessions(7, 0, insertLarge) },
		tables:  []string{"landed"},
	},
	{
		// TCPCopy knows IPv4 only.
		name:    "IPv6",
		setup:   []string{landed},
		prepare: func(l *mirrorLab) { l.six = true },
		traffic: func(l *mirrorLab) { l.sessions(50, 0, writeAndRead) },
		tables:  []string{"landed"},
	},
	{
		// A session with more than 32,768 packets in the queue was reset.
		name:    "a session that is far ahead of its target",
		setup:   []string{landed},
		traffic: runAhead,
		tables:  []string{"landed"},
	},
	{
		// TCPCopy can: so must a mirror.
		name:   "file data",
		setup:  []string{landed},
		tables: []string{"landed"},
		traffic: func(l *mirrorLab) {
			mysql.RegisterReaderHandler("lab", func() io.Reader { return strings.NewReader(fileOfRows()) })
			c := l.client(1)
			defer c.Close()
			c.exec("LOAD DATA LOCAL INFILE 'Reader::lab' INTO TABLE landed FIELDS TERMINATED BY ','")
			c.read("SELECT COUNT(*) FROM landed")
		},
	},
	{
		name:    "several statements in one, and USE",
		setup:   []string{landed, "CREATE DATABASE other", strings.Replace(landed, "landed", "other.landed", 1)},
		prepare: func(l *mirrorLab) { l.parameters = "multiStatements=true" },
		traffic: func(l *mirrorLab) {
			c := l.client(1)
			defer c.Close()
			c.read("INSERT INTO landed VALUES (1, 1, 'here'); USE other; INSERT INTO landed VALUES (1, 2, 'there'); SELECT DATABASE()")
			c.exec("INSERT INTO landed VALUES (1, 3, 'there, too')")
		},
		tables: []string{"landed", "other.landed"},
	},
	{
		name:    "compressed, with a result of 2 MB",
		setup:   []string{landed},
		prepare: func(l *mirrorLab) { l.parameters = "compress=true" },
		traffic: func(l *mirrorLab) {
			c := l.client(1)
			defer c.Close()
			c.exec("INSERT INTO landed VALUES (1, 1, REPEAT('long ', 400000))")
			c.read("SELECT note FROM landed")
		},
		tables: []string{"landed"},
	},
	{
		name:  "the command-line client goes to another schema",
		setup: []string{landed, "CREATE DATABASE other", strings.Replace(landed, "landed", "other.landed", 1)},
		traffic: func(l *mirrorLab) {
			l.program("mysql", "-e", "INSERT INTO landed VALUES (1, 1, 'here'); CONNECT other; INSERT INTO landed VALUES (1, 2, 'there')", mysqltest.Schema)
		},
		tables: []string{"landed", "other.landed"},
	},
}
