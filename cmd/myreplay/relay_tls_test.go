package main

import (
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// TestRelayTLS: real clients that use TLS as they do by default, through a relay
// that ends it on both legs: what they say is recorded, and replayed on a server
// with the same data it is answered the same.
func TestRelayTLS(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(kind.String(), func(t *testing.T) {
			s, u := mysqltest.Start(t, kind), mysqltest.Start(t, kind)
			for _, each := range []*mysqltest.Server{s, u} {
				each.Exec(t, "CREATE TABLE test.secret (id INT PRIMARY KEY, v VARCHAR(20))")
			}
			r := recordRelay(t, s)
			c := &client{t, s, r.addr}
			conn := c.driver("tls=skip-verify")
			conn.exec("INSERT INTO secret VALUES (?, ?)", 1, "driver")
			conn.Close()
			c.node(`async function main() {
	const c = await mysql.createConnection({ ...config, ssl: { rejectUnauthorized: false } });
	await c.query('INSERT INTO secret VALUES (2, ?)', ['mysql2']);
	await c.changeUser({ user: config.user, password: config.password, database: config.database });
	await c.query('SELECT * FROM secret ORDER BY id');
	await c.end();
}`)
			port := r.addr[strings.LastIndexByte(r.addr, ':')+1:]
			args := []string{"--host=127.0.0.1", "--protocol=tcp", "--port=" + port, "--user=" + s.User, "--password=" + s.Password, "test"}
			if kind == mysqltest.MySQL97 {
				args = append(args, "--ssl-mode=REQUIRED", "--compression-algorithms=zstd")
			} else {
				args = append(args, "--ssl")
			}
			out := mysqltest.Output(t, mysqltest.Client(t, kind, "mysql", append(args, "-e", "SELECT v FROM secret ORDER BY id; SHOW STATUS LIKE 'Ssl_cipher'")...))
			if !strings.Contains(out, "driver\nmysql2\n") || !strings.Contains(out, "TLS_") {
				t.Error(out)
			}
			said := r.stop()
			events := eventsOf(t, r.dir)
			starts := pick[*session.Start](events)
			for _, start := range starts {
				if !start.Encrypted || !start.Login.Known {
					t.Errorf("%s\n%s", session.Line(start), said)
				}
			}
			if n := kindsOf(events); len(starts) != 3 || n[session.Execute] != 1 || n[session.ChangeUser] != 1 || n[session.Query] < 3 {
				t.Errorf("%d sessions, %v\n%s", len(starts), n, said)
			}
			replayOn(t, r.dir, u).same(t, "row_data") // the cipher is another one: generated, and does not count
		})
	}
}
