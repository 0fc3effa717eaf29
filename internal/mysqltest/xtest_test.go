package mysqltest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const xdevapiScript = `
const mysqlx = require('@mysql/xdevapi');
(async () => {
  const [port, user, password] = process.argv.slice(2);
  const session = await mysqlx.getSession({ host: '127.0.0.1', port: +port, user, password });
  const pets = await session.getSchema('test').createCollection('pets');
  await pets.add({ _id: '1', name: 'Rex', legs: 4 }, { _id: '2', name: 'Tweety', legs: 2 }).execute();
  const found = await pets.find('legs > :n').bind('n', 3).execute();
  console.log(found.fetchAll().map(pet => pet.name).join());
  await session.close();
})().catch(e => { console.error(e); process.exit(1); });
`

// npm @mysql/xdevapi speaks the X Protocol over TLS, as it does unless told
// otherwise.
func TestNodeX(t *testing.T) {
	s := Start(t, MySQL97)
	if out := Output(t, Node(t, xdevapiScript, fmt.Sprint(s.XPort), s.User, s.Password)); out != "Rex\n" {
		t.Errorf("xdevapi: %q", out)
	}
}

// xExamples are scripts for mysqlxtest, one for each thing that other tests
// want of it, with parts of what it prints.
var xExamples = []struct {
	name, script string
	want         []string
}{
	{"SQL, as a block and with parameters", `
-->sql
SELECT 1 AS one, NULL AS nothing
-->endsql
-->stmtsql SELECT 2 AS two
-->recvresult print-columnsinfo
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT ? + 1 AS sum"
  args { type: SCALAR scalar { type: V_SINT v_signed_int: 41 } }
}
-->recvresult
-->stmtsql SELECT bogus
-->recverror ER_BAD_FIELD_ERROR
`, []string{"one\tnothing\n1\tnull\n", "two:SINT", "sum\n42\n", "Unknown column"}},

	{"a collection, with ids that the server makes", `
-->stmtadmin ensure_collection	{"schema":"test","name":"pets"}
-->recvresult
Mysqlx.Crud.Insert {
  collection { name: "pets" schema: "test" }
  data_model: DOCUMENT
  row { field { type: LITERAL literal { type: V_OCTETS v_octets { value: '{"name":"Rex"}' content_type: 2 } } } }
  row { field { type: LITERAL literal { type: V_OCTETS v_octets { value: '{"name":"Tweety"}' content_type: 2 } } } }
}
-->recvresult
Mysqlx.Crud.Find {
  collection { name: "pets" schema: "test" }
  data_model: DOCUMENT
  criteria {
    type: OPERATOR
    operator {
      name: "=="
      param { type: IDENT identifier { document_path { type: MEMBER value: "name" } } }
      param { type: LITERAL literal { type: V_STRING v_string { value: "Rex" } } }
    }
  }
}
-->recvresult
Mysqlx.Crud.Update {
  collection { name: "pets" schema: "test" }
  data_model: DOCUMENT
  operation {
    source { document_path { type: MEMBER value: "legs" } }
    operation: ITEM_SET
    value { type: LITERAL literal { type: V_SINT v_signed_int: 4 } }
  }
}
-->recvresult
Mysqlx.Crud.Delete {
  collection { name: "pets" schema: "test" }
  data_model: DOCUMENT
}
-->recvresult
`, []string{"auto-generated id(s): ", `"name": "Rex"}`, "2 rows affected"}},

	{"prepare, execute, deallocate", `
Mysqlx.Prepare.Prepare {
  stmt_id: 1
  stmt { type: STMT stmt_execute { stmt: "SELECT ? + 1 AS n" } }
}
-->recvok
Mysqlx.Prepare.Execute {
  stmt_id: 1
  args { type: SCALAR scalar { type: V_UINT v_unsigned_int: 41 } }
}
-->recvresult
Mysqlx.Prepare.Deallocate {
  stmt_id: 1
}
-->recvok
Mysqlx.Prepare.Execute {
  stmt_id: 1
}
-->recverror ER_X_BAD_STATEMENT_ID
`, []string{"n\n42\n", "was not prepared"}},

	{"a cursor, which is fetched from in parts", `
Mysqlx.Prepare.Prepare {
  stmt_id: 1
  stmt { type: STMT stmt_execute { stmt: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n FROM c" } }
}
-->recvok
Mysqlx.Cursor.Open {
  cursor_id: 7
  stmt { type: PREPARE_EXECUTE prepare_execute { stmt_id: 1 } }
  fetch_rows: 2
}
-->recvresult_store_metadata columns
Mysqlx.Cursor.Fetch {
  cursor_id: 7
  fetch_rows: 2
}
-->recv_with_stored_metadata columns
Mysqlx.Cursor.Fetch {
  cursor_id: 7
  fetch_rows: 2
}
-->recv_with_stored_metadata columns
Mysqlx.Cursor.Close {
  cursor_id: 7
}
-->recvok
`, []string{"n\n1\n2\n", "n\n3\n4\n", "n\n5\n"}},

	{"an expect block, sent at once: what follows an error is not run", `
Mysqlx.Expect.Open {
  op: EXPECT_CTX_EMPTY
  cond { condition_key: 1 }
}
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT 11"
}
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT bogus"
}
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT 13"
}
Mysqlx.Expect.Close {
}
-->recvok
-->recvresult
-->recverror ER_BAD_FIELD_ERROR
-->recverror ER_X_EXPECT_NO_ERROR_FAILED
-->recverror ER_X_EXPECT_NO_ERROR_FAILED
`, []string{"11\n11\n", "Unknown column", "Expectation failed: no_error"}},

	{"sessions: a second one, reset, close", `
-->newsession_plain second	cap	cappw	test
-->stmtsql SELECT DATABASE() AS its
-->recvresult
-->closesession
-->setsession
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
Mysqlx.Session.Close {
}
-->recvok
-->login cap	cappw	test	plain
`, []string{"its\ntest\n", "kept\nnull\n", "Login OK", "bye!"}},
}

func TestXTest(t *testing.T) {
	s := Start(t, MySQL97)
	addr := fmt.Sprintf("127.0.0.1:%d", s.XPort)
	for _, c := range xExamples {
		t.Run(c.name, func(t *testing.T) {
			out := Output(t, XTest(t, addr, c.script, "--ssl-mode=REQUIRED", "--quiet", "--schema=test"))
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// compressedScript sends two messages in one compressed one and asks what the
// server compressed itself.
const compressedScript = `
-->begin_compress
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT 1"
}
Mysqlx.Sql.StmtExecute {
  stmt: "SELECT REPEAT('x', 20000)"
}
-->end_compress
-->recvresult
-->recvresult be-quiet
-->sql
SELECT VARIABLE_VALUE > 0 FROM performance_schema.session_status WHERE VARIABLE_NAME IN
 ('Mysqlx_bytes_received_compressed_payload', 'Mysqlx_bytes_sent_compressed_payload')
-->endsql
`

// Both sides compress, with each algorithm.
func TestXTestCompression(t *testing.T) {
	s := Start(t, MySQL97)
	addr := fmt.Sprintf("127.0.0.1:%d", s.XPort)
	for _, algorithm := range []string{"DEFLATE_STREAM", "LZ4_MESSAGE", "ZSTD_STREAM"} {
		out := Output(t, XTest(t, addr, compressedScript, "--ssl-mode=REQUIRED", "--quiet",
			"--compression-mode=REQUIRED", "--compression-algorithm="+algorithm))
		if !strings.Contains(out, "\n1\n1\n0 rows") {
			t.Errorf("%s:\n%s", algorithm, out)
		}
	}
}

// handshakeScript begins with capabilities, TLS and compression by hand, as
// mysqlxtest does it with --no-auth. The first message is the server's hello.
const handshakeScript = `
-->recv quiet
Mysqlx.Connection.CapabilitiesGet {
}
-->recv
Mysqlx.Connection.CapabilitiesSet {
  capabilities { capabilities { name: "tls" value { type: SCALAR scalar { type: V_BOOL v_bool: true } } } }
}
-->recvok
-->do_ssl_handshake
Mysqlx.Connection.CapabilitiesSet {
  capabilities { capabilities { name: "compression" value { type: OBJECT obj { fld {
    key: "algorithm" value { type: SCALAR scalar { type: V_STRING v_string { value: "zstd_stream" } } } } } } } }
}
-->recvok
-->enable_compression zstd_stream
-->login cap	cappw	test	plain
-->stmtsql SHOW STATUS LIKE 'Mysqlx_ssl_version'
-->recvresult
`

func TestXTestHandshake(t *testing.T) {
	s := Start(t, MySQL97)
	addr := fmt.Sprintf("127.0.0.1:%d", s.XPort)
	out := Output(t, XTest(t, addr, handshakeScript, "--no-auth", "--quiet", "--ssl-ca="+s.CA))
	if !regexp.MustCompile(`Mysqlx_ssl_version\tTLSv1\.[23]`).MatchString(out) {
		t.Error(out)
	}
}
