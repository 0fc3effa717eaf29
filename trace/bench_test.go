package trace

import (
	"strings"
	"testing"

	"myreplay/flow"
)

// BenchmarkTrace traces a busy connection of each protocol: statements with two
// rows, as default lines, as verbose lines, as JSON. An operation is one message.
func BenchmarkTrace(b *testing.B) {
	x := "C StmtExecute SELECT a, b FROM t WHERE a = 12345\nS Column a SINT\nS Column b BYTES\nS Row 1 one\nS Row 2 two\nS FetchDone\nS Notice state 4 0\nS StmtExecuteOk\n"
	classic := "C query select a, b from t where a = 12345\nS rows a:int b:varchar | 1 one | 2 two\n"
	for _, protocol := range []struct {
		name, login, work string
	}{
		{"x", "S Notice hello\nC AuthenticateStart PLAIN shop app x\nS AuthenticateOk\n", x},
		{"classic", "S greeting\nC login user=app\nS ok\n", classic},
	} {
		list, _ := conversation(b, protocol.name == "x", protocol.login+strings.Repeat(protocol.work, 100))
		for _, form := range []string{"names", "verbose", "json"} {
			b.Run(protocol.name+"/"+form, func(b *testing.B) { benchmark(b, list, form) })
		}
	}
}

func benchmark(b *testing.B, list []piece, form string) {
	tr := New(Options{Detail: form != "names"})
	var line []byte
	n, bytes := 0, 0
	emit := func(m *Message) error {
		n++
		if form == "json" {
			line = m.AppendJSON(line[:0])
		} else {
			line = m.AppendLine(line[:0], form == "verbose")
		}
		bytes += len(line)
		return nil
	}
	send := func(c flow.Chunk) {
		if err := tr.Chunk(&c, emit); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for n < b.N {
		conn := &flow.Conn{ID: 1}
		send(flow.Chunk{Kind: flow.Open, Conn: conn})
		for _, p := range list {
			send(flow.Chunk{Kind: flow.Data, Side: p.side, Conn: conn, Data: p.data})
		}
		send(flow.Chunk{Kind: flow.Close, Conn: conn})
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}
