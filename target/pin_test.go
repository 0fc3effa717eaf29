package target

import (
	"encoding/binary"
	"fmt"
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

// TestPinPlan: which SET goes ahead of which command.
func TestPinPlan(t *testing.T) {
	const second = int64(time.Second)
	moment := 1700000000*second + 123456789
	id := Pin{InsertID: 7}
	clock := Pin{Time: moment}
	used := &session.Reply{Results: []session.Result{{InsertID: 7}}}
	unused := &session.Reply{Results: []session.Result{{}}}
	refused := &session.Reply{Results: []session.Result{{Error: &session.Error{Code: 1227}}}}
	killed := &session.Reply{Results: []session.Result{{Error: &session.Error{Code: errQueryKilled}}}}
	duplicate := &session.Reply{Results: []session.Result{{Error: &session.Error{Code: errDuplicate}}}}
	orphan := &session.Reply{Results: []session.Result{{Error: &session.Error{Code: 1452}}}}
	type step struct {
		pin   Pin
		reply *session.Reply // to the SET; nil: OK
		own   *session.Reply
		want  string
	}
	for what, c := range map[string]struct {
		maria bool
		steps []step
		left  uint64
	}{
		"an id and a time":  {steps: []step{{Pin{InsertID: 7, Time: moment}, nil, used, "SET INSERT_ID=7,TIMESTAMP=1700000000.1234563"}}},
		"the time stays":    {steps: []step{{clock, nil, unused, "SET TIMESTAMP=1700000000.1234563"}, {clock, nil, unused, ""}, {Pin{Time: moment - second}, nil, unused, "SET TIMESTAMP=1699999999.1234563"}}},
		"small parts":       {steps: []step{{Pin{Time: second + 1000}, nil, nil, "SET TIMESTAMP=1.0000013"}}},
		"a used id is gone": {maria: true, steps: []step{{id, nil, used, "SET INSERT_ID=7"}, {Pin{}, nil, unused, ""}}},
		"an unused one is taken back": {maria: true, steps: []step{{id, nil, unused, "SET INSERT_ID=7"}, {Pin{Quiet: true}, nil, unused, ""},
			{Pin{}, nil, unused, "SET INSERT_ID=DEFAULT"}, {Pin{}, nil, unused, ""}}},
		"a spare one is used up":  {maria: true, steps: []step{{Pin{InsertID: 7, Spare: true}, nil, duplicate, "SET INSERT_ID=7"}, {Pin{}, nil, unused, ""}}},
		"one may be left":         {maria: true, steps: []step{{Pin{InsertID: 7, Spare: true}, nil, orphan, "SET INSERT_ID=7"}, {Pin{}, nil, unused, "SET INSERT_ID=DEFAULT"}}},
		"another takes its place": {maria: true, steps: []step{{id, nil, unused, "SET INSERT_ID=7"}, {Pin{InsertID: 8}, nil, unused, "SET INSERT_ID=8"}}},
		"MySQL can't take it back": {left: 2, steps: []step{{id, nil, unused, "SET INSERT_ID=7"}, {Pin{}, nil, unused, ""}, {Pin{Quiet: true}, nil, unused, ""},
			{Pin{}, nil, used, ""}, {Pin{}, nil, unused, ""}}},
		"quiet":   {steps: []step{{Pin{InsertID: 7, Time: moment, Quiet: true}, nil, nil, ""}}},
		"refused": {steps: []step{{id, refused, used, "SET INSERT_ID=7"}, {id, nil, used, ""}, {clock, nil, used, ""}}},
		"killed":  {steps: []step{{id, killed, used, "SET INSERT_ID=7"}, {id, nil, used, "SET INSERT_ID=7"}}},
		"let go":  {steps: []step{{clock, nil, nil, "SET TIMESTAMP=1700000000.1234563"}, {id, refused, nil, "SET INSERT_ID=7"}, {id, nil, nil, "SET TIMESTAMP=DEFAULT"}, {clock, nil, nil, ""}}},
	} {
		var p pins
		var counts counters
		for i, s := range c.steps {
			got := string(p.plan(nil, session.Query, s.pin, c.maria))
			if got != s.want {
				t.Errorf("%s, step %d: %q, want %q", what, i+1, got, s.want)
			}
			p.commit(s.pin, got != "", &counts)
			if got != "" {
				r := s.reply
				if r == nil {
					r = unused
				}
				p.answered(r, &counts)
			}
			p.used(s.own)
		}
		if n := counts.idsLeft.Load(); n != c.left {
			t.Errorf("%s: %d ids left, want %d", what, n, c.left)
		}
	}
}

// TestLawPin: whatever is pinned, one by one or in batches, commands get the
// replies that they get without, and the target gets them with nothing between
// them but SETs; whether it takes those or not.
func TestLawPin(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := talk{t: r}
		k.source.WriteString("S greeting id=3\nC login user=app\nS ok\n")
		k.fake.WriteString("S greeting\n")
		for n := range rapid.IntRange(1, 15).Draw(r, "exchanges") {
			k.exchange(n)
		}
		if rapid.Bool().Draw(r, "taken") {
			k.fake.WriteString("C *\nS ok\n")
		}
		events := recorded(t, k.source.String())
		whole := rapid.Bool().Draw(r, "whole")
		var lines, got [2][]string
		for i := range 2 {
			fake := &classictest.Server{Script: k.fake.String()}
			s := socketTarget(t, fake, Options{ReplyTimeout: time.Second, Threads: rapid.IntRange(0, 1).Draw(r, "threads")})
			c, err := s.Connect(t.Context(), events[0].(*session.Start))
			if err != nil {
				r.Fatal(err)
			}
			b := batcher{conn: c, whole: whole, ends: func() bool { return rapid.IntRange(0, 9).Draw(r, "end") == 0 }}
			if i == 1 {
				b.pin = func() Pin {
					return Pin{InsertID: rapid.Uint64Range(0, 2).Draw(r, "id"), Time: rapid.Int64Range(0, 3).Draw(r, "time") * 1000,
						Quiet: rapid.IntRange(0, 4).Draw(r, "quiet") == 0}
				}
			}
			b.play(events)
			c.Close()
			fake.Wait()
			if b.err != nil {
				r.Fatal(b.err)
			}
			lines[i] = b.lines
			got[i] = slices.DeleteFunc(fake.Got(), func(line string) bool { return strings.HasPrefix(line, "query SET ") })
		}
		if !slices.Equal(lines[0], lines[1]) {
			r.Errorf("without pins:\n%s\nwith:\n%s", strings.Join(lines[0], "\n"), strings.Join(lines[1], "\n"))
		}
		if !slices.Equal(got[0], got[1]) {
			r.Errorf("without pins the target got\n%s\nwith\n%s", strings.Join(got[0], "\n"), strings.Join(got[1], "\n"))
		}
	})
}

// TestPinCutShort: a connection lost around a SET tells of its command what it
// tells without.
func TestPinCutShort(t *testing.T) {
	for _, c := range []struct {
		what, script string
		sent         Sent
		want         string
	}{
		{"instead of the reply to the SET", "C query SET INSERT_ID=5\nS close\n", WhollySent, "sent"},
		{"within it", "C query SET INSERT_ID=5\nS cut 3 ok\n", WhollySent, "sent"},
		{"behind it", "C query SET INSERT_ID=5\nS ok\nC query 1\nS close\n", WhollySent, "sent"},
		{"within the command's", "C query SET INSERT_ID=5\nS ok\nC query 1\nS cut 30 rows a:int | 1\n", WhollySent, "reply 0.1 lost"},
		{"before it read anything", "C query SET INSERT_ID=5\nS seq 0 err 4031 HY000 idle\nS close\n", NotSent, "not executed"},
		{"it was refused", "C query SET INSERT_ID=5\nS err 1227 42000 no\nC query 1\nS ok\n", 0, "ok"},
	} {
		for _, whole := range []bool{false, true} {
			s := socketTarget(t, &classictest.Server{Script: "S greeting\n" + c.script}, Options{ReplyTimeout: 5 * time.Second})
			conn, err := s.Connect(t.Context(), &session.Start{})
			if err != nil {
				t.Fatal(err)
			}
			list := []*session.Command{query("1")}
			answers := make([]Answer, 1)
			conn.Pin([]Pin{{InsertID: 5}})
			if whole {
				answers, err = conn.DoAll(list)
			} else {
				_, err = conn.doOne(list, answers)
			}
			var sent Sent
			if err != nil {
				sent = err.(*LostError).Sent
			}
			if line := answerLine(list[0], answers[0]); sent != c.sent || !strings.Contains(line, c.want) {
				t.Errorf("%s (batch %v): %s, %v", c.what, whole, line, err)
			}
			conn.Close()
		}
	}
}

// pinned connections of each kind of server and each way to it.
func eachPinned(t *testing.T, f func(t *testing.T, maria bool, s *Server, c *Conn)) {
	for _, db := range realServers(t) {
		for _, way := range []string{"", "?compress=zlib", "?compress=zstd"} {
			if (db.Kind != mysqltest.MySQL97) && way == "?compress=zstd" {
				continue
			}
			t.Run(db.Kind.String()+way, func(t *testing.T) {
				db.Exec(t, "DROP TABLE IF EXISTS pt", "DROP TABLE IF EXISTS plain", "DROP TABLE IF EXISTS audit",
					"CREATE TABLE pt (id INT AUTO_INCREMENT PRIMARY KEY, k INT UNIQUE, d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6))",
					"CREATE TABLE plain (a INT)", "CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, a INT)",
					"DROP USER IF EXISTS nobody", "CREATE USER nobody IDENTIFIED BY 'nobody'", "GRANT SELECT, INSERT, UPDATE, DELETE ON test.* TO nobody")
				s := realTarget(t, "mysql://"+db.Addr+"/"+mysqltest.Schema+way, Options{Users: OneUser("nobody", "nobody"), ReplyTimeout: 20 * time.Second})
				s.options.Outcome.Keep = 10
				caps := classictest.DefaultCaps | classic.MultiStatements | classic.MultiResults
				c, err := s.Connect(t.Context(), &session.Start{Login: session.Login{Known: true, Schema: mysqltest.Schema, Capabilities: uint64(caps)}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				f(t, (db.Kind != mysqltest.MySQL97), s, c)
			})
		}
	}
}

// TestPinReal: an account without privileges gets the ids and the times that it
// is to get, and no reply of a SET's.
func TestPinReal(t *testing.T) {
	eachPinned(t, func(t *testing.T, maria bool, s *Server, c *Conn) {
		moment := time.Date(2026, 3, 29, 1, 2, 3, 456789000, time.UTC)
		at := moment.UnixNano()
		do := func(pin Pin, cmd *session.Command) *session.Reply {
			t.Helper()
			c.Pin([]Pin{pin})
			a, err := c.Do(cmd, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a.Reply.Seq != cmd.Seq || a.At > a.End || a.End > a.Reply.Last || a.Reply.First > a.Reply.Last {
				t.Errorf("%+v", a)
			}
			return a.Reply
		}
		value := func(sql string) string { t.Helper(); return ask(t, c, sql) }
		is := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		is(value("set time_zone = '+00:00'"), "ok")
		// A row with a given id and time; a clock that reads the microsecond.
		if r := do(Pin{InsertID: 100, Time: at}, query("insert into pt (k) values (1), (2)")); r.Results[0].InsertID != 100 || r.Results[0].Affected != 2 {
			t.Errorf("%+v", r.Results)
		}
		is(value("select group_concat(id, ' ', d order by id) from pt"), "100 2026-03-29 01:02:03.456789,101 2026-03-29 01:02:03.456789")
		// Prepared, and in a text of several statements.
		a, err := c.Do(&session.Command{Seq: 5, Kind: session.Prepare, Code: byte(classic.ComStmtPrepare), Payload: []byte("\x16insert into pt (k) values (3)"), SQL: []byte("insert into pt (k) values (3)")}, nil)
		if err != nil || a.Reply.Prepared == nil {
			t.Fatal(a, err)
		}
		c.Learn(a.Reply)
		p := append(binary.LittleEndian.AppendUint32([]byte{byte(classic.ComStmtExecute)}, a.Reply.Prepared.Statement), 0, 1, 0, 0, 0)
		exec := &session.Command{Seq: 6, Kind: session.Execute, Code: p[0], Payload: p, Statement: a.Reply.Prepared.Statement}
		if r := do(Pin{InsertID: 200}, exec); r.Results[0].InsertID != 200 {
			t.Errorf("%+v", r.Results[0])
		}
		if r := do(Pin{InsertID: 300, Time: at + 1000}, query("select 1; insert into pt (k) values (4); select now(6)")); len(r.Results) != 3 || r.Results[1].InsertID != 300 {
			t.Errorf("%+v", r.Results)
		}
		// What the session did before shows: a SET resets some of it.
		is(value("select last_insert_id()"), "300")
		value("insert into plain values (1), (2), (3)")
		do(Pin{InsertID: 400, Time: at, Quiet: true}, query("insert into pt (k) select row_count()")) // k=3: there is one
		is(value("select max(k) from pt"), "4")
		pinBatch(t, c, at)
		// An id that was not used: MariaDB forgets it, MySQL gives it to the next.
		do(Pin{InsertID: 900}, query("insert into plain values (5)"))
		want := "1"
		if !maria {
			want = "900"
		}
		c.Pin(nil)
		value("insert into audit (a) values (1)")
		is(value("select id from audit"), want)
		value("insert into audit (a) values (2)")
		if st := s.Stats(); st.PinsRefused != 0 || st.PinError != "" || (st.IDsLeft == 1) == maria || st.PinnedIDs < 8 {
			t.Errorf("%+v", st)
		}
		// A reset brings back the server's own clock.
		do(Pin{Time: at}, query("select 1"))
		reset := &session.Command{Seq: 1, Kind: session.ResetConnection, Code: byte(classic.ComResetConnection), Payload: []byte{byte(classic.ComResetConnection)}}
		do(Pin{Time: at}, reset)
		is(value("select now() > '2026-03-30' or now() < '2026-03-28'"), "1")
		do(Pin{Time: at}, query("set time_zone = '+00:00'"))
		is(value("select now(6)"), "2026-03-29 01:02:03.456789")
	})
}

// pinBatch: pins within a batch.
func pinBatch(t *testing.T, c *Conn, at int64) {
	t.Helper()
	var list []*session.Command
	var pins []Pin
	for i := range 40 {
		q := query(fmt.Sprintf("insert into pt (k) values (%d)", 1000+i))
		q.Seq = uint64(i + 1)
		list = append(list, q)
		pins = append(pins, Pin{InsertID: uint64(5000 + 10*i), Time: at + int64(i/2)*1e9})
	}
	c.Pin(pins)
	answers, err := c.DoAll(list)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if a.Reply == nil || a.Reply.Seq != uint64(i+1) || a.Reply.Results[0].InsertID != pins[i].InsertID {
			t.Errorf("%d: %+v", i, a.Reply)
		}
	}
	if got := ask(t, c, "select concat(count(*), ' ', min(d), ' ', max(d)) from pt where id >= 5000 and (id - 5000) / 10 = k - 1000"); got != "40 2026-03-29 01:02:03.456789 2026-03-29 01:02:22.456789" {
		t.Error(got)
	}
}

// TestPinMicroseconds: the server's clock reads every microsecond that it is
// given.
func TestPinMicroseconds(t *testing.T) {
	for _, db := range realServers(t) {
		c := pinConn(t, db, "")
		ask(t, c, "set time_zone = '+00:00'")
		rapid.Check(t, func(r *rapid.T) {
			at := time.UnixMicro(rapid.Int64Range(1_000_000, 2_147_000_000_000_000).Draw(r, "time")).UTC()
			c.Pin([]Pin{{Time: at.UnixNano()}})
			if got, want := ask(t, c, "select now(6)"), at.Format("2006-01-02 15:04:05.000000"); got != want {
				r.Errorf("%v: %s, want %s", db.Kind, got, want)
			}
		})
	}
}

func pinConn(t testing.TB, db *mysqltest.Server, parameters string) *Conn {
	s := realTarget(t, "mysql://"+db.Addr+"/"+mysqltest.Schema+parameters, Options{Users: OneUser(db.User, db.Password), ReplyTimeout: 20 * time.Second})
	s.options.Outcome.Keep = 10
	c, err := s.Connect(t.Context(), &session.Start{Login: session.Login{Known: true, Schema: mysqltest.Schema, Capabilities: uint64(classictest.DefaultCaps)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestPinRefused: a MariaDB that lets nobody set the clock; the commands run.
func TestPinRefused(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.Args("--secure-timestamp=YES"))
	c := pinConn(t, db, "")
	for range 3 {
		c.Pin([]Pin{{Time: 1e18, InsertID: 5}})
		if got := ask(t, c, "select year(now()) > 2020"); got != "1" {
			t.Error(got)
		}
	}
	if st := c.server.Stats(); st.PinsRefused != 1 || !strings.Contains(st.PinError, "timestamp") {
		t.Errorf("%+v", st)
	}
}

// TestPinX: the same over the X Protocol.
func TestPinX(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97)
	db.Exec(t, "CREATE TABLE pt (id INT AUTO_INCREMENT PRIMARY KEY, k INT UNIQUE, d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6))")
	for _, parameters := range []string{"tls=disabled", "tls=required&compress=zstd_stream"} {
		url := xURL(db, parameters)
		if parameters == "tls=disabled" {
			url = xSocketURL(db)
		}
		s := realTarget(t, url, Options{Users: OneUser(db.User, db.Password)})
		s.options.Outcome.Keep = 10
		c, err := joinX(t, s, &session.Start{})
		if err != nil {
			t.Fatal(err)
		}
		db.Exec(t, "TRUNCATE pt")
		at := time.Date(2026, 3, 29, 1, 2, 3, 456789000, time.UTC).UnixNano()
		xAsk(t, c, "set time_zone = '+00:00'")
		var list []*session.Command
		var pins []Pin
		for i := range 20 {
			q := xCommand(t, fmt.Sprintf("query insert into pt (k) values (%d)", i))
			q.Seq = uint64(i + 1)
			list = append(list, q)
			pins = append(pins, Pin{InsertID: uint64(500 + 10*i), Time: at})
		}
		c.Pin(pins)
		answers, err := c.DoAll(list)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			if a.Reply == nil || a.At == 0 || a.Reply.Seq != uint64(i+1) || a.Reply.Results[0].InsertID != pins[i].InsertID {
				t.Errorf("%d: %+v", i, a.Reply)
			}
		}
		c.Pin([]Pin{{InsertID: 7, Time: at + 1e9}})
		if got := xAsk(t, c, "insert into pt (k) values (1000)"); got != "" {
			t.Error(got)
		}
		if got := xAsk(t, c, "select concat(count(*), ' ', min(id), ' ', max(id), ' ', max(d)) from pt"); got != "21 7 690 2026-03-29 01:02:04.456789" {
			t.Error(got)
		}
		if got := xAsk(t, c, "select concat(last_insert_id(), ' ', found_rows())"); got != "7 1" {
			t.Error(got)
		}
		if st := s.Stats(); st.PinsRefused != 0 || st.PinnedIDs != 21 || st.PinnedTimes != 2 {
			t.Errorf("%+v", st)
		}
	}
}
