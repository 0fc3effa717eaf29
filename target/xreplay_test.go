package target

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/session"
	"myreplay/xproto"
)

// TestXReplay plays recorded commands of the X Protocol against a fake target.
//
//	target               what the target replies, a line each (see message1)
//	replay [options]     recorded commands, a line each, several joined by " | "
//	                     are a pipeline; and what the recording says besides
//	                     (learn, gap, skip). It prints each command with the
//	                     target's reply, what the target got, and the counts.
//
// Options: users=any|map|one, compress=..., limit=BYTES of a reply, socket,
// joined, again (the server of the case before), copy=N.
func TestXReplay(t *testing.T) {
	datadriven.Walk(t, "testdata/xreplay", func(t *testing.T, path string) {
		var replies []string
		var s *Server
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if td.Cmd == "target" {
				replies = strings.Split(strings.TrimSpace(td.Input), "\n")
				return ""
			}
			fake := &fakeX{replies: replies}
			replies = nil
			return xReplayCase(t, td, fake, &s)
		})
	})
}

func xReplayCase(t *testing.T, td *datadriven.TestData, fake *fakeX, s **Server) string {
	u, err := Parse("mysqlx://127.0.0.1/fallback")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Users: OneUser("replay", "pw"), Schemas: map[string]string{"shop": "shop_test"}}
	start := &session.Start{ID: 1, ConnectionID: 7, Protocol: session.X, Login: session.Login{Known: true, User: "app", Schema: "shop"}}
	again := false
	for _, arg := range td.CmdArgs {
		switch arg.Key {
		case "users":
			o.Users = testUsers(t, arg.Vals[0])
		case "compress":
			if u.Compression, err = choice(map[string][]string{"compress": arg.Vals}, "compress", xCompressionNames, CompressOff); err != nil {
				t.Fatal(err)
			}
		case "limit":
			arg.Scan(t, 0, &o.ReplyLimit)
		case "joined":
			start.Joined = true
		case "socket":
			fake.socket = true
		case "copy":
			arg.Scan(t, 0, &start.Copy)
		case "again":
			again = true
		default:
			t.Fatalf("%s: no option %s", td.Pos, arg.Key)
		}
	}
	if !again {
		if *s, err = New(u, fake.options(o)); err != nil {
			t.Fatal(err)
		}
	}
	(*s).options.Dial = fake.dial
	p := xPlayer{t: t}
	p.play(*s, start, td.Input)
	fake.wait.Wait()
	p.out.WriteString("target got:\n")
	for _, g := range append(fake.who, fake.got...) {
		fmt.Fprintf(&p.out, "  %s\n", g)
	}
	if st := statsLine((*s).Stats()); st != "" {
		fmt.Fprintf(&p.out, "counted: %s\n", st)
	}
	return p.out.String()
}

// xPlayer replays lines as a replay does its events.
type xPlayer struct {
	t    testing.TB
	conn *XConn
	seq  uint64
	out  strings.Builder
}

func (p *xPlayer) play(s *Server, start *session.Start, lines string) {
	c, err := s.ConnectX(p.t.Context(), start)
	if err != nil {
		fmt.Fprintf(&p.out, "no connection: %v\n", err)
		return
	}
	p.conn = c
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		p.line(line)
	}
	if err := c.Close(); err != nil {
		fmt.Fprintf(&p.out, "close: %v\n", err)
	}
}

func (p *xPlayer) line(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "learn": // the recorded reply to a command: SEQ and a message as the target's
		seq, script, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(seq)
		if err != nil {
			p.t.Fatal(err)
		}
		p.conn.Learn(recordedReply(p.t, uint64(n), script))
		return
	case "gap":
		p.conn.Gap(&session.Gap{Client: rest == "client"})
		return
	case "skip":
		cmd := p.command(rest)
		p.conn.Skipped(cmd, session.SkipWrite)
		fmt.Fprintf(&p.out, "%s\n  not sent\n", session.Line(cmd))
		return
	}
	var cmds []*session.Command
	for _, one := range strings.Split(line, " | ") {
		cmds = append(cmds, p.command(one))
	}
	var answers []Answer
	var err error
	if len(cmds) == 1 {
		answers = make([]Answer, 1)
		answers[0], err = p.conn.Do(cmds[0], nil)
	} else {
		answers, err = p.conn.DoAll(cmds)
	}
	for i, a := range answers {
		fmt.Fprintln(&p.out, session.Line(cmds[i]))
		switch {
		case a.Reply != nil:
			fmt.Fprintf(&p.out, "  %s\n", session.Line(a.Reply))
		case a.Skip != 0:
			fmt.Fprintf(&p.out, "  skipped: %v\n", a.Skip)
		case a.At == 0:
			fmt.Fprintf(&p.out, "  not executed\n")
		default:
			fmt.Fprintf(&p.out, "  no reply\n")
		}
	}
	if err != nil {
		fmt.Fprintf(&p.out, "%v\n", err)
	}
}

// recordedReply makes what the recording has as the reply to a command.
func recordedReply(t testing.TB, seq uint64, script string) *session.Reply {
	word, rest, _ := strings.Cut(script, " ")
	r := &session.Reply{ID: 1, Seq: seq, Results: []session.Result{{Outcome: session.OK}}}
	switch word {
	case "ok":
	case "err":
		r.Results[0] = session.Result{Outcome: session.Failed, Error: &session.Error{Code: 1, Message: rest}}
	case "ids":
		r.Results[0].Changes = []session.Change{{Kind: session.DocumentIDs, Value: rest}}
	default:
		t.Fatalf("no recorded reply %q", script)
	}
	return r
}

// command makes a recorded command of a line.
func (p *xPlayer) command(line string) *session.Command {
	p.seq++
	cmd := xCommand(p.t, line)
	cmd.ID, cmd.Seq = 1, p.seq
	return cmd
}

// xCommand makes a recorded command:
//
//	query SQL, prepare ID SQL, execute ID, deallocate ID, open CURSOR ID,
//	fetch CURSOR, closecursor CURSOR, reset, reset keep, closesession,
//	close, login USER SCHEMA, expect, closeexpect, find TEXT[*TIMES], insert TEXT,
//	plugin NAME [ID], get, set NAME, masked SQL
func xCommand(t testing.TB, line string) *session.Command {
	word, rest, _ := strings.Cut(line, " ")
	if text, times, ok := strings.Cut(rest, "*"); ok && word == "find" {
		n, _ := strconv.Atoi(times)
		rest = strings.Repeat(text, n)
	}
	first, second, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(first)
	id := uint32(n)
	stmt := func(s string) []byte { e := xproto.StmtExecute{Stmt: []byte(s)}; return e.Append(nil) }
	build := func(k session.Kind, m xproto.ClientMessage, payload []byte) *session.Command {
		payload = append([]byte{byte(m)}, payload...)
		return &session.Command{Kind: k, Code: byte(m), Payload: payload, Size: uint64(len(payload))}
	}
	named := func(c *session.Command, statement uint32) *session.Command { c.Statement = statement; return c }
	text := func(c *session.Command, sql string) *session.Command { c.SQL = []byte(sql); return c }
	numbered := xproto.Numbered{ID: id}
	switch word {
	case "query", "masked":
		c := text(build(session.Query, xproto.SQLStmtExecute, stmt(rest)), rest)
		c.Masked = word == "masked"
		return c
	case "prepare":
		m := xproto.Prepare{ID: id, Kind: xproto.PrepareStmt, Body: stmt(second)}
		return text(named(build(session.Prepare, xproto.PreparePrepare, m.Append(nil)), id), second)
	case "execute":
		m := xproto.Execute{ID: id}
		return named(build(session.Execute, xproto.PrepareExecute, m.Append(nil)), id)
	case "deallocate":
		return named(build(session.Deallocate, xproto.PrepareDeallocate, numbered.Append(nil)), id)
	case "open":
		n, _ := strconv.Atoi(second)
		m := xproto.Open{ID: id, Execute: xproto.Execute{ID: uint32(n)}, FetchRows: 1}
		return named(build(session.OpenCursor, xproto.CursorOpen, m.Append(nil)), uint32(n))
	case "fetch":
		numbered.FetchRows = 10
		return build(session.FetchCursor, xproto.CursorFetch, numbered.Append(nil))
	case "closecursor":
		return build(session.CloseCursor, xproto.CursorClose, numbered.Append(nil))
	case "reset":
		m := xproto.Reset{KeepOpen: rest == "keep"}
		return build(session.ResetConnection, xproto.SessReset, m.Append(nil))
	case "closesession":
		return build(session.CloseSession, xproto.SessClose, nil)
	case "close":
		return build(session.CloseConnection, xproto.ConClose, nil)
	case "login":
		return &session.Command{Kind: session.ChangeUser, Code: byte(xproto.SessAuthenticateStart), Login: &session.Login{Known: true, User: first, Schema: second}}
	case "expect":
		return build(session.OpenExpect, xproto.ExpectOpen, []byte("\x08\x01\x12\x02\x08\x01"))
	case "closeexpect":
		return build(session.CloseExpect, xproto.ExpectClose, nil)
	case "find":
		return build(session.Find, xproto.CrudFind, []byte(rest))
	case "insert":
		return build(session.Insert, xproto.CrudInsert, []byte(rest))
	case "plugin":
		m := xproto.StmtExecute{Namespace: xproto.NamespacePlugin, Stmt: []byte(first)}
		if second != "" {
			n, _ := strconv.Atoi(second)
			v := number(n)
			arg := xproto.Any{IsObject: true, Object: []xproto.Field{{Key: "id", Value: xproto.Any{Scalar: &v}}}}
			m.Args = [][]byte{arg.Append(nil)}
		}
		return build(session.PluginCommand, xproto.SQLStmtExecute, m.Append(nil))
	case "get":
		return build(session.Capabilities, xproto.ConCapabilitiesGet, nil)
	case "set":
		m := xproto.CapabilitiesSet{Capabilities: xproto.Capabilities{List: []xproto.Field{{Key: rest, Value: xproto.Truth(true)}}}}
		return build(session.Capabilities, xproto.ConCapabilitiesSet, m.Append(nil))
	}
	t.Fatalf("no command %q", line)
	return nil
}
