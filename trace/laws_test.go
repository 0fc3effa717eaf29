package trace

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"myreplay/flow"
)

// xExchange draws one message and its answer, as script lines. Texts are
// numbered, so that few messages are alike.
func xExchange(t *rapid.T, n int) string {
	switch rapid.IntRange(0, 9).Draw(t, "exchange") {
	case 0:
		return fmt.Sprintf("C StmtExecute update t set a = %d\nS Notice state 4 1\nS StmtExecuteOk\n", n)
	case 1:
		return fmt.Sprintf("C Prepare %d select %d\nS Ok\nC Execute %d %d\nS Column a SINT\nS Row %d\nS FetchDone\nS StmtExecuteOk\n", n, n, n, n, n)
	case 2:
		return fmt.Sprintf("C Insert things%d 1 x\nS Error 1146 42S02 no table things%d\n", n, n)
	case 3:
		return "C Expect.Open 1\nC StmtExecute select nosuch\nC Expect.Close\nS Ok\nS Error 1054 42S22 no\nS Error 5159 HY000 failed\n"
	case 4: // the text spells whole frames
		return fmt.Sprintf("C StmtExecute select '\\x01\\x00\\x00\\x00\\x03\\x01\\x00\\x00\\x00\\x03%d'\nS StmtExecuteOk\n", n)
	case 5:
		return fmt.Sprintf("C Find c%d\nS Column doc BYTES\nS Row %s\nS Notice warning 1 w\nS FetchDone\nS StmtExecuteOk\n", n, strings.Repeat("y", n%300+1))
	case 6:
		return fmt.Sprintf("C Cursor.Open %d %d 5\nS Column a SINT\nS Row 1\nS FetchSuspended\nS StmtExecuteOk\nC Fetch %d 5\nS Row 2\nS FetchDone\nS StmtExecuteOk\n", n, n, n)
	case 7:
		return "C Reset 1\nS Ok\n"
	default:
		return fmt.Sprintf("C StmtExecute select %d\nS Column a SINT\nS Column b BYTES\nS Row %d x\nS FetchDone\nS StmtExecuteOk\n", n, n)
	}
}

// xConversation draws a conversation of the X Protocol.
func xConversation(t *rapid.T, exchanges int) string {
	z := rapid.SampledFrom([]string{"", "zstd_stream", "deflate_stream", "lz4_message"}).Draw(t, "compression")
	s := "S Notice hello\n"
	if z != "" {
		s += "C CapabilitiesSet compression={algorithm:" + z + "}\nS Ok\n"
	}
	s += "C AuthenticateStart PLAIN shop app secretpassword\nS AuthenticateOk\n"
	for n := range exchanges {
		e := xExchange(t, n+1)
		if z != "" && rapid.Bool().Draw(t, "pack") {
			e = packed(e, z)
		}
		s += e
	}
	return s + "C Connection.Close\nS Ok bye!\n"
}

// packed puts runs of a side's lines into COMPRESSION messages.
func packed(text, z string) string {
	out, last := "", ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if side := line[:1]; side != last {
			if last != "" {
				out += last + " end\n"
			}
			out += side + " pack " + z + "\n"
			last = side
		}
		out += line + "\n"
	}
	return out + last + " end\n"
}

// classicConversation draws one of the classic protocol.
func classicConversation(t *rapid.T, exchanges int) string {
	login := rapid.SampledFrom([]string{"", " with=QUERY_ATTRIBUTES", " with=COMPRESS", " without=DEPRECATE_EOF",
		" without=DEPRECATE_EOF,SESSION_TRACK", " with=ZSTD_COMPRESSION_ALGORITHM"}).Draw(t, "login")
	s := "S greeting\nC login user=app" + login + "\nS ok\n"
	for n := range exchanges {
		s += classicExchange(t, n+1)
	}
	return s + "C quit\n"
}

func classicExchange(t *rapid.T, n int) string {
	switch rapid.IntRange(0, 8).Draw(t, "exchange") {
	case 0:
		return fmt.Sprintf("C query update t set a = %d\nS ok affected=1 info=Rows_matched:_1\n", n)
	case 1:
		return fmt.Sprintf("C prepare select a from t where b = ? and %d\nS prepared %d 1 a:int b:varchar\n", n, n)
	case 2:
		return fmt.Sprintf("C execute %d %d\nS rows a:int b:varchar | 1 x | 2 y\n", n, n)
	case 3:
		return fmt.Sprintf("C query select nosuch%d\nS err 1054 42S22 Unknown column\n", n)
	case 4:
		return fmt.Sprintf("C close %d\nC query select %d\nS rows a:int | 1\n", n, n)
	case 5:
		return fmt.Sprintf("C query load data local infile '%d' into table t\nS file x\nC data 1,2\nC data %d,3\nC data\nS ok affected=2\n", n, n)
	case 6: // the text spells a whole frame
		return fmt.Sprintf("C query insert into t values ('\x01\x00\x00\x00\x01%d')\nS ok affected=1 id=%d\n", n, n)
	case 7:
		return fmt.Sprintf("C longdata %d 0 abcdefghij*50\nC execute %d LONG\nS ok affected=1\n", n, n)
	default:
		return fmt.Sprintf("C query select a from t where a = %d\nS rows a:int b:varchar | 1 %s | 2 NULL\n", n, strings.Repeat("y", n%300+1))
	}
}

// drawn draws a conversation of either protocol.
func drawn(r *rapid.T, exchanges int) []piece {
	x := rapid.Bool().Draw(r, "x")
	text := ""
	if x {
		text = xConversation(r, exchanges)
	} else {
		text = classicConversation(r, exchanges)
	}
	list, _ := conversation(r, x, text)
	return list
}

// TestLawSplit: however bytes are cut into chunks, the lines are the same.
func TestLawSplit(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list := drawn(r, rapid.IntRange(1, 6).Draw(r, "exchanges"))
		o := Options{Detail: true, Connections: true}
		want := strings.Join(lines(t, o, list, false, true, false, whole), "\n")
		got := strings.Join(lines(t, o, list, false, true, false, func(n int) int { return rapid.IntRange(1, n).Draw(r, "cut") }), "\n")
		if got != want {
			r.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// named returns the messages of pieces with what is certain of each: side, name
// and size.
func named(t tester, list []piece, joined bool) (out []string) {
	run(t, Options{Detail: true}, list, joined, whole, func(m *Message) {
		if m.Name != "" {
			out = append(out, fmt.Sprintf("%s %s %d", m.Side, m.Name, m.Size))
		}
	})
	return out
}

// within tells whether got is want with some left out, and if not, what is not
// in want.
func within(got, want []string) (string, bool) {
	next := 0
	for _, g := range got {
		for next < len(want) && want[next] != g {
			next++
		}
		if next == len(want) {
			return g, false
		}
		next++
	}
	return "", true
}

// TestLawGap: whatever bytes are lost, no message is named that was not sent,
// and none out of order.
func TestLawGap(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list := drawn(r, rapid.IntRange(1, 12).Draw(r, "exchanges"))
		want := named(t, list, false)
		var damaged []piece
		odds := rapid.IntRange(2, 8).Draw(r, "odds")
		for _, p := range list {
			n := len(p.data)
			if n == 0 || rapid.IntRange(0, odds).Draw(r, "lose") > 0 {
				damaged = append(damaged, p)
				continue
			}
			from := rapid.IntRange(0, n-1).Draw(r, "from")
			to := rapid.IntRange(from+1, n).Draw(r, "to")
			if from > 0 {
				damaged = append(damaged, piece{flow.Data, p.side, p.data[:from], 0})
			}
			damaged = append(damaged, piece{flow.Gap, p.side, nil, uint64(to - from)})
			if to < n {
				damaged = append(damaged, piece{flow.Data, p.side, p.data[to:], 0})
			}
		}
		if wrong, ok := within(named(t, damaged, false), want); !ok {
			r.Fatalf("%s was not sent, or not then: %v\n%s", wrong, want, strings.Join(lines(t, Options{Detail: true}, damaged, false, true, false, whole), "\n"))
		}
	})
}

// TestLawJoin: wherever in a conversation the source begins, no message is named
// that was not sent.
func TestLawJoin(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list := drawn(r, rapid.IntRange(1, 12).Draw(r, "exchanges"))
		want := named(t, list, false)
		n := rapid.IntRange(0, len(list)-1).Draw(r, "first")
		rest := append([]piece(nil), list[n:]...)
		if len(rest[0].data) > 0 {
			rest[0].data = rest[0].data[rapid.IntRange(0, len(rest[0].data)-1).Draw(r, "byte"):]
		}
		if wrong, ok := within(named(t, rest, true), want); !ok {
			r.Fatalf("%s was not sent, or not then", wrong)
		}
	})
}

// TestEmitError: after an error of emit nothing more is done.
func TestEmitError(t *testing.T) {
	list, _ := conversation(t, true, "S Notice hello\nC CapabilitiesGet\nC CapabilitiesGet")
	conn := &flow.Conn{ID: 1}
	tr := New(Options{})
	calls := 0
	full := errors.New("full")
	emit := func(*Message) error { calls++; return full }
	if err := tr.Chunk(&flow.Chunk{Kind: flow.Open, Conn: conn}, emit); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if err := tr.Chunk(&flow.Chunk{Kind: flow.Data, Conn: conn, Side: p.side, Data: p.data}, emit); !errors.Is(err, full) {
			t.Fatal(err)
		}
	}
	if calls != 1 {
		t.Errorf("emit was called %d times", calls)
	}
}

// FuzzTrace traces arbitrary bytes of both sides, in chunks and with gaps as the
// input says: no panic, lines of printable characters, JSON that is valid, and no
// more memory held than the limits.
func FuzzTrace(f *testing.F) {
	seed := func(x bool, text string) {
		list, _ := conversation(f, x, text)
		var b []byte
		for _, p := range list {
			for data := p.data; len(data) > 0; {
				n := min(len(data), 255)
				b = append(append(b, byte(p.side), byte(n)), data[:n]...)
				data = data[n:]
			}
		}
		f.Add(b, byte(0))
		f.Add(b[len(b)/2:], byte(1))
	}
	seed(false, "S greeting\nC login user=app\nS ok\nC prepare select ?\nS prepared 1 1 a:int\nC execute 1 5\nS rows a:int | 1\nC quit")
	seed(false, "S greeting\nC login user=app with=COMPRESS\nS ok\nC query select '"+strings.Repeat("x", 99)+"'\nS rows a:int | 1\nC quit")
	seed(true, "S Notice hello\nC CapabilitiesSet a={b:[1]}\nS Ok\nC AuthenticateStart PLAIN a b c\nS AuthenticateOk\nC Insert t 1\nS StmtExecuteOk\nC Find t\nS Column a SINT\nS Row 1\nS FetchDone\nS StmtExecuteOk")
	seed(true, "S Notice hello\nC CapabilitiesSet compression={algorithm:lz4_message}\nS Ok\nS pack lz4_message\nS Notice state 4 1\nS Notice warning 1 x\nS end\nC StmtExecute a | 1 b")
	f.Fuzz(func(t *testing.T, input []byte, how byte) {
		var list []piece
		for len(input) >= 2 {
			kind, n := input[0], min(int(input[1]), len(input)-2)
			p := piece{kind: flow.Data, side: flow.Side(kind & 1), data: input[2 : 2+n]}
			switch {
			case kind&0x40 != 0:
				p = piece{kind: flow.TLS}
			case kind&2 != 0:
				p = piece{kind: flow.Gap, side: p.side, lost: uint64(n)}
			}
			input = input[2+n:]
			list = append(list, p)
		}
		o := Options{Detail: true, Connections: true, Protocol: Protocol(how >> 1 % 3)}
		lines(t, o, list, how&1 != 0, true, false, whole)
		lines(t, o, list, how&1 != 0, true, true, whole)
	})
}
