package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"myreplay/report"
)

// What the clients of the lab do.

// askSource lets a mirror ask the source about sessions older than itself.
func askSource(l *mirrorLab) []string {
	return []string{"--source", fmt.Sprintf("mysql://%s@%s/?ca=%s", l.source.User, l.source.Addr, l.source.CA)}
}

// writeAndRead is a short session with texts of its own.
func writeAndRead(n int, c *connection) {
	c.exec(fmt.Sprintf("INSERT INTO landed VALUES (%d, 1, 'session %d begins')", n, n))
	c.read(fmt.Sprintf("SELECT note FROM landed WHERE session = %d AND step = 1", n))
	c.exec(fmt.Sprintf("UPDATE landed SET step = 2 WHERE session = %d", n))
	c.read(fmt.Sprintf("SELECT step, COUNT(*) FROM landed WHERE session = %d GROUP BY step", n))
	c.exec(fmt.Sprintf("INSERT INTO landed VALUES (%d, 3, 'session %d ends')", n, n))
}

// readOnly is a short session that changes nothing.
func readOnly(n int, c *connection) {
	c.read(fmt.Sprintf("SELECT 'session %d begins'", n))
	c.read(fmt.Sprintf("SELECT 'session %d ends'", n))
}

// prepareAndLeave uses up an id.
func prepareAndLeave(n int, c *connection) { c.exec("DO ?", n) }

// executeHeld executes a prepared statement several times.
func executeHeld(n int, c *connection) {
	insert, read := c.prepare("INSERT INTO landed VALUES (?, ?, ?)"), c.prepare("SELECT note FROM landed WHERE session = ? AND step = ?")
	for step := range 20 {
		insert.exec(n, step, fmt.Sprintf("step %d of session %d", step, n))
		read.read(n, step)
	}
}

// insertLarge inserts texts of a KiB to one MiB; one of 100 KiB is among them.
func insertLarge(n int, c *connection) {
	size := []int{1 << 10, 10 << 10, 64 << 10, 100 << 10, 100 << 10, 500 << 10, 1 << 20}[n%7]
	text := make([]byte, 0, size+64)
	for i := 0; len(text) < size; i++ {
		text = fmt.Appendf(text, "%x", sha256.Sum256(fmt.Append(nil, n, i)))
	}
	c.exec(fmt.Sprintf("INSERT INTO landed VALUES (%d, 1, '%s')", n, text[:size]))
	c.read(fmt.Sprintf("SELECT MD5(note), LENGTH(note) FROM landed WHERE session = %d", n))
	c.exec("INSERT INTO landed VALUES (?, 2, ?)", n, text[:size])
}

// keepPrepared holds sessions that prepared a statement before the mirror begins.
func keepPrepared(l *mirrorLab) {
	var held []*connection
	var statements []*statement
	l.older(func() {
		for n := range 8 {
			c := l.client(n)
			c.exec(fmt.Sprintf("SET @mine = %d", n))
			held, statements = append(held, c), append(statements, c.prepare("INSERT INTO landed VALUES (@mine, ?, ?)"))
		}
	}, func() {
		for step := range 20 {
			for n, s := range statements {
				s.exec(step, fmt.Sprintf("step %d of session %d", step, n))
			}
		}
		for _, c := range held {
			c.Close()
		}
	})
}

// keepText holds sessions with a state that was set before the mirror begins.
func keepText(l *mirrorLab) {
	var held []*connection
	l.older(func() {
		for n := range 8 {
			c := l.client(n)
			c.exec(fmt.Sprintf("SET @mine = %d, time_zone = '+0%d:00', sql_mode = 'ANSI_QUOTES'", n, n))
			held = append(held, c)
		}
	}, func() {
		for step := range 20 {
			for _, c := range held {
				c.exec(fmt.Sprintf("INSERT INTO landed VALUES (@mine, %d, FROM_UNIXTIME(86400))", step))
			}
		}
		for _, c := range held {
			c.exec(`SELECT "note" FROM landed WHERE session = @mine AND step = 1`)
			c.Close()
		}
	})
}

// keepSchemas holds ten sessions, every other one in another schema.
func keepSchemas(l *mirrorLab) {
	var held []*connection
	l.older(func() {
		for n := range 10 {
			c := l.client(n)
			if n%2 == 1 {
				c.exec("USE other")
			}
			held = append(held, c)
		}
	}, func() {
		for step := range 5 {
			for n, c := range held {
				c.exec(fmt.Sprintf("INSERT INTO landed VALUES (%d, %d, DATABASE())", n, step))
			}
		}
		for _, c := range held {
			c.Close()
		}
	})
}

// aheadBy is how many statements a session sends while its target stands still.
const aheadBy = 40000

// runAhead sends many statements while the target stands still.
func runAhead(l *mirrorLab) {
	c := l.client(1)
	defer c.Close()
	c.exec("INSERT INTO landed VALUES (1, 1, 'before')")
	if err := l.target.Freeze(); err != nil {
		l.t.Error(err)
	}
	for n := range aheadBy {
		c.exec(fmt.Sprintf("DO %d", n))
	}
	if err := l.target.Thaw(); err != nil {
		l.t.Error(err)
	}
	c.exec("INSERT INTO landed VALUES (1, 2, 'after')")
}

// fileOfRows are 5,000 rows.
func fileOfRows() string {
	var b strings.Builder
	for n := range 5000 {
		fmt.Fprintf(&b, "%d,%d,row %d\n", n, n%7, n)
	}
	return b.String()
}

// statement is a prepared statement of a connection.
type statement struct {
	c *connection
	s *sql.Stmt
}

// prepare prepares a statement that is held.
func (c *connection) prepare(query string) *statement {
	c.t.Helper()
	s, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		c.t.Errorf("prepare %s: %v", query, err)
	}
	return &statement{c, s}
}

func (s *statement) exec(args ...any) {
	s.c.t.Helper()
	if _, err := s.s.Exec(args...); err != nil {
		s.c.t.Error(err)
	}
}

func (s *statement) read(args ...any) {
	s.c.t.Helper()
	rows, err := s.s.Query(args...)
	if err != nil {
		s.c.t.Error(err)
		return
	}
	for rows.Next() {
	}
	rows.Close()
}

// same checks that nothing differs and everything was compared.
func (m *mirrored) same(t *testing.T) {
	t.Helper()
	v, a := m.report.Verdict, m.report.Account
	if v.Result != report.Same || m.code != exitSame || a.Compared == 0 || !a.Closes {
		t.Errorf("exit code %d, %s: %s\n%+v\n%s", m.code, v.Result, v.Reason, m.report.Differences, m.said)
	}
	m.allSent(t)
}

// allSent checks that all was sent and compared.
func (m *mirrored) allSent(t *testing.T) {
	t.Helper()
	if a := m.report.Account; a.Sent != a.Recorded || len(a.NotCompared) > 0 {
		t.Errorf("not all was sent and compared: %+v, not compared %v\n%s", a.KindAccount, a.NotCompared, m.said)
	}
}
