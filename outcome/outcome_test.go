package outcome

import (
	"fmt"
	"math/bits"
	"testing"

	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/session"
	"myreplay/wire"
)

// replies plays a script and returns the reply to each command.
func replies(t testing.TB, o Options, in *Interner, text string) []*session.Reply {
	t.Helper()
	var script classictest.Script
	list, err := script.Parse("S greeting\nC login user=app\nS ok\n" + text)
	if err != nil {
		t.Fatal(err)
	}
	var st classic.State
	var slab Slab
	b := NewBuilder(o, in, &slab)
	var out []*session.Reply
	seq := uint64(0)
	framers := map[bool]*classic.Framer{false: {}, true: {}}
	for _, m := range list {
		fr := framers[m.Server]
		fr.Feed(m.Bytes)
		var f classic.Frame
		for {
			ok, err := fr.Next(&f)
			if err != nil {
				t.Fatalf("%s: %v", m.Line, err)
			}
			if !ok {
				break
			}
			if !m.Server {
				part, err := st.Client(&f)
				if err != nil {
					t.Fatalf("%s: %v", m.Line, err)
				}
				if part == classic.ClientCommand && st.Waiting() > 0 {
					seq++
					id, _ := classic.StatementID(f.Payload)
					b.Begin(1, seq, classic.Code(f.Payload[0]), id)
				}
				continue
			}
			part, done, err := st.Server(&f)
			if err != nil {
				t.Fatalf("%s: %v", m.Line, err)
			}
			if b.Begun() {
				b.Frame(&st, part, &f, int64(seq))
			}
			if done {
				out = append(out, b.Take(false))
			}
		}
	}
	return out
}

// TestDigest checks the digests against their definition in docs/FORMAT.md,
// written out here once more in its plainest form.
func TestDigest(t *testing.T) {
	const seed = 42
	r := replies(t, Options{Seed: seed}, NewInterner(), `
C query select a, b from t
S rows a:int b:varchar | 1 x | 2 NULL | 1 x
C prepare select a, b from t
S prepared 1 0 a:int b:varchar
C execute 1
S rows a:int b:varchar | -1 x | 2 NULL
`)
	text := [][]byte{{1, '1', 1, 'x'}, {1, '2', 0xfb}, {1, '1', 1, 'x'}}
	// A binary row: the null bitmap, then values; integers in 8 bytes by sign.
	binary := [][]byte{
		append(append([]byte{0}, wire.AppendUint64(nil, 1<<64-1)...), 1, 'x'),
		append([]byte{0b1000}, wire.AppendUint64(nil, 2)...),
	}
	for i, rows := range map[int][][]byte{0: text, 2: binary} {
		var want session.Digest
		for _, row := range rows {
			h := xxh3.HashSeed(row, seed)
			want.Ordered = bits.RotateLeft64(want.Ordered*0x9e3779b97f4a7c15, 31) + h
			want.Unordered += h
		}
		want.Valid = true
		if got := r[i].Results[0].Digest; got != want {
			t.Errorf("reply %d: digest %+v, want %+v", i, got, want)
		}
	}
}

// TestKeyed: rows with a primary key get hashes of key and row, the same for
// the text and for the binary protocol, and for at most MaxKeyed rows.
func TestKeyed(t *testing.T) {
	many := ""
	for i := range MaxKeyed + 20 {
		many += fmt.Sprintf("| %d x ", i)
	}
	r := replies(t, Options{Seed: 1}, NewInterner(), `
C query select id, b from t
S rows id:int:pk b:varchar | 7 x | 8 y
C prepare select id, b from t
S prepared 1 0 id:int:pk b:varchar
C execute 1
S rows id:bigint:pk b:varchar | 7 x | 8 z
C query select b from t
S rows b:varchar | x
C query select id, b from t
S rows id:int:pk b:varchar `+many)
	a, b := r[0].Results[0].Keyed, r[2].Results[0].Keyed
	if len(a) != 2 || len(b) != 2 {
		t.Fatalf("%d and %d rows have keys", len(a), len(b))
	}
	if a[0] != b[0] || a[1].Key != b[1].Key || a[1].Row == b[1].Row || a[0].Key == a[1].Key {
		t.Errorf("text %x, binary %x", a, b)
	}
	if n := len(r[3].Results[0].Keyed); n != 0 {
		t.Errorf("%d rows have keys without a key column", n)
	}
	if n := len(r[4].Results[0].Keyed); n != MaxKeyed {
		t.Errorf("%d rows have keys", n)
	}
}

// TestKeep keeps rows as many as asked for.
func TestKeep(t *testing.T) {
	for keep, want := range map[int]int{0: 0, 1: 1, 2: 2, 5: 3, -1: 3} {
		r := replies(t, Options{Keep: keep}, NewInterner(), "C query select a from t\nS rows a:int | 1 | 2 | 3")
		if got := r[0].Results[0].Kept; len(got) != want || want > 0 && string(got[0]) != "\x011" {
			t.Errorf("keep %d: %q", keep, got)
		}
	}
}

// TestIntern: equal descriptions are one, different ones are not.
func TestIntern(t *testing.T) {
	in := NewInterner()
	r := replies(t, Options{}, in, `
C query 1
S rows a:int b:varchar
C query 2
S rows a:int b:varchar
C query 3
S rows a:int c:varchar
`)
	c := func(i int) *session.Columns { return r[i].Results[0].Columns }
	if c(0) != c(1) || c(0) == c(2) || c(2).List[1].Name != "c" {
		t.Errorf("%p %p %p", c(0), c(1), c(2))
	}
}

// BenchmarkRows digests a result of 100 rows of 120 bytes, as sysbench's range
// selects bring.
func BenchmarkRows(b *testing.B) {
	var script classictest.Script
	rows := ""
	for range 100 {
		rows += "| " + "0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789 "
	}
	list, err := script.Parse("S greeting\nC login user=app\nS ok\nC query select c from t\nS rows c:varchar " + rows)
	if err != nil {
		b.Fatal(err)
	}
	reply := list[len(list)-1].Bytes
	var st classic.State
	st.Join()
	var slab Slab
	build := NewBuilder(Options{Seed: 1}, NewInterner(), &slab)
	var fr classic.Framer
	b.SetBytes(int64(len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := st.Client(&classic.Frame{Payload: []byte{3, 's'}, Size: 2}); err != nil {
			b.Fatal(err)
		}
		build.Begin(1, 1, classic.ComQuery, 0)
		fr.Feed(reply)
		var f classic.Frame
		for done := false; !done; {
			if ok, err := fr.Next(&f); !ok || err != nil {
				b.Fatal(ok, err)
			}
			var part classic.ServerPart
			if part, done, err = st.Server(&f); err != nil {
				b.Fatal(err)
			}
			build.Frame(&st, part, &f, 1)
		}
		build.Take(false)
	}
}
