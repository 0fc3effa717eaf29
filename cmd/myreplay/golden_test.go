package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"myreplay/capture"
	"myreplay/classic"
	"myreplay/flow"
	"myreplay/internal/mysqltest"
	"myreplay/packet"
	"myreplay/packet/packettest"
	"myreplay/session"
)

// TestGolden takes real traffic, recorded by tcpdump, and loses one TCP segment
// after the other: as they were on the wire, and cut into small ones. Whatever
// is lost, no command may appear that was not sent, no answer that was not
// given, and what is missing must be told. With -rewrite the traffic is recorded
// anew.
func TestGolden(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(kind.String(), func(t *testing.T) {
			file := filepath.Join("testdata", "golden", kind.String()+".pcap")
			if rewriting() {
				recordGolden(t, kind, file)
			}
			asSent, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			small := cutSmall(t, asSent)
			t.Run("as sent", func(t *testing.T) { loseEach(t, asSent, 1) })
			t.Run("cut small", func(t *testing.T) { loseEach(t, small, 1) })
			t.Run("cut small, three in a row", func(t *testing.T) { loseEach(t, small, 3) })
			t.Run("joined late", func(t *testing.T) { joinEach(t, small) })
		})
	}
}

// everyPlace is the distance of the places where something is lost: all of them,
// or fewer in -short mode.
func everyPlace() int {
	if testing.Short() {
		return 7
	}
	return 1
}

// loseEach takes n packets out of a recording, at every place.
func loseEach(t *testing.T, pcap []byte, n int) {
	packets := packetsOf(pcap)
	whole := decodePcap(t, pcap, goldenPort(pcap))
	for _, g := range pick[*session.Gap](whole) {
		t.Fatalf("the whole recording has a gap: %s", session.Line(g))
	}
	total := len(pick[*session.Command](whole))
	if total < 30 {
		t.Fatalf("the whole recording has only %d commands", total)
	}
	kept, tries := 0, 0
	for i := 0; i+n <= len(packets); i += everyPlace() {
		damaged := slices.Concat(pcap[:pcapHead], slices.Concat(packets[:i]...), slices.Concat(packets[i+n:]...))
		events := decodePcap(t, damaged, goldenPort(pcap))
		checkDamaged(t, fmt.Sprintf("without packet %d", i), events, whole)
		kept += len(pick[*session.Command](events))
		tries++
	}
	t.Logf("%d packets, %d commands; %.1f%% of them are left when %d are lost", len(packets), total, 100*float64(kept)/float64(tries*total), n)
	if kept < tries*total*8/10 {
		t.Errorf("of %d commands only %d are left on average", total, kept/tries)
	}
}

// joinEach begins the recording at every packet.
func joinEach(t *testing.T, pcap []byte) {
	packets, port := packetsOf(pcap), goldenPort(pcap)
	whole := byClient(decodePcap(t, pcap, port))
	most := 0
	for i := 1; i < len(packets); i += everyPlace() {
		events := decodePcap(t, slices.Concat(pcap[:pcapHead], slices.Concat(packets[i:]...)), port)
		for client, g := range byClient(events) {
			if w := whole[client]; w != nil {
				checkConnection(t, fmt.Sprintf("from packet %d on, %s", i, client), g, w)
				most = max(most, len(g.commands))
			} else {
				t.Errorf("from packet %d on: a connection that there was not: %s", i, client)
			}
		}
	}
	if most < 20 {
		t.Errorf("at most %d commands of a connection were found", most)
	}
}

// told is what a recording says of one connection.
type told struct {
	commands []*session.Command
	texts    []string          // the commands' statement texts, "" where unknown
	replies  map[uint64]string // by the command's number
	unsure   bool              // something is said to be missing
}

// byClient sorts events by the client's address, which tells connections apart
// whatever number they were given.
func byClient(events []session.Event) map[string]*told {
	all, ids := map[string]*told{}, map[uint64]*told{}
	var texts session.Texts
	for _, e := range events {
		id, _ := e.Key()
		if s, ok := e.(*session.Start); ok {
			ids[id] = &told{replies: map[uint64]string{}, unsure: s.Joined || s.Protocol == session.Unknown}
			all[s.Client.String()] = ids[id]
		}
		d := ids[id]
		switch e := e.(type) {
		case *session.Command:
			d.commands = append(d.commands, e)
			d.texts = append(d.texts, string(texts.SQL(e)))
		case *session.Reply:
			d.unsure = d.unsure || e.Lost
			if !e.Lost {
				d.replies[e.Seq] = answerOf(e)
			}
		case *session.Gap:
			if d != nil {
				d.unsure = true
			}
		}
		texts.See(e)
	}
	return all
}

// answerOf is what a reply says, without its number.
func answerOf(r *session.Reply) string {
	numberless := *r
	numberless.ID, numberless.Seq = 0, 0
	return session.Line(&numberless)
}

// checkDamaged compares what is left with the whole recording.
func checkDamaged(t *testing.T, what string, events, whole []session.Event) {
	t.Helper()
	got, want := byClient(events), byClient(whole)
	for client, g := range got {
		w := want[client]
		if w == nil {
			t.Errorf("%s: a connection that there was not: %s", what, client)
			continue
		}
		checkConnection(t, what+", "+client, g, w)
	}
	for client := range want {
		if got[client] == nil {
			t.Errorf("%s: nothing is said of %s", what, client)
		}
	}
}

// checkConnection checks that the commands of g are commands of w in their
// order, with their statement's text and answer.
func checkConnection(t *testing.T, what string, g, w *told) {
	t.Helper()
	next := 0
	for i, c := range g.commands {
		for next < len(w.commands) && !sameCommand(c, w.commands[next]) {
			next++
		}
		if next == len(w.commands) {
			t.Errorf("%s: a command that was not sent, or out of order: %s", what, session.Line(c))
			return
		}
		if g.texts[i] != "" && g.texts[i] != w.texts[next] {
			t.Errorf("%s: %s is taken for %q, but was %q", what, session.Line(c), g.texts[i], w.texts[next])
		}
		if a, ok := g.replies[c.Seq]; ok && a != w.replies[w.commands[next].Seq] && !strings.Contains(a, "digest=?") && !strings.Contains(a, "columns=?") {
			t.Errorf("%s: %s has the answer %s, but got %s", what, session.Line(c), a, w.replies[w.commands[next].Seq])
		}
		next++
	}
	if missing := len(w.commands) - len(g.commands) + len(w.replies) - len(g.replies); missing > 0 && !g.unsure {
		t.Errorf("%s: %d commands and answers are missing, and nothing is said of it", what, missing)
	}
}

// sameCommand tells whether two commands are the same one: sent at the same
// moment with the same bytes. Of a turn of several commands that a search has
// found, only its first and last byte have their own time.
func sameCommand(a, b *session.Command) bool {
	return (a.At == b.At || a.End == b.End) && a.Kind == b.Kind && a.Size == b.Size && bytes.Equal(a.Payload, b.Payload)
}

// decodePcap decodes a recording as capture does.
func decodePcap(t *testing.T, pcap []byte, port uint16) []session.Event {
	t.Helper()
	src := packet.OpenReader("golden", bytes.NewReader(pcap), packet.Options{Ports: []uint16{port}})
	defer src.Close()
	var sink eventList
	if err := capture.New(&sink, capture.Options{Decode: decodeSeed(1)}).Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	return sink
}

// eventList is a sink that keeps all events.
type eventList []session.Event

// Write implements capture.Sink.
func (l *eventList) Write(e session.Event) error { *l = append(*l, e); return nil }

// Tick implements capture.Sink.
func (l *eventList) Tick(int64) error { return nil }

// Lengths in a pcap file with microseconds, and in the packets of loopback.
const (
	pcapHead   = 24
	recordHead = 16
	ethernet   = 14
)

// packetsOf cuts a pcap file into its records.
func packetsOf(pcap []byte) [][]byte {
	var list [][]byte
	for rest := pcap[pcapHead:]; len(rest) >= recordHead; {
		n := recordHead + int(binary.LittleEndian.Uint32(rest[8:]))
		list, rest = append(list, rest[:n]), rest[n:]
	}
	return list
}

// goldenPort returns the port that the first packet, a SYN, is sent to.
func goldenPort(pcap []byte) uint16 {
	ip := pcap[pcapHead+recordHead+ethernet:]
	return binary.BigEndian.Uint16(ip[int(ip[0]&15)*4+2:])
}

// smallSegment is the most that a segment carries after cutSmall.
const smallSegment = 400

// cutSmall puts the same bytes into smaller packets.
func cutSmall(t *testing.T, pcap []byte) []byte {
	t.Helper()
	src := packet.OpenReader("golden", bytes.NewReader(pcap), packet.Options{Ports: []uint16{goldenPort(pcap)}})
	defer src.Close()
	var out bytes.Buffer
	w := packettest.NewWriter(&out, packettest.Format{})
	conns := map[*flow.Conn]*packettest.Conversation{}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var c flow.Chunk
	for src.Read(&c) == nil {
		p := conns[c.Conn]
		if c.Kind == flow.Open {
			p = packettest.NewConversation(c.Conn.Client, c.Conn.Server)
			p.MSS, p.At = smallSegment, at
			conns[c.Conn] = p
			p.Open()
		}
		switch c.Kind {
		case flow.Data:
			p.At = at
			p.Send(c.Side, bytes.Clone(c.Data))
		case flow.Close:
			p.At = at
			p.Close(flow.Client)
		}
		if p == nil {
			continue
		}
		if err := p.Write(w); err != nil {
			t.Fatal(err)
		}
		p.Segments, at = nil, p.At
	}
	return out.Bytes()
}

// recordGolden records the traffic with tcpdump.
func recordGolden(t *testing.T, kind mysqltest.Kind, file string) {
	s := mysqltest.Start(t, kind, mysqltest.NoTLS())
	s.Exec(t, "CREATE TABLE golden (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(2000))")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		mysqltest.Unavailable(t, errors.New("capturing takes root"))
	}
	said := &spoken{}
	cmd := mysqltest.Tool(t, "tcpdump", "-i", "lo", "-U", "--immediate-mode", "-w", file, fmt.Sprintf("port %d", s.Port))
	cmd.Stderr = said
	p := mysqltest.Background(t, cmd)
	for !strings.Contains(said.String(), "listening on") {
		time.Sleep(10 * time.Millisecond)
	}
	goldenTraffic(&client{t, s, s.Addr})
	time.Sleep(500 * time.Millisecond)
	if err := errors.Join(p.Signal(os.Interrupt), p.Wait()); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
}

// goldenTraffic is a bit of everything, by two clients at once and two others:
// texts, prepared statements, a transaction, answers and statements of several
// packets, errors, compression.
func goldenTraffic(c *client) {
	a, b := c.driver("multiStatements=true"), c.driver("")
	for i := range 5 {
		a.exec(fmt.Sprintf("INSERT INTO golden (text) VALUES ('row %d of a'), ('%s')", i, longText(700+i)))
		b.exec("INSERT INTO golden (text) VALUES (?)", fmt.Sprintf("row %d of b", i))
		a.read("SELECT id, text FROM golden WHERE id <= ? ORDER BY id", 3*i)
	}
	b.exec("START TRANSACTION")
	b.exec("UPDATE golden SET text = CONCAT(text, '!') WHERE id < ?", 5)
	a.read("SELECT 1; SELECT id, text FROM golden ORDER BY id; SELECT 'last'")
	b.exec("COMMIT")
	b.fails(1146, "SELECT * FROM nosuch")
	a.fails(1062, "INSERT INTO golden VALUES (1, 'again')")
	b.read("SELECT g.text, h.id FROM golden g JOIN golden h ORDER BY g.id, h.id LIMIT 40")
	a.exec("INSERT INTO golden (text) SELECT '"+longText(1500)+"' WHERE 1 = ?", 1)
	a.Close()
	b.Close()
	c.program("mysql", "--compress", mysqltest.Schema, "-e", "SELECT COUNT(*) FROM golden; SELECT id, text FROM golden ORDER BY id; SELECT 'done'")
	r := c.raw(classic.DeprecateEOF | classic.SessionTrack)
	r.query("SET autocommit = 0")
	r.query("UPDATE golden SET text = 'raw' WHERE id = 2")
	id := r.prepare("SELECT id FROM golden WHERE id < 9 ORDER BY id")
	for range 3 {
		r.do(classic.ComStmtExecute, classic.AppendExecute(nil, r.state.Caps, id, 0, nil)[1:]...)
	}
	r.query("ROLLBACK")
	r.do(classic.ComResetConnection)
	id = r.prepare("SELECT text FROM golden WHERE id < 9 ORDER BY id")
	r.do(classic.ComStmtExecute, classic.AppendExecute(nil, r.state.Caps, id, 0, nil)[1:]...)
	r.do(classic.ComStmtClose, binary.LittleEndian.AppendUint32(nil, id)...)
	r.do(classic.ComPing)
	r.Close()
}
