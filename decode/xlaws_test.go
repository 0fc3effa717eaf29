package decode

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"myreplay/flow"
	"myreplay/session"
)

// xExchange draws commands and their replies, as script lines. Texts and numbers
// of affected rows are numbered, so that no two commands and no two replies are
// alike.
func xExchange(t *rapid.T, n int) string {
	switch rapid.IntRange(0, 13).Draw(t, "exchange") {
	case 0:
		return fmt.Sprintf("C sql update t set a = %d\nS affected %d ; info Rows matched: 1 ; stmtok\n", n, n)
	case 1:
		return fmt.Sprintf("C prepare %d select a from t where b = ? and %d\nS ok\n", n, n)
	case 2:
		return fmt.Sprintf("C execute %d x\nS meta a:int ; meta b:text ; row %d x ; row 2 y ; done ; stmtok\n", n, n)
	case 3:
		return fmt.Sprintf("C sql select nosuch%d\nS error 1054 42S22 Unknown column %d\n", n, n)
	case 4: // sends ahead, answered at once or one by one
		s := fmt.Sprintf("C expect ; sql insert %d ; sql insert %d.5 ; endexpect\n", n, n)
		if rapid.Bool().Draw(t, "at once") {
			return s + fmt.Sprintf("S ok ; affected %d ; stmtok ; affected 1%d ; stmtok ; ok\n", n, n)
		}
		return s + fmt.Sprintf("S ok\nS affected %d ; stmtok\nS affected 1%d ; stmtok ; ok\n", n, n)
	case 5:
		return fmt.Sprintf("C find docs%d\nS meta doc:text ; row %s ; done ; stmtok\n", n, strings.Repeat("y", n%300+1))
	case 6:
		// The text spells a whole message: a goodbye, if it stood at a boundary.
		return fmt.Sprintf("C sql insert into t values ('\x01\x00\x00\x00\x03%d')\nS affected %d ; insertid %d ; stmtok\n", n, n, n)
	case 7:
		return fmt.Sprintf("C prepare %d select %d ; open %d %d 2\nS ok ; meta a:int ; row 1 ; row %d ; suspended ; stmtok\n"+
			"C fetch %d 2\nS row 7%d ; done ; stmtok\nC closecursor %d\nS ok\n", n, n, n, n, n, n, n, n)
	case 8:
		return fmt.Sprintf("C reset keep\nS ok\nC sql select %d\nS meta a:int ; row %d ; done ; stmtok\n", n, n)
	case 9:
		return fmt.Sprintf("C closesession\nS ok\nC auth SHA256_MEMORY\nS challenge\nC answer shop user%d\nS id %d ; authok\n", n, n)
	case 10:
		return fmt.Sprintf("C sql call p(%d)\nS meta a:int ; row %d ; more ; meta b:int ; row 2 ; more ; done ; warning %d x ; stmtok\n", n, n, n)
	case 11: // sends ahead of the second reply
		return fmt.Sprintf("C sql a%d ; sql b%d\nS affected %d ; stmtok\nC sql c%d\nS affected 1%d ; stmtok ; affected 2%d ; stmtok\n", n, n, n, n, n, n)
	case 12:
		return fmt.Sprintf("C deallocate %d\nS error 5110 HY000 Statement with ID=%d was not prepared\n", n, n)
	default:
		return fmt.Sprintf("C packed sql select a from t where a = %d\nS packed meta a:int ; row %d ; done ; affected %d ; stmtok\n", n, n, n)
	}
}

func xTalk(t *rapid.T, exchanges int) string {
	compression := rapid.SampledFrom([]string{"", "lz4_message", "zstd_stream", "deflate_stream"}).Draw(t, "compression")
	s := "S hello\n"
	if compression != "" {
		s += "C caps compression=" + compression + "\nS ok\n"
	}
	s += "C auth PLAIN shop app\nS id 5 ; authok\n"
	for n := range exchanges {
		s += xExchange(t, n+1)
	}
	s += "C close\nS ok bye!\n"
	if compression == "" {
		s = strings.ReplaceAll(s, " packed ", " ")
	}
	return s
}

// damage takes pieces of pieces away.
func damage(r *rapid.T, list []piece) (damaged []piece) {
	odds := rapid.IntRange(2, 8).Draw(r, "odds")
	for _, p := range list {
		n := len(p.data)
		if rapid.IntRange(0, odds).Draw(r, "lose") > 0 {
			damaged = append(damaged, p)
			continue
		}
		from := rapid.IntRange(0, n-1).Draw(r, "from")
		to := rapid.IntRange(from+1, n).Draw(r, "to")
		if rapid.Bool().Draw(r, "all") {
			from, to = 0, n
		}
		damaged = append(damaged, p.without(from, to)...)
	}
	return damaged
}

// TestXLawGap: whatever bytes are lost, no command appears that was not sent and
// no reply that was not given.
func TestXLawGap(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list, _ := xConversation(t, xTalk(r, rapid.IntRange(1, 12).Draw(r, "exchanges")))
		want := events(t, list, xConn(false))
		check(r, events(t, damage(r, list), xConn(false)), want)
	})
}

// TestXLawJoin: wherever in a conversation the recording begins, no command
// appears that was not sent.
func TestXLawJoin(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list, _ := xConversation(t, xTalk(r, rapid.IntRange(1, 12).Draw(r, "exchanges")))
		want := events(t, list, xConn(false))
		n := rapid.IntRange(0, len(list)-1).Draw(r, "first")
		rest := append([]piece(nil), list[n:]...)
		rest[0].data = rest[0].data[rapid.IntRange(0, len(rest[0].data)-1).Draw(r, "byte"):]
		check(r, events(t, rest, xConn(true)), want)
	})
}

// TestXLawSplit: however bytes are cut into chunks, the events are the same, of
// conversations with losses, too.
func TestXLawSplit(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list, _ := xConversation(t, xTalk(r, rapid.IntRange(1, 6).Draw(r, "exchanges")))
		if rapid.Bool().Draw(r, "damaged") {
			list = damage(r, list)
		}
		want := run(t, Options{}, list, xConn(false), whole)
		got := run(t, Options{}, list, xConn(false), func(n int) int { return rapid.IntRange(1, n).Draw(r, "cut") })
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// FuzzX decodes arbitrary bytes of both sides, in chunks and with gaps as the
// input says, by the decoder that the first bytes choose: no panic, no event of a
// session that did not start, and what is counted as held is given back.
func FuzzX(f *testing.F) {
	for _, text := range []string{
		"S hello\nC caps compression=lz4_message\nS ok\nC auth PLAIN shop app\nS id 3 ; authok\nC packed sql select 1\nS packed meta a:int ; row 1 ; done ; stmtok\nC close\nS ok bye!",
		"S hello\nC auth SHA256_MEMORY\nS challenge\nC answer shop app\nS authok\nC prepare 1 select ? ; open 1 1 1\nS ok ; meta a:int ; row 1 ; suspended ; stmtok\nC fetch 1 1\nS row 2 ; done ; stmtok\nC closesession\nS ok\nC auth PLAIN - b\nS error 1045 HY000 no",
	} {
		list, _ := xConversation(f, text)
		f.Add(fuzzInput(list), false)
		f.Add(fuzzInput(list[3:]), true)
	}
	f.Fuzz(func(t *testing.T, input []byte, joined bool) {
		shared := NewShared(Options{Memory: 1 << 16, CommandLimit: 1 << 12})
		started := false
		for _, e := range eventsOf(t, shared, fuzzPieces(input), xConn(joined)) {
			if _, ok := e.(*session.Start); ok {
				started = true
			} else if !started {
				t.Fatalf("%s before the session's start", session.Line(e))
			}
		}
		if shared.held != 0 {
			t.Fatalf("%d bytes are held after the end", shared.held)
		}
	})
}

// fuzzInput writes pieces as fuzzPieces reads them.
func fuzzInput(list []piece) (input []byte) {
	for _, p := range list {
		for data := p.data; len(data) > 0; {
			n := min(len(data), 255)
			input = append(append(input, byte(p.side), byte(n)), data[:n]...)
			data = data[n:]
		}
	}
	return input
}

// fuzzPieces reads pieces: a byte with side and kind, a length, and the bytes.
func fuzzPieces(input []byte) (list []piece) {
	for len(input) >= 2 {
		kind, n := input[0], min(int(input[1]), len(input)-2)
		p := piece{kind: flow.Data, side: flow.Side(kind & 1), data: input[2 : 2+n]}
		switch {
		case kind&6 == 6:
			p = piece{kind: flow.TLS}
		case kind&2 != 0:
			p = piece{kind: flow.Gap, side: flow.Side(kind & 1), lost: uint64(n)}
		}
		input = input[2+n:]
		if p.kind != flow.Data || n > 0 {
			list = append(list, p)
		}
	}
	return list
}
