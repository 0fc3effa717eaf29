package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"myreplay/session"
)

// lines is what all printers share.
type lines struct {
	out    *bufio.Writer
	limit  int
	n      int
	utc    bool
	match  string
	texts  session.Texts
	params params
	// source finds the recorded commands that a run's commands stand for; nil
	// when it is no run.
	source *lookup
	// of maps a run's session to the recorded one.
	of map[uint64]uint64
	// protocols are those of the sessions.
	protocols map[uint64]session.Protocol
}

// line prints a line, until there are enough.
func (l *lines) line(format string, args ...any) error {
	if _, err := fmt.Fprintf(l.out, format+"\n", args...); err != nil {
		return err
	}
	l.n++
	if l.limit > 0 && l.n >= l.limit {
		return errEnough
	}
	return nil
}

// see takes note of an event; call it after the event was printed.
func (l *lines) see(e session.Event) {
	l.texts.See(e)
	l.params.see(e)
	switch e := e.(type) {
	case *session.Start:
		if l.of == nil {
			l.of, l.protocols = map[uint64]uint64{}, map[uint64]session.Protocol{}
		}
		l.of[e.ID], l.protocols[e.ID] = e.Of, e.Protocol
	case *session.End:
		delete(l.of, e.ID)
		delete(l.protocols, e.ID)
	}
}

// time writes a time for a reader.
func (l *lines) time(at int64) string {
	t := time.Unix(0, at)
	if l.utc {
		t = t.UTC()
	}
	return t.Format("2006-01-02 15:04:05.000000")
}

// command returns the command with its payload and text: of a run's, those that
// the capture has.
func (l *lines) command(c *session.Command) (*session.Command, []byte) {
	if of := l.of[c.ID]; of != 0 && l.source != nil && c.Payload == nil {
		if r := l.source.command(of, c.Seq); r != nil {
			whole := *c
			whole.Payload, whole.Login, whole.Masked, whole.Cut = r.Payload, r.Login, r.Masked, r.Cut
			if r.SQL != nil {
				whole.SQL = r.SQL
				return &whole, r.SQL
			}
			return &whole, l.texts.SQL(&whole)
		}
	}
	return c, l.texts.SQL(c)
}

// wanted tells whether a statement contains what --match asks for.
func (l *lines) wanted(sql []byte) bool {
	return l.match == "" || strings.Contains(strings.ToLower(string(sql)), l.match)
}

// describe writes a command for a reader.
func (l *lines) describe(c *session.Command, sql []byte) string {
	var b strings.Builder
	b.WriteString(c.Kind.String())
	if c.Kind.OnStatement() {
		fmt.Fprintf(&b, " #%d", c.Statement)
	}
	if c.Masked {
		b.WriteString(" (masked)")
	}
	if c.Cut {
		fmt.Fprintf(&b, " (cut, %d bytes)", c.Size)
	}
	if c.Skipped != session.NotSkipped {
		fmt.Fprintf(&b, " (not sent: %s)", c.Skipped)
	}
	switch {
	case sql != nil && c.Kind != session.CloseStatement:
		fmt.Fprintf(&b, "  %s", oneLine(sql))
	case c.Login != nil:
		fmt.Fprintf(&b, "  %s, schema %q", c.Login.User, c.Login.Schema)
	case c.Kind == session.UseSchema && len(c.Payload) > 1:
		fmt.Fprintf(&b, "  %s", c.Payload[1:])
	case c.Kind == session.FileData:
		fmt.Fprintf(&b, "  %d bytes", c.Size)
	}
	if list := l.params.texts(c); list != "" {
		fmt.Fprintf(&b, "  [%s]", list)
	}
	return b.String()
}

// oneLine puts a statement on one line.
func oneLine(sql []byte) string {
	const most = 2000
	more := ""
	if len(sql) > most {
		sql, more = sql[:most], fmt.Sprintf("... (%d bytes)", len(sql))
	}
	s := strings.Join(strings.FieldsFunc(string(sql), func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '.'
		}
		return r
	}, s) + more
}

// resultText writes a result for a reader.
func resultText(r *session.Result) string {
	var parts []string
	switch r.Outcome {
	case session.Rows:
		parts = append(parts, count(r.Rows, "row"))
	case session.Failed:
		parts = append(parts, r.Error.Error())
	case session.Text:
		parts = append(parts, r.Info)
	case session.Opened:
		if r.Rows > 0 {
			parts = append(parts, count(r.Rows, "row"))
		}
		parts = append(parts, "cursor open")
	default:
		parts = append(parts, "ok")
		if r.Affected > 0 {
			parts = append(parts, fmt.Sprintf("%d affected", r.Affected))
		}
		if r.InsertID > 0 {
			parts = append(parts, fmt.Sprintf("id %d", r.InsertID))
		}
	}
	if r.Warnings > 0 {
		parts = append(parts, count(uint64(r.Warnings), "warning"))
	}
	for _, c := range r.Changes {
		if c.Kind == session.DocumentIDs {
			parts = append(parts, "_id "+shortList(c.Value))
		}
	}
	return strings.Join(parts, ", ")
}

// noticeWords name the changes that stand for notices of the X Protocol.
var noticeWords = map[session.ChangeKind]string{session.WarningNotice: "warning", session.DocumentIDs: "document ids",
	session.RowsFound: "rows found", session.RowsMatched: "rows matched", session.TransactionEnd: "transaction end", session.OtherNotice: "other"}

// shortList cuts a list with commas after its first items.
func shortList(list string) string {
	const most = 3
	items := strings.SplitN(list, ",", most+1)
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return strings.Join(items[:most], ", ") + fmt.Sprintf(" and %d more", 1+strings.Count(items[most], ","))
}

// replyText writes a reply for a reader.
func replyText(r *session.Reply) string {
	var parts []string
	if r.Prepared != nil {
		parts = append(parts, fmt.Sprintf("prepared #%d, %s, %s", r.Prepared.Statement, count(uint64(r.Prepared.Params), "parameter"), count(uint64(r.Prepared.Columns), "column")))
	}
	for i := range r.Results {
		parts = append(parts, resultText(&r.Results[i]))
	}
	if r.Lost {
		parts = append(parts, "not seen to its end")
	}
	return strings.Join(parts, "; ")
}

func gapText(g *session.Gap) string {
	s := g.Reason.String()
	if g.ID == 0 {
		if g.Lost > 0 {
			s = count(g.Lost, "packet") + ": " + s
		}
	} else {
		side := "server"
		if g.Client {
			side = "client"
		}
		s = side + ": " + s
		if g.Lost > 0 {
			s += ", " + bytesText(g.Lost)
		}
	}
	if g.Detail != "" {
		s += " (" + g.Detail + ")"
	}
	return s
}

// startText describes a session's beginning.
func startText(s *session.Start) string {
	parts := []string{s.Protocol.String()}
	if s.Client.IsValid() {
		parts = append(parts, s.Client.String()+" to "+s.Server.String())
	}
	if s.Of != 0 {
		parts = append(parts, fmt.Sprintf("replays session %d", s.Of))
	}
	if s.Login.User != "" {
		parts = append(parts, fmt.Sprintf("user %s", s.Login.User))
	}
	if s.Login.Schema != "" {
		parts = append(parts, "schema "+s.Login.Schema)
	}
	if s.ServerVersion != "" {
		parts = append(parts, "server "+s.ServerVersion)
	}
	for what, is := range map[string]bool{"joined in mid-life": s.Joined, "encrypted": s.Encrypted} {
		if is {
			parts = append(parts, what)
		}
	}
	if s.Login.Compression != "" {
		parts = append(parts, s.Login.Compression)
	}
	if s.Refused != nil {
		parts = append(parts, "refused: "+s.Refused.Error())
	}
	if s.State != nil {
		parts = append(parts, "state: "+s.State.String())
	}
	return strings.Join(parts, ", ")
}
