package session

import (
	"fmt"
	"strconv"
	"strings"
)

// maxLineText is how many bytes of a text Line prints.
const maxLineText = 100

// Line describes an event in one line of text, without times, for tests and
// for people who debug.
func Line(e Event) string {
	switch e := e.(type) {
	case *Start:
		return e.line()
	case *Command:
		return e.line()
	case *Reply:
		return e.line()
	case *Gap:
		side := "server"
		if e.Client {
			side = "client"
		}
		return join(fmt.Sprintf("gap %d %s", e.ID, side), field("lost", e.Lost), "("+e.Reason.String()+")", e.Detail)
	case *End:
		return join(fmt.Sprintf("end %d", e.ID), "("+e.Reason.String()+")", e.Detail)
	}
	return "?"
}

func (e *Start) line() string {
	l := &e.Login
	return join(fmt.Sprintf("start %d %s", e.ID, e.Protocol), flag("joined", e.Joined), flag("encrypted", e.Encrypted),
		text("version", e.ServerVersion), field("connection", uint64(e.ConnectionID)), flag("unknown-login", !l.Known),
		text("user", l.User), text("schema", l.Schema), text("plugin", l.Plugin), text("compression", l.Compression), refused(e.Refused),
		text("state", e.State.String()))
}

// String sums up a State for a reader: "2 variables, 1 statement, transaction
// open, unknown: session variables"; "" when there is none.
func (s *State) String() string {
	if s == nil {
		return ""
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{len(s.Variables), "variable"}, {len(s.UserVariables), "user variable"}, {len(s.Prepared), "statement"}} {
		switch p.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+p.what)
		default:
			parts = append(parts, strconv.Itoa(p.n)+" "+p.what+"s")
		}
	}
	textless := 0
	for i := range s.Prepared {
		if s.Prepared[i].SQL == nil {
			textless++
		}
	}
	if textless > 0 {
		parts[len(parts)-1] += fmt.Sprintf(" (%d without text)", textless)
	}
	if s.Transaction {
		parts = append(parts, "transaction open")
	}
	if len(s.Unknown) > 0 {
		parts = append(parts, "unknown: "+strings.Join(s.Unknown, ", "))
	}
	if len(parts) == 0 {
		return "nothing set"
	}
	return strings.Join(parts, ", ")
}

func refused(e *Error) string {
	if e == nil {
		return ""
	}
	return "refused: " + e.Error()
}

func (e *Command) line() string {
	s := join(fmt.Sprintf("command %d.%d %s", e.ID, e.Seq, e.Kind), flag("masked", e.Masked), flag("cut", e.Cut), text("skipped", e.Skipped.String()))
	if e.Kind.OnStatement() {
		s += " #" + strconv.FormatUint(uint64(e.Statement), 10)
	}
	switch {
	case e.SQL != nil:
		return s + " " + short(e.SQL)
	case e.Login != nil:
		return join(s, text("user", e.Login.User), text("schema", e.Login.Schema))
	case e.Kind == FileData, e.Kind == LongData, e.Kind == Execute:
		return s + fmt.Sprintf(" %d bytes", e.Size)
	case len(e.Payload) > 1:
		return s + " " + short(e.Payload[1:])
	}
	return s
}

func (e *Reply) line() string {
	s := join(fmt.Sprintf("reply %d.%d", e.ID, e.Seq), flag("lost", e.Lost))
	if p := e.Prepared; p != nil {
		s += fmt.Sprintf(" prepared #%d params=%d columns=%d", p.Statement, p.Params, p.Columns)
	}
	for i := range e.Results {
		if i > 0 {
			s += " +"
		}
		s += " " + e.Results[i].line()
	}
	return s
}

func (r *Result) line() string {
	s := join(r.Outcome.String(), field("affected", r.Affected), field("id", r.InsertID), field("warnings", uint64(r.Warnings)))
	if r.Outcome == Rows || r.Rows > 0 {
		s = join(s, fmt.Sprintf("rows=%d", r.Rows), r.columns(), r.digests())
	}
	s = join(s, text("info", r.Info))
	for _, c := range r.Changes {
		if c.Kind == MadeValues {
			s = join(s, fmt.Sprintf("made=%d", len(r.MadeRows())))
			continue
		}
		s = join(s, fmt.Sprintf("change:%d%s=%s", c.Kind, c.Name, c.Value))
	}
	if r.Error != nil {
		s = join(s, r.Error.Error())
	}
	return s
}

func (r *Result) columns() string {
	if r.Columns == nil {
		return "columns=?"
	}
	var names []string
	for _, c := range r.Columns.List {
		names = append(names, c.Name)
	}
	return "columns=" + strings.Join(names, ",")
}

func (r *Result) digests() string {
	switch {
	case !r.Digest.Valid:
		return "digest=?"
	case r.Digest.Ordered == r.Digest.Unordered:
		return fmt.Sprintf("digest=%016x", r.Digest.Ordered)
	}
	return fmt.Sprintf("digest=%016x/%016x", r.Digest.Ordered, r.Digest.Unordered)
}

// join joins what is not empty with spaces.
func join(parts ...string) string {
	kept := parts[:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, " ")
}

func flag(name string, on bool) string {
	if on {
		return name
	}
	return ""
}

func field(name string, v uint64) string {
	if v == 0 {
		return ""
	}
	return name + "=" + strconv.FormatUint(v, 10)
}

func text(name, v string) string {
	if v == "" {
		return ""
	}
	return name + "=" + strconv.Quote(v)
}

func short(b []byte) string {
	if len(b) > maxLineText {
		return strconv.Quote(string(b[:maxLineText])) + fmt.Sprintf("... %d bytes", len(b))
	}
	return strconv.Quote(string(b))
}
