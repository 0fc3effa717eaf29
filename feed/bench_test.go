package feed

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"myreplay/session"
)

// benchEvents makes the events of sessions that run statements as sysbench does.
func benchEvents(statements int) []session.Event {
	var list []session.Event
	at := int64(1763697000_000000000)
	for id := range uint64(8) {
		list = append(list, &session.Start{ID: id + 1, At: at, Protocol: session.Classic, Login: session.Login{Known: true, User: "cap"}})
	}
	for i := range statements {
		id, seq := uint64(i%8+1), uint64(i/8+1)
		sql := fmt.Sprintf("SELECT c FROM sbtest1 WHERE id=%d", i*7919%100000)
		if i%10 == 0 {
			sql = fmt.Sprintf("UPDATE sbtest1 SET c='%s' WHERE id=%d", strings.Repeat(fmt.Sprintf("%011d-", i*104729), 10), i*7919%100000)
		}
		at += 25_000
		c := &session.Command{ID: id, Seq: seq, At: at, End: at, Kind: session.Query, Code: 3, Payload: append([]byte{3}, sql...)}
		c.SQL, c.Size = c.Payload[1:], uint64(len(c.Payload))
		d := uint64(i) * 0x9e3779b97f4a7c15
		list = append(list, c, &session.Reply{ID: id, Seq: seq, First: at + 90_123, Last: at + 90_123, Bytes: 211,
			Results: []session.Result{{Outcome: session.Rows, Status: 2, Rows: 1, Digest: session.Digest{Ordered: d, Unordered: d, Valid: true}}}})
	}
	return list
}

// BenchmarkFeed measures a feed over the loopback, both sides in this process:
// an operation is one command with its reply. "max" writes as fast as it goes,
// "paced" 10,000 commands a second.
func BenchmarkFeed(b *testing.B) {
	for _, mode := range []string{"max", "max-compressed", "paced", "paced-none"} {
		b.Run(mode, func(b *testing.B) {
			paced := strings.HasPrefix(mode, "paced")
			ak, mk := pair(b)
			l := listen(b, ListenOptions{Keys: ak})
			var bytes atomic.Int64
			c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk, Compress: strings.HasSuffix(mode, "compressed"),
				Dial: countingDial(l.Addr().String(), &bytes)})
			if err != nil {
				b.Fatal(err)
			}
			s, err := l.Accept(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			s.Accept()
			go func() {
				for _, err := s.Read(); err == nil; _, err = s.Read() {
					s.Ack()
				}
			}()
			events := benchEvents(50000)
			for _, ev := range events[:8] {
				c.Write(ev)
			}
			for !c.Stats().Up {
				time.Sleep(time.Millisecond)
			}
			bytes.Store(0)
			before := cpu()
			b.ResetTimer()
			began := time.Now()
			for i := range b.N {
				k := 8 + 2*(i%50000)
				if mode != "paced-none" {
					c.Write(events[k])
					c.Write(events[k+1])
				}
				if i%1000 == 0 { // without End, to keep the sessions: ids repeat
					for !paced && c.Stats().Waiting > 8<<20 {
						time.Sleep(100 * time.Microsecond)
					}
				}
				if paced && i%10 == 0 {
					time.Sleep(time.Until(began.Add(time.Duration(i) * 100 * time.Microsecond)))
				}
			}
			for c.Tick(0); c.Stats().Waiting > 0; c.Tick(0) {
				time.Sleep(100 * time.Microsecond)
			}
			b.StopTimer()
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-ms/1k")
			b.ReportMetric(float64(bytes.Load())/float64(b.N), "B/command")
			if s := c.Stats(); s.Lost > 0 {
				b.Logf("%+v", s)
			}
			c.Close()
		})
	}
}

// cpu returns the CPU time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
