package packet

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"

	"myreplay/flow"
	"myreplay/packet/packettest"
)

// The traffic of the benchmarks: sessions that ask with 120 bytes, are answered
// with 300 and acknowledge, interleaved, in the classic pcap format.
const (
	benchSessions = 1000
	benchRounds   = 100
)

var benchFile []byte

func benchPcap(b *testing.B) ([]byte, int) {
	packets := benchSessions * (3 + 3*benchRounds)
	if benchFile == nil {
		var out bytes.Buffer
		w := packettest.NewWriter(&out, packettest.Format{})
		sessions := make([]*packettest.Conversation, benchSessions)
		at := time.Unix(1767225600, 0)
		write := func(c *packettest.Conversation) {
			for i := range c.Segments {
				at = at.Add(10 * time.Microsecond)
				if err := w.Packet(at.UnixNano(), c.Frame(&c.Segments[i])); err != nil {
					b.Fatal(err)
				}
			}
			c.Segments = c.Segments[:0]
		}
		server := netip.MustParseAddrPort("10.0.0.1:3306")
		for i := range sessions {
			client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), uint16(30000+i))
			sessions[i] = packettest.NewConversation(client, server)
			sessions[i].Open()
			write(sessions[i])
		}
		question, answer := make([]byte, 120), make([]byte, 300)
		for range benchRounds {
			for _, c := range sessions {
				c.Send(flow.Client, question)
				c.Send(flow.Server, answer)
				c.Ack(flow.Client)
				write(c)
			}
		}
		benchFile = out.Bytes()
	}
	b.SetBytes(int64(len(benchFile)))
	b.ReportAllocs()
	return benchFile, packets
}

// reportPackets adds the number of packets a second.
func reportPackets(b *testing.B, packets int) {
	b.ReportMetric(float64(packets)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpkt/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(packets*b.N), "ns/pkt")
}

func BenchmarkRecords(b *testing.B) {
	file, packets := benchPcap(b)
	for b.Loop() {
		r, err := openRecords(newInput("bench", bytes.NewReader(file)))
		if err != nil {
			b.Fatal(err)
		}
		var p rawPacket
		for err = r.next(&p); err == nil; err = r.next(&p) {
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
	reportPackets(b, packets)
}

func BenchmarkDecode(b *testing.B) {
	file, packets := benchPcap(b)
	for b.Loop() {
		r, err := openRecords(newInput("bench", bytes.NewReader(file)))
		if err != nil {
			b.Fatal(err)
		}
		var stats Stats
		d := decoder{fragments: defragmenter{stats: &stats}}
		var p rawPacket
		var tcp tcpPacket
		for err = r.next(&p); err == nil; err = r.next(&p) {
			if v := d.decode(&p, &tcp); v != isTCP {
				b.Fatal(v)
			}
		}
	}
	reportPackets(b, packets)
}

// BenchmarkSource is the whole way from a file's bytes to chunks.
func BenchmarkSource(b *testing.B) {
	for _, bench := range []struct {
		name string
		o    Options
	}{
		{"all", Options{}},
		{"ports", Options{Ports: []uint16{3306}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			file, packets := benchPcap(b)
			for b.Loop() {
				s := memorySource(file, bench.o)
				var c flow.Chunk
				var n int
				var err error
				for err = s.Read(&c); err == nil; err = s.Read(&c) {
					n += len(c.Data)
				}
				if err != io.EOF || n != benchSessions*benchRounds*420 {
					b.Fatal(n, err)
				}
			}
			reportPackets(b, packets)
		})
	}
}

// memorySource reads a file's bytes without a goroutine.
func memorySource(file []byte, o Options) *Source {
	f := &files{names: []string{"memory"}, stop: newStopper(), in: newInput("memory", bytes.NewReader(file))}
	return newSource(f, o, f.stop)
}

// BenchmarkGopacket is the same way with gopacket's decoder and reassembly.
func BenchmarkGopacket(b *testing.B) {
	file, packets := benchPcap(b)
	for b.Loop() {
		r, err := pcapgo.NewReader(bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		var eth layers.Ethernet
		var ip4 layers.IPv4
		var tcp layers.TCP
		parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip4, &tcp)
		parser.IgnoreUnsupported = true
		var decoded []gopacket.LayerType
		factory := &countFactory{}
		a := reassembly.NewAssembler(reassembly.NewStreamPool(factory))
		var ctx countContext
		for {
			data, ci, err := r.ZeroCopyReadPacketData()
			if err == io.EOF {
				break
			}
			if err := parser.DecodeLayers(data, &decoded); err != nil {
				b.Fatal(err)
			}
			ctx.ci = ci
			a.AssembleWithContext(ip4.NetworkFlow(), &tcp, &ctx)
		}
		a.FlushAll()
		if factory.n != benchSessions*benchRounds*420 {
			b.Fatal(factory.n)
		}
	}
	reportPackets(b, packets)
}

type countFactory struct{ n int }

func (f *countFactory) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return &countStream{f}
}

type countStream struct{ f *countFactory }

func (*countStream) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

func (s *countStream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	n, _ := sg.Lengths()
	s.f.n += len(sg.Fetch(n))
}

func (*countStream) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }

type countContext struct{ ci gopacket.CaptureInfo }

func (c *countContext) GetCaptureInfo() gopacket.CaptureInfo { return c.ci }
