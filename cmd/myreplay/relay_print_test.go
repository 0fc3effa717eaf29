package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
)

// scene is what passes when a client logs in, selects and inserts, as far as it
// is the same with every client: 9.7 says hello first, and clients use TLS.
var scene = []string{
	"S: NOTICE", "C: CON_CAPABILITIES_SET", "S: OK", "-- TLS from here on",
	"C: CON_CAPABILITIES_GET", "S: CONN_CAPABILITIES", "C: SESS_AUTHENTICATE_START", "S: NOTICE", "S: SESS_AUTHENTICATE_OK",
	"C: SQL_STMT_EXECUTE", "S: RESULTSET_COLUMN_META_DATA", "S: RESULTSET_ROW", "S: RESULTSET_FETCH_DONE", "S: NOTICE", "S: SQL_STMT_EXECUTE_OK",
	"C: SQL_STMT_EXECUTE", "S: NOTICE", "S: SQL_STMT_EXECUTE_OK",
	"C: CON_CLOSE", "S: OK",
}

const sceneScript = `
const mysqlx = require('@mysql/xdevapi');
(async () => {
  const [port, user, password] = process.argv.slice(2);
  const session = await mysqlx.getSession({ host: '127.0.0.1', port: +port, user, password });
  await session.sql('SELECT c FROM test.scene').execute();
  await session.sql('INSERT INTO test.scene VALUES (2)').execute();
  await session.close();
})().catch(e => { console.error(e); process.exit(1); });
`

// TestRelayPrint: an X session of a client that uses TLS, as all do unless told
// otherwise, through a relay that ends it: every message has its line, in the
// order in which they pass, and the password is in none.
func TestRelayPrint(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	s.Exec(t, "CREATE TABLE test.scene (c INT)")
	s.Exec(t, "INSERT INTO test.scene VALUES (1)")
	printed := func(args ...string) []string {
		cmd := myreplayCommand(t, append([]string{"relay", "--listen", "127.0.0.1:0", "--to", xAddr(s), "--print"}, args...)...)
		out, said := &spoken{}, &spoken{}
		cmd.Stdout, cmd.Stderr = out, said
		p := mysqltest.Background(t, cmd)
		await(t, func() bool { return strings.Contains(said.String(), "Ctrl-C ends it") })
		addr := relayAddr(t, said.String())
		mysqltest.Output(t, mysqltest.Node(t, sceneScript, addr[strings.LastIndexByte(addr, ':')+1:], s.User, s.Password))
		p.Signal(os.Interrupt)
		if err := p.Wait(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		if strings.Contains(out.String(), s.Password) {
			t.Errorf("the password is printed:\n%s", out)
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	lines := printed()
	if len(lines) > 1 && lines[1] == scene[0] { // the server's greeting and the client's first message cross
		lines[0], lines[1] = lines[1], lines[0]
	}
	if got, want := strings.Join(lines, "\n"), strings.Join(scene, "\n"); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	verbose := strings.Join(printed("-v"), "\n")
	for _, want := range []string{`user=cap`, `sql="SELECT c FROM test.scene"`, `name=c type=SINT`, `values=[1]`, `param=ROWS_AFFECTED value=1`, `text="bye!"`} {
		if !strings.Contains(verbose, want) {
			t.Errorf("no %s in\n%s", want, verbose)
		}
	}
	for _, line := range printed("--json") {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}
