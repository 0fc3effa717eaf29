package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"myreplay/classic"
	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

// shape is a way in which real clients use the protocol. It is recorded from
// one server and replayed on a second one with the same data.
type shape struct {
	name  string
	kinds []mysqltest.Kind // of servers; nil: all
	// setup runs on both servers beforehand, onTarget only on the second.
	setup, onTarget []string
	traffic         func(c *client)
	// live: recorded from the wire also where others go through a relay, whose
	// queue is shorter than what comes at once.
	live bool
	// tables are alike on both servers afterwards.
	tables []string
	// check looks at what came of it; without it nothing may differ.
	check func(t *testing.T, c *comparison)
	// recorded looks at what was recorded.
	recorded func(t *testing.T, events []session.Event)
}

var shapes = []shape{
	{
		name:    "load data local",
		setup:   []string{"CREATE TABLE loaded (id INT PRIMARY KEY, note VARCHAR(100))"},
		traffic: loadFiles,
		tables:  []string{"loaded"},
		recorded: func(t *testing.T, events []session.Event) {
			if n := fileBytes(events); n != len(loadedFile()) {
				t.Errorf("%d bytes of files are recorded, want %d", n, len(loadedFile()))
			}
		},
	},
	{
		name:    "load data local by the command-line client",
		setup:   []string{"CREATE TABLE loaded_file (id INT PRIMARY KEY, note VARCHAR(100))"},
		traffic: loadFilesOfProgram,
		tables:  []string{"loaded_file"},
	},
	{
		name:     "errors that production had, too",
		setup:    []string{"CREATE TABLE failing (id INT PRIMARY KEY)", "INSERT INTO failing VALUES (1)"},
		traffic:  failAsBefore,
		tables:   []string{"failing"},
		recorded: errorsRecorded(1062, 1146, 1064, 1062),
	},
	{
		name:     "an error that only the target has",
		setup:    []string{"CREATE TABLE kept (id INT PRIMARY KEY)", "CREATE TABLE dropped (id INT PRIMARY KEY)", "INSERT INTO dropped VALUES (7)"},
		onTarget: []string{"DROP TABLE dropped"},
		traffic: func(c *client) {
			conn := c.driver("")
			defer conn.Close()
			conn.exec("INSERT INTO kept VALUES (1), (2)")
			conn.read("SELECT id FROM dropped")
			conn.read("SELECT id FROM kept ORDER BY id")
		},
		tables: []string{"kept"},
		check:  onlyNewError,
	},
	{
		name:     "compressed by zlib",
		setup:    []string{"CREATE TABLE packed_zlib (id INT PRIMARY KEY AUTO_INCREMENT, text TEXT)"},
		traffic:  func(c *client) { compressed(c, "packed_zlib", "--compress") },
		tables:   []string{"packed_zlib"},
		recorded: compressedAsPlain("zlib"),
	},
	{
		name:     "compressed by zstd",
		kinds:    []mysqltest.Kind{mysqltest.MySQL97},
		setup:    []string{"CREATE TABLE packed_zstd (id INT PRIMARY KEY AUTO_INCREMENT, text TEXT)"},
		traffic:  func(c *client) { compressed(c, "packed_zstd", "--compression-algorithms=zstd") },
		tables:   []string{"packed_zstd"},
		recorded: compressedAsPlain("zstd"),
	},
	{
		name:  "compressed by libraries",
		setup: []string{"CREATE TABLE packed_libraries (id INT PRIMARY KEY, text MEDIUMTEXT)"},
		traffic: func(c *client) {
			conn := c.driver("compress=true")
			conn.exec("INSERT INTO packed_libraries VALUES (1, REPEAT('compress me ', 10000))")
			conn.exec("INSERT INTO packed_libraries VALUES (?, ?)", 2, longText(100_000))
			conn.read("SELECT id, text FROM packed_libraries ORDER BY id")
			conn.read("SELECT id, text FROM packed_libraries WHERE id = ?", 2)
			conn.Close()
			c.node(compressedNode)
		},
		tables: []string{"packed_libraries"},
		recorded: func(t *testing.T, events []session.Event) {
			for _, s := range pick[*session.Start](events) {
				if s.Login.Compression != "zlib" {
					t.Errorf("session %d has compression %q", s.ID, s.Login.Compression)
				}
			}
			if n := kindsOf(events)[session.Execute]; n != 4 {
				t.Errorf("%d executions are recorded, want 4", n)
			}
		},
	},
	{
		name:  "commands without a statement",
		setup: []string{"CREATE DATABASE elsewhere", "CREATE TABLE elsewhere.here (id INT PRIMARY KEY)", "INSERT INTO elsewhere.here VALUES (5)"},
		traffic: func(c *client) {
			commandsOfDriver(c)
			commandsOfPrograms(c)
			commandsRaw(c)
		},
		recorded: func(t *testing.T, events []session.Event) {
			n := kindsOf(events)
			for _, k := range []session.Kind{session.Ping, session.Statistics, session.UseSchema, session.ResetConnection, session.SetOption, session.FieldList} {
				if n[k] == 0 {
					t.Errorf("no command of the kind %v is recorded", k)
				}
			}
		},
	},
	{
		name:    "change of user",
		setup:   []string{"CREATE TABLE changed (who VARCHAR(100), var VARCHAR(100), db VARCHAR(100))"},
		traffic: func(c *client) { c.node(changeUserNode) },
		tables:  []string{"changed"},
		check:   allButOneClose,
		recorded: func(t *testing.T, events []session.Event) {
			n := kindsOf(events)
			if n[session.ChangeUser] != 2 || n[session.ResetConnection] != 1 {
				t.Errorf("%d changes of user and %d resets are recorded", n[session.ChangeUser], n[session.ResetConnection])
			}
		},
	},
	{
		name:    "longer than a frame",
		live:    true,
		traffic: longerThanFrame,
		recorded: func(t *testing.T, events []session.Event) {
			for _, c := range pick[*session.Command](events) {
				if c.Cut || uint64(len(c.Payload)) != c.Size {
					t.Errorf("a command of %d bytes is recorded with %d", c.Size, len(c.Payload))
				}
			}
			if n := kindsOf(events)[session.LongData]; n < 2 {
				t.Errorf("%d pieces of long data", n)
			}
		},
	},
	{
		name: "cursors and several results",
		setup: []string{"CREATE TABLE listed (id INT PRIMARY KEY, name VARCHAR(20))",
			"INSERT INTO listed VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four'), (5, 'five')",
			"CREATE PROCEDURE twice(n INT) BEGIN SELECT id FROM listed WHERE id <= n ORDER BY id; SELECT name FROM listed ORDER BY id; UPDATE listed SET name = CONCAT(name, '!') WHERE id = n; END"},
		traffic: func(c *client) {
			cursors(c)
			severalResults(c)
		},
		tables: []string{"listed"},
		recorded: func(t *testing.T, events []session.Event) {
			most, cursors := 0, 0
			for _, r := range pick[*session.Reply](events) {
				most = max(most, len(r.Results))
				for i := range r.Results {
					if r.Results[i].Outcome == session.Opened {
						cursors++
					}
				}
			}
			if n := kindsOf(events)[session.Fetch]; n != 4 || cursors != 2 || most != 3 {
				t.Errorf("%d fetches, %d cursors, at most %d results", n, cursors, most)
			}
		},
	},
	{
		name:    "every type by npm mysql2",
		setup:   everyType,
		traffic: func(c *client) { c.node(everyTypeNode) },
		tables:  []string{"every_type"},
		recorded: func(t *testing.T, events []session.Event) {
			if n := kindsOf(events); n[session.Execute] < 10 || n[session.Query] < 5 {
				t.Errorf("recorded: %v", n)
			}
		},
	},
	{
		name:    "with TLS and without",
		setup:   []string{"CREATE TABLE readable (id INT PRIMARY KEY)"},
		traffic: plainAndTLS,
		check:   onlyPlainReplayed,
	},
	{
		name: "with TLS only",
		traffic: func(c *client) {
			conn := c.driver("tls=skip-verify")
			defer conn.Close()
			conn.read("SELECT 'secret'")
		},
		check: func(t *testing.T, c *comparison) {
			if n := len(pick[*session.Command](c.recorded)); n != 0 || !strings.Contains(c.said, "1 session encrypted (TLS)") {
				t.Errorf("%d commands of a session in TLS\n%s", n, c.said)
			}
			if c.code != exitFailed || c.report.Verdict.Result != report.Incomparable {
				t.Errorf("exit code %d, %+v", c.code, c.report.Verdict)
			}
		},
	},
}

// loadedFile is what loadFiles loads: more than fits into one packet of any
// client.
func loadedFile() string {
	var b strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&b, "%d\tnote %d of the file\n", i, i)
	}
	return b.String()
}

// loadFiles loads a file, an empty one, one whose table does not exist, and
// one that the client does not have.
func loadFiles(c *client) {
	mysql.RegisterReaderHandler("file", func() io.Reader { return strings.NewReader(loadedFile()) })
	mysql.RegisterReaderHandler("empty", func() io.Reader { return strings.NewReader("") })
	conn := c.driver("")
	defer conn.Close()
	conn.exec("LOAD DATA LOCAL INFILE 'Reader::file' INTO TABLE loaded")
	conn.exec("LOAD DATA LOCAL INFILE 'Reader::empty' INTO TABLE loaded")
	conn.fails(1146, "LOAD DATA LOCAL INFILE 'Reader::file' INTO TABLE nosuch")
	if n := conn.read("SELECT id FROM loaded WHERE id < 10"); n != 10 {
		c.t.Errorf("%d of 10 rows were loaded", n)
	}
}

// loadFilesOfProgram loads a file, and one that the client does not have: it
// sends an empty one then, which the server takes, and fails itself.
func loadFilesOfProgram(c *client) {
	file := filepath.Join(c.t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(loadedFile()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	load := func(file string) string { return "LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE loaded_file" }
	c.program("mysql", "--local-infile=1", mysqltest.Schema, "-e", load(file)+"; SELECT COUNT(*) FROM loaded_file")
	cmd := mysqltest.Client(c.t, c.server.Kind, "mysql", append(c.plainArgs(), "--local-infile=1", mysqltest.Schema, "-e", load(file+".nosuch"))...)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "nosuch") {
		c.t.Errorf("the client found a file that is not there: %v, %s", err, out)
	}
}

// fileBytes sums up the recorded data of files.
func fileBytes(events []session.Event) int {
	n := 0
	for _, c := range pick[*session.Command](events) {
		if c.Kind == session.FileData {
			n += len(c.Payload)
		}
	}
	return n
}

// failAsBefore gets errors from any server.
func failAsBefore(c *client) {
	conn := c.driver("")
	defer conn.Close()
	conn.fails(1062, "INSERT INTO failing VALUES (1)")
	conn.fails(1146, "SELECT * FROM nosuch")
	conn.fails(1064, "SELEKT 1")
	conn.fails(1062, "INSERT INTO failing VALUES (?)", 1)
	conn.exec("INSERT INTO failing VALUES (2)")
}

// errorsRecorded checks which errors are in a recording.
func errorsRecorded(want ...uint16) func(*testing.T, []session.Event) {
	return func(t *testing.T, events []session.Event) {
		var got []uint16
		for _, r := range pick[*session.Reply](events) {
			if e := r.Err(); e != nil {
				got = append(got, e.Code)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("errors %v are recorded, want %v", got, want)
		}
	}
}

// onlyNewError checks that exactly one command differs, by an error that the
// recording does not have.
func onlyNewError(t *testing.T, c *comparison) {
	v := c.report.Verdict
	if c.code != exitDiffers || v.Result != report.Differs || v.Different != 1 || len(c.report.Differences) != 1 {
		t.Fatalf("exit code %d, %s\n%s", c.code, v.Reason, c.text(t))
	}
	if d := c.report.Differences[0]; d.Class != "new_error" || d.Cause != "real" || d.Commands != 1 {
		t.Errorf("the difference is %+v", d)
	}
}

// compressed makes the same traffic with the command-line client without and
// with compression: lines that are longer and shorter than what is compressed.
func compressed(c *client, table, flag string) {
	script := "TRUNCATE TABLE " + table + "; SELECT 1; INSERT INTO " + table + " (text) VALUES (REPEAT('abc ', 5000)), ('short');" +
		" SELECT text, LENGTH(text) FROM " + table + " ORDER BY id; SELECT '" + longText(5000) + "'; SELECT REPEAT('same', 20000)"
	plain := c.program("mysql", mysqltest.Schema, "-e", script)
	packed := c.program("mysql", flag, mysqltest.Schema, "-e", script)
	if plain != packed {
		c.t.Error("the client got something else with compression")
	}
}

// compressedAsPlain checks that the second of two sessions was compressed and
// reads like the first.
func compressedAsPlain(algorithm string) func(*testing.T, []session.Event) {
	return func(t *testing.T, events []session.Event) {
		starts := pick[*session.Start](events)
		if len(starts) != 2 || starts[0].Login.Compression != "" || starts[1].Login.Compression != algorithm {
			t.Fatalf("%d sessions: %+v", len(starts), starts)
		}
		a, b := conversationIn(events, starts[0].ID), conversationIn(events, starts[1].ID)
		if len(a) < 12 || !slices.Equal(a, b) {
			t.Errorf("without compression:\n%s\nwith it:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
	}
}

// conversationIn tells what was said in a session, without ids and sizes on
// the wire.
func conversationIn(events []session.Event, id uint64) []string {
	var list []string
	for _, e := range events {
		if of, _ := e.Key(); of != id {
			continue
		}
		switch e := e.(type) {
		case *session.Command:
			list = append(list, fmt.Sprintf("%v %s", e.Kind, e.Payload))
		case *session.Reply:
			for _, r := range e.Results {
				list = append(list, fmt.Sprintf("%v %d rows, digest %x, affected %d, %v", r.Outcome, r.Rows, r.Digest.Ordered, r.Affected, r.Error))
			}
		}
	}
	return list
}

// compressedNode prepares, reads and writes over a compressed connection.
const compressedNode = `
async function main() {
	const c = await mysql.createConnection({...config, compress: true});
	await c.execute('INSERT INTO packed_libraries VALUES (?, ?)', [3, 'node '.repeat(50000)]);
	await c.query('INSERT INTO packed_libraries VALUES (4, "short")');
	const [rows] = await c.execute('SELECT id, text FROM packed_libraries WHERE id >= ? ORDER BY id', [3]);
	if (rows.length != 2 || rows[0].text.length != 250000) throw new Error('read ' + rows.length);
	await c.end();
}`

// commandsOfDriver sends PING.
func commandsOfDriver(c *client) {
	conn := c.driver("")
	defer conn.Close()
	if err := conn.conn.PingContext(c.t.Context()); err != nil {
		c.t.Error(err)
	}
}

// commandsOfPrograms sends PING, STATISTICS and INIT_DB.
func commandsOfPrograms(c *client) {
	c.program("mysqladmin", "ping")
	c.program("mysqladmin", "status")
	if out := c.program("mysql", mysqltest.Schema, "-e", "use elsewhere; SELECT id FROM here"); !strings.Contains(out, "5") {
		c.t.Errorf("the client got %q", out)
	}
}

// commandsRaw sends what no client at hand sends.
func commandsRaw(c *client) {
	r := c.raw(0)
	defer r.Close()
	r.query("SET @kept = 1")
	r.do(classic.ComInitDB, []byte("elsewhere")...)
	r.query("SELECT id, @kept FROM here")
	r.do(classic.ComInitDB, []byte("nosuch")...)
	r.do(classic.ComFieldList, []byte("here\x00")...)
	r.do(classic.ComSetOption, 0, 0)
	r.query("SELECT 1; SELECT 2")
	r.do(classic.ComSetOption, 1, 0)
	r.query("SELECT 1; SELECT 2") // an error now
	r.do(classic.ComResetConnection)
	r.query("SELECT @kept, DATABASE()")
	r.do(classic.ComPing)
	r.do(classic.ComStatistics)
}

// changeUserNode changes the user and the schema, and resets the connection.
// What the session has then is written into a table.
const changeUserNode = `
async function main() {
	const c = await mysql.createConnection(config);
	const note = who => c.query("INSERT INTO test.changed SELECT ?, @a, DATABASE()", [who]);
	await c.query("SET @a = 1");
	await note("first");
	await c.changeUser({user: "other", password: "other", database: "mysql"});
	await note("changed");
	await c.query("SET @a = 2");
	await c.execute("SELECT ?, @a", ["prepared"]);
	await c.changeUser({user: config.user, password: config.password, database: "test"});
	await note("back");
	await c.query("SET @a = 3");
	await c.reset();
	await note("reset");
	await c.ping();
	await c.end();
}`

// allButOneClose checks that nothing differs, and that nothing was left out but
// mysql2's closing of a statement that was gone with the change of user.
func allButOneClose(t *testing.T, c *comparison) {
	a := c.report.Account
	if c.code != exitSame || len(c.report.Differences) > 0 || a.Sent != a.Recorded-1 {
		t.Errorf("exit code %d, %s\n%s", c.code, c.report.Verdict.Reason, c.text(t))
	}
	for _, k := range a.Kinds {
		if k.Sent != k.Recorded && (k.Kind != session.CloseStatement.String() || k.Skipped[0].Name != session.SkipUnknownStatement.String()) {
			t.Errorf("not sent: %+v", k)
		}
	}
}

// longerThanFrame sends and gets more than a frame holds, as text, as a
// parameter and as long data, and rows of that length in both protocols. The
// digests of the answers show whether the target got the same.
func longerThanFrame(c *client) {
	const size = 17<<20 + 5
	long := longText(size)
	row := "SELECT REPEAT('0123456789abcdef', 1100000), "
	full := long[:classic.MaxFrame-len("\x03SELECT LENGTH('')")]
	inline, pieces := c.driver("maxAllowedPacket=0"), c.driver("maxAllowedPacket=8388608")
	defer inline.Close()
	defer pieces.Close()
	for _, read := range []func(){
		func() { inline.read("SELECT SHA2('" + long + "', 256)") },
		func() { inline.read("SELECT LENGTH('" + full + "')") }, // an empty frame follows
		func() { inline.read("SELECT SHA2(?, 256), LENGTH(?)", long, "x") },
		func() { pieces.read("SELECT SHA2(?, 256), LENGTH(?)", long, "y") },
		func() { inline.read(row + "1") },
		func() { inline.read(row+"?", 1) },
	} {
		read()
		time.Sleep(100 * time.Millisecond) // the recorder is not to be drowned
	}
}

// cursors opens two cursors at once and fetches from them in turns.
func cursors(c *client) {
	r := c.raw(0)
	defer r.Close()
	a, b := r.prepare("SELECT id, name FROM listed ORDER BY id"), r.prepare("SELECT name FROM listed WHERE id > ? ORDER BY id")
	const readOnly = 1
	r.do(classic.ComStmtExecute, classic.AppendExecute(nil, r.state.Caps, a, readOnly, nil)[1:]...)
	two := []classic.Param{{ParamType: classic.ParamType{Type: classic.TypeLong}, Value: binary.LittleEndian.AppendUint32(nil, 2)}}
	r.do(classic.ComStmtExecute, classic.AppendExecute(nil, r.state.Caps, b, readOnly, two)[1:]...)
	for _, f := range []struct{ statement, ask, get uint32 }{{a, 2, 2}, {b, 1, 1}, {a, 2, 2}, {b, 100, 2}} {
		parts := r.do(classic.ComStmtFetch, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, f.statement), f.ask)...)
		if n := countParts(parts, classic.PartRow); n != int(f.get) {
			c.t.Errorf("fetched %d rows, want %d", n, f.get)
		}
	}
	r.do(classic.ComStmtReset, binary.LittleEndian.AppendUint32(nil, a)...)
	r.do(classic.ComStmtClose, binary.LittleEndian.AppendUint32(nil, b)...)
}

// severalResults sends texts of several statements and calls a procedure, as
// text and prepared.
func severalResults(c *client) {
	conn := c.driver("multiStatements=true")
	defer conn.Close()
	if n := conn.read("SELECT id FROM listed; UPDATE listed SET name = 'zwei' WHERE id = 2; SELECT name FROM listed ORDER BY id"); n != 10 {
		c.t.Errorf("%d rows", n)
	}
	conn.fails(1146, "SELECT 1; SELECT * FROM nosuch; SELECT 2")
	conn.read("CALL twice(3)")
	if n := conn.read("CALL twice(?)", 4); n != 9 {
		c.t.Errorf("%d rows of the prepared call", n)
	}
}

// everyType is a table with every type that both servers have.
var everyType = []string{`CREATE TABLE every_type (
	id INT PRIMARY KEY, tiny TINYINT, small SMALLINT, medium MEDIUMINT, big BIGINT, huge BIGINT UNSIGNED,
	single FLOAT, dbl DOUBLE, dec_ DECIMAL(30,10), bits BIT(12), yr YEAR,
	d DATE, t TIME(6), dt DATETIME(6), ts TIMESTAMP(3) NULL,
	c CHAR(10), v VARCHAR(200) CHARACTER SET utf8mb4, bin VARBINARY(300), txt TEXT CHARACTER SET utf8mb4, blb BLOB,
	e ENUM('a','b'), s SET('x','y','z'), j JSON)`}

// everyTypeNode writes and reads every type, as text and prepared, with NULL
// and the ends of the ranges among them.
const everyTypeNode = `
const columns = 'id,tiny,small,medium,big,huge,single,dbl,dec_,bits,yr,d,t,dt,ts,c,v,bin,txt,blb,e,s,j';
const bytes = Buffer.from(Array.from({length: 256}, (_, i) => i));
const rows = [
	[1, -128, -32768, -8388608, -9223372036854775808n, 0n, -1.5, -1e300, '-12345678901234567890.0123456789', Buffer.from([1, 2]), 1901, '1000-01-01', '-838:59:59', '1000-01-01 00:00:00', '1970-01-02 00:00:01', 'char', 'Zażółć 🦈', bytes, "quote ' \\ \" \n", bytes, 'a', 'x', '{"a": [1, 2.5, null, "ü"]}'],
	[2, 127, 32767, 8388607, 9223372036854775807n, 18446744073709551615n, 1.5, 1e-300, '0.0000000001', Buffer.from([15, 255]), 2155, '9999-12-31', '12:34:56.789012', new Date(Date.UTC(2024, 1, 29, 12, 34, 56, 789)), '2037-12-31 23:59:59.123', '', '', Buffer.alloc(0), '日本語'.repeat(100), Buffer.alloc(60000, 'b'), 'b', 'x,y,z', '[]'],
	[3, ...Array(22).fill(null)],
	[4, 0, 0, 0, 0n, 1n, 0, 0, 0, Buffer.from([0]), 2000, new Date(Date.UTC(2020, 0, 1)), '00:00:00', '2020-01-01 00:00:00.000001', new Date(Date.UTC(2020, 0, 1)), 'x', true, Buffer.from('text'), 12.5, '', 'a', '', '{}'],
];
async function main() {
	const c = await mysql.createConnection({...config, supportBigNumbers: true, timezone: 'Z', charset: 'utf8mb4'});
	await c.beginTransaction();
	for (const row of rows) await c.execute('INSERT INTO every_type VALUES (' + row.map(() => '?') + ')', row.map(v => typeof v == 'bigint' ? v.toString() : v));
	await c.commit();
	for (const row of rows) await c.query('INSERT INTO every_type (' + columns + ') VALUES (?)', [row.map((v, i) => i == 0 ? v + 10 : typeof v == 'bigint' ? v.toString() : v)]);
	await c.query('SELECT * FROM every_type ORDER BY id');
	await c.execute('SELECT * FROM every_type ORDER BY id');
	for (const id of [1, 2, 3, 4]) await c.execute('SELECT * FROM every_type WHERE id = ?', [id]);
	await c.execute('SELECT ? IS NULL, ?, ?, ?', [null, 1.25, 'ß', false]);
	await c.execute('SELECT id FROM every_type WHERE dt = ? OR bin = ? ORDER BY id', [rows[1][13], bytes]);
	await c.beginTransaction();
	await c.query('UPDATE every_type SET v = "gone"');
	await c.rollback();
	await c.execute('DELETE FROM every_type WHERE id = ?', [14]);
	await c.query('SELECT COUNT(*) n, SUM(dec_) s FROM every_type');
	await c.end();
}`

// plainAndTLS talks with TLS and without, at the same time.
func plainAndTLS(c *client) {
	plain, secret := c.driver(""), c.driver("tls=skip-verify")
	defer plain.Close()
	defer secret.Close()
	for i := range 3 {
		plain.exec("INSERT INTO readable VALUES (?)", i)
		secret.exec("INSERT INTO readable VALUES (?)", 100+i)
	}
	plain.read("SELECT id FROM readable WHERE id < 100 ORDER BY id")
}

// onlyPlainReplayed checks that a session in TLS is told, and the other one
// replayed.
func onlyPlainReplayed(t *testing.T, c *comparison) {
	c.same(t)
	if !strings.Contains(c.said, "1 session encrypted (TLS)") {
		t.Errorf("the recorder does not tell of the encrypted session:\n%s", c.said)
	}
	encrypted := map[uint64]bool{}
	for _, s := range pick[*session.Start](c.recorded) {
		encrypted[s.ID] = s.Encrypted
	}
	if len(encrypted) != 2 || c.report.Recorded.Encrypted != 1 {
		t.Errorf("sessions: %v, encrypted ones in the report: %d", encrypted, c.report.Recorded.Encrypted)
	}
	for _, cmd := range pick[*session.Command](c.recorded) {
		if encrypted[cmd.ID] {
			t.Errorf("a command of an encrypted session: %s", session.Line(cmd))
		}
	}
	if !slices.ContainsFunc(c.report.Unknown, func(r report.Remark) bool { return r.Code == "unread_sessions" && r.Count == 1 }) {
		t.Errorf("the report does not tell of the unread session: %v", c.report.Unknown)
	}
}

// TestShapes records every shape on one server and replays it on another:
// MariaDB's from the wire, MySQL's through a relay.
func TestShapes(t *testing.T) {
	recorders := map[mysqltest.Kind]func(testing.TB, *mysqltest.Server, ...string) *recorder{
		mysqltest.MariaDB: recordLive,
		// TLS passes unread, as on the wire: sessions in it are to be told.
		mysqltest.MySQL97: func(t testing.TB, s *mysqltest.Server, args ...string) *recorder {
			return recordRelay(t, s, append(args, "--tls", "pass")...)
		}}
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(kind.String(), func(t *testing.T) {
			o := []mysqltest.Option{mysqltest.Args("--max-allowed-packet=64M"), mysqltest.Users(mysqltest.User{Name: "other", Password: "other"})}
			source, target := mysqltest.Start(t, kind, o...), mysqltest.Start(t, kind, o...)
			for _, s := range shapes {
				if s.kinds == nil || slices.Contains(s.kinds, kind) {
					t.Run(s.name, func(t *testing.T) { s.run(t, recorders[kind], source, target) })
				}
			}
		})
	}
}

// run records, replays and compares.
func (s *shape) run(t *testing.T, record func(testing.TB, *mysqltest.Server, ...string) *recorder, source, target *mysqltest.Server) {
	source.Exec(t, s.setup...)
	target.Exec(t, s.setup...)
	if s.live {
		record = recordLive
	}
	r := record(t, source)
	s.traffic(&client{t, source, r.addr})
	said := r.stop()
	target.Exec(t, s.onTarget...)
	c := replayOn(t, r.dir, target)
	c.said = said
	for _, g := range pick[*session.Gap](c.recorded) {
		if g.Reason != session.Encrypted {
			t.Errorf("a gap in the recording: %v\n%s", session.Line(g), said)
		}
	}
	if s.recorded != nil {
		s.recorded(t, c.recorded)
	}
	if s.check != nil {
		s.check(t, c)
	} else {
		c.same(t)
	}
	for _, table := range s.tables {
		sum := "CHECKSUM TABLE " + table
		if a, b := source.Rows(t, sum), target.Rows(t, sum); a[0][1] != b[0][1] {
			t.Errorf("table %s has other rows on the target: %v, %v", table, a, b)
		}
	}
}

// TestAcrossKinds records the workload with every type on each kind of server
// and replays it on the other one.
func TestAcrossKinds(t *testing.T) {
	// Neither kind gives tables the collation of the other.
	o := mysqltest.Args("--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin", "--sql-mode=STRICT_TRANS_TABLES")
	maria, mysql97 := mysqltest.Start(t, mysqltest.MariaDB, o), mysqltest.Start(t, mysqltest.MySQL97, o)
	for _, way := range [][2]*mysqltest.Server{{maria, mysql97}, {mysql97, maria}} {
		source, target := way[0], way[1]
		t.Run(fmt.Sprintf("%v to %v", source.Kind, target.Kind), func(t *testing.T) {
			for _, s := range way {
				s.Exec(t, append([]string{"DROP TABLE IF EXISTS every_type"}, everyType...)...)
			}
			r := recordRelay(t, source)
			(&client{t, source, r.addr}).node(everyTypeNode)
			r.stop()
			replayOn(t, r.dir, target).same(t, "column_types")
		})
	}
}
