package replay

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"myreplay/session"
)

// late replays events in one go, live, on a target that hangs for a second at
// the first command, and returns what the target saw.
func late(t testing.TB, events []session.Event, o Options) (l *live, p *pipes, log []string) {
	p = &pipes{fake: &fake{}}
	p.do = func(c *session.Command, file File) (Answer, error) {
		if c.Seq == 1 {
			time.Sleep(time.Second)
		}
		for c.Kind == session.Query && strings.HasPrefix(string(c.SQL), "load") { // file is nil in what goes together
			if piece, ok := file(); !ok || len(piece.Payload) == 0 {
				break
			}
		}
		return Answer{}, nil
	}
	o.Policy.Writes = true
	l = begin(t, context.Background(), p, o)
	l.say(events...)
	l.end()
	return l, p, p.log
}

// TestCatchUp: a late session sends what waits together, past the recorded
// replies between; what others hang on, or asks for a file, is sent alone.
func TestCatchUp(t *testing.T) {
	events := []session.Event{start(1)}
	seq := uint64(0)
	add := func(sql string) *session.Command {
		seq++
		c := query(1, seq, 0, sql)
		events = append(events, c, said(seq, 0, 2))
		return c
	}
	kind := func(k session.Kind, statement uint32) {
		c := add("")
		c.Kind, c.Statement, c.SQL = k, statement, nil
	}
	add("select sleep(1)")
	add("select 2")
	add("insert into t values (3)")
	kind(session.CloseStatement, 99) // not known: alone
	seq++
	events = append(events, prepares(seq, 0, 7, "select ?")...)
	kind(session.Execute, 7)
	kind(session.LongData, 7)
	kind(session.Execute, 7)
	add("load data local infile 'x' into table t")
	seq++
	events = append(events, &session.Command{ID: 1, Seq: seq, Kind: session.FileData})
	add("select 11")
	add("kill 42")
	kind(session.ResetConnection, 0)
	add("select 14")
	add("drop user x") // skipped
	add("select 16")
	add("commit")
	synctest.Test(t, func(t *testing.T) {
		l, _, log := late(t, append(events, &session.End{ID: 1}), Options{CatchUp: time.Millisecond})
		var got []string
		for _, line := range log {
			if strings.HasPrefix(line, "1.") || strings.HasPrefix(line, "together") {
				got = append(got, regexp.MustCompile(`^1\.`).ReplaceAllString(strings.TrimSpace(line), ""))
			}
		}
		want := []string{
			"1 query select sleep(1)",
			"together 2", "2 query select 2", "3 query insert into t values (3)",
			"4 close statement",
			"5 prepare select ?",
			"together 3", "6 execute", "7 long data", "8 execute",
			"9 query load data local infile 'x' into table t",
			"11 query select 11",
			"12 query kill 1042",
			"13 reset connection",
			"14 query select 14",
			"together 2", "16 query select 16", "17 query commit",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if n := l.r.Stats().Caught.Load(); n != 7 {
			t.Errorf("%d caught up", n)
		}
	})
}

// TestCatchUpLimits: no more than so many commands, and so many bytes, go
// together; without CatchUp none do.
func TestCatchUpLimits(t *testing.T) {
	events := []session.Event{start(1)}
	for i := range uint64(201) {
		sql := "select 1"
		if i >= 100 && i < 104 {
			sql = "select '" + strings.Repeat("x", 100<<10) + "'"
		}
		events = append(events, query(1, i+1, 0, sql), said(i+1, 0, 2))
	}
	events = append(events, &session.End{ID: 1})
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{CatchUp: time.Millisecond}, "64 37 64 35"},
		{Options{CatchUp: time.Hour}, ""},
		{Options{}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, _, log := late(t, events, c.o)
			var got []string
			for _, line := range log {
				if n, ok := strings.CutPrefix(line, "together "); ok {
					got = append(got, n)
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%+v: together %s, want %s", c.o, s, c.want)
			}
		})
	}
}

// TestLawCatchUp: a target sees the same from a session that catches up as from
// one that does not.
func TestLawCatchUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := []session.Event{start(1), query(1, 1, 0, "select 1")}
		seq := uint64(1)
		for range rapid.IntRange(0, 60).Draw(rt, "commands") {
			seq++
			kind := rapid.SampledFrom([]session.Kind{session.Query, session.Query, session.Query, session.Execute, session.Prepare, session.CloseStatement,
				session.LongData, session.Ping, session.ResetConnection, session.FieldList, session.UseSchema}).Draw(rt, "kind")
			sql := rapid.SampledFrom([]string{"select 1", "insert into t values (1)", "begin", "commit", "load data local infile 'x' into table t", "kill 42", "kill 404",
				"set names utf8mb4", "drop user x", "prepare a from 'select 1'", "execute a", "#"}).Draw(rt, "sql")
			statement := rapid.Uint32Range(1, 3).Draw(rt, "statement")
			c := query(1, seq, 0, sql)
			c.Kind, c.Statement = kind, statement
			events = append(events, c)
			switch r := said(seq, 0, 2); {
			case kind == session.Prepare:
				r.Prepared, r.Results = &session.Prepared{Statement: statement}, nil
				events = append(events, r)
			case rapid.Bool().Draw(rt, "reply"):
				events = append(events, r)
			}
		}
		events = append(events, &session.End{ID: 1})
		var seen [2]string
		for k, o := range []Options{{}, {CatchUp: time.Millisecond}} {
			synctest.Test(t, func(t *testing.T) {
				l, _, log := late(t, slices.Clone(events), o)
				log = slices.DeleteFunc(log, func(s string) bool { return strings.HasPrefix(s, "together") })
				seen[k] = strings.Join(log, "\n") + "\n" + l.fates()
			})
		}
		if seen[0] != seen[1] {
			rt.Fatalf("alone:\n%s\n\ntogether:\n%s", seen[0], seen[1])
		}
	})
}

// TestCatchUpLost: when the connection is lost within what went together, the
// account closes and no half of a transaction is done.
func TestCatchUpLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{fake: &fake{}}
		p.do = func(c *session.Command, _ File) (Answer, error) {
			if c.Seq == 1 {
				time.Sleep(time.Second)
			}
			return Answer{}, nil
		}
		var after []string
		p.all = func(cmds []*session.Command) ([]Answer, error) {
			if cmds[0].Seq > 2 {
				for _, c := range cmds {
					after = append(after, string(c.SQL))
				}
				answers := make([]Answer, len(cmds))
				for i := range answers {
					answers[i] = Answer{At: 1, Reply: said(cmds[i].Seq, 0, 2)}
				}
				return answers, nil
			}
			answers := make([]Answer, len(cmds))
			answers[0] = Answer{At: 1, Reply: said(cmds[0].Seq, 0, 2)}
			answers[1].At = 1 // begin was sent, and perhaps executed
			return answers, errSent
		}
		l := begin(t, context.Background(), p, Options{CatchUp: time.Millisecond, Policy: Policy{Writes: true}})
		l.say(start(1), query(1, 1, 0, "select 1"))
		for i, sql := range []string{"select 2", "begin", "insert 4"} {
			l.say(query(1, uint64(i+2), 0, sql))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.say(query(1, 5, 0, "insert 5"), query(1, 6, 0, "commit"), query(1, 7, 0, "select 7"), &session.End{ID: 1})
		l.end()
		want := "1.1 sent; 1.2 sent; 1.3 sent; 1.4 failed to send; 1.5 failed to send; 1.6 failed to send; 1.7 sent"
		if got := l.fates(); got != want {
			t.Errorf("%s\nwant\n%s; then %s", got, want, fmt.Sprint(after))
		}
	})
}

// TestCatchUpHalf: what belongs to a transaction that is left out does not go
// with what sets up the session.
func TestCatchUpHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := joined(session.State{Transaction: true})
		l, _, _ := late(t, []session.Event{s, query(1, 1, 0, "set names utf8mb4"), query(1, 2, 0, "set @a = 1"), query(1, 3, 0, "insert into t values (1)"),
			query(1, 4, 0, "commit"), query(1, 5, 0, "insert into t values (2)"), &session.End{ID: 1}}, Options{CatchUp: time.Millisecond})
		want := "1.1 sent; 1.2 sent; 1.3 transaction begun before; 1.4 transaction begun before; 1.5 sent"
		if got := l.fates(); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}

// TestLostAtTheEdges: a connection that is lost at a transaction's begin takes
// the transaction with it; at its end, nothing that follows.
func TestLostAtTheEdges(t *testing.T) {
	for _, c := range []struct {
		at   string
		err  error
		want string
	}{
		{"begin", errUnsent, "2:failed to send 3:failed to send 4:failed to send"},
		{"begin", errSent, "3:failed to send 4:failed to send"},
		{"commit", errSent, ""},
	} {
		lost := false
		f := &fake{do: func(cmd *session.Command, _ File) (Answer, error) {
			if string(cmd.SQL) == c.at && !lost {
				lost = true
				return Answer{}, c.err
			}
			return Answer{Reply: said(cmd.Seq, 0, 2|uint16(cmd.Seq&2)>>1)}, nil // 2 and 3 are within
		}}
		sink, _ := play(t, context.Background(), f, Options{Policy: Policy{Writes: true}}, talk(1, 1, ms, "select 1", "begin", "insert 3", "commit", "insert 5"))
		if got := skips(sink); got != c.want {
			t.Errorf("lost at %s (%v): %s, want %s", c.at, c.err, got, c.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{fake: &fake{}}
		p.do = func(c *session.Command, _ File) (Answer, error) {
			if c.Seq == 1 {
				time.Sleep(time.Second)
			}
			return Answer{}, nil
		}
		p.all = func(cmds []*session.Command) ([]Answer, error) { return make([]Answer, len(cmds)), errUnsent }
		l := begin(t, context.Background(), p, Options{CatchUp: time.Millisecond, Policy: Policy{Writes: true}})
		l.say(start(1), query(1, 1, 0, "select 1"), query(1, 2, 0, "select 2"), query(1, 3, 0, "begin"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.say(query(1, 4, 0, "insert 4"), query(1, 5, 0, "commit"))
		synctest.Wait()
		l.say(query(1, 6, 0, "insert 6"), &session.End{ID: 1})
		l.end()
		want := "1.1 sent; 1.2 failed to send; 1.3 failed to send; 1.4 failed to send; 1.5 failed to send; 1.6 sent"
		if got := l.fates(); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}
