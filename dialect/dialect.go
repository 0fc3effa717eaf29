// Package dialect follows how the text of each session is to be read: character
// set, sql_mode, kind of server. Masking, classing and fingerprinting ask it, so
// that a quote or a backslash means to them what it meant to the server.
package dialect

import (
	"strings"

	"myreplay/session"
	"myreplay/sqltext"
)

// The status flags of the classic protocol that tell how text is read
// (SERVER_STATUS_NO_BACKSLASH_ESCAPES; MariaDB's SERVER_STATUS_ANSI_QUOTES).
const (
	statusNoBackslashEscapes = 0x0200
	statusANSIQuotes         = 0x8000
)

// Tracker follows all sessions of a stream of events. Feed it every event in
// order. It serves one goroutine. The zero Tracker is ready.
type Tracker struct {
	sessions map[uint64]*state
	analyzer sqltext.Analyzer
}

// state is what holds for one session.
type state struct {
	now, first sqltext.Options
	// next takes effect when the command with number seq succeeds.
	next sqltext.Options
	seq  uint64
}

// Options returns how the text of a session's next command is to be read.
func (t *Tracker) Options(id uint64) sqltext.Options {
	if s := t.sessions[id]; s != nil {
		return s.now
	}
	return sqltext.Options{Guessed: true}
}

// See takes note of an event.
func (t *Tracker) See(e session.Event) {
	switch e := e.(type) {
	case *session.Start:
		t.start(e)
	case *session.Command:
		t.command(e)
	case *session.Reply:
		t.reply(e)
	case *session.Gap:
		if s := t.sessions[e.ID]; s != nil {
			s.now.Guessed = true // a SET may be among what is lost
		}
	case *session.End:
		delete(t.sessions, e.ID)
	}
}

func (t *Tracker) start(e *session.Start) {
	if t.sessions == nil {
		t.sessions = map[uint64]*state{}
	}
	o := sqltext.Options{
		Charset: sqltext.CharsetOfCollation(e.Login.Collation),
		MariaDB: strings.Contains(e.ServerVersion, "MariaDB"),
		Guessed: !e.Login.Known,
	}
	t.sessions[e.ID] = &state{now: o, first: o}
}

func (t *Tracker) command(c *session.Command) {
	s := t.sessions[c.ID]
	if s == nil {
		return
	}
	switch c.Kind {
	case session.Query:
		if maySet(c.SQL) {
			t.query(s, c)
		}
	case session.ResetConnection:
		s.next, s.seq = s.first, c.Seq
	case session.ChangeUser:
		s.next, s.seq = s.first, c.Seq
		if c.Login != nil {
			s.next.Charset = sqltext.CharsetOfCollation(c.Login.Collation)
		}
	}
}

// query looks for what a text sets.
func (t *Tracker) query(s *state, c *session.Command) {
	o := s.now
	r := t.analyzer.Analyze(c.SQL, o)
	for i := range r.Statements {
		st := &r.Statements[i]
		st.SQLMode.Apply(&o)
		if !st.Charset.Empty() {
			if class, ok := sqltext.CharsetByName(st.Charset.Of(c.SQL)); ok {
				o.Charset = class
			}
		}
		if st.Flags&sqltext.CharsetUnknown != 0 {
			o.Guessed = true
		}
	}
	if o != s.now {
		s.next, s.seq = o, c.Seq
	}
}

func (t *Tracker) reply(r *session.Reply) {
	s := t.sessions[r.ID]
	if s == nil || len(r.Results) == 0 {
		return
	}
	last := &r.Results[len(r.Results)-1]
	if s.seq != 0 && s.seq == r.Seq {
		if last.Error == nil {
			s.now = s.next
		} else if len(r.Results) > 1 {
			s.now.Guessed = true // some statements of the text succeeded
		}
		s.seq = 0
	}
	if last.Outcome == session.OK || last.Outcome == session.Rows {
		s.now.NoBackslashEscapes = last.Status&statusNoBackslashEscapes != 0
		if s.now.MariaDB {
			s.now.ANSIQuotes = last.Status&statusANSIQuotes != 0
		}
	}
}

// maySet tells whether a text may hold a SET statement: it begins with one, or
// not with a word at all (a comment), or holds several statements.
func maySet(sql []byte) bool {
	i := 0
	for i < len(sql) && sql[i] <= ' ' {
		i++
	}
	if i == len(sql) {
		return false
	}
	c := sql[i] | 0x20
	if c < 'a' || c > 'z' {
		return true
	}
	if c == 's' && len(sql) > i+2 && sql[i+1]|0x20 == 'e' && sql[i+2]|0x20 == 't' {
		return true
	}
	for _, b := range sql[i:] {
		if b == ';' {
			return true
		}
	}
	return false
}
