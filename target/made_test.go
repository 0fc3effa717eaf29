package target

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/outcome"
	"myreplay/session"
)

// madeSide is a connection whose replies stand for the source's, or map to it.
func madeSide(t *testing.T, db *mysqltest.Server, values bool) *Conn {
	s := realTarget(t, "mysql://"+db.Addr+"/", Options{Users: OneUser(db.User, db.Password), Values: values,
		Outcome: outcome.Options{Seed: 7, Keep: -1}})
	c, err := s.Connect(t.Context(), &session.Start{Login: session.Login{Known: true, Schema: mysqltest.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// madeAsk sends a query, with what the recorded reply to it notes, and returns the
// reply, and the last value of its first row.
func madeAsk(t *testing.T, c *Conn, seq uint64, sql string, recorded *session.Reply) (*session.Reply, string) {
	t.Helper()
	q := query(sql)
	q.Seq = seq
	c.Pin([]Pin{{Quiet: true, Recorded: recorded}})
	a, err := c.Do(q, nil)
	if err != nil || a.Reply == nil || a.Reply.Err() != nil {
		t.Fatalf("%s: %v, %+v", sql, err, a)
	}
	return a.Reply, lastValue(a.Reply.Results[0].Kept[0])
}

// lastValue returns the last value of a row: a UUID, or its digits.
func lastValue(row []byte) string {
	if len(row) > 36 {
		return string(row[len(row)-36:])
	}
	return string(row[1:])
}

// TestMadePairs: values of two servers are paired where both replies tell of the
// same row, and no other, and are then named in each other's place; by every
// session, and in the batch, too.
func TestMadePairs(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind)
			source, live, other := madeSide(t, db, false), madeSide(t, db, true), (*Conn)(nil)
			r, a := madeAsk(t, source, 1, "select uuid()", nil)
			_, b := madeAsk(t, live, 1, "select uuid()", r)
			c, err := live.server.Connect(t.Context(), &session.Start{Login: session.Login{Known: true, Schema: mysqltest.Schema}})
			if other = c; err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if _, got := madeAsk(t, other, 1, "select '"+a+"'", nil); got != b {
				t.Errorf("%s is %s, want %s", a, got, b)
			}
			list, err := other.DoAll([]*session.Command{query("select '" + strings.ToUpper(a) + "'"), query("select 2")})
			if err != nil || !bytes.Contains(list[0].Reply.Results[0].Kept[0], []byte(strings.ToUpper(b))) {
				t.Errorf("in a batch: %v, %q", err, list[0].Reply.Results[0].Kept)
			}
			plain := func(s string) string { return strings.ReplaceAll(s, "-", "") }
			if _, got := madeAsk(t, other, 2, "select hex(x'"+plain(a)+"')", nil); !strings.EqualFold(got, plain(b)) {
				t.Errorf("in hex: %s, want %s", got, plain(b))
			}
			// Rows that can't be told apart: nobody knows which is which.
			two := "select uuid() union all select uuid()"
			r, a = madeAsk(t, source, 3, two, nil)
			madeAsk(t, live, 3, two, r)
			if _, got := madeAsk(t, other, 3, "select '"+a+"'", nil); got != a {
				t.Errorf("two rows: %s became %s", a, got)
			}
			// Learn tells later what came with no command.
			two = "select 2, uuid() union all select 1, uuid()"
			r, _ = madeAsk(t, source, 4, two, nil)
			a = lastValue(r.Results[0].Kept[1])
			_, b = madeAsk(t, live, 4, "select 1, uuid() union all select 2, uuid()", nil)
			if _, got := madeAsk(t, live, 5, "select '"+a+"'", nil); got != a {
				t.Errorf("before Learn: %s became %s", a, got)
			}
			live.Learn(r)
			if _, got := madeAsk(t, live, 6, "select '"+a+"'", nil); got != b {
				t.Errorf("after Learn: %s is %s, want %s", a, got, b)
			}
			if s := live.server.Stats(); s.ValuesPaired != 3 || s.ValuesLate != 1 || s.ValuesMapped != 4 || len(live.made) != 2 { // the answers to the latest two, of which nothing was learned
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestMadeForgotten: of too many values the oldest are given up, and one that was
// another's, or the recording's own, is not taken.
func TestMadeForgotten(t *testing.T) {
	v := madeValues{idTable: idTable[uint64, outcome.UUID]{limit: 3}}
	var counts counters
	id := func(n byte) outcome.UUID { return outcome.UUID{6: 0x10, 8: 0x80, 15: n} }
	pair := func(recorded, live byte) {
		a, b := id(recorded), id(live)
		v.pair(0, a.Hash(1), b.Hash(1), b, &counts)
	}
	text := func(u outcome.UUID) string {
		h := hex.EncodeToString(u[:])
		return fmt.Sprintf("'%s-%s-%s-%s-%s'", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
	}
	for n := range byte(5) {
		pair(n, 100+n)
	}
	pair(4, 102) // 2's
	clients := id(77)
	v.toLive(0, 1, []byte(text(clients)), false)
	pair(3, 77) // sent as it is: no server made it
	for n := range byte(5) {
		want := text(id(n))
		if n >= 2 {
			want = text(id(100 + n))
		}
		sent := []byte(text(id(n)))
		got, _ := v.toLive(0, 1, sent, false)
		if string(got) != want || string(sent) != text(id(n)) {
			t.Errorf("%s became %s, want %s", sent, got, want)
		}
		if got, _ := v.toLive(1, 1, sent, false); string(got) != string(sent) {
			t.Errorf("%s became another copy's %s", sent, got)
		}
	}
	if a, b := counts.valuesForgotten.Load(), counts.valuesUnpaired.Load(); a != 2 || b != 2 {
		t.Errorf("%d forgotten, %d not paired", a, b)
	}
}
