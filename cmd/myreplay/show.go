package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/capture"
	"myreplay/classic"
	"myreplay/session"
)

// showArgs are the flags of show.
type showArgs struct {
	packets                               packetArgs
	json, bySession, messages, verify, at bool
	keep                                  rows
	sessions                              []string
	match                                 string
	limit                                 int
}

func showCommand() *cobra.Command {
	a := showArgs{}
	c := &cobra.Command{
		Use:   "show PATH...",
		Short: "Print a capture, a run or a packet file for a reader, or as JSON lines",
		Long: `Print what is in a capture, a run or a packet file: its statements with what came
of them (the default), its sessions, or every message of both sides. --json
prints one event a line for other programs; docs/FORMAT.md describes the fields.`,
		Example: `  myreplay show prod
  myreplay show prod --sessions
  myreplay show traffic.pcap --port 3307 --messages
  myreplay show prod --json | jq 'select(.kind=="reply" and .error)'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&a.json, "json", false, "one event a line as JSON")
	f.BoolVar(&a.bySession, "sessions", false, "one line a session")
	f.BoolVar(&a.messages, "messages", false, "one line a message, C: from the client, S: from the server")
	f.BoolVar(&a.verify, "verify", false, "check every block of a capture instead; exit code 2 when one is damaged")
	f.StringSliceVar(&a.sessions, "only", nil, "only these sessions, as `1,5-9`")
	f.StringVar(&a.match, "match", "", "only statements that contain `TEXT`")
	f.IntVarP(&a.limit, "limit", "n", 0, "stop after this many lines")
	f.Var(&a.keep, "rows", "of a packet file: show the first N rows of each result, or all")
	f.BoolVar(&a.at, "utc", false, "print times in UTC instead of local time")
	a.packets.flags(c)
	return c
}

// errEnough ends a show early.
var errEnough = errors.New("enough")

// printer prints events in one of show's forms.
type printer interface {
	event(e session.Event) error
	end() error
}

func (a *showArgs) run(c *cobra.Command, args []string) error {
	out := bufio.NewWriterSize(c.OutOrStdout(), 64<<10)
	ids, err := sessionIDs(a.sessions)
	if err != nil {
		return err
	}
	for _, path := range args {
		if err = a.path(c, out, path, ids); err != nil {
			break
		}
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, out.Flush())
}

func (a *showArgs) path(c *cobra.Command, out *bufio.Writer, path string, ids map[uint64]bool) error {
	if a.verify {
		return verifyCapture(out, path)
	}
	o := capture.Options{Decode: decodeSeed(0)}
	o.Decode.Keep = int(a.keep)
	src, err := openRecorded(c.Context(), path, &a.packets, o)
	if err != nil {
		return err
	}
	p := a.printer(out, src)
	err = a.print(c, src, p, ids)
	err = errors.Join(err, p.end(), src.Close())
	out.Flush()
	damageNote(c.ErrOrStderr(), src)
	return err
}

func (a *showArgs) print(c *cobra.Command, src recorded, p printer, ids map[uint64]bool) error {
	for c.Context().Err() == nil {
		e, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if id, _ := e.Key(); ids != nil && !ids[id] {
			continue
		}
		if err := p.event(e); err != nil {
			return err
		}
	}
	return nil
}

// printer returns the printer that the flags ask for.
func (a *showArgs) printer(out *bufio.Writer, src recorded) printer {
	l := &lines{out: out, limit: a.limit, utc: a.at, match: strings.ToLower(a.match), source: sourceTexts(src)}
	switch {
	case a.json:
		return &jsonPrinter{lines: l}
	case a.bySession:
		return &sessionPrinter{lines: l, open: map[uint64]*sessionLine{}}
	case a.messages:
		return &messagePrinter{lines: l}
	}
	return &statementPrinter{lines: l, waiting: map[replyKey]*session.Command{}}
}

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
	if s, ok := e.(*session.Start); ok && s.Of != 0 {
		if l.of == nil {
			l.of = map[uint64]uint64{}
		}
		l.of[s.ID] = s.Of
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
	if list, ok := l.params.of(c); ok && len(list) > 0 {
		var texts []string
		for _, v := range list {
			texts = append(texts, paramText(v))
		}
		fmt.Fprintf(&b, "  [%s]", strings.Join(texts, ", "))
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
	return strings.Join(parts, ", ")
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
	return strings.Join(parts, ", ")
}

// replyKey names a command that waits for its reply.
type replyKey struct{ id, seq uint64 }

// statementPrinter prints a line for each command, with what came of it.
type statementPrinter struct {
	*lines
	waiting map[replyKey]*session.Command
}

func (p *statementPrinter) event(e session.Event) error {
	defer p.see(e)
	switch e := e.(type) {
	case *session.Start:
		return p.line("%s  %6d  -- %s", p.time(e.At), e.ID, startText(e))
	case *session.Command:
		if e.Kind.HasReply() && e.Skipped == session.NotSkipped {
			p.waiting[replyKey{e.ID, e.Seq}] = e
			return nil
		}
		return p.statement(e, nil)
	case *session.Reply:
		k := replyKey{e.ID, e.Seq}
		c := p.waiting[k]
		delete(p.waiting, k)
		if c != nil {
			return p.statement(c, e)
		}
	case *session.Gap:
		return p.line("%s  %6d  -- missing: %s", p.time(e.At), e.ID, gapText(e))
	case *session.End:
		if err := p.unanswered(e.ID); err != nil {
			return err
		}
		s := e.Reason.String()
		if e.Detail != "" {
			s += ": " + e.Detail
		}
		return p.line("%s  %6d  -- end: %s", p.time(e.At), e.ID, s)
	}
	return nil
}

// unanswered prints the commands of a session that have no reply.
func (p *statementPrinter) unanswered(id uint64) error {
	var keys []replyKey
	for k := range p.waiting {
		if k.id == id {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b replyKey) int { return int(a.seq) - int(b.seq) })
	for _, k := range keys {
		c := p.waiting[k]
		delete(p.waiting, k)
		if err := p.statement(c, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *statementPrinter) statement(c *session.Command, r *session.Reply) error {
	whole, sql := p.command(c)
	if !p.wanted(sql) {
		return nil
	}
	took, answer := "", ""
	if r != nil {
		took = duration(time.Duration(r.Last - c.At))
		answer = "  => " + replyText(r)
	}
	return p.line("%s  %6d  %9s  %s%s", p.time(c.At), c.ID, took, p.describe(whole, sql), answer)
}

func (p *statementPrinter) end() error { return nil }

// messagePrinter prints a line for each message of both sides.
type messagePrinter struct{ *lines }

func (p *messagePrinter) event(e session.Event) error {
	defer p.see(e)
	switch e := e.(type) {
	case *session.Start:
		return p.line("%s  %6d  -- %s", p.time(e.At), e.ID, startText(e))
	case *session.Command:
		whole, sql := p.command(e)
		if !p.wanted(sql) {
			return nil
		}
		name := classic.Code(e.Code).String()
		if e.Kind == session.FileData {
			name = "LOCAL INFILE data"
		}
		return p.line("%s  %6d  C: %-16s %s", p.time(e.At), e.ID, name, p.describe(whole, sql))
	case *session.Reply:
		return p.reply(e)
	case *session.Gap:
		return p.line("%s  %6d  -- missing: %s", p.time(e.At), e.ID, gapText(e))
	case *session.End:
		return p.line("%s  %6d  -- end: %s", p.time(e.At), e.ID, e.Reason)
	}
	return nil
}

func (p *messagePrinter) reply(r *session.Reply) error {
	if r.Prepared != nil {
		return p.line("%s  %6d  S: %-16s %s", p.time(r.Last), r.ID, "STMT_PREPARE_OK", replyText(r))
	}
	for i := range r.Results {
		res := &r.Results[i]
		name := map[session.Outcome]string{session.OK: "OK", session.Rows: "RESULTSET", session.Failed: "ERR", session.Opened: "CURSOR", session.Text: "TEXT"}[res.Outcome]
		columns := ""
		if res.Columns != nil {
			var names []string
			for _, c := range res.Columns.List {
				names = append(names, c.Name)
			}
			columns = " (" + strings.Join(names, ", ") + ")"
		}
		if err := p.line("%s  %6d  S: %-16s %s%s", p.time(r.Last), r.ID, name, resultText(res), columns); err != nil {
			return err
		}
		for _, row := range res.Kept {
			if err := p.line("%s  %6d  S: %-16s %s", p.time(r.Last), r.ID, "ROW", classicWords().Row(res, row)); err != nil {
				return err
			}
		}
	}
	if r.Lost {
		return p.line("%s  %6d  S: %s", p.time(r.Last), r.ID, "the rest was not seen")
	}
	return nil
}

func (p *messagePrinter) end() error { return nil }

// sessionPrinter prints a line for each session.
type sessionPrinter struct {
	*lines
	open map[uint64]*sessionLine
}

type sessionLine struct {
	start                            *session.Start
	last                             int64
	commands, errors, gaps, prepared int
	end                              *session.End
}

func (p *sessionPrinter) event(e session.Event) error {
	id, at := e.Key()
	if s, ok := e.(*session.Start); ok {
		p.open[id] = &sessionLine{start: s, last: at}
		return nil
	}
	l := p.open[id]
	if l == nil {
		return nil
	}
	l.last = max(l.last, at)
	switch e := e.(type) {
	case *session.Command:
		l.commands++
	case *session.Reply:
		if e.Err() != nil {
			l.errors++
		}
		if e.Prepared != nil {
			l.prepared++
		}
	case *session.Gap:
		l.gaps++
	case *session.End:
		l.end = e
		delete(p.open, id)
		return p.session(l)
	}
	return nil
}

func (p *sessionPrinter) session(l *sessionLine) error {
	s := fmt.Sprintf("%s  %6d  %9s  %s", p.time(l.start.At), l.start.ID, duration(time.Duration(l.last-l.start.At)), startText(l.start))
	s += ", " + count(l.commands, "command")
	for _, note := range []struct {
		n    int
		what string
	}{{l.prepared, "prepared statement"}, {l.errors, "error"}, {l.gaps, "gap"}} {
		if note.n > 0 {
			s += ", " + count(note.n, note.what)
		}
	}
	if l.end != nil {
		s += ", " + l.end.Reason.String()
	}
	return p.line("%s", s)
}

func (p *sessionPrinter) end() error {
	for _, id := range slices.Sorted(maps.Keys(p.open)) {
		if err := p.session(p.open[id]); err != nil {
			return err
		}
	}
	return nil
}

// verifyCapture checks every block of a capture. Damage is an error; a segment
// that was not closed is none, since all its whole blocks can be read.
func verifyCapture(out io.Writer, path string) error {
	v, err := capfile.Verify(path, func(capfile.Check) bool { return true })
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s, %s, %s\n", path, count(v.Segments, "segment"), count(v.Blocks, "block"), count(v.Events, "event"))
	if v.Unknown > 0 {
		fmt.Fprintf(out, "  %s of types that a newer version wrote\n", count(v.Unknown, "event"))
	}
	for _, name := range v.Unfinished {
		fmt.Fprintf(out, "  %s was not closed: its recorder was killed, or still writes\n", name)
	}
	for _, d := range v.Damage {
		fmt.Fprintf(out, "  %v\n", d)
	}
	if n := len(v.Damage); n > 0 {
		return fmt.Errorf("%s is damaged in %s; the rest can be read", path, count(n, "place"))
	}
	return nil
}
