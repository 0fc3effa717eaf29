// Package dialect follows how the text of each session is to be read: character
// set, sql_mode, kind of server. Masking, classing and fingerprinting ask it, so
// that a quote or a backslash means to them what it meant to the server.
package dialect

import (
	"bytes"
	"slices"
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
	// latest is the number of the command seen last.
	latest uint64
	// itself: that command changes how the rest of its own text is read, or
	// depends on another that is not answered.
	itself bool
	// rendered: that command's text was made from an X message, and reads the same
	// whatever the session has set.
	rendered bool
	// x: the X Protocol, whose replies do not tell how text is read.
	x bool
	// told is when the server had told what the session has set, nanoseconds since
	// the Unix epoch: commands before may be older than that.
	told int64
	// early: the command seen last is such a one.
	early bool
}

// Options returns how the text of a session's command is to be read; call it
// when See took note of the command. The options are guessed while the reply to
// an earlier command is awaited that decides about them, and where the command
// itself changes how the rest of its text is read.
func (t *Tracker) Options(id uint64) sqltext.Options {
	s := t.sessions[id]
	if s == nil {
		return sqltext.Options{Guessed: true}
	}
	if s.rendered {
		return sqltext.Options{}
	}
	o := s.now
	o.Guessed = o.Guessed || s.itself || s.early || s.seq != 0 && s.seq != s.latest
	return o
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
	s := &state{now: o, first: o, x: e.Protocol == session.X}
	if e.State != nil {
		s.now, s.told = t.told(o, e.State), e.State.Told
	}
	t.sessions[e.ID] = s
}

// told returns what holds in a session by what its server told of it.
func (t *Tracker) told(o sqltext.Options, st *session.State) sqltext.Options {
	if slices.ContainsFunc(st.Unknown, func(what string) bool { return strings.HasPrefix(what, "session variable") }) {
		o.Guessed = true
		return o
	}
	o.Guessed = false
	for i := range st.Variables {
		switch v := &st.Variables[i]; strings.ToLower(v.Name) {
		case "character_set_client":
			class, ok := sqltext.CharsetByName([]byte(v.Value))
			o.Charset, o.Guessed = class, o.Guessed || !ok
		case "sql_mode":
			if !isModes(v.Value) {
				o.Guessed = true
				continue
			}
			o = t.after(o, []byte("SET sql_mode = '"+v.Value+"'"), nil)
		}
	}
	return o
}

// isModes tells whether a text is a list of names as sql_mode has it.
func isModes(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '_' && s[i] != ',' {
			return false
		}
	}
	return true
}

func (t *Tracker) command(c *session.Command) {
	s := t.sessions[c.ID]
	if s == nil {
		return
	}
	s.latest, s.itself, s.early = c.Seq, false, c.At < s.told
	s.rendered = s.x && c.Kind != session.Query && c.Kind != session.Prepare
	switch c.Kind {
	case session.Query:
		if maySet(c.SQL) {
			t.query(s, c)
		}
	case session.Prepare:
		if maySet(c.SQL) && t.after(s.now, c.SQL, nil) != s.now {
			s.now.Guessed = true // from when it is executed on
		}
	case session.ResetConnection, session.CloseSession:
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
	now := s.now
	if s.seq != 0 { // sent before the reply to another that sets something
		now = s.next
		now.Guessed = true
	}
	o := t.after(now, c.SQL, &s.itself)
	s.itself = s.itself || s.seq != 0
	if o != now || s.seq != 0 {
		s.next, s.seq = o, c.Seq
	}
}

// after returns what holds after a text, and whether that is so for a part of
// the text already.
func (t *Tracker) after(o sqltext.Options, sql []byte, itself *bool) sqltext.Options {
	before := o
	r := t.analyzer.Analyze(sql, o)
	for i := range r.Statements {
		if itself != nil {
			*itself = o != before
		}
		st := &r.Statements[i]
		st.SQLMode.Apply(&o)
		if !st.Charset.Empty() {
			if class, ok := sqltext.CharsetByName(st.Charset.Of(sql)); ok {
				o.Charset = class
			}
		}
		if st.Flags&sqltext.CharsetUnknown != 0 {
			o.Guessed = true
		}
	}
	return o
}

func (t *Tracker) reply(r *session.Reply) {
	s := t.sessions[r.ID]
	if s == nil || len(r.Results) == 0 {
		return
	}
	s.itself = s.itself && r.Seq != s.latest
	last := &r.Results[len(r.Results)-1]
	if s.seq != 0 && s.seq == r.Seq {
		if last.Error == nil {
			s.now = s.next
		} else if len(r.Results) > 1 {
			s.now.Guessed = true // some statements of the text succeeded
		}
		s.seq = 0
	}
	if !s.x && (last.Outcome == session.OK || last.Outcome == session.Rows) {
		s.now.NoBackslashEscapes = last.Status&statusNoBackslashEscapes != 0
		if s.now.MariaDB {
			s.now.ANSIQuotes = last.Status&statusANSIQuotes != 0
		}
	}
}

// maySet tells whether a text may hold a SET statement: it begins with one, with
// PREPARE or EXECUTE, or not with a word at all (a comment), or holds several
// statements. What a stored procedure sets is not seen.
func maySet(sql []byte) bool {
	i := 0
	for i < len(sql) && sql[i] <= ' ' {
		i++
	}
	if i == len(sql) {
		return false
	}
	switch c := sql[i] | 0x20; {
	case c < 'a' || c > 'z', c == 'p', c == 'e':
		return true
	case c == 's' && len(sql) > i+2 && sql[i+1]|0x20 == 'e' && sql[i+2]|0x20 == 't':
		return true
	}
	return bytes.IndexByte(sql[i:], ';') >= 0
}
