package capfile

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"myreplay/session"
)

var benchModes = []struct {
	name     string
	prepared bool
}{{"text", false}, {"prepared", true}}

const benchStatements = 50000

var benchEvents = map[bool][]session.Event{}

func benchStream(prepared bool) []session.Event {
	if benchEvents[prepared] == nil {
		benchEvents[prepared] = sysbenchEvents(benchStatements, prepared)
	}
	return benchEvents[prepared]
}

// BenchmarkWrite measures the whole way to the disk; an operation is one event
// and bytes/statement is what is on disk in the end, footer included.
func BenchmarkWrite(b *testing.B) {
	for _, mode := range benchModes {
		b.Run(mode.name, func(b *testing.B) {
			events := benchStream(mode.prepared)
			dir := b.TempDir()
			b.ReportAllocs()
			b.ResetTimer()
			var size int64
			for done := 0; done < b.N; done += len(events) {
				d := filepath.Join(dir, fmt.Sprint(done))
				w, err := Create(d, Meta{Kind: KindCapture}, Options{Policy: Wait, FlushEvery: -1, SyncEvery: -1})
				if err != nil {
					b.Fatal(err)
				}
				for _, ev := range events[:min(len(events), b.N-done)] {
					if err := w.Write(ev); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				info, err := os.Stat(filepath.Join(d, segmentName(1)))
				if err != nil {
					b.Fatal(err)
				}
				size += info.Size()
				os.RemoveAll(d)
			}
			b.ReportMetric(float64(size)/float64(b.N)*2, "B/statement")
		})
	}
}

// BenchmarkEncode measures what Write costs its caller.
func BenchmarkEncode(b *testing.B) {
	for _, mode := range benchModes {
		b.Run(mode.name, func(b *testing.B) {
			events := benchStream(mode.prepared)
			w := &Writer{queue: make(chan *job, 1), free: make(chan *job, 2), store: &store{}}
			w.opts, _ = Options{Policy: Wait}.complete()
			w.enc.reset()
			go func() {
				for j := range w.queue {
					w.recycle(j)
				}
			}()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if err := w.Write(events[i%len(events)]); err != nil {
					b.Fatal(err)
				}
			}
			close(w.queue)
		})
	}
}

// BenchmarkPack measures compressing a block; an operation is one event.
func BenchmarkPack(b *testing.B) {
	for _, mode := range benchModes {
		b.Run(mode.name, func(b *testing.B) {
			var e encoder
			e.reset()
			for _, ev := range benchStream(mode.prepared) {
				if e.add(ev); e.size() >= defaultBlock {
					break
				}
			}
			p, err := newPacker()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += int(e.events) {
				p.pack(&e.b)
			}
		})
	}
}

// BenchmarkRead measures Next; an operation is one event.
func BenchmarkRead(b *testing.B) {
	for _, mode := range benchModes {
		b.Run(mode.name, func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "c")
			writeAll(b, dir, Options{Policy: Wait, FlushEvery: -1}, benchStream(mode.prepared))
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; {
				r, err := Open(dir)
				if err != nil {
					b.Fatal(err)
				}
				for ; n < b.N; n++ {
					if _, err := r.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				r.Close()
			}
		})
	}
}
