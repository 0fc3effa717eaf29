package target

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/decode"
	"myreplay/flow"
	"myreplay/session"
)

// recorded decodes a conversation of classictest lines into events. A line may
// begin with "lost" (its bytes are missing from the recording) or "unseen" (it
// was said before the recording began).
func recorded(t testing.TB, text string) []session.Event {
	var script classictest.Script
	conn := &flow.Conn{ID: 1}
	var chunks []flow.Chunk
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fate := ""
		if w, rest, _ := strings.Cut(line, " "); w == "lost" || w == "unseen" {
			fate, line = w, rest
		}
		m, err := script.Line(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		c := flow.Chunk{Kind: flow.Data, Data: m.Bytes, Side: flow.Client}
		if m.Server {
			c.Side = flow.Server
		}
		switch fate {
		case "unseen":
			conn.Joined = true
			continue
		case "lost":
			c = flow.Chunk{Kind: flow.Gap, Side: c.Side, Lost: uint64(len(m.Bytes)), Reason: flow.Lost}
		}
		chunks = append(chunks, c)
	}
	chunks = append([]flow.Chunk{{Kind: flow.Open}}, append(chunks, flow.Chunk{Kind: flow.Close, Reason: flow.Finished})...)
	o := decode.Options{}
	o.Seed = 1
	d := decode.NewClassic(decode.NewShared(o))
	var events []session.Event
	for i := range chunks {
		chunks[i].Conn, chunks[i].At = conn, int64(i+1)
		if err := d.Decode(&chunks[i], func(e session.Event) error { events = append(events, e); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// player replays the events of one session, as a replay does, and tells what
// happened.
type player struct {
	conn *Conn
	skip map[uint64]session.Skip // commands to be skipped by the caller
	took map[uint64]bool         // file pieces that were asked for
	out  strings.Builder
	// each is called with every recorded command that was sent.
	each func(*session.Command, Answer)
}

func (p *player) play(ctx context.Context, s *Server, events []session.Event) {
	p.took = map[uint64]bool{}
	for i, e := range events {
		switch e := e.(type) {
		case *session.Start:
			c, err := s.Connect(ctx, e)
			if err != nil {
				fmt.Fprintf(&p.out, "no connection: %v\n", err)
				return
			}
			p.conn = c
		case *session.Command:
			p.command(e, events[i+1:])
		case *session.Reply:
			p.conn.Learn(e)
		case *session.Gap:
			p.conn.Gap(e)
		case *session.End:
			if err := p.conn.Close(); err != nil {
				fmt.Fprintf(&p.out, "close: %v\n", err)
			}
		}
	}
}

func (p *player) command(cmd *session.Command, after []session.Event) {
	if p.took[cmd.Seq] {
		return
	}
	fmt.Fprintln(&p.out, session.Line(cmd))
	if why := p.skip[cmd.Seq]; why != 0 {
		p.conn.Skipped(cmd, why)
		fmt.Fprintf(&p.out, "  not sent: %v\n", why)
		return
	}
	file := func() (*session.Command, bool) {
		for _, e := range after {
			if f, ok := e.(*session.Command); ok && !p.took[f.Seq] {
				p.took[f.Seq] = f.Kind == session.FileData
				return f, f.Kind == session.FileData
			}
		}
		return nil, false
	}
	a, err := p.conn.Do(cmd, file)
	if a.Reply != nil {
		fmt.Fprintf(&p.out, "  %s\n", session.Line(a.Reply))
	}
	switch {
	case err != nil:
		fmt.Fprintf(&p.out, "  %v\n", err)
	case a.Skip != 0:
		fmt.Fprintf(&p.out, "  skipped: %v\n", a.Skip)
	case p.each != nil:
		p.each(cmd, a)
	}
}

// pipeTo returns Options that dial a fake server.
func pipeTo(fake *classictest.Server, o Options) Options {
	o.Outcome.Seed = 1
	o.Dial = func(context.Context, *session.Start) (net.Conn, error) { return fake.Pipe(), nil }
	return o
}

// statsLine prints the counts that are not zero.
func statsLine(s Stats) string {
	s.Logins = 0
	var words []string
	add := func(name string, n uint64) {
		if n != 0 {
			words = append(words, fmt.Sprintf("%s=%d", name, n))
		}
	}
	add("attributes", s.AttributesLeftOut)
	add("collations", s.Collations)
	add("not-offered", s.NotOffered)
	if s.Missing != 0 {
		words = append(words, "missing="+s.Missing.String())
	}
	add("uncompressed", s.Uncompressed)
	add("schemas-unknown", s.SchemasUnknown)
	add("files-refused", s.FilesRefused)
	add("files-incomplete", s.FilesIncomplete)
	add("reconnects", s.Reconnects)
	add("kill-queries", s.KillQueries)
	add("params-differ", s.ParamsDiffer)
	add("closed", s.StatementsClosed)
	add("cursor-first", s.CursorFirst)
	add("document-ids", s.DocumentIDs)
	add("mapped", s.Mapped)
	add("ids-unpaired", s.IDsUnpaired)
	add("ids-forgotten", s.IDsForgotten)
	return strings.Join(words, " ")
}

// TestReplay plays recorded conversations against a fake target.
//
//	target               the script of the target (classictest.Server)
//	replay [options]     the recorded conversation; prints each recorded command
//	                     with the target's reply, what the target got, and the
//	                     counts
//
// Options: skip=SEQ (skipped by the caller as a write), users=any|map|one,
// compress=..., limit=BYTES of a reply.
func TestReplay(t *testing.T) {
	datadriven.Walk(t, "testdata/replay", func(t *testing.T, path string) {
		script := ""
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if td.Cmd == "target" {
				script = td.Input
				return ""
			}
			return replayCase(t, td, script)
		})
	})
}

func replayCase(t *testing.T, td *datadriven.TestData, script string) string {
	fake := &classictest.Server{Script: script}
	u, err := Parse("mysql://127.0.0.1/fallback")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Users: OneUser("replay", ""), Schemas: map[string]string{"shop": "shop_test"}}
	p := player{skip: map[uint64]session.Skip{}}
	for _, arg := range td.CmdArgs {
		switch arg.Key {
		case "skip":
			for i := range arg.Vals {
				var n uint64
				arg.Scan(t, i, &n)
				p.skip[n] = session.SkipWrite
			}
		case "users":
			o.Users = testUsers(t, arg.Vals[0])
		case "compress":
			if u.Compression, err = choice(map[string][]string{"compress": arg.Vals}, "compress", compressionNames, CompressOff); err != nil {
				t.Fatal(err)
			}
		case "limit":
			arg.Scan(t, 0, &o.ReplyLimit)
		default:
			t.Fatalf("%s: no option %s", td.Pos, arg.Key)
		}
	}
	s, err := New(u, pipeTo(fake, o))
	if err != nil {
		t.Fatal(err)
	}
	p.play(context.Background(), s, recorded(t, td.Input))
	fake.Wait()
	p.out.WriteString("target got:\n")
	for _, l := range fake.Logins() {
		fmt.Fprintf(&p.out, "  login user=%s schema=%s collation=%d attributes=%d %v\n", l.User, l.Schema, l.Collation, len(l.Attributes), l.Capabilities&(carried|shown))
	}
	for _, g := range fake.Got() {
		fmt.Fprintf(&p.out, "  %s\n", g)
	}
	if st := statsLine(s.Stats()); st != "" {
		fmt.Fprintf(&p.out, "counted: %s\n", st)
	}
	return p.out.String()
}

func testUsers(t testing.TB, kind string) Users {
	switch kind {
	case "any":
		return AnyUser()
	case "map":
		u, err := ParseCredentials(strings.NewReader("[app]\nuser=app2\npassword=a\n[boss]\npassword=b\n"))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	return OneUser("replay", "secret")
}

// shown are further capabilities that the tests print.
const shown = classic.ConnectWithDB | classic.Compress | classic.ZstdCompression | classic.SSL | classic.OptionalMetadata |
	classic.MultiFactorAuth | classic.MariaProgress | classic.MariaCacheMetadata
