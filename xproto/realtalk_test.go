package xproto

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/internal/mysqltest"
)

// TestServerTalk sends every kind of message to a real server and shows what
// answers it, as State reads it.
func TestServerTalk(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	c := dial(t, s)
	datadriven.RunTest(t, "testdata/server_talk", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "connect" {
			c = dial(t, s)
			return ""
		}
		c.t, c.mayClose = t, true // before it has read all
		if d.Cmd == "login" {
			start := AuthenticateStart{Mechanism: MechanismPlain, Data: PlainData(mysqltest.Schema, s.User, s.Password)}
			if d.HasArg("wrong") {
				start.Data = PlainData("", "nobody", "")
			}
			c.send(SessAuthenticateStart, start.Append(nil))
			return c.told(1)
		}
		// One message a line, all sent before the first reply is read.
		n := 0
		for line := range strings.Lines(d.Input) {
			m, payload, err := talkMessage(strings.Fields(line))
			if err != nil {
				return err.Error() + "\n"
			}
			c.send(m, payload)
			n++
		}
		return c.told(n)
	})
}

// told reads n replies and describes them.
func (c *client) told(n int) string {
	var out strings.Builder
	c.mayClose = true
	for range n {
		a := c.reply()
		if c.closed {
			out.WriteString("closed\n")
			break
		}
		_, rows := a.rows(c.t)
		fmt.Fprintf(&out, "%s", strings.Join(a.kinds(), " "))
		if a.err != nil {
			fmt.Fprintf(&out, " (%d %s fatal=%v)", a.err.Code, a.err.Message, a.err.Fatal)
		}
		for _, row := range rows {
			fmt.Fprintf(&out, " [%s]", strings.Join(row, " "))
		}
		fmt.Fprintf(&out, "\n")
	}
	fmt.Fprintf(&out, "%s, %d waiting\n", phaseName(c.state.Phase), c.state.Waiting())
	return out.String()
}

func phaseName(p Phase) string {
	return [...]string{"opening", "in TLS", "authenticating", "ready", "ended"}[p]
}

// talkMessage builds a message from a line of a script.
func talkMessage(words []string) (ClientMessage, []byte, error) {
	number := func(i int) uint32 {
		if i >= len(words) {
			return 0
		}
		v, err := strconv.ParseUint(words[i], 10, 32)
		if err != nil {
			return 0
		}
		return uint32(v)
	}
	after := func(n int) []byte { return []byte(strings.Join(words[min(n, len(words)):], " ")) }
	switch words[0] {
	case "sql":
		m := StmtExecute{Stmt: after(1)}
		return SQLStmtExecute, m.Append(nil), nil
	case "compact":
		m := StmtExecute{Stmt: after(1), CompactMetadata: true}
		return SQLStmtExecute, m.Append(nil), nil
	case "plugin":
		m := StmtExecute{Namespace: NamespacePlugin, Stmt: []byte(words[1])}
		if len(words) > 2 {
			a := Any{IsObject: true}
			for i := 2; i+1 < len(words); i += 2 {
				a.Object = append(a.Object, Field{words[i], Text(words[i+1])})
			}
			m.Args = [][]byte{a.Append(nil)}
		}
		return SQLStmtExecute, m.Append(nil), nil
	case "prepare":
		s := StmtExecute{Stmt: after(2)}
		m := Prepare{ID: number(1), Kind: PrepareStmt, Body: s.Append(nil)}
		return PreparePrepare, m.Append(nil), nil
	case "execute":
		return PrepareExecute, execute(number(1), words[2:]), nil
	case "deallocate":
		return PrepareDeallocate, (&Numbered{ID: number(1)}).Append(nil), nil
	case "open": // cursor, statement, rows
		m := Open{ID: number(1), Execute: Execute{ID: number(2)}, FetchRows: uint64(number(3))}
		return CursorOpen, m.Append(nil), nil
	case "fetch":
		return CursorFetch, (&Numbered{ID: number(1), FetchRows: uint64(number(2))}).Append(nil), nil
	case "closecursor":
		return CursorClose, (&Numbered{ID: number(1)}).Append(nil), nil
	case "expect":
		return ExpectOpen, pb{}.num(1, 0).msg(2, pb{}.num(1, 1).str(2, "1")), nil
	case "expectfield":
		return ExpectOpen, pb{}.num(1, 0).msg(2, pb{}.num(1, 2).str(2, words[1])), nil
	case "endexpect":
		return ExpectClose, nil, nil
	case "reset":
		return SessReset, (&Reset{KeepOpen: len(words) > 1}).Append(nil), nil
	case "closesession":
		return SessClose, nil, nil
	case "close":
		return ConClose, nil, nil
	case "capabilities":
		return ConCapabilitiesGet, nil, nil
	case "set":
		m := CapabilitiesSet{Capabilities{[]Field{{words[1], Text(words[2])}}}}
		return ConCapabilitiesSet, m.Append(nil), nil
	case "message": // number, and the payload in hex
		return ClientMessage(number(1)), unhex(words[2:]), nil
	}
	return 0, nil, fmt.Errorf("%s: no such message", words[0])
}

func execute(id uint32, args []string) []byte {
	m := Execute{ID: id}
	for _, a := range args {
		v := Text(a)
		if n, err := strconv.ParseInt(a, 10, 64); err == nil {
			v = Any{Scalar: &Scalar{Type: ScalarSint, Sint: n}}
		}
		m.Args = append(m.Args, v.Append(nil))
	}
	return m.Append(nil)
}

// TestServerLogin logs in with the mechanism that MySQL 9.7 offers without TLS.
func TestServerLogin(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	login(t, s) // by PLAIN: the server keeps the password's hash from then on
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.XPort))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &client{t: t, conn: conn, buf: make([]byte, 4096)}
	start := AuthenticateStart{Mechanism: MechanismSHA256}
	a := c.must(SessAuthenticateStart, start.Append(nil))
	var challenge AuthData
	if err := challenge.Decode(a.frames[len(a.frames)-1].Payload); err != nil {
		t.Fatal(err)
	}
	data := SHA256Data(mysqltest.Schema, s.User, s.Password, challenge.Data)
	if schema, user, ok := Who(data); schema != mysqltest.Schema || user != s.User || !ok {
		t.Errorf("Who says %q %q %v", schema, user, ok)
	}
	c.must(SessAuthenticateContinue, (&AuthData{data}).Append(nil))
	if c.state.Phase != Ready || !c.state.Known {
		t.Errorf("after the login the state is %+v", c.state)
	}
	a = c.sql("SELECT 1")
	if _, rows := a.rows(t); rows[0][0] != "1" {
		t.Errorf("%v", rows)
	}
}
