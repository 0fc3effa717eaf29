package target

import (
	"encoding/binary"
	"net"
	"syscall"
	"testing"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// loop is a connection without a network: every write is answered with the same
// bytes.
type loop struct {
	canned
	answer []byte
	due    bool
}

func (l *loop) Write(b []byte) (int, error) { l.due = true; return len(b), nil }
func (l *loop) Read(b []byte) (int, error) {
	if !l.due {
		panic("a read without a command") // the benchmark would hang
	}
	l.due = false
	return copy(b, l.answer), nil
}

// answer makes the reply to a command of a script.
func answerTo(b *testing.B, lines string) []byte {
	var s classictest.Script
	list, err := s.Parse("S greeting\nC login user=a\nS ok\n" + lines)
	if err != nil {
		b.Fatal(err)
	}
	return list[len(list)-1].Bytes
}

const textReply = "C query select 1\nS rows 1:int | 1"
const rowsReply = "C query select a, b from t\nS rows a:int:pk b:varchar | 1 abcdefghij | 2 abcdefghij | 3 abcdefghij | 4 abcdefghij | 5 abcdefghij | 6 abcdefghij | 7 abcdefghij | 8 abcdefghij | 9 abcdefghij | 10 abcdefghij"

func execute(statement uint32, id uint64) *session.Command {
	p := binary.LittleEndian.AppendUint32([]byte{byte(classic.ComStmtExecute)}, statement)
	p = append(p, 0, 1, 0, 0, 0, 0, 1, byte(classic.TypeLongLong), 0)
	p = binary.LittleEndian.AppendUint64(p, id)
	return &session.Command{Kind: session.Execute, Code: p[0], Statement: statement, Payload: p, Size: uint64(len(p))}
}

// BenchmarkOwn is what Do costs beyond the network: no system calls.
func BenchmarkOwn(b *testing.B) {
	b.Run("text", func(b *testing.B) { own(b, textReply, query("select 1"), nil) })
	b.Run("rows10", func(b *testing.B) { own(b, rowsReply, query("select a, b from t"), nil) })
	b.Run("execute", func(b *testing.B) {
		own(b, "C execute 1 7\nS rows a:int:pk b:varchar | 7 abcdefghij", execute(1, 7), &statement{live: 1, params: 1, learned: true})
	})
}

func own(b *testing.B, reply string, cmd *session.Command, st *statement) {
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, Options{Users: OneUser("replay", "")})
	if err != nil {
		b.Fatal(err)
	}
	c := newConn(b.Context(), s, &session.Start{ID: 1})
	c.nc = &loop{answer: answerTo(b, reply)}
	c.raw = c.nc
	c.state.Join()
	c.state.Known, c.state.Caps = true, classictest.DefaultCaps
	c.source.begin(classictest.DefaultCaps)
	if st != nil {
		c.source.set(1, st)
	}
	run(b, c, cmd)
}

// run sends a command again and again, and reports the CPU time of the whole
// process besides.
func run(b *testing.B, c *Conn, cmd *session.Command) {
	b.Helper()
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		a, err := c.Do(cmd, nil)
		if err != nil || a.Skip != 0 || a.Reply.Err() != nil {
			b.Fatal(err, a.Skip, a.Reply)
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkBare is a bare round trip over TCP, the yardstick for the next one:
// one write, one read on both sides.
func BenchmarkBare(b *testing.B) {
	addr := answering(b, answerTo(b, textReply))
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	out, in := []byte("\x09\x00\x00\x00\x03select 1"), make([]byte, smallBuffer)
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		if _, err := nc.Write(out); err != nil {
			b.Fatal(err)
		}
		if _, err := nc.Read(in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// BenchmarkLoopback is Do over TCP, to a server in this process that does as
// little as BenchmarkBare's.
func BenchmarkLoopback(b *testing.B) {
	nc, err := net.Dial("tcp", answering(b, answerTo(b, textReply)))
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, Options{Users: OneUser("replay", "")})
	if err != nil {
		b.Fatal(err)
	}
	c := newConn(b.Context(), s, &session.Start{ID: 1})
	c.nc, c.raw = nc, nc
	c.state.Join()
	c.state.Known, c.state.Caps = true, classictest.DefaultCaps
	c.source.begin(classictest.DefaultCaps)
	run(b, c, query("select 1"))
}

// answering answers whatever comes with the same bytes.
func answering(b *testing.B, answer []byte) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		buf := make([]byte, smallBuffer)
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
			if _, err := nc.Write(answer); err != nil {
				return
			}
		}
	}()
	return l.Addr().String()
}

// BenchmarkReal is Do to a real server: text, and a prepared point select. The
// CPU time is this process's alone.
func BenchmarkReal(b *testing.B) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		b.Run(kind.String(), func(b *testing.B) {
			db := mysqltest.Start(b, kind)
			db.Exec(b, "CREATE TABLE IF NOT EXISTS p (id BIGINT PRIMARY KEY, v VARCHAR(100))", "REPLACE INTO p VALUES (7, 'abcdefghij')")
			s := realTarget(b, "mysql://"+db.Addr+"/", Options{Users: OneUser(db.User, db.Password)})
			c, err := s.Connect(b.Context(), &session.Start{Login: session.Login{Known: true, Schema: mysqltest.Schema, Capabilities: uint64(classictest.DefaultCaps)}})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			p := []byte("\x16select v from p where id = ?")
			if _, err := c.Do(&session.Command{Seq: 1, Kind: session.Prepare, Payload: p, SQL: p[1:]}, nil); err != nil {
				b.Fatal(err)
			}
			c.Learn(&session.Reply{Seq: 1, Prepared: &session.Prepared{Statement: 5, Params: 1, Columns: 1}})
			b.Run("text", func(b *testing.B) { run(b, c, query("select 1")) })
			b.Run("execute", func(b *testing.B) { run(b, c, execute(5, 7)) })
		})
	}
}
