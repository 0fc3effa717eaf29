package decode

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"myreplay/flow"
	"myreplay/session"
)

// exchange draws one command and its reply, as script lines. Statement texts
// are numbered, so that no two commands are alike.
func exchange(t *rapid.T, n int) string {
	switch rapid.IntRange(0, 9).Draw(t, "exchange") {
	case 0:
		return fmt.Sprintf("C query update t set a = %d\nS ok affected=1 info=Rows_matched:_1\n", n)
	case 1:
		return fmt.Sprintf("C prepare select a from t where b = ? and %d\nS prepared %d 1 a:int b:varchar\n", n, n)
	case 2:
		return fmt.Sprintf("C execute %d %d x\nS rows a:int b:varchar | 1 x | 2 y\n", n, n)
	case 3:
		return fmt.Sprintf("C query select nosuch%d\nS err 1054 42S22 Unknown column\n", n)
	case 4:
		return fmt.Sprintf("C close %d\nC query select %d\nS rows a:int | 1\n", n, n)
	case 5:
		return fmt.Sprintf("C query load data local infile '%d' into table t\nS file x\nC data 1,2\nC data %d,3\nC data\nS ok affected=2\n", n, n)
	case 6:
		// The text spells a whole frame: a QUIT, if it stood at a boundary.
		return fmt.Sprintf("C query insert into t values ('\x01\x00\x00\x00\x01%d')\nS ok affected=1 id=%d\n", n, n)
	case 7:
		return fmt.Sprintf("C longdata %d 0 abcdefghij*50\nC execute %d LONG\nS ok affected=1\n", n, n)
	case 8:
		return fmt.Sprintf("C use schema%d\nS ok\n", n)
	default:
		return fmt.Sprintf("C query select a from t where a = %d\nS rows a:int b:varchar | 1 %s | 2 NULL | 3 x\n", n, strings.Repeat("y", n%300+1))
	}
}

func script(t *rapid.T, exchanges int) string {
	login := rapid.SampledFrom([]string{"", " with=QUERY_ATTRIBUTES", " with=COMPRESS", " without=DEPRECATE_EOF",
		" without=DEPRECATE_EOF,SESSION_TRACK", " with=ZSTD_COMPRESSION_ALGORITHM"}).Draw(t, "login")
	s := "S greeting\nC login user=app" + login + "\nS ok\n"
	for n := range exchanges {
		s += exchange(t, n+1)
	}
	return s + "C quit\n"
}

// events decodes pieces and returns the events.
func events(t testing.TB, list []piece, conn *flow.Conn) []session.Event {
	return eventsOf(t, NewShared(Options{}), list, conn)
}

func eventsOf(t testing.TB, shared *Shared, list []piece, conn *flow.Conn) []session.Event {
	d := New(shared)
	var out []session.Event
	emit := func(e session.Event) error { out = append(out, e); return nil }
	send := func(c flow.Chunk) {
		c.Conn = conn
		if err := d.Decode(&c, emit); err != nil {
			t.Fatal(err)
		}
	}
	send(flow.Chunk{Kind: flow.Open})
	for _, p := range list {
		send(flow.Chunk{Kind: p.kind, Side: p.side, Data: p.data, Lost: p.lost, Reason: flow.Lost, At: p.at})
	}
	send(flow.Chunk{Kind: flow.Close, Reason: flow.Finished})
	return out
}

// essence is what of an event must not change when others are lost: the
// command, or the reply without its numbers in the session.
func essence(e session.Event) string {
	switch e := e.(type) {
	case *session.Command:
		return e.Kind.String() + string(e.Payload)
	case *session.Reply:
		line := session.Line(e)
		return line[strings.IndexByte(line, ' ')+1:][len(fmt.Sprintf("%d.%d", e.ID, e.Seq)):]
	}
	return ""
}

// same tells whether two commands are the same one: with the same text, sent at
// the same moment. Of a turn that a search of the classic protocol has found, only
// the first and the last byte have their own time.
func same(a, b *session.Command) bool {
	return essence(a) == essence(b) && (a.At == b.At || a.End == b.End)
}

// check compares what was decoded of a damaged conversation with all of it:
// every command must be one of the whole conversation, in the same order, and a
// reply that is not marked lost must be that command's.
func check(t interface{ Fatalf(string, ...any) }, got, want []session.Event) {
	replies := map[uint64]string{}
	var commands []*session.Command
	for _, e := range want {
		switch e := e.(type) {
		case *session.Command:
			commands = append(commands, e)
		case *session.Reply:
			replies[e.Seq] = essence(e)
		}
	}
	next := 0
	match := map[uint64]uint64{}
	for _, e := range got {
		switch e := e.(type) {
		case *session.Command:
			for next < len(commands) && !same(commands[next], e) {
				next++
			}
			if next == len(commands) {
				t.Fatalf("a command that was not sent, or out of order: %s", session.Line(e))
			}
			match[e.Seq] = commands[next].Seq
			next++
		case *session.Reply:
			if e.Lost {
				continue
			}
			if w := replies[match[e.Seq]]; essence(e) != w && !strings.Contains(session.Line(e), "digest=?") {
				t.Fatalf("a reply that was not given: %s\nwant %s", session.Line(e), w)
			}
		}
	}
}

// TestLawGap: whatever bytes are lost, no command appears that was not sent and
// no reply that was not given.
func TestLawGap(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list, _ := conversation(t, script(r, rapid.IntRange(1, 12).Draw(r, "exchanges")))
		want := events(t, list, classicConn(false))
		check(r, events(t, damage(r, list), classicConn(false)), want)
	})
}

// TestLawJoin: wherever in a conversation the recording begins, no command
// appears that was not sent.
func TestLawJoin(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list, _ := conversation(t, script(r, rapid.IntRange(1, 12).Draw(r, "exchanges")))
		want := events(t, list, classicConn(false))
		n := rapid.IntRange(0, len(list)-1).Draw(r, "first")
		rest := append([]piece(nil), list[n:]...)
		rest[0].data = rest[0].data[rapid.IntRange(0, len(rest[0].data)-1).Draw(r, "byte"):]
		check(r, events(t, rest, classicConn(true)), want)
	})
}

// TestLawSplit: however bytes are cut into chunks, the events are the same.
func TestLawSplit(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list, _ := conversation(t, script(r, rapid.IntRange(1, 6).Draw(r, "exchanges")))
		want := run(t, Options{}, list, classicConn(false), whole)
		got := run(t, Options{}, list, classicConn(false), func(n int) int { return rapid.IntRange(1, n).Draw(r, "cut") })
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// FuzzClassic decodes arbitrary bytes of both sides, in chunks and with gaps
// as the input says: no panic, no event of a session that did not start, and
// memory bounded by what came in.
func FuzzClassic(f *testing.F) {
	list, _ := conversation(f, "S greeting\nC login user=app\nS ok\nC prepare select ?\nS prepared 1 1 a:int\nC execute 1 5\nS rows a:int | 1\nC quit")
	seed := fuzzInput(list)
	f.Add(seed, false)
	f.Add(seed[100:], true)
	f.Fuzz(func(t *testing.T, input []byte, joined bool) {
		started := false
		for _, e := range events(t, fuzzPieces(input), classicConn(joined)) {
			if _, ok := e.(*session.Start); ok {
				started = true
			} else if !started {
				t.Fatalf("%s before the session's start", session.Line(e))
			}
		}
	})
}
