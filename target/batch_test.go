package target

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// batcher plays a recorded session with DoAll, in batches that pick ends, or with
// Do, and keeps what became of each command.
type batcher struct {
	conn  *Conn
	whole bool // with DoAll
	ends  func() bool
	list  []*session.Command
	lines []string
	err   error
	pin   func() Pin // nil: nothing is pinned
}

func (b *batcher) play(events []session.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case *session.Command:
			if e.Kind != session.FileData && b.ends() {
				b.flush()
			}
			b.list = append(b.list, e)
		case *session.Reply:
			if e.Prepared != nil {
				b.flush()
			}
			b.conn.Learn(e)
		case *session.Gap:
			b.flush()
			b.conn.Gap(e)
		}
	}
	b.flush()
}

// flush sends what was gathered.
func (b *batcher) flush() {
	list := b.list
	b.list = nil
	if b.err != nil {
		return
	}
	answers := make([]Answer, len(list))
	if b.pin != nil {
		pins := make([]Pin, len(list))
		for i := range pins {
			pins[i] = b.pin()
		}
		b.conn.Pin(pins)
	}
	if b.whole {
		answers, b.err = b.conn.DoAll(list)
	} else {
		for i := 0; i < len(list) && b.err == nil; {
			var n int
			b.conn.pins.base = i
			n, b.err = b.conn.doOne(list[i:], answers[i:])
			i += n
		}
	}
	for i, a := range answers {
		b.lines = append(b.lines, answerLine(list[i], a))
	}
}

func answerLine(cmd *session.Command, a Answer) string {
	line := session.Line(cmd) + ": "
	switch {
	case a.Skip != session.NotSkipped:
		return line + "skipped: " + a.Skip.String()
	case a.At == 0 && a.Reply == nil:
		return line + "not executed"
	case a.Reply != nil:
		return line + session.Line(a.Reply)
	}
	return line + "sent"
}

// socketTarget returns a target whose fake server can be written to without being
// read from.
func socketTarget(t testing.TB, fake *classictest.Server, o Options) *Server {
	o.Users = OneUser("replay", "")
	o.Outcome.Seed = 1
	s, err := New(&URL{Network: "unix", Address: fake.ListenUnix(t)}, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLawBatch: sent in batches of any size, commands get the replies that they
// get one by one, and the target gets the same.
func TestLawBatch(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := talk{t: r}
		login := rapid.SampledFrom([]string{"", " with=QUERY_ATTRIBUTES"}).Draw(r, "login")
		k.source.WriteString("S greeting id=3\nC login user=app" + login + "\nS ok\n")
		k.fake.WriteString("S greeting\n")
		for n := range rapid.IntRange(1, 25).Draw(r, "exchanges") {
			k.exchange(n)
		}
		events := recorded(t, k.source.String())
		var played [2]batcher
		var got [2][]string
		for i := range played {
			b := &played[i]
			fake := &classictest.Server{Script: k.fake.String()}
			s := socketTarget(t, fake, Options{ReplyTimeout: time.Second, Threads: rapid.IntRange(0, 1).Draw(r, "threads")})
			c, err := s.Connect(t.Context(), events[0].(*session.Start))
			if err != nil {
				r.Fatal(err)
			}
			b.conn, b.whole, b.ends = c, i == 1, func() bool { return rapid.IntRange(0, 9).Draw(r, "end") == 0 }
			b.play(events)
			c.Close()
			fake.Wait()
			got[i] = fake.Got()
			if b.err != nil {
				r.Fatal(b.err)
			}
		}
		for i, line := range played[0].lines {
			if played[1].lines[i] != line {
				r.Errorf("one by one: %s\nin a batch: %s", line, played[1].lines[i])
			}
		}
		if !slices.Equal(got[0], got[1]) {
			r.Errorf("one by one the target got\n%s\nin batches\n%s", strings.Join(got[0], "\n"), strings.Join(got[1], "\n"))
		}
	})
}

// batchCase sends queries "1", "2"... in one batch to a server with a script.
func batchCase(t *testing.T, script string, n int, o Options) (lines []string, err error) {
	t.Helper()
	c, err := socketTarget(t, &classictest.Server{Script: "S greeting\n" + script}, o).Connect(t.Context(), &session.Start{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list []*session.Command
	for i := range n {
		list = append(list, query(fmt.Sprint(i+1)))
	}
	answers, err := c.DoAll(list)
	for i, a := range answers {
		lines = append(lines, strings.TrimPrefix(answerLine(list[i], a), "command 0.1 query "))
	}
	if err != nil && c.lost == nil {
		t.Error("the connection is not lost")
	}
	return lines, err
}

// TestBatchCutShort: what was answered before a connection is lost is kept, and
// of the rest it is told what is known.
func TestBatchCutShort(t *testing.T) {
	const ok = "C query 1\nS ok\n"
	for _, c := range []struct {
		what, script string
		o            Options
		sent         Sent
		want         []string
	}{
		{"the server closes within the second reply", ok + "C query 2\nS cut 30 rows a:int | 1", Options{}, WhollySent,
			[]string{"ok", "reply 0.1 lost", "sent"}},
		{"it closes instead of the second reply", ok + "C query 2\nS close", Options{}, WhollySent, []string{"ok", "sent", "sent"}},
		{"it said goodbye before it read the second", ok + "C query 2\nS seq 0 err 4031 HY000 idle\nS close", Options{}, NotSent,
			[]string{"ok", "not executed", "not executed"}},
		{"it did not read the second to its end", ok + "C query 2\nS seq 3 err 1153 08S01 too big\nS close", Options{}, NotSent,
			[]string{"ok", "ERROR 1153 (08S01): too big", "not executed"}},
		{"it asks for a file that nobody foresaw", ok + "C query 2\nS file x", Options{}, WhollySent, []string{"ok", "reply 0.1 lost", "not executed"}},
		{"a reply is too long", ok + "C query 2\nS rows a:varchar | abcdefghij*100", Options{ReplyLimit: 500}, WhollySent,
			[]string{"ok", "reply 0.1 lost", "sent"}},
		{"the replies together are longer than one may be", "C *\nS rows a:varchar | abcdefghij*20", Options{ReplyLimit: 500}, 0,
			[]string{"rows=1", "rows=1", "rows=1"}},
		{"it does not follow the protocol", ok + "C query 2\nS seq 7 ok", Options{}, WhollySent, []string{"ok", "reply 0.1 lost", "sent"}},
	} {
		lines, err := batchCase(t, c.script, 3, c.o)
		var lost *LostError
		if errors.As(err, &lost) && lost.Sent != c.sent {
			t.Errorf("%s: %v", c.what, err)
		}
		for i, want := range c.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s: %s, want %s", c.what, lines[i], want)
			}
		}
	}
}

// shortWrite is a connection that takes so many bytes and then breaks; what it
// took is answered.
type shortWrite struct {
	canned
	room int
}

func (s *shortWrite) Write(b []byte) (int, error) {
	n := min(len(b), s.room)
	if s.room -= n; n < len(b) {
		return n, net.ErrClosed
	}
	return n, nil
}

// TestBatchHalfWritten: a batch of which only a part went out.
func TestBatchHalfWritten(t *testing.T) {
	var reply []byte
	o := classic.OK{}
	reply, _ = classic.AppendFrames(reply, 1, o.Append(nil, 0, classictest.DefaultCaps))
	for room, want := range []string{"- - -", "- - -", "- - -", "- - -", "- - -", "- - -", "r - -", "r - -", "r - -",
		"r - -", "r - -", "r - -", "r r -", "r r -", "r r -", "r r -", "r r -", "r r -", "r r r"} {
		c := connTo(t, bytes.Repeat(reply, room/6), 1<<16, classictest.DefaultCaps)
		c.nc = &shortWrite{*c.nc.(*canned), room}
		answers, err := c.DoAll([]*session.Command{query("1"), query("2"), query("3")})
		var words []string
		for _, a := range answers {
			switch {
			case a.Reply != nil:
				words = append(words, "r")
			case a.At == 0:
				words = append(words, "-")
			default:
				words = append(words, "?")
			}
		}
		if got := strings.Join(words, " "); got != want || (err != nil) != (room < 18) {
			t.Errorf("%d bytes: %s, want %s (%v)", room, got, want, err)
		}
		var lost *LostError
		if errors.As(err, &lost) && (lost.Sent == NotSent) != (room%6 == 0) {
			t.Errorf("%d bytes: %v", room, err)
		}
	}
}

// TestMayLoad: statements that can ask for a file are told from others, whatever
// they are dressed in.
func TestMayLoad(t *testing.T) {
	for sql, want := range map[string]string{
		"LOAD DATA LOCAL INFILE 'x' INTO TABLE t": "both", "/*!50000 load*/ data/**/LoCaL infile 'x'": "both",
		"select 1; load xml local infile 'x' into table t": "both", "load data/**/local": "both", "EXECUTE s": "maria",
		"execute immediate concat('lo', 'ad')": "maria", "CALL p()": "maria", "call": "maria",
		"select * from locals": "none", "load data infile 'x' into table t": "none", "": "none", "loca": "none", "select 1": "none",
	} {
		got := "none"
		switch {
		case mayLoad([]byte(sql), false):
			got = "both"
		case mayLoad([]byte(sql), true):
			got = "maria"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// TestRealBatch: hundreds of mixed commands on real servers have the same replies
// in batches as one by one: errors, big results and big statements among them.
func TestRealBatch(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind)
			for _, parameters := range []string{"", "?tls=required", "?compress=zlib"} {
				s := realTarget(t, "mysql://"+db.Addr+"/"+parameters, Options{Users: OneUser(db.User, db.Password)})
				list := mixed()
				var lines [2][]string
				for i := range lines {
					db.Exec(t, "DROP TABLE IF EXISTS b", "CREATE TABLE b (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT)", "SET GLOBAL local_infile = 1")
					c, err := s.Connect(t.Context(), &session.Start{Login: session.Login{Known: true, Schema: mysqltest.Schema,
						Capabilities: uint64(classictest.DefaultCaps | classic.MultiStatements)}})
					if err != nil {
						t.Fatal(err)
					}
					for n, sql := range []string{"SELECT v FROM b WHERE id = ?", "INSERT INTO b (v) VALUES (?)"} {
						p := append([]byte{byte(classic.ComStmtPrepare)}, sql...)
						if _, err := c.Do(&session.Command{Seq: 1, Kind: session.Prepare, Payload: p, SQL: p[1:]}, nil); err != nil {
							t.Fatal(err)
						}
						c.Learn(&session.Reply{Seq: 1, Prepared: &session.Prepared{Statement: uint32(n + 1), Params: 1}})
					}
					b := batcher{conn: c, whole: i == 1, list: list}
					b.flush()
					if b.err != nil {
						t.Fatal(b.err)
					}
					lines[i] = b.lines
					c.Close()
				}
				for i, want := range lines[0] {
					if lines[1][i] != want {
						t.Errorf("%s: one by one %s\nin a batch %s", parameters, want, lines[1][i])
					}
				}
			}
		})
	}
}

// mixed returns commands of many kinds, on the statements 1 and 2.
func mixed() (list []*session.Command) {
	command := func(k session.Kind, code classic.Code, rest string) {
		c := &session.Command{Kind: k, Payload: append([]byte{byte(code)}, rest...)}
		if k.OnStatement() {
			c.Statement = binary.LittleEndian.Uint32(c.Payload[1:])
		}
		if k == session.Query || k == session.Prepare {
			c.SQL = c.Payload[1:]
		}
		list = append(list, c)
	}
	queryOf := func(sql string) { command(session.Query, classic.ComQuery, sql) }
	long := func(text string) {
		command(session.LongData, classic.ComStmtSendLongData, "\x02\x00\x00\x00\x00\x00"+text)
	}
	for i := range 300 {
		queryOf(fmt.Sprintf("INSERT INTO b (v) VALUES ('row %d')", i))
		list = append(list, execute(1, uint64(i)))
		switch i % 10 {
		case 1:
			queryOf("SELECT nosuch FROM b")
		case 2:
			long("abc")
			long(strings.Repeat("x", i*100))
			command(session.Execute, classic.ComStmtExecute, "\x02\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfc\x00")
		case 3:
			queryOf("SELECT 1; SELECT 'two', 2; SELECT nosuch; SELECT 4")
		case 4:
			command(session.Ping, classic.ComPing, "")
			command(session.UseSchema, classic.ComInitDB, mysqltest.Schema)
			command(session.ResetStatement, classic.ComStmtReset, "\x02\x00\x00\x00")
		case 5:
			queryOf("SELECT id, v FROM b WHERE id < " + fmt.Sprint(i))
		case 6:
			queryOf("SELECT id, v, REPEAT('y', 5000) FROM b")
		case 7:
			queryOf("SELECT LENGTH('" + strings.Repeat("z", i*1000) + "')")
		case 8:
			list = append(list, execute(99, 1)) // nobody knows it
		case 9:
			if i%100 == 9 {
				queryOf("SELECT REPEAT('w', 4000000)")
				queryOf("LOAD DATA LOCAL INFILE 'x' INTO TABLE b (v)")
				list = append(list, &session.Command{Kind: session.FileData, Payload: []byte("from a file\nanother\n")}, &session.Command{Kind: session.FileData})
				list = append(list, &session.Command{Kind: session.FileData, Payload: []byte("not asked for\n")})
			}
		}
	}
	for i, c := range list {
		copied := *c
		copied.Seq, copied.Size = uint64(i+10), uint64(len(c.Payload))
		list[i] = &copied
	}
	return list
}
