package outcome

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/wire"
	"myreplay/xproto"
)

// xColumn makes a ColumnMetaData.
func xColumn(name string, t xproto.FieldType, flags uint64) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(t))
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), name)
	b = protowire.AppendVarint(protowire.AppendTag(b, 11, protowire.VarintType), flags)
	return protowire.AppendVarint(protowire.AppendTag(b, 12, protowire.VarintType), 2)
}

// xRow makes a Row of texts; "" is NULL.
func xRow(values ...string) (b []byte) {
	for _, v := range values {
		if v != "" {
			v += "\x00"
		}
		b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), v)
	}
	return b
}

// xNotice makes a notice of a type.
func xNotice(t uint64, payload []byte) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), t)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), 2)
	return protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), payload)
}

// message is a server's message.
type message struct {
	kind    xproto.ServerMessage
	payload []byte
}

// xReply builds the reply to a command.
func xReply(t testing.TB, b *XBuilder, c XCommand, list ...message) *session.Reply {
	t.Helper()
	b.Begin(1, 1, c)
	for i, m := range list {
		f := xproto.Frame{Type: byte(m.kind), Payload: m.payload, Size: uint64(len(m.payload))}
		if err := b.Frame(&f, int64(10+i)); err != nil {
			t.Fatal(err)
		}
	}
	return b.Take(false)
}

var (
	xDone   = message{kind: xproto.ResultsetFetchDone}
	xStmtOK = message{kind: xproto.StmtExecuteOK}
	xSQL    = XCommand{Message: xproto.SQLStmtExecute}
)

// TestXDigest: rows digest as the same rows do in the classic protocol's text
// format, keys included, so that two protocols compare.
func TestXDigest(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.SampledFrom([]string{"", "1", "x", strings.Repeat("y", 300)})
		var slab Slab
		in, o := NewInterner(), Options{Seed: 7}
		x := []message{{xproto.ResultsetColumnMetaData, xColumn("a", xproto.TypeBytes, xproto.FlagPrimaryKey)},
			{xproto.ResultsetColumnMetaData, xColumn("b", xproto.TypeBytes, 0)}}
		var want digester
		want.begin(o.Seed, false, &session.Columns{List: []session.Column{{Flags: classic.FlagPrimaryKey}, {}}})
		var keyed []session.RowHash
		for range rapid.IntRange(0, 5).Draw(r, "rows") {
			v := []string{value.Draw(r, "a"), value.Draw(r, "b")}
			x = append(x, message{xproto.ResultsetRow, xRow(v...)})
			var text []byte
			for _, s := range v {
				text = appendValue(text, []byte(s), s == "")
			}
			hash := want.row(text, true)
			k, _ := want.keyed(text, hash)
			keyed = append(keyed, k)
		}
		got := xReply(t, NewXBuilder(o, in, &slab), xSQL, append(x, xDone, xStmtOK)...).Results[0]
		if got.Digest != want.sum() || fmt.Sprint(got.Keyed) != fmt.Sprint(keyed) {
			r.Fatalf("got %+v %x\nwant %+v %x", got.Digest, got.Keyed, want.sum(), keyed)
		}
	})
}

// TestXColumns: a description has what the metadata says, equal ones are one, and
// where one column ends and the next begins counts.
func TestXColumns(t *testing.T) {
	var slab Slab
	b := NewXBuilder(Options{}, NewInterner(), &slab)
	meta := func(p ...[]byte) *session.Columns {
		var list []message
		for _, p := range p {
			list = append(list, message{xproto.ResultsetColumnMetaData, p})
		}
		return xReply(t, b, xSQL, append(list, xDone, xStmtOK)...).Results[0].Columns
	}
	one, two := xColumn("a", xproto.TypeSint, xproto.FlagNotNull), xColumn("b", xproto.TypeDatetime, 0)
	c := meta(one, two)
	if c != meta(one, two) || c == meta(two, one) {
		t.Error("equal descriptions are not one, or others are")
	}
	if want := (session.Column{Name: "a", Type: byte(xproto.TypeSint), Flags: xproto.FlagNotNull | 2<<12}); c.List[0] != want {
		t.Errorf("%+v, want %+v", c.List[0], want)
	}
	// The same bytes in two messages, cut elsewhere.
	all := append(append([]byte(nil), one...), two...)
	if p, q := meta(one, two), meta(all[:2], all[2:]); p == q || p.Hash == q.Hash {
		t.Error("other columns of the same bytes are the same")
	}
	if c := meta([]byte{0x0a}); c != nil {
		t.Errorf("a description that can't be read: %+v", c)
	}
}

// TestXCursor: the rows that a Fetch brings are described by the Open, as long as
// the cursor is open.
func TestXCursor(t *testing.T) {
	var slab Slab
	b := NewXBuilder(Options{Keep: -1}, NewInterner(), &slab)
	open := XCommand{Message: xproto.CursorOpen, Cursor: 3, HasCursor: true}
	fetch := XCommand{Message: xproto.CursorFetch, Cursor: 3, HasCursor: true}
	end := XCommand{Message: xproto.CursorClose, Cursor: 3, HasCursor: true}
	row := message{xproto.ResultsetRow, xRow("1")}
	suspended := message{kind: xproto.ResultsetFetchSuspended}
	opened := xReply(t, b, open, message{xproto.ResultsetColumnMetaData, xColumn("a", xproto.TypeBytes, 0)}, row, suspended, xStmtOK)
	fetched := xReply(t, b, fetch, row, suspended, xStmtOK)
	if p, q := opened.Results[0], fetched.Results[0]; p.Outcome != session.Opened || p.Columns == nil || p.Columns != q.Columns ||
		p.Digest != q.Digest || !p.Digest.Valid || string(q.Kept[0]) != string(row.payload) {
		t.Errorf("%+v\n%+v", p, q)
	}
	if r := xReply(t, b, fetch, xDone, xStmtOK); len(r.Results) != 1 || r.Results[0].Outcome != session.Rows || r.Results[0].Rows != 0 {
		t.Errorf("nothing left: %s", session.Line(r))
	}
	xReply(t, b, end, message{kind: xproto.OK})
	if r := xReply(t, b, fetch, row, xDone, xStmtOK); r.Results[0].Columns != nil || r.Results[0].Digest.Valid || r.Results[0].Rows != 1 {
		t.Errorf("a cursor that was closed: %s", session.Line(r))
	}
}

// TestXLimits: what a server makes long is counted, and not all of it kept.
func TestXLimits(t *testing.T) {
	var slab Slab
	b := NewXBuilder(Options{}, NewInterner(), &slab)
	warning := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 1365)
	long := protowire.AppendBytes(protowire.AppendTag(warning[:len(warning):len(warning)], 3, protowire.BytesType), make([]byte, maxNoticeBytes/4))
	var list []message
	for range 1 << 17 {
		list = append(list, message{xproto.Notice, xNotice(1, warning)})
	}
	r := xReply(t, b, xSQL, append(list, xStmtOK)...).Results[0]
	if r.Warnings != 1<<16-1 || len(r.Changes) != maxWarnings {
		t.Errorf("%d warnings, %d kept", r.Warnings, len(r.Changes))
	}
	list = nil
	for range 10 {
		list = append(list, message{xproto.Notice, xNotice(1, long)}, message{xproto.Notice, xNotice(77, nil)})
	}
	kept := 0
	for _, c := range xReply(t, b, xSQL, append(list, xStmtOK)...).Results[0].Changes {
		kept += len(c.Value)
	}
	if kept > maxNoticeBytes {
		t.Errorf("%d bytes are kept", kept)
	}
	b.Begin(1, 1, xSQL)
	var err error
	n := 0
	for ; err == nil && n < 2*maxResults; n++ {
		if err = b.Frame(&xproto.Frame{Type: byte(xproto.ResultsetColumnMetaData), Payload: xColumn("a", 1, 0)}, 1); err == nil {
			err = b.Frame(&xproto.Frame{Type: byte(xproto.ResultsetMoreResultsets)}, 1)
		}
	}
	if err == nil || len(b.Take(true).Results) != maxResults {
		t.Errorf("%v after %d results", err, n)
	}
}

// TestXLost: of a reply that was not seen to its end, the whole results stay.
func TestXLost(t *testing.T) {
	var slab Slab
	b := NewXBuilder(Options{}, NewInterner(), &slab)
	b.Begin(1, 1, xSQL)
	for _, m := range []message{{xproto.ResultsetColumnMetaData, xColumn("a", xproto.TypeBytes, 0)}, {xproto.ResultsetRow, xRow("1")},
		{xproto.ResultsetMoreResultsets, nil}, {xproto.ResultsetColumnMetaData, xColumn("a", xproto.TypeBytes, 0)}, {xproto.ResultsetRow, xRow("1")}} {
		if err := b.Frame(&xproto.Frame{Type: byte(m.kind), Payload: m.payload, Size: uint64(len(m.payload))}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.Take(true); !r.Lost || len(r.Results) != 1 || r.Results[0].Rows != 1 {
		t.Errorf("%s", session.Line(r))
	}
	if r := xReply(t, b, xSQL, xStmtOK); len(r.Results) != 1 || r.Bytes != xproto.HeaderLen || r.First != 10 {
		t.Errorf("%+v", r)
	}
}

// FuzzXBuilder builds replies from any messages: no panic, and no more is kept
// than came.
func FuzzXBuilder(f *testing.F) {
	add := func(list ...message) {
		var b []byte
		for _, m := range list {
			b = wire.AppendLenencBytes(append(b, byte(m.kind)), m.payload)
		}
		f.Add(b, byte(xproto.SQLStmtExecute))
		f.Add(b, byte(xproto.CursorFetch))
	}
	add(message{xproto.ResultsetColumnMetaData, xColumn("a", xproto.TypeSint, xproto.FlagPrimaryKey)}, message{xproto.ResultsetRow, []byte{0x0a, 1, 2}},
		xDone, message{xproto.Notice, xNotice(3, []byte{8, 4, 0x12, 4, 8, 2, 0x18, 5})}, xStmtOK)
	add(message{xproto.ServerError, []byte{0x10, 1}})
	f.Fuzz(func(t *testing.T, input []byte, asked byte) {
		var slab Slab
		b := NewXBuilder(Options{Keep: -1}, NewInterner(), &slab)
		b.Begin(1, 1, XCommand{Message: xproto.ClientMessage(asked), HasCursor: true})
		r := wire.NewReader(input)
		for r.Len() > 0 && r.Err() == nil {
			kind := r.Uint8()
			p := r.LenencBytes()
			fr := xproto.Frame{Type: kind & 0x3f, Payload: p, Size: uint64(len(p)), Holed: kind&0x80 != 0, Cut: kind&0x40 != 0}
			if b.Frame(&fr, 1) != nil {
				break
			}
		}
		kept := 0
		reply := b.Take(len(input)%2 == 0)
		for _, r := range reply.Results {
			for _, k := range r.Kept {
				kept += len(k)
			}
		}
		if kept > len(input) {
			t.Fatalf("%d bytes kept of %d", kept, len(input))
		}
	})
}

// BenchmarkXRows digests a result of 100 rows of 120 bytes.
func BenchmarkXRows(b *testing.B) {
	var slab Slab
	build := NewXBuilder(Options{Seed: 1}, NewInterner(), &slab)
	row := xproto.Frame{Type: byte(xproto.ResultsetRow), Payload: xRow(strings.Repeat("0123456789-", 11))}
	column := xproto.Frame{Type: byte(xproto.ResultsetColumnMetaData), Payload: xColumn("c", xproto.TypeBytes, 0)}
	done, ok := xproto.Frame{Type: byte(xproto.ResultsetFetchDone)}, xproto.Frame{Type: byte(xproto.StmtExecuteOK)}
	b.SetBytes(int64(100 * len(row.Payload)))
	b.ReportAllocs()
	for b.Loop() {
		build.Begin(1, 1, xSQL)
		for _, f := range []*xproto.Frame{&column} {
			_ = build.Frame(f, 1)
		}
		for range 100 {
			_ = build.Frame(&row, 1)
		}
		_ = build.Frame(&done, 1)
		_ = build.Frame(&ok, 1)
		build.Take(false)
	}
}
