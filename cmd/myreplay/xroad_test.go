package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// xAddr is a server's address of the X Protocol.
func xAddr(s *mysqltest.Server) string { return fmt.Sprintf("127.0.0.1:%d", s.XPort) }

// recordRelayX records X sessions that pass through a relay.
func recordRelayX(t testing.TB, s *mysqltest.Server, args ...string) *recorder {
	t.Helper()
	r := startRecorder(t, append([]string{"relay", "--listen", "127.0.0.1:0", "--to", xAddr(s)}, args...)...)
	r.addr = relayAddr(t, r.errs.String())
	return r
}

// relayAddr finds where a relay listens in what it said.
func relayAddr(t testing.TB, said string) string {
	t.Helper()
	m := regexp.MustCompile(`relaying (\S+) to`).FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("no address in %q", said)
	}
	return m[1]
}

// replayOnX replays a capture of X sessions over TLS, writes included, and
// compares.
func replayOnX(t testing.TB, capture string, s *mysqltest.Server, parameters string, args ...string) *comparison {
	t.Helper()
	c := &comparison{capture: capture, run: t.TempDir() + "/run", recorded: eventsOf(t, capture)}
	url := fmt.Sprintf("mysqlx://%s@%s/%s?tls=required%s", s.User, xAddr(s), mysqltest.Schema, parameters)
	c.summary = mustRun(t, append([]string{"replay", capture, url, "--writes", "--speed", "max", "-q", "-o", c.run}, args...)...)
	c.read(t)
	c.closes(t)
	return c
}

// xScript is what mysqlxtest says: documents with ids that the server makes,
// tables, SQL with arguments, prepared statements, a cursor, pipelines in blocks
// of expectations, errors, warnings, several results, resets. %s makes the names
// of a session its own.
const xScript = `
-->stmtadmin create_collection	{"schema":"test","name":"c%[1]s"}
-->recvresult
Mysqlx.Crud.Insert {
  collection { name: "c%[1]s" schema: "test" }
  data_model: DOCUMENT
  row { field { type: LITERAL literal { type: V_OCTETS v_octets { value: '{"name":"Rex","legs":4}' content_type: 2 } } } }
  row { field { type: LITERAL literal { type: V_OCTETS v_octets { value: '{"name":"Tweety","legs":2}' content_type: 2 } } } }
  row { field { type: LITERAL literal { type: V_OCTETS v_octets { value: '{"_id":"mine","name":"Nemo","legs":0}' content_type: 2 } } } }
}
-->recvresult
Mysqlx.Crud.Find {
  collection { name: "c%[1]s" schema: "test" }
  data_model: DOCUMENT
  order { expr { type: IDENT identifier { document_path { type: MEMBER value: "legs" } } } direction: DESC }
}
-->recvresult
Mysqlx.Crud.Update {
  collection { name: "c%[1]s" schema: "test" }
  data_model: DOCUMENT
  criteria { type: OPERATOR operator { name: "=="
    param { type: IDENT identifier { document_path { type: MEMBER value: "name" } } }
    param { type: LITERAL literal { type: V_STRING v_string { value: "Rex" } } } } }
  operation { source { document_path { type: MEMBER value: "legs" } } operation: ITEM_SET
    value { type: LITERAL literal { type: V_SINT v_signed_int: 3 } } }
}
-->recvresult
Mysqlx.Crud.Find {
  collection { name: "c%[1]s" schema: "test" }
  data_model: DOCUMENT
  criteria { type: OPERATOR operator { name: ">"
    param { type: IDENT identifier { document_path { type: MEMBER value: "legs" } } }
    param { type: PLACEHOLDER position: 0 } } }
  args { type: V_SINT v_signed_int: 1 }
  locking: EXCLUSIVE_LOCK
}
-->recvresult
Mysqlx.Crud.Delete {
  collection { name: "c%[1]s" schema: "test" }
  data_model: DOCUMENT
  criteria { type: OPERATOR operator { name: "=="
    param { type: IDENT identifier { document_path { type: MEMBER value: "name" } } }
    param { type: LITERAL literal { type: V_STRING v_string { value: "Tweety" } } } } }
}
-->recvresult
-->sql
CREATE TABLE t%[1]s (id INT PRIMARY KEY AUTO_INCREMENT, n DECIMAL(10,3), d DOUBLE, f FLOAT, s VARCHAR(300), b BIT(9), e ENUM('a','b'), st SET('x','y','z'), j JSON, dt DATETIME(6), ti TIME(3), da DATE, y YEAR, u BIGINT UNSIGNED, bl BLOB);
INSERT INTO t%[1]s (n,d,f,s,b,e,st,j,dt,ti,da,y,u,bl) VALUES (-12.340,1.5e300,0.1,'text','5','b','x,z','{"a":[1,2]}','2024-02-29 12:34:56.789','-837:59:59.5','1999-12-31',2024,18446744073709551615,x'00ff'),(NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
SELECT * FROM t%[1]s;
INSERT IGNORE INTO t%[1]s (id, n, e) VALUES (1, 'x', 'q'), (7, 'abc', 'b');
UPDATE t%[1]s SET s = CONCAT(s, '!') WHERE id < 3;
SELECT 1/0;
SELECT REPEAT('long text ', 5000) AS filler;
-->endsql
-->stmtsql CREATE PROCEDURE p%[1]s(IN a INT) BEGIN SELECT a AS first; SELECT a + 1 AS second; END
-->recvresult
-->sql
CALL p%[1]s(5);
START TRANSACTION;
INSERT INTO t%[1]s (n) VALUES (5);
ROLLBACK;
START TRANSACTION;
INSERT INTO t%[1]s (n) VALUES (6);
COMMIT;
SELECT id, n FROM t%[1]s ORDER BY id;
-->endsql
Mysqlx.Crud.Insert {
  collection { name: "t%[1]s" schema: "test" }
  data_model: TABLE
  projection { name: "n" }
  projection { name: "s" }
  row { field { type: LITERAL literal { type: V_DOUBLE v_double: 2.5 } } field { type: LITERAL literal { type: V_STRING v_string { value: "it's" } } } }
}
-->recvresult
Mysqlx.Crud.Find {
  collection { name: "t%[1]s" schema: "test" }
  data_model: TABLE
  projection { source { type: IDENT identifier { name: "id" } } }
  projection { source { type: IDENT identifier { name: "s" } } alias: "text" }
  limit { row_count: 2 offset: 1 }
}
-->recvresult
-->stmtsql SELECT bogus
-->recverror ER_BAD_FIELD_ERROR
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT ? + 1 AS sum, ? AS text, ? AS nothing"
  args { type: SCALAR scalar { type: V_SINT v_signed_int: -42 } }
  args { type: SCALAR scalar { type: V_STRING v_string { value: "x" } } }
  args { type: SCALAR scalar { type: V_NULL } }
}
-->recvresult
Mysqlx.Prepare.Prepare {
  stmt_id: 1
  stmt { type: STMT stmt_execute { stmt: "SELECT id FROM t%[1]s WHERE id > ? ORDER BY id" } }
}
-->recvok
Mysqlx.Prepare.Execute {
  stmt_id: 1
  args { type: SCALAR scalar { type: V_UINT v_unsigned_int: 1 } }
}
-->recvresult
Mysqlx.Prepare.Prepare {
  stmt_id: 2
  stmt { type: FIND find { collection { name: "c%[1]s" schema: "test" } data_model: DOCUMENT } }
}
-->recvok
Mysqlx.Prepare.Execute {
  stmt_id: 2
}
-->recvresult
Mysqlx.Cursor.Open {
  cursor_id: 7
  stmt { type: PREPARE_EXECUTE prepare_execute { stmt_id: 1 args { type: SCALAR scalar { type: V_UINT v_unsigned_int: 0 } } } }
  fetch_rows: 2
}
-->recvresult_store_metadata columns
Mysqlx.Cursor.Fetch {
  cursor_id: 7
  fetch_rows: 1
}
-->recv_with_stored_metadata columns
Mysqlx.Cursor.Close {
  cursor_id: 7
}
-->recvok
Mysqlx.Prepare.Deallocate {
  stmt_id: 1
}
-->recvok
Mysqlx.Prepare.Execute {
  stmt_id: 1
}
-->recverror ER_X_BAD_STATEMENT_ID
Mysqlx.Expect.Open {
  op: EXPECT_CTX_EMPTY
  cond { condition_key: 1 }
}
Mysqlx.Sql.StmtExecute {
  stmt: "INSERT INTO t%[1]s (n) VALUES (11)"
}
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT bogus"
}
Mysqlx.Sql.StmtExecute {
  stmt: "INSERT INTO t%[1]s (n) VALUES (13)"
}
Mysqlx.Expect.Close {
}
-->recvok
-->recvresult
-->recverror ER_BAD_FIELD_ERROR
-->recverror ER_X_EXPECT_NO_ERROR_FAILED
-->recverror ER_X_EXPECT_NO_ERROR_FAILED
-->stmtadmin list_objects	{"schema":"test","pattern":"c%[1]s"}
-->recvresult
-->stmtsql SET @kept = 1
-->recvresult
Mysqlx.Session.Reset {
  keep_open: true
}
-->recvok
-->stmtsql SELECT @kept AS kept
-->recvresult
Mysqlx.Session.Reset {
}
-->recvok
-->login cap	cappw	test	plain
-->stmtsql SELECT COUNT(*) FROM t%[1]s
-->recvresult
Mysqlx.Session.Close {
}
-->recvok
-->login cap	cappw	test	plain
-->stmtsql SELECT 'again'
-->recvresult
`

// xModes are what mysqlxtest compresses with.
var xModes = map[string][]string{
	"plain":   nil,
	"deflate": {"--compression-mode=REQUIRED", "--compression-algorithm=DEFLATE_STREAM"},
	"lz4":     {"--compression-mode=REQUIRED", "--compression-algorithm=LZ4_MESSAGE"},
	"zstd":    {"--compression-mode=REQUIRED", "--compression-algorithm=ZSTD_STREAM"},
}

// xdevapiWork is what npm @mysql/xdevapi does: documents, tables, SQL, implicitly
// prepared finds, transactions, an error. It finds a document again by the id
// that the server made.
const xdevapiWork = `
const mysqlx = require('@mysql/xdevapi');
(async () => {
  const [port, user, password] = process.argv.slice(2);
  const session = await mysqlx.getSession({ host: '127.0.0.1', port: +port, user, password, schema: 'test' });
  const schema = session.getSchema('test');
  const pets = await schema.createCollection('npmpets');
  const added = await pets.add({ name: 'Rex', legs: 4 }, { name: 'Tweety', legs: 2 }).execute();
  const [first, second] = added.getGeneratedIds();
  console.log((await pets.getOne(first)).name);
  await pets.modify('_id = :id').set('legs', 3).bind('id', first).execute();
  const byLegs = pets.find('legs > :n').sort('legs');
  for (const n of [0, 1, 2, 3]) {
    console.log((await byLegs.bind('n', n).execute()).fetchAll().map(p => p.name).join());
  }
  await pets.removeOne(second);
  await session.sql('CREATE TABLE npmt (id INT PRIMARY KEY, s VARCHAR(20))').execute();
  const table = schema.getTable('npmt');
  await table.insert('id', 's').values(1, 'a').values(2, 'b').execute();
  await session.startTransaction();
  await table.update().where('id = 1').set('s', 'c').execute();
  await session.rollback();
  console.log((await table.select('id', 's').orderBy('id').execute()).fetchAll().join(';'));
  try { await table.insert('id', 's').values(1, 'dup').execute(); } catch (e) { console.log(e.info.code); }
  await session.close();
})().catch(e => { console.error(e); process.exit(1); });
`

// workX lets Oracle's clients work at addr.
func workX(t testing.TB, addr string) {
	t.Helper()
	for _, mode := range []string{"plain", "deflate", "lz4", "zstd"} {
		args := append([]string{"--ssl-mode=REQUIRED", "--quiet", "--schema=test"}, xModes[mode]...)
		if out := mysqltest.Output(t, mysqltest.XTest(t, addr, fmt.Sprintf(xScript, mode), args...)); !strings.Contains(out, "again") {
			t.Errorf("mysqlxtest, %s:\n%s", mode, out)
		}
	}
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	want := "Rex\nTweety,Rex\nTweety,Rex\nRex\n\n1,a;2,b\n1062\n"
	if out := mysqltest.Output(t, mysqltest.Node(t, xdevapiWork, port, mysqltest.AdminUser, mysqltest.AdminPassword)); out != want {
		t.Errorf("xdevapi: %q", out)
	}
}

// TestXRoad: X sessions over TLS, recorded by a relay that ends it, replayed on a
// second server: every message is sent, pipelines and cursors and ids that the
// server made included, and the answers are the same.
func TestXRoad(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	time.Sleep(time.Second) // the ids that a server makes begin with the second of its start
	u := mysqltest.Start(t, mysqltest.MySQL97)
	r := recordRelayX(t, s)
	workX(t, r.addr)
	said := r.stop()
	events := eventsOf(t, r.dir)
	for _, start := range pick[*session.Start](events) {
		if start.Protocol != session.X || !start.Encrypted || !start.Login.Known {
			t.Errorf("%s\n%s", session.Line(start), said)
		}
	}
	if gaps := pick[*session.Gap](events); len(gaps) > 0 {
		t.Errorf("%s\n%s", session.Line(gaps[0]), said)
	}
	n := kindsOf(events)
	for _, k := range []session.Kind{session.Query, session.Prepare, session.Execute, session.Find, session.Insert, session.Update,
		session.Delete, session.PluginCommand, session.OpenExpect, session.CloseExpect, session.Deallocate, session.OpenCursor,
		session.FetchCursor, session.CloseCursor, session.ResetConnection, session.CloseSession, session.ChangeUser} {
		if n[k] == 0 {
			t.Errorf("no %s among the commands", k)
		}
	}
	replayOnX(t, r.dir, u, "").same(t)
	replayOnX(t, r.dir, mysqltest.Start(t, mysqltest.MySQL97), "&compress=as-recorded").same(t)
	for mode := range xModes {
		for _, query := range []string{
			"SELECT GROUP_CONCAT(CONCAT_WS('|', id, n, d, s, e, st, j, dt, u) ORDER BY id SEPARATOR '; ') FROM t" + mode,
			"SELECT GROUP_CONCAT(JSON_REMOVE(doc, '$._id') ORDER BY _id SEPARATOR '; ') FROM c" + mode,
		} {
			if a, b := s.Value(t, query), u.Value(t, query); a != b || a == "" {
				t.Errorf("%s\n%s on the source\n%s on the target", query, a, b)
			}
		}
	}
}

// TestXTapAndRelay is the mirror law on real sessions: without TLS, a tap and a
// relay see the same events, times apart.
func TestXTapAndRelay(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	// A login over TLS puts the password's hash into the server's cache, without
	// which nobody logs in in the clear.
	mysqltest.Output(t, mysqltest.XTest(t, xAddr(s), "-->stmtsql SELECT 1\n-->recvresult\n", "--ssl-mode=REQUIRED", "--quiet"))
	tap := startRecorder(t, "capture", "-i", "lo", "--port", fmt.Sprint(s.XPort), "--rows", "all")
	r := recordRelayX(t, s, "--rows", "all")
	for _, mode := range []string{"plain", "deflate", "lz4", "zstd"} {
		args := append([]string{"--ssl-mode=DISABLED", "--quiet", "--schema=test"}, xModes[mode]...)
		script := strings.ReplaceAll(fmt.Sprintf(xScript, mode), "\ttest\tplain", "\ttest\tsha256_memory")
		mysqltest.Output(t, mysqltest.XTest(t, r.addr, script, args...))
	}
	r.stop()
	tap.stop()
	relayed, tapped := sessionLines(eventsOf(t, r.dir)), sessionLines(eventsOf(t, tap.dir))
	if len(relayed) == 0 || !slices.Equal(relayed, tapped) {
		t.Errorf("%d lines by the relay, %d by the tap", len(relayed), len(tapped))
		for i := range min(len(relayed), len(tapped)) {
			if relayed[i] != tapped[i] {
				t.Fatalf("line %d:\nrelay %s\ntap   %s", i, relayed[i], tapped[i])
			}
		}
	}
}

// digests in a line have the seed of their capture.
var digests = regexp.MustCompile(` digest=\S+`)

// bytesLine returns what an event holds as it was on the wire.
func bytesLine(e session.Event) string {
	switch e := e.(type) {
	case *session.Command:
		return fmt.Sprintf("%x", e.Payload)
	case *session.Reply:
		line := fmt.Sprint(e.Bytes, " bytes")
		for _, r := range e.Results {
			line += fmt.Sprintf(" %x %v", r.Kept, r.Changes)
		}
		return line
	}
	return ""
}

// sessionLines returns the events as lines: of each session first what the client
// said, then what the server did. Which of two that were on their way at once
// came first is a matter of where one listens.
func sessionLines(events []session.Event) []string {
	var lines []string
	ids := map[uint64][2][]string{}
	for _, e := range events {
		id, _ := e.Key()
		sides := ids[id]
		side := 0
		if _, ok := e.(*session.Reply); ok {
			side = 1
		}
		sides[side] = append(sides[side], digests.ReplaceAllString(session.Line(e), ""), bytesLine(e))
		ids[id] = sides
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		lines = append(append(lines, ids[id][0]...), ids[id][1]...)
	}
	return lines
}
