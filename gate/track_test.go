package gate

import (
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/tlsmode"
)

const tracked = `
const mysql = require('mysql2/promise');
(async () => {
  const [port, tls, user, password, user2, password2] = process.argv.slice(-6);
  const o = {host: '127.0.0.1', port: +port, user, password, database: 'test', multipleStatements: true, flags: ['-SESSION_TRACK']};
  if (tls === '1') o.ssl = {rejectUnauthorized: false};
  const c = await mysql.createConnection(o);
  const run = async (q) => { const [r] = await c.query(q); return r; };
  await run("set @@session.sql_mode = 'ANSI_QUOTES'");
  await run('create table if not exists test.tracked (a int auto_increment primary key, b text)');
  const ins = await run("insert into test.tracked (b) values ('x'), ('y'), ('z')");
  console.log(ins.info, ins.affectedRows, ins.serverStatus & 0x4000);
  const multi = await run("set @a = 1; select 1 as one; use mysql; select 2 as two; use test");
  console.log(multi.map(r => Array.isArray(r) ? r[0] : r.serverStatus & 0x4008));
  await run('start transaction'); await run('insert into test.tracked (b) values (1)'); await run('commit');
  const [ps] = await c.execute('select b from test.tracked where a > ? limit 2', [0]);
  console.log(ps.length);
  const big = await run("select repeat('x', 2000000) b union all select repeat('y', 100)");
  console.log(big[0].b.length, big[1].b.length);
  const many = await run("with recursive n as (select 1 i union all select i+1 from n where i < 900) select i, repeat('z', i) z from n");
  console.log(many.length, many[899].z.length);
  const [e] = await c.query('selec').catch(e => [e.errno]);
  console.log(e);
  await c.changeUser({user: user2, password: password2, database: 'test'});
  await run("set time_zone = '+01:00'");
  console.log((await run("select substring_index(user(), '@', 1) u"))[0].u);
  if (c.connection.resetConnection) { await new Promise((y, n) => c.connection.resetConnection((e) => e ? n(e) : y())); }
  await run("set time_zone = '+02:00'");
  await run('drop table test.tracked');
  await c.end();
})().catch(e => { console.log('FAILED', e); process.exit(1); });
`

// TestTrack: a client that does not ask for session states sees none, and what
// is told has them; on each kind of server, with legs alike and not.
func TestTrack(t *testing.T) {
	other := mysqltest.Users(mysqltest.User{Name: "other", Password: "otherpw"})
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB, mysqltest.MariaDB118} {
		db := mysqltest.Start(t, kind, other)
		direct := runs(t, mysqltest.Node(t, tracked, strings.Split(db.Addr, ":")[1], "0", "cap", "cappw", "other", "otherpw"))
		if strings.Contains(direct, "FAILED") {
			t.Fatal(direct)
		}
		for _, w := range ways {
			if w.opaque || w.server == tlsmode.Preferred {
				continue
			}
			t.Run(kind.String()+" "+w.name, func(t *testing.T) {
				o := w.options()
				o.Track = true
				p := listen(t, o, db.Addr)
				useTLS := "0"
				if w.tls {
					useTLS = "1"
				}
				out := runs(t, mysqltest.Node(t, tracked, p.port(), useTLS, "cap", "cappw", "other", "otherpw"))
				if out != direct {
					t.Errorf("%.1000s", out)
				}
				w.follows = true
				s := w.check(t, p)
				for _, want := range []string{"state:0:sql_mode=ANSI_QUOTES", "state:1:=mysql", "state:0:time_zone=+01:00", "state:0:time_zone=+02:00"} {
					if !strings.Contains(s, want) {
						t.Errorf("%s was not told", want)
					}
				}
			})
		}
	}
}

// TestTrackClients: sessions that ask for states themselves, or are compressed,
// are left alone.
func TestTrackClients(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97)
	o := Options{TLS: End, Certificate: selfSigned(), Track: true, Server: tlsmode.Config{}}
	p := listen(t, o, db.Addr)
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB, mysqltest.MariaDB118} {
		for _, more := range [][]string{nil, {"--compress"}} {
			out := runs(t, program(t, kind, p.port(), db.User, db.Password, true, "select 1; use test; set time_zone='+03:00'; "+bigQuery+"; select 'end'", more...))
			if !strings.HasSuffix(out, "end\n") {
				t.Errorf("%v: %s", kind, out)
			}
			story(t, p.take(t))
		}
	}
}
