package replay

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"myreplay/classic"
	"myreplay/internal/mysqltest"
	"myreplay/schema"
	"myreplay/session"
	"myreplay/sqltext"
	"myreplay/target"
)

// pinTables are those of TestPinData, in two schemas. The triggers of stolen and
// audited generate ids.
var pinTables = []string{
	"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, k INT UNIQUE, v INT, d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), u TIMESTAMP(6) NULL ON UPDATE CURRENT_TIMESTAMP(6))",
	"CREATE TABLE child (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id))",
	"CREATE TABLE plain (k INT PRIMARY KEY, v VARCHAR(40))",
	"CREATE TABLE audited (id INT AUTO_INCREMENT PRIMARY KEY, k INT)",
	"CREATE TABLE stolen (id INT AUTO_INCREMENT PRIMARY KEY, k INT)",
	"CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, k INT, d DATETIME)",
	"CREATE TRIGGER ta AFTER INSERT ON audited FOR EACH ROW INSERT INTO log (k, d) VALUES (NEW.k, NOW())",
	"CREATE TRIGGER tb BEFORE INSERT ON stolen FOR EACH ROW INSERT INTO log (k, d) VALUES (NEW.k, NOW())",
}

// pinDraw draws a statement of TestPinData.
func pinDraw(r *rand.Rand) string {
	k := func() int { return r.IntN(60) }
	list := []func() string{
		func() string { return fmt.Sprintf("insert into t (k) values (%d)", k()) },
		func() string {
			return fmt.Sprintf("insert into t (k, v) values (%d, 1), (%d, 2), (%d, 3)", k(), k(), k())
		},
		func() string { return fmt.Sprintf("insert ignore into t (k) values (%d), (%d), (%d)", k(), k(), k()) },
		func() string {
			return fmt.Sprintf("insert into t values (null, %d, 1, now(6), null), (%d, %d, 2, now(), now(3)), (default, %d, 3, null, null)", k(), 10000+r.IntN(9000), k(), k())
		},
		func() string { return fmt.Sprintf("insert into t (id, k) values (%d, %d)", 10000+r.IntN(9000), k()) },
		func() string { return fmt.Sprintf("replace into t (k) values (%d), (%d)", k(), k()) },
		func() string {
			return fmt.Sprintf("insert into t (k) values (%d) on duplicate key update v = %d", k(), k())
		},
		func() string {
			return fmt.Sprintf("insert into t (k) values (%d) on duplicate key update v = %d, id = last_insert_id(id)", k(), r.IntN(3))
		},
		func() string {
			return fmt.Sprintf("insert into t (k) values (%d) on duplicate key update v = last_insert_id(%d)", k(), 700+k())
		},
		func() string {
			return fmt.Sprintf("insert into t (k, v) values (%d, 1), (%d, 2), (%d, 3) on duplicate key update v = values(v)", k(), k(), k())
		},
		func() string {
			return fmt.Sprintf("insert into t (k) select k + 60 from t where k < %d order by k limit 3", k())
		},
		func() string {
			return "insert ignore into child (t) values (last_insert_id()), (1), (last_insert_id())"
		},
		func() string { return fmt.Sprintf("insert into child (t) select id from t where k = %d", k()) },
		func() string { return fmt.Sprintf("insert into audited (k) values (%d), (%d)", k(), k()) },
		func() string {
			return fmt.Sprintf("replace into plain values (%d, concat(row_count(), ' ', found_rows()))", k())
		},
		func() string {
			return fmt.Sprintf("replace into plain values (%d, concat(now(), ' ', curdate()))", k())
		},
		func() string { return fmt.Sprintf("update t set v = last_insert_id(%d) where k = %d", k(), k()) },
		func() string { return fmt.Sprintf("update t set v = v + 1 where k < %d", k()) },
		func() string { return fmt.Sprintf("delete from t where k = %d", k()) },
		func() string { return "select last_insert_id()" },
		func() string { return "select row_count()" },
		func() string { return "select sql_calc_found_rows k from t order by k limit 1" },
		func() string { return "select found_rows()" },
		func() string { return "show warnings" },
		func() string { return "select count(*) from t where d < now()" },
		func() string {
			return fmt.Sprintf("select 1; insert into t (k) values (%d); select last_insert_id()", k())
		},
		func() string { return "begin" },
		func() string { return "commit" },
		func() string { return "rollback" },
		func() string { return fmt.Sprintf("insert into stolen (k) values (%d)", k()) },
		func() string { return "garbage" },
		func() string { return "insert into nosuch values (1)" },
	}
	return list[r.IntN(len(list))]()
}

// pinSide is one of the two sides of TestPinData: a connection to a schema.
type pinSide struct{ conn *target.Conn }

func newPinSide(t *testing.T, db *mysqltest.Server, name string) pinSide {
	s := pinConn(t, db, "")
	for _, sql := range append([]string{"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name, "USE " + name}, pinTables...) {
		if _, r := s.do(t, sql, nil); r.Err() != nil {
			t.Fatalf("%s: %v", sql, r.Err())
		}
	}
	return pinConn(t, db, name)
}

func pinConn(t *testing.T, db *mysqltest.Server, name string) pinSide {
	u, err := target.Parse("mysql://" + db.Addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	o := target.Options{Users: target.OneUser(db.User, db.Password)}
	o.Outcome.Keep, o.Outcome.Seed = 100, 1
	s, err := target.New(u, o)
	if err != nil {
		t.Fatal(err)
	}
	caps := classic.Protocol41 | classic.Transactions | classic.SecureConnection | classic.PluginAuth | classic.MultiStatements | classic.MultiResults
	c, err := s.Connect(t.Context(), &session.Start{Login: session.Login{Known: true, Schema: name, Capabilities: uint64(caps)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return pinSide{c}
}

func (s *pinSide) do(t *testing.T, sql string, pin *Pin) (*session.Command, *session.Reply) {
	t.Helper()
	p := append([]byte{byte(classic.ComQuery)}, sql...)
	c := &session.Command{Kind: session.Query, Code: p[0], Payload: p, SQL: p[1:]}
	if pin != nil {
		s.conn.Pin([]target.Pin{target.Pin(*pin)})
	}
	a, err := s.conn.Do(c, nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	c.At, c.End = a.At, a.End
	return c, a.Reply
}

// statusNoIndex are SERVER_STATUS_NO_GOOD_INDEX_USED and _NO_INDEX_USED, which hang
// on the optimizer's estimates.
const statusNoIndex = 0x30

// answer says what of a reply must be the same.
func answer(r *session.Reply) string {
	var b strings.Builder
	for i := range r.Results {
		x := &r.Results[i]
		if x.Error != nil {
			fmt.Fprintf(&b, "error %d; ", x.Error.Code)
			continue
		}
		fmt.Fprintf(&b, "%v %d id=%d warnings=%d status=%x %q rows=%d %x; ", x.Outcome, x.Affected, x.InsertID, x.Warnings, x.Status&^statusNoIndex, x.Info, x.Rows, x.Digest.Ordered)
	}
	return b.String()
}

// dump returns the rows that a statement gives.
func (s *pinSide) dump(t *testing.T, sql string) string {
	_, r := s.do(t, sql, &Pin{Quiet: true})
	var b strings.Builder
	for _, row := range r.Results[0].Kept {
		if err := classic.TextRow(row, len(r.Results[0].Columns.List), func(_ int, v []byte, _ bool) { fmt.Fprintf(&b, "%s ", v) }); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestPinData: a session that runs on a server, and again, with pins, where other
// sessions use up ids in between and another day is set, gets the same replies
// and leaves the same rows.
func TestPinData(t *testing.T) {
	known := &schema.Schema{Tables: []schema.Table{
		{Schema: "one", Name: "t", Kind: schema.Base, Columns: []schema.Column{{Name: "id", AutoIncrement: true}, {Name: "k"}, {Name: "v"}, {Name: "d", Clock: true}, {Name: "u", Clock: true}}},
		{Schema: "one", Name: "child", Kind: schema.Base, Columns: []schema.Column{{Name: "id", AutoIncrement: true}, {Name: "t"}}},
		{Schema: "one", Name: "plain", Kind: schema.Base, Columns: []schema.Column{{Name: "k"}, {Name: "v"}}},
		{Schema: "one", Name: "audited", Kind: schema.Base, Columns: []schema.Column{{Name: "id", AutoIncrement: true}, {Name: "k"}},
			Triggers: []schema.Trigger{{Event: "INSERT", After: true, Body: "INSERT INTO log"}}},
		{Schema: "one", Name: "stolen", Kind: schema.Base, Columns: []schema.Column{{Name: "id", AutoIncrement: true}, {Name: "k"}},
			Triggers: []schema.Trigger{{Event: "INSERT", Body: "INSERT INTO log"}}},
		{Schema: "one", Name: "log", Kind: schema.Base, Columns: []schema.Column{{Name: "id", AutoIncrement: true}, {Name: "k"}, {Name: "d"}}},
	}}
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB, mysqltest.MariaDB118} {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind)
			for seed := range uint64(4) {
				pinData(t, db, NewPins(true, true, known), rand.New(rand.NewPCG(seed, 1)), sqltext.Options{MariaDB: kind != mysqltest.MySQL97})
			}
		})
	}
}

// pinData plays one session of TestPinData.
func pinData(t *testing.T, db *mysqltest.Server, pins *Pins, r *rand.Rand, opt sqltext.Options) {
	one, two := newPinSide(t, db, "one"), newPinSide(t, db, "two")
	other := pinConn(t, db, "two")
	p := newPinner(pins, &session.Start{Login: session.Login{Known: true, Schema: "one"}})
	clock, pinned := int64(0), 0
	open := false
	var last []string
	for n := range 500 {
		if n%20 == 0 { // another time at the source, the real one at the target
			clock = int64(1700000000e9) + r.Int64N(1e17)/1000*1000
			one.do(t, fmt.Sprintf("set timestamp = %d.%06d3", clock/1e9, clock%1e9/1000), nil)
			two.do(t, "set timestamp = default", &Pin{Quiet: true})
			two.conn.Pin([]target.Pin{{Time: 5e9}}) // so that it does not think to know
			two.do(t, "set @a = 1, timestamp = default", nil)
			one.do(t, "set @a = 1", nil)
		}
		sql := pinDraw(r)
		c, want := one.do(t, sql, nil)
		c.At, c.End = clock-startDelay, clock-startDelay
		pin := p.pin(c, opt, want)
		if pin.InsertID != 0 || pin.Time != 0 {
			pinned++
		}
		if !open && r.IntN(3) == 0 { // somebody uses up ids
			other.do(t, "begin", nil)
			other.do(t, "insert into t (k) values (-1), (-2)", nil)
			other.do(t, "rollback", nil)
		}
		_, got := two.do(t, sql, &pin)
		last = append(last, fmt.Sprintf("%s %+v: %s / %s", sql, pin, answer(want), answer(got)))
		if sql == "show warnings" { // the texts name the schemas
			want.Results[0].Digest, got.Results[0].Digest = session.Digest{}, session.Digest{}
		}
		if a, b := answer(want), answer(got); a != b {
			t.Log(strings.Join(last[max(len(last)-8, 0):], "\n"))
			t.Fatalf("%d: %s, pinned %+v:\nrecorded %s\nreplayed %s", n, sql, pin, a, b)
		}
		if want.Err() != nil { // LAST_INSERT_ID() is undefined: an id that a row had before it was rolled back
			one.do(t, "do last_insert_id(5)", nil)
			two.do(t, "do last_insert_id(5)", &Pin{Quiet: true})
		}
		open = got.Err() == nil && isIn(got) || got.Err() != nil && open
	}
	if pinned < 100 {
		t.Errorf("%d pinned", pinned)
	}
	for _, sql := range []string{"select id, k, v, d, u from t order by id", "select * from child order by id", "select * from plain order by k",
		"select * from audited order by id", "select * from stolen order by id", "select * from log order by id"} {
		if a, b := one.dump(t, sql), two.dump(t, sql); a != b || a == "" && !strings.Contains(sql, "child") {
			t.Errorf("%s:\nrecorded\n%sreplayed\n%s", sql, a, b)
		}
	}
}
