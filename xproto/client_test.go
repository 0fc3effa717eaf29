package xproto

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// client speaks the X Protocol to a real server with what this package has, and
// nothing else.
type client struct {
	t      testing.TB
	conn   net.Conn
	state  State
	framer Framer
	z      *Deflater
	buf    []byte
	// packed counts the server's frames that came compressed.
	packed int
	// tee, when set, gets what the server sends.
	tee io.Writer
	// columns are those of the last reply that had some.
	columns []Column
	// mayClose: the server may close the connection; closed: it did.
	mayClose, closed bool
}

// reply is the reply to one message.
type reply struct {
	frames []Frame // their payloads are own copies
	err    *Error
	// before are the columns of the reply before, for a cursor's rows.
	before []Column
}

// dial connects to the server's socket, where PLAIN needs no TLS.
func dial(t testing.TB, s *mysqltest.Server) *client {
	t.Helper()
	conn, err := net.Dial("unix", s.XSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: conn, buf: make([]byte, 64<<10)}
}

func login(t testing.TB, s *mysqltest.Server) *client {
	c := dial(t, s)
	c.login(s)
	return c
}

func (c *client) login(s *mysqltest.Server) {
	c.t.Helper()
	start := AuthenticateStart{Mechanism: MechanismPlain, Data: PlainData(mysqltest.Schema, s.User, s.Password)}
	c.must(SessAuthenticateStart, start.Append(nil))
	if c.state.Phase != Ready || !c.state.Known {
		c.t.Fatalf("after the login the state is %+v", c.state)
	}
}

// compress asks for compression.
func (c *client) compress(a Algorithm, more ...Field) {
	c.t.Helper()
	v := Any{IsObject: true, Object: append([]Field{{"algorithm", Text(a.String())}}, more...)}
	set := CapabilitiesSet{Capabilities{[]Field{{CapabilityCompression, v}}}}
	c.must(ConCapabilitiesSet, set.Append(nil))
	if c.state.Compressed != a {
		c.t.Fatalf("the compression is %v", c.state.Compressed)
	}
	c.framer.SetCompression(a, byte(ServerCompression))
	c.z = NewDeflater(a)
}

// send sends messages without waiting.
func (c *client) send(m ClientMessage, payload []byte) {
	c.t.Helper()
	c.write(AppendFrame(nil, byte(m), payload))
	c.note(m, payload)
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil && !c.mayClose {
		c.t.Fatal(err)
	}
}

func (c *client) note(m ClientMessage, payload []byte) {
	c.t.Helper()
	if err := c.state.Client(&Frame{Type: byte(m), Payload: payload}); err != nil {
		c.t.Fatal(err)
	}
}

// sendPacked sends messages in one COMPRESSION message.
func (c *client) sendPacked(m ClientMessage, payloads ...[]byte) {
	c.t.Helper()
	var inner []byte
	for _, p := range payloads {
		inner = AppendFrame(inner, byte(m), p)
		c.note(m, p)
	}
	b, err := c.z.Append(nil, byte(ClientCompression), inner)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(b)
}

func (c *client) frame() Frame {
	c.t.Helper()
	for {
		var f Frame
		ok, err := c.framer.Next(&f)
		if err != nil {
			c.t.Fatal(err)
		}
		if ok {
			if f.Packed {
				c.packed++
			}
			f.Payload = append([]byte{}, f.Payload...)
			return f
		}
		n, err := c.conn.Read(c.buf)
		if err == io.EOF && c.mayClose {
			c.closed = true
			return Frame{}
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if c.tee != nil {
			c.tee.Write(c.buf[:n])
		}
		c.framer.Feed(c.buf[:n])
	}
}

// reply reads the reply to the oldest message.
func (c *client) reply() (a reply) {
	c.t.Helper()
	for {
		f := c.frame()
		if c.closed {
			return a
		}
		_, done, answers, err := c.state.Server(&f)
		if err != nil {
			c.t.Fatal(err)
		}
		if answers {
			a.frames = append(a.frames, f)
		}
		if ServerMessage(f.Type) == ServerError {
			a.err = new(Error)
			if err := a.err.Decode(f.Payload); err != nil {
				c.t.Fatal(err)
			}
		}
		if done {
			a.before = c.columns
			if columns, _ := a.rows(c.t); len(columns) > 0 {
				c.columns = columns
			}
			return a
		}
	}
}

func (c *client) ask(m ClientMessage, payload []byte) reply {
	c.t.Helper()
	c.send(m, payload)
	return c.reply()
}

// must asks and fails the test when the answer is an error.
func (c *client) must(m ClientMessage, payload []byte) reply {
	c.t.Helper()
	a := c.ask(m, payload)
	if a.err != nil {
		c.t.Fatalf("%v: error %d: %s", m, a.err.Code, a.err.Message)
	}
	return a
}

func (c *client) sql(text string) reply {
	c.t.Helper()
	s := StmtExecute{Stmt: []byte(text)}
	return c.must(SQLStmtExecute, s.Append(nil))
}

// rows returns the rows of a reply as text; NULL is "NULL".
func (a *reply) rows(t testing.TB) (columns []Column, rows [][]string) {
	t.Helper()
	columns = a.before
	for i, f := range a.frames {
		switch ServerMessage(f.Type) {
		case ResultsetColumnMetaData:
			if i == 0 || a.frames[i-1].Type != f.Type {
				columns = nil
			}
			var c Column
			if err := c.Decode(f.Payload); err != nil {
				t.Fatal(err)
			}
			columns = append(columns, c)
		case ResultsetRow:
			var row []string
			if err := Row(f.Payload, len(columns), func(i int, v []byte) {
				text := []byte("NULL")
				if len(v) > 0 {
					var err error
					if text, err = columns[i].AppendText(nil, v); err != nil {
						t.Errorf("column %s, value %x: %v", columns[i].Name, v, err)
					}
				}
				row = append(row, string(text))
			}); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
	}
	return columns, rows
}

// kinds names the frames of a reply, runs of the same as "name*n".
func (a *reply) kinds() (names []string) {
	for i := 0; i < len(a.frames); {
		n := i
		for n < len(a.frames) && a.frames[n].Type == a.frames[i].Type {
			n++
		}
		name := ServerMessage(a.frames[i].Type).String()
		if n-i > 1 {
			name = fmt.Sprintf("%s*%d", name, n-i)
		}
		names = append(names, name)
		i = n
	}
	return names
}
