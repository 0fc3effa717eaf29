package capfile

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"myreplay/session"
	"myreplay/wire"
)

// TestVectors checks every file of testdata/vectors: a text header that says
// what must be read, an empty line, and a segment with at most one fault.
// With -rewrite the vectors that are not there yet are made. A vector is never
// changed or deleted: it stands for the files of the version that made it.
func TestVectors(t *testing.T) {
	if flag.Lookup("rewrite").Value.String() == "true" {
		for name, make := range vectors {
			path := filepath.Join("testdata", "vectors", name)
			if _, err := os.Stat(path); err != nil {
				writeVector(t, path, make())
			}
		}
	}
	files, err := os.ReadDir("testdata/vectors")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) { checkVector(t, filepath.Join("testdata", "vectors", f.Name())) })
	}
	if len(files) < len(vectors) {
		t.Fatalf("%d vectors of %d are there; run with -rewrite", len(files), len(vectors))
	}
}

// vector is the content of a vector file.
type vector struct {
	comment string
	expect  string // ok, damaged, unfinished or refused
	lost    string // sum of the damages' events, or "unknown"
	events  []string
	data    []byte
}

func writeVector(t *testing.T, path string, v vector) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "comment: %s\nexpect: %s\n", v.comment, v.expect)
	if v.lost != "" {
		fmt.Fprintf(&b, "lost: %s\n", v.lost)
	}
	for _, e := range v.events {
		fmt.Fprintf(&b, "event: %s\n", e)
	}
	b.WriteString("\n")
	b.Write(v.data)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readVector(t testing.TB, path string) (v vector) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, data, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatal("no empty line")
	}
	v.data = data
	for line := range strings.SplitSeq(string(head), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "comment":
			v.comment = value
		case "expect":
			v.expect = value
		case "lost":
			v.lost = value
		case "event":
			v.events = append(v.events, value)
		default:
			t.Fatalf("header line %q", line)
		}
	}
	return v
}

func checkVector(t *testing.T, path string) {
	v := readVector(t, path)
	file := filepath.Join(t.TempDir(), "000001.myr")
	if err := os.WriteFile(file, v.data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(file)
	if v.expect == "refused" {
		if !errors.As(err, new(*FormatError)) {
			t.Fatalf("error is %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for {
		ev, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if g, ok := ev.(*session.Gap); !ok || g.ID != 0 || g.Reason != session.LostBytes {
			got = append(got, eventLine(ev))
		}
	}
	if !slices.Equal(got, v.events) {
		t.Fatalf("read\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(v.events, "\n"))
	}
	checkExpect(t, r, v)
}

func checkExpect(t *testing.T, r *Reader, v vector) {
	t.Helper()
	got, lost := "ok", int64(0)
	if len(r.Unfinished()) > 0 {
		got = "unfinished"
	}
	for _, d := range r.Damage() {
		got = "damaged"
		if d.Events < 0 || lost < 0 {
			lost = -1
		} else {
			lost += d.Events
		}
	}
	if got != v.expect {
		t.Fatalf("the segment is %s (%v), not %s", got, r.Damage(), v.expect)
	}
	said := strings.Replace(fmt.Sprint(lost), "-1", "unknown", 1)
	if got == "damaged" && said != v.lost {
		t.Fatalf("lost: %s, not %s (%v)", said, v.lost, r.Damage())
	}
}

// eventLine is the canonical text of an event (FORMAT.md, "Test vectors").
func eventLine(ev session.Event) string {
	hex := func(b []byte) string {
		if b == nil {
			return "-"
		}
		return fmt.Sprintf("x%x", b)
	}
	switch e := ev.(type) {
	case *session.Start:
		return fmt.Sprintf("start %d %d %d %d %d %v %v %q %q %d %d", e.ID, e.At, e.Of, e.Copy, e.Protocol, e.Client, e.Server,
			e.ServerVersion, e.Login.User, e.Login.Capabilities, len(e.Login.Attributes)) + stateLine(e.State, hex)
	case *session.Command:
		return fmt.Sprintf("command %d %d %d %d %d %d %s %s %d %d %d %d", e.ID, e.Seq, e.At, e.End, e.Kind, e.Code,
			hex(e.Payload), hex(e.SQL), e.Size, e.Statement, e.Due, e.Skipped)
	case *session.Reply:
		s := fmt.Sprintf("reply %d %d %d %d %d %d", e.ID, e.Seq, e.First, e.Last, e.Bytes, len(e.Results))
		for _, r := range e.Results {
			columns := -1
			if r.Columns != nil {
				columns = len(r.Columns.List)
			}
			s += fmt.Sprintf(" [%d %d %d %d %d %q %d %d %x %x]", r.Outcome, r.Affected, r.InsertID, r.Warnings, r.Status,
				r.Info, columns, r.Rows, r.Digest.Ordered, r.Digest.Unordered)
		}
		return s
	case *session.Gap:
		return fmt.Sprintf("gap %d %d %d %d %d %q", e.ID, e.Seq, e.At, e.Reason, e.Lost, e.Detail)
	case *session.End:
		return fmt.Sprintf("end %d %d %d", e.ID, e.At, e.Reason)
	}
	return "?"
}

func stateLine(s *session.State, hex func([]byte) string) string {
	if s == nil {
		return ""
	}
	line := fmt.Sprintf(" state %d %d %t", s.Asked, s.Told, s.Transaction)
	for _, v := range s.Variables {
		line += fmt.Sprintf(" [%q %q %t %t]", v.Name, v.Value, v.Null, v.Number)
	}
	line += " user"
	for _, v := range s.UserVariables {
		line += fmt.Sprintf(" [%q %q %t %t]", v.Name, v.Value, v.Null, v.Number)
	}
	line += " prepared"
	for _, p := range s.Prepared {
		line += fmt.Sprintf(" [%d %q %s]", p.Statement, p.Name, hex(p.SQL))
	}
	line += " unknown"
	for _, what := range s.Unknown {
		line += fmt.Sprintf(" %q", what)
	}
	return line
}

// draft is a segment in parts that a vector may change before they are put
// together.
type draft struct {
	meta   string
	head   head
	blocks []*draftBlock
	open   bool // no footer
	// lead stands before the first block.
	lead []byte
	// finish, if not nil, changes the finished file.
	finish func(data []byte) []byte
}

// draftBlock is a block before it is packed.
type draftBlock struct {
	streams [streamCount][]byte
	block   Block
	// extra is one more stream, of a later version.
	extra *draftStream
	// edit, if not nil, changes the packed payload.
	edit func(p []byte)
	// replace, if not nil, is the payload.
	replace []byte
	salt    uint64
}

type draftStream struct {
	number, codec byte
	data          []byte
}

// newDraft makes a draft with a block for each list of events.
func newDraft(blocks ...[]session.Event) *draft {
	d := &draft{meta: `{"format":1,"segment":1,"id":"00112233445566778899aabbccddeeff","kind":"capture","created":"2025-11-21T03:50:00Z",` +
		`"tool":"myreplay vectors","seed":"81985529216486895","source":{"from":"device","names":["lo"],"ports":[3306]}}`,
		head: head{version: Version, salt: 0x1122334455667788}}
	first := uint64(0)
	for _, events := range blocks {
		var e encoder
		e.reset()
		for _, ev := range events {
			e.add(ev)
		}
		d.blocks = append(d.blocks, &draftBlock{streams: e.b, salt: d.head.salt, block: Block{Events: e.events, FirstEvent: first,
			First: e.first, Last: e.last, Low: e.low, High: e.high}})
		first += uint64(e.events)
	}
	return d
}

// bytes puts the segment together.
func (d *draft) bytes() []byte {
	data := appendSegment(nil, d.head, []byte(d.meta))
	d.head.meta = uint32(len(d.meta))
	data = append(data, d.lead...)
	p, err := newPacker()
	if err != nil {
		panic(err)
	}
	var index []Block
	for _, b := range d.blocks {
		payload, raw := p.pack(&b.streams)
		payload = slices.Clone(payload)
		if b.extra != nil {
			payload = addStream(payload, b.extra)
			raw += len(b.extra.data)
		}
		if b.replace != nil {
			payload = b.replace
		}
		if b.edit != nil {
			b.edit(payload)
		}
		if b.block.Raw == 0 {
			b.block.Raw = uint32(raw)
		}
		b.block.Stored = uint32(blockHeader + len(payload))
		b.block.Offset = int64(len(data))
		data = b.block.appendHeader(data, payload, b.salt)
		data = append(data, payload...)
		index = append(index, b.block)
	}
	if !d.open {
		data, _ = appendFooter(data, d.head, index, &Totals{}, int64(len(data)))
	}
	if d.finish != nil {
		data = d.finish(data)
	}
	return data
}

// footer returns where the footer begins.
func (d *draft) footer() int {
	b := d.blocks[len(d.blocks)-1].block
	return int(b.Offset) + int(b.Stored)
}

// vector makes a vector of the draft. The events are those that must be read.
func (d *draft) vector(comment, expect, lost string, events []session.Event) vector {
	v := vector{comment: comment, expect: expect, lost: lost, data: d.bytes()}
	for _, ev := range events {
		v.events = append(v.events, eventLine(ev))
	}
	return v
}

// addStream adds a stream to a packed payload.
func addStream(payload []byte, s *draftStream) []byte {
	r := wire.NewReader(payload)
	for range r.Uint8() {
		r.Skip(2)
		r.Uvarint()
		r.Uvarint()
	}
	table := r.Offset()
	row := wire.AppendUvarint(wire.AppendUvarint([]byte{s.number, s.codec}, uint64(len(s.data))), uint64(len(s.data)))
	out := append([]byte{payload[0] + 1}, payload[1:table]...)
	return append(append(append(out, row...), payload[table:]...), s.data...)
}

var vectorColumns = &session.Columns{Hash: 0xc0ffee, List: []session.Column{
	{Schema: "shop", Table: "o", OrgTable: "orders", Name: "id", OrgName: "id", Collation: 63, Length: 20, Type: 8, Flags: 0x4203},
	{Schema: "shop", Table: "o", OrgTable: "orders", Name: "n", OrgName: "note", Collation: 255, Length: 400, Type: 253, Decimals: 31}}}

// vectorEvents returns two blocks of events: the life of a session and half of
// another one's.
func vectorEvents() (a, b []session.Event) {
	const t = int64(1763697000_000000000)
	command := func(seq uint64, at int64, sql string) *session.Command {
		p := append([]byte{3}, sql...)
		return &session.Command{ID: 1, Seq: seq, At: at, End: at, Kind: session.Query, Code: 3, Payload: p, SQL: p[1:], Size: uint64(len(p))}
	}
	a = []session.Event{
		&session.Start{ID: 1, At: t, Protocol: session.Classic, Client: netip.MustParseAddrPort("192.0.2.7:50312"),
			Server: netip.MustParseAddrPort("[2001:db8::1]:3306"), ServerVersion: "9.7.0", ConnectionID: 77,
			Login: session.Login{Known: true, User: "app", Schema: "shop", Capabilities: 0x1ff8685, Collation: 255,
				Plugin: "caching_sha2_password", Attributes: []session.Attribute{{Name: "_client_name", Value: "libmysql"}}}},
		command(1, t+1000, "SELECT id, n FROM o WHERE id = 17"),
		&session.Reply{ID: 1, Seq: 1, First: t + 251000, Last: t + 252000, Bytes: 160, Results: []session.Result{{Outcome: session.Rows,
			Status: 2, Columns: vectorColumns, Rows: 1, Digest: session.Digest{Ordered: 0xd1, Unordered: 0xd1, Valid: true},
			Keyed: []session.RowHash{{Key: 0x51, Row: 0xd1}}}}},
		command(2, t+300001, "SELECT id, n FROM o WHERE id = 18"),
		&session.Reply{ID: 1, Seq: 2, First: t + 500002, Last: t + 500002, Bytes: 160, Results: []session.Result{{Outcome: session.Rows,
			Status: 2, Columns: vectorColumns, Rows: 1, Digest: session.Digest{Ordered: 0xd2, Unordered: 0xd2, Valid: true}}}},
	}
	b = []session.Event{
		command(3, t+600000, "UPDATE o SET n = '' WHERE id < 9"),
		&session.Reply{ID: 1, Seq: 3, First: t + 700000, Last: t + 700000, Bytes: 48, Results: []session.Result{{Outcome: session.OK,
			Affected: 8, Status: 2, Info: "Rows matched: 8  Changed: 8  Warnings: 0"}}},
		&session.Gap{ID: 2, Seq: 5, At: t + 800000, Client: true, Lost: 1448, Reason: session.LostBytes},
		&session.Command{ID: 2, Seq: 5, At: t + 900000, End: t + 900000, Kind: session.Execute, Code: 0x17, Statement: 3,
			Payload: []byte{0x17, 3, 0, 0, 0, 0, 1, 0, 0, 0}, Size: 10},
		&session.Reply{ID: 2, Seq: 5, First: t + 950000, Last: t + 950000, Bytes: 40, Results: []session.Result{{Outcome: session.Failed,
			Error: &session.Error{Code: 1062, State: "23000", Message: "Duplicate entry"}}}},
		&session.End{ID: 1, At: t + 1000000, Reason: session.ClientQuit},
	}
	return a, b
}
