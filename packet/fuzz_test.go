package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"

	"myreplay/flow"
	"myreplay/packet/packettest"
)

// readRecords reads all packets and checks that each lies within the file.
func readRecords(t *testing.T, file []byte) {
	in := newInput("fuzz", bytes.NewReader(file))
	r, err := openRecords(in)
	var p rawPacket
	var total int
	for err == nil || err == errDrops {
		if err = r.next(&p); err == nil {
			total += len(p.data)
			if p.wire < len(p.data) || p.wire > max(maxRecord, len(p.data)) {
				t.Fatalf("%d bytes of %d", len(p.data), p.wire)
			}
		}
	}
	var bad *FileError
	if err != io.EOF && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	if total > len(file) || len(in.buf) > 2*maxBlock {
		t.Fatalf("%d bytes of packets, %d of buffer, from a file of %d", total, len(in.buf), len(file))
	}
}

func FuzzPcap(f *testing.F) {
	f.Add(capture(f, dialogue(false), packettest.Format{}))
	f.Add(capture(f, dialogue(true), packettest.Format{BigEndian: true, Nanos: true, Snaplen: 60}))
	f.Fuzz(readRecords)
}

func FuzzPcapng(f *testing.F) {
	f.Add(capture(f, dialogue(false), packettest.Format{NG: true}))
	f.Add(capture(f, dialogue(true), packettest.Format{NG: true, BigEndian: true, Nanos: true, Snaplen: 60}))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) >= 4 {
			binary.LittleEndian.PutUint32(file, magicNG)
		}
		readRecords(t, file)
	})
}

func FuzzDecode(f *testing.F) {
	v4, v6, _, _ := testPackets()
	for _, ip := range [][]byte{v4, v6} {
		f.Add(uint16(LinkRaw), ip, 0)
		f.Add(uint16(LinkEthernet), packettest.AppendEthernet(nil, []uint16{1, 2}, ip), 0)
		for _, piece := range packettest.Fragments(ip, 16, 9) {
			f.Add(uint16(LinkRaw), piece, 3)
		}
	}
	f.Fuzz(func(t *testing.T, link uint16, frame []byte, more int) {
		var stats Stats
		d := newDecoder(&Options{Limits: DefaultLimits}, &stats)
		raw := rawPacket{data: frame, wire: wireLen(uint32(len(frame)+more), len(frame)), link: LinkType(link)}
		for range 2 {
			var p tcpPacket
			if d.decode(&raw, &p) != isTCP {
				continue
			}
			if len(p.data) > int(p.size) || int64(p.size) > maxRecord+maxDatagram {
				t.Fatalf("%d bytes of %d", len(p.data), p.size)
			}
		}
	})
}

// readChunks reads a source and checks the rules of chunks.
func readChunks(t *testing.T, s *Source) (data int, told []byte) {
	open := map[*flow.Conn]bool{}
	var lastID uint64
	for n := 0; ; n++ {
		var c flow.Chunk
		err := s.Read(&c)
		if err == io.EOF {
			break
		}
		var bad *FileError
		if err != nil {
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
			continue
		}
		switch c.Kind {
		case flow.Open:
			if c.Conn.ID != lastID+1 || open[c.Conn] {
				t.Fatalf("open %d after %d", c.Conn.ID, lastID)
			}
			lastID, open[c.Conn] = c.Conn.ID, true
		case flow.Data:
			if len(c.Data) == 0 {
				t.Fatal("an empty data chunk")
			}
			data += len(c.Data)
			fallthrough
		case flow.Gap, flow.Close:
			if !open[c.Conn] {
				t.Fatalf("%v of a connection that is not open", c.Kind)
			}
			open[c.Conn] = c.Kind != flow.Close
		}
		told = append(append(told, byte(c.Kind), byte(c.Side), byte(c.Reason)), c.Data...)
		told = binary.AppendUvarint(told, c.Lost)
	}
	for c, still := range open {
		if still {
			t.Fatalf("connection %d was not closed", c.ID)
		}
	}
	if s.asm.held != 0 || len(s.asm.heap) != 0 {
		t.Fatalf("%d bytes are held, %d wait", s.asm.held, len(s.asm.heap))
	}
	return data, told
}

var fuzzLimits = Limits{StreamBytes: 4000, TotalBytes: 8000, StreamSegments: 16, Conns: 8, FragmentBytes: 2000, Fragments: 3}

func FuzzSource(f *testing.F) {
	f.Add(capture(f, dialogue(false), packettest.Format{}))
	f.Add(capture(f, dialogue(true), packettest.Format{NG: true, Snaplen: 80}))
	f.Add(gzipped(capture(f, dialogue(true), packettest.Format{})))
	f.Fuzz(func(t *testing.T, file []byte) {
		read := func() (int, []byte) { return readChunks(t, unpackedSource(file, Options{Limits: fuzzLimits})) }
		data, told := read()
		if packed(file) {
			return // may be larger unpacked
		}
		if data > len(file) {
			t.Fatalf("%d bytes from a file of %d", data, len(file))
		}
		if _, again := read(); !bytes.Equal(told, again) {
			t.Fatal("the same file told something else")
		}
	})
}

// unpackedSource is memorySource for a file that may be compressed.
func unpackedSource(file []byte, o Options) *Source {
	s := memorySource(nil, o)
	s.from.(*files).in = newInput("memory", &unpacker{src: bytes.NewReader(file)})
	return s
}

// FuzzAssemble makes segments of the input, seven bytes each, whose numbers are
// near each other so that they have something to do with each other.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 0, 0, 0, 1, 18, 0, 1, 0, 0, 0, 0, 24, 1, 1, 30, 0, 0, 1, 24, 1, 31, 5, 0, 0})
	f.Add(bytes.Repeat([]byte{1, 24, 7, 9, 200, 50, 1, 0, 24, 9, 7, 100, 2, 0}, 20))
	f.Fuzz(func(t *testing.T, script []byte) {
		run := func() []byte {
			s := memorySource(nil, Options{Ports: []uint16{3306}, Limits: fuzzLimits})
			s.from = &scripted{script: script, payload: make([]byte, 600)}
			_, told := readChunks(t, s)
			if most := fuzzLimits.TotalBytes + 2*holdOverhead + fuzzLimits.StreamSegments*(segmentOverhead+2048); s.stats.HeldPeak > most {
				t.Fatalf("%d bytes were held", s.stats.HeldPeak)
			}
			if s.asm.table.n > fuzzLimits.Conns {
				t.Fatalf("%d connections", s.asm.table.n)
			}
			return told
		}
		if !bytes.Equal(run(), run()) {
			t.Fatal("the same segments told something else")
		}
	})
}

// scripted is a packetSource of raw IP packets.
type scripted struct {
	script  []byte
	payload []byte
	at      int64
}

func (f *scripted) close() {}

func (f *scripted) next(p *rawPacket) error {
	if len(f.script) < 7 {
		return io.EOF
	}
	b := f.script[:7]
	f.script = f.script[7:]
	c := packettest.NewConversation(lawClient, lawServer)
	c.Client = netip.AddrPortFrom(c.Client.Addr(), 40000+uint16(b[0]>>4))
	s := packettest.Segment{
		Side: flow.Side(b[0] & 1), Flags: b[1] & 31,
		Seq: uint32(b[2])*8 - 100, Ack: uint32(b[3])*8 - 100, Data: f.payload[:int(b[4])*2],
	}
	if b[0]&2 != 0 {
		s.Seq += uint32(b[5]) << 24
	}
	f.at += int64(b[6]) * int64(b[6]) * int64(b[6]) * 1e3
	ip := c.IP(&s)
	*p = rawPacket{at: f.at, data: ip, wire: len(ip), link: LinkRaw}
	if b[0]&4 != 0 && len(s.Data) > 0 {
		p.data = ip[:len(ip)-len(s.Data)/2]
	}
	return nil
}
