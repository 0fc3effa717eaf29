package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// words parts a line into words, which may be Go strings.
func words(t testing.TB, line string) (list []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			list, line = append(list, word), rest
			continue
		}
		q, err := strconv.QuotedPrefix(line)
		if err != nil {
			t.Fatal(line, err)
		}
		word, _ := strconv.Unquote(q)
		list, line = append(list, word), line[len(q):]
	}
	return list
}

// TestRestore gives sessions their state back.
//
//	restore    var NAME VALUE [number|null]: a system variable
//	           user NAME VALUE [number|null]: one of the user's own
//	           prepared ID NAME TEXT: a statement; its text may be unknown: ?
//	           execute ID: an execution after that
func TestRestore(t *testing.T) {
	const script = "S greeting\nC query SET SESSION `nosuch` = 1\nS err 1193 HY000 Unknown variable\n" +
		"C prepare select ? from t\nS prepared 3 1 a:int\nC prepare select nosuch\nS err 1054 42S22 Unknown column\n" +
		"C execute 3 5\nS rows a:int | 5\nC *\nS ok\n"
	datadriven.Walk(t, "testdata/restore", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			fake := &classictest.Server{Script: script}
			s := socketTarget(t, fake, Options{})
			start := &session.Start{Joined: true, State: new(session.State), Login: session.Login{Capabilities: uint64(classictest.DefaultCaps)}}
			var out strings.Builder
			var executions []uint32
			for _, line := range strings.Split(td.Input, "\n") {
				w := words(t, line)
				switch w[0] {
				case "var":
					start.State.Variables = append(start.State.Variables, variable(w))
				case "user":
					start.State.UserVariables = append(start.State.UserVariables, variable(w))
				default:
					id, _ := strconv.Atoi(w[1])
					if w[0] == "execute" {
						executions = append(executions, uint32(id))
						continue
					}
					p := session.PreparedState{Statement: uint32(id), Name: w[2]}
					if w[3] != "?" {
						p.SQL = []byte(w[3])
					}
					start.State.Prepared = append(start.State.Prepared, p)
				}
			}
			c, err := s.Connect(t.Context(), start)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range executions {
				cmd := execute(id, 5)
				a, err := c.Do(cmd, nil)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintln(&out, answerLine(cmd, a))
			}
			c.Close()
			fake.Wait()
			for _, g := range fake.Got() {
				fmt.Fprintf(&out, "%q\n", g)
			}
			st := s.Stats()
			fmt.Fprintf(&out, "restored %d, refused %d, unknown %d %s\n", st.StateRestored, st.StateRefused, st.StateUnknown, st.StateError)
			return out.String()
		})
	})
}

func variable(w []string) session.Variable {
	v := session.Variable{Name: w[1], Value: w[2]}
	if len(w) > 3 {
		v.Null, v.Number = w[3] == "null", w[3] == "number"
	}
	return v
}

// TestRealRestore: real servers take back what a session had, whatever bytes it
// is made of, and say what they refuse.
func TestRealRestore(t *testing.T) {
	for _, kind := range realKinds {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind)
			db.Exec(t, "DROP TABLE IF EXISTS restored", "CREATE TABLE restored (a INT, b VARCHAR(100))")
			s := realTarget(t, "mysql://"+db.Addr+"/", keepOne(Options{Users: OneUser(db.User, db.Password)}))
			rapid.Check(t, func(r *rapid.T) { realRestore(t, r, s) })
			st := s.Stats()
			if st.StateRefused == 0 || !strings.Contains(st.StateError, "nosuch") || st.StateUnknown != st.Logins {
				t.Errorf("refused %d (%s), unknown %d of %d logins", st.StateRefused, st.StateError, st.StateUnknown, st.Logins)
			}
			if st.StateRefused != st.Logins {
				t.Errorf("refused %d of %d logins: %s", st.StateRefused, st.Logins, st.StateError)
			}
		})
	}
}

// hostile draws a text from pieces that break bad quoting.
func hostile(r *rapid.T, name string) string {
	return strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"'", "\\", "\"", "`", "\x00", "\xbf", "\xe9", "é", "日", ";", "--", "/*",
		" drop table restored", "abc", "\n", "x'", "", "%"})).Draw(r, name), "")
}

func realRestore(t *testing.T, r *rapid.T, s *Server) {
	value := hostile(r, "value")
	comment := strings.ToValidUTF8(hostile(r, "text"), "?")
	sql := "SELECT CONCAT(" + "'" + strings.NewReplacer("'", "''", "\\", "\\\\", "\x00", "\\0").Replace(comment) + "', ?)"
	start := &session.Start{Joined: true, Login: session.Login{Schema: mysqltest.Schema, Collation: 45}, State: &session.State{
		Variables:     []session.Variable{{Name: "autocommit", Value: "0", Number: true}, {Name: "nosuch", Value: "1"}, {Name: "time_zone", Value: "+03:00"}},
		UserVariables: []session.Variable{{Name: "v", Value: value}, {Name: "n", Value: "-1.50", Number: true}, {Name: "bad`", Value: value}},
		Prepared:      []session.PreparedState{{Statement: 5, SQL: []byte(sql)}, {Statement: 6, Name: "by name", SQL: []byte(sql)}},
	}}
	c, err := s.Connect(t.Context(), start)
	if err != nil {
		r.Fatal(err)
	}
	defer c.Close()
	for sql, want := range map[string]string{"SELECT @@autocommit": "0", "SELECT @@time_zone": "+03:00", "SELECT @n": "-1.50", "SELECT HEX(@v)": strings.ToUpper(fmt.Sprintf("%x", value)),
		"SELECT COUNT(*) FROM restored": "0", "EXECUTE `by name` USING @n": comment + "-1.50"} {
		if got := ask(t, c, sql); got != want {
			r.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	a, err := c.Do(execute(5, 5), nil)
	if err != nil || a.Skip != 0 || a.Reply.Err() != nil {
		r.Fatalf("%v, %v", err, a)
	}
	column := &a.Reply.Results[0].Columns.List[0]
	if err := classic.BinaryRow(a.Reply.Results[0].Kept[0], 1, func(int) classic.Type { return classic.Type(column.Type) }, func(_ int, v []byte, _ bool) {
		if string(v) != comment+"5" {
			r.Errorf("execution of %q: %q", sql, v)
		}
	}); err != nil {
		r.Fatal(err)
	}
}

// A connection that is lost while its state is restored says so.
func TestRestoreLost(t *testing.T) {
	fake := &classictest.Server{Script: "S greeting\nC *\nS close"}
	start := &session.Start{State: &session.State{Variables: []session.Variable{{Name: "a", Value: "1"}, {Name: "b", Value: "1"}}}}
	_, err := socketTarget(t, fake, Options{}).Connect(t.Context(), start)
	var ce *ConnectError
	if !errors.As(err, &ce) || ce.Step != "state" || !errors.Is(err, ErrServerClosed) {
		t.Error(err)
	}
}

// SetUsers changes who logs in, while connections come and go.
func TestSetUsers(t *testing.T) {
	fake := &classictest.Server{}
	s := socketTarget(t, fake, Options{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 50 {
				s.SetUsers(OneUser(fmt.Sprint("user", i), ""))
				c, err := s.Connect(t.Context(), &session.Start{})
				if err != nil {
					t.Error(err)
					return
				}
				c.Close()
			}
		})
	}
	all.Wait()
	s.SetUsers(Users{})
	if _, err := s.Connect(t.Context(), &session.Start{}); !errors.Is(err, ErrNoCredentials) {
		t.Error(err)
	}
	s.SetUsers(OneUser("last", ""))
	c, err := s.Connect(t.Context(), &session.Start{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Start().Login.User; got != "last" {
		t.Error(got)
	}
	c.Close()
}

// Options.Dial is told which session and which copy of it a connection is for,
// in both protocols, for every connection: a CHANGE_USER done as a new one, too.
func TestDialStart(t *testing.T) {
	var got []string
	fake := &classictest.Server{}
	x := &fakeX{}
	dial := func(x *fakeX) func(context.Context, *session.Start) (net.Conn, error) {
		return func(ctx context.Context, start *session.Start) (net.Conn, error) {
			got = append(got, fmt.Sprint(start.Client, " copy ", start.Copy))
			if x != nil {
				return x.dial(ctx, start)
			}
			return fake.Pipe(), nil
		}
	}
	start := recordedFrom(t, "10.1.2.3:4567", 2)
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, Options{Users: AnyUser(), Dial: dial(nil)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Connect(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(&session.Command{Kind: session.ChangeUser, Login: &session.Login{User: "b"}}, nil); err != nil {
		t.Fatal(err)
	}
	c.Close()
	sx, err := New(&URL{Protocol: session.X, Network: "tcp", Host: "localhost"}, Options{Users: AnyUser(), Dial: dial(x)})
	if err != nil {
		t.Fatal(err)
	}
	start.Protocol = session.X
	if _, err := sx.ConnectX(t.Context(), start); err != nil {
		t.Log(err) // the fake may refuse; it was dialled
	}
	if want := "[10.1.2.3:4567 copy 2 10.1.2.3:4567 copy 2 10.1.2.3:4567 copy 2]"; fmt.Sprint(got) != want {
		t.Errorf("dialled %v", got)
	}
}

func recordedFrom(t testing.TB, client string, copy uint32) *session.Start {
	addr, err := netip.ParseAddrPort(client)
	if err != nil {
		t.Fatal(err)
	}
	return &session.Start{ID: 9, Copy: copy, Client: addr, Login: session.Login{Known: true, User: "a"}}
}
