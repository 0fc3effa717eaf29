package xproto

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
)

// TestServerCompression has each algorithm both ways with a real server: small
// and large messages, several in one, what does not compress, and a client's
// message whose number is that of the server's COMPRESSION.
func TestServerCompression(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	s.Exec(t, "CREATE TABLE test.c (doc JSON, _id VARBINARY(32) GENERATED ALWAYS AS (JSON_UNQUOTE(JSON_EXTRACT(doc, '$._id'))) STORED PRIMARY KEY)")
	options := []struct {
		name   string
		fields []Field
	}{
		{"as it comes", nil},
		{"mixed", []Field{{"server_combine_mixed_messages", Truth(true)}}},
		{"two at most", []Field{{"server_max_combine_messages", Any{Scalar: &Scalar{Type: ScalarUint, Uint: 2}}}}},
		{"highest level", []Field{{"level", Any{Scalar: &Scalar{Type: ScalarSint, Sint: 9}}}}},
	}
	for _, a := range []Algorithm{Deflate, Zstd, LZ4} {
		for _, o := range options {
			t.Run(a.String()+"/"+o.name, func(t *testing.T) {
				c := dial(t, s)
				c.compress(a, o.fields...)
				c.login(s)
				c.talkCompressed()
				if c.packed < 100 {
					t.Errorf("only %d frames came compressed", c.packed)
				}
			})
		}
	}
}

// talkCompressed says every kind of thing.
func (c *client) talkCompressed() {
	c.t.Helper()
	sql := func(text string) []byte { m := StmtExecute{Stmt: []byte(text)}; return m.Append(nil) }
	for round := range 3 {
		// The server compresses what is longer than about 1,000 bytes.
		for _, n := range []int{1, 1000, 32 << 10, 128 << 10, 1<<20 + 17} {
			c.sendPacked(SQLStmtExecute, sql(fmt.Sprintf("SELECT REPEAT('%d', %d) AS r", round, n)))
			a := c.reply()
			if _, rows := a.rows(c.t); a.err != nil || len(rows) != 1 || rows[0][0] != strings.Repeat(fmt.Sprint(round), n) {
				c.t.Fatalf("%d bytes: %v %+v", n, a.err, a.kinds())
			}
		}
		long := strings.Repeat("long ", 100_000)
		c.sendPacked(SQLStmtExecute, sql("SELECT 1"), sql("SELECT nonsense FROM nowhere"), sql("SELECT '"+long+"'"))
		for i, want := range []string{"1", "", long} {
			a := c.reply()
			if _, rows := a.rows(c.t); want != "" && rows[0][0] != want || want == "" && a.err == nil {
				c.t.Fatalf("message %d: %v", i, a.kinds())
			}
		}
		// Rows that are short and many, and such that do not compress.
		a := c.sql("WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM n WHERE i < 1000) SELECT i, RANDOM_BYTES(1000) FROM n")
		if _, rows := a.rows(c.t); len(rows) != 1000 || rows[999][0] != "1000" || len(rows[999][1]) != 1000 {
			c.t.Fatalf("%d rows", len(rows))
		}
		// CRUD_UPDATE has the number 19, plain and compressed.
		_, update, err := message("update", []string{"test.c"}, fmt.Sprintf("op 3 $.x %d\nwhere (== $._id 'none')", round))
		if err != nil {
			c.t.Fatal(err)
		}
		c.must(CrudUpdate, update)
		c.sendPacked(CrudUpdate, update, update)
		c.reply()
		if a := c.reply(); a.err != nil {
			c.t.Fatalf("CRUD_UPDATE: %s", a.err.Message)
		}
	}
}

// TestServerZstdAfterLoss shows what can be read of a stream after a loss: MySQL
// makes every message a frame of zstd, so zstd can be read again at once; deflate
// can't.
func TestServerZstdAfterLoss(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	for _, a := range []Algorithm{Deflate, Zstd, LZ4} {
		t.Run(a.String(), func(t *testing.T) {
			c := dial(t, s)
			c.compress(a)
			c.login(s)
			var lost Framer
			lost.SetCompression(a, byte(ServerCompression))
			c.sql("SELECT REPEAT('a', 10000)")
			lost.Reset()
			var wire bytes.Buffer
			c.tee = &wire
			c.sql("SELECT REPEAT('b', 10000)")
			lost.Feed(wire.Bytes())
			var f Frame
			packed := false
			var err error
			for ok := true; ok && err == nil; {
				if ok, err = lost.Next(&f); ok {
					packed = packed || f.Packed
				}
			}
			if readable := err == nil && packed; readable != (a != Deflate) {
				t.Errorf("%v: %v", a, err)
			}
		})
	}
}
