package packet

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"myreplay/flow"
	"myreplay/packet/packettest"
)

func TestTorn(t *testing.T) {
	for _, f := range []packettest.Format{{}, {NG: true}} {
		c := dialogue(true)
		file := capture(t, c, f)
		ends := map[int]int{} // offset -> packets before
		for i := range c.Segments {
			part := *c
			part.Segments = c.Segments[:i+1]
			ends[len(capture(t, &part, f))] = i + 1
		}
		whole := 0
		for cut := 1; cut <= len(file); cut++ {
			n, clean := ends[cut]
			if clean {
				whole = n
			}
			s := memorySource(file[:cut], Options{})
			var c flow.Chunk
			var torn *FileError
			err := s.Read(&c)
			for ; err != io.EOF; err = s.Read(&c) {
				if err != nil && !errors.As(err, &torn) {
					t.Fatalf("cut at %d: %v", cut, err)
				}
			}
			if got := s.Stats().Packets; got != uint64(whole) {
				t.Fatalf("cut at %d: %d packets, want %d", cut, got, whole)
			}
			begun := whole > 0 || clean || f.NG && (cut == 28 || cut == 48) || !f.NG && cut == 24 // only headers
			switch {
			case clean || begun && torn == nil && whole == 0:
				if torn != nil {
					t.Fatalf("cut at %d between packets: %v", cut, torn)
				}
			case torn == nil || !errors.Is(torn, io.ErrUnexpectedEOF) || torn.Offset > int64(cut):
				t.Fatalf("cut at %d: error %v", cut, torn)
			}
		}
	}
}

func TestTornPacked(t *testing.T) {
	file := capture(t, dialogue(false), packettest.Format{})
	for name, b := range map[string][]byte{"gzip": gzipped(file), "zstd": zstded(file)} {
		for cut := 5; cut < len(b); cut += 7 {
			s := memorySource(b[:cut], Options{})
			s.from.(*files).in = newInput(name, &unpacker{src: bytes.NewReader(b[:cut])})
			if got := told(t, s); !strings.Contains(got, "error: read "+name) {
				t.Fatalf("%s cut at %d of %d:\n%s", name, cut, len(b), got)
			}
		}
	}
}

func TestFlipped(t *testing.T) {
	for _, f := range []packettest.Format{{}, {NG: true}} {
		file := capture(t, dialogue(false), f)
		for i := range file {
			damaged := bytes.Clone(file)
			damaged[i] ^= 0xff
			s := memorySource(damaged, Options{})
			told(t, s)
			if n := s.Stats().DataBytes; n > uint64(len(file)) {
				t.Fatalf("byte %d: %d bytes of data from a file of %d", i, n, len(file))
			}
		}
	}
}

func TestBadFiles(t *testing.T) {
	le := func(words ...uint32) []byte {
		var b []byte
		for _, w := range words {
			b = append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
		return b
	}
	pcap := le(magicMicros, 2|4<<16, 0, 0, 65535, 1)
	section := le(magicNG, 28, byteOrderMark, 1, ^uint32(0), ^uint32(0), 28)
	ethernet := le(blockInterface, 20, 1, 0, 20)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, bad := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "the file is empty"},
		{"text", []byte("SELECT 1;"), "not a pcap or pcapng file: it begins with 53 45 4c 45"},
		{"a version of pcap from the future", le(magicMicros, 3, 0, 0, 0, 1), "pcap version 3.0 is not known"},
		{"a link type that is not understood", le(magicMicros, 2, 0, 0, 0, 195), "link type 195 is not known"},
		{"a record of 4 GiB", join(pcap, le(0, 0, ^uint32(0), ^uint32(0))), "claims to be 4294967295 bytes long"},
		{"a record longer than the file", join(pcap, le(0, 0, 1000, 1000), make([]byte, 10)), "ends in the middle of a record"},
		{"a section without a byte order", le(magicNG, 28, 7, 1, 0, 0, 28), "a section without a byte order"},
		{"a section that is too short", le(magicNG, 16, byteOrderMark, 16), "claims to be 16 bytes long"},
		{"a section of 4 GiB", le(magicNG, ^uint32(3), byteOrderMark, 1, 0, 0, 28), "claims to be 4294967292 bytes long"},
		{"a version of pcapng from the future", le(magicNG, 28, byteOrderMark, 2, 0, 0, 28), "pcapng version 2.0 is not known"},
		{"a block of length 0", join(section, le(blockPacket, 0, 0)), "claims to be 0 bytes long"},
		{"a block of an odd length", join(section, le(blockPacket, 33, 0)), "claims to be 33 bytes long"},
		{"a block with two lengths", join(section, le(blockInterface, 20, 1, 0, 24)), "is 20 at its beginning and 24 at its end"},
		{"an interface that is too short", join(section, le(blockInterface, 16, 1, 16)), "an interface description is too short"},
		{"a packet before its interface", join(section, le(blockPacket, 32, 0, 0, 0, 0, 0, 32)), "interface 0, which is not described"},
		{"a packet that is too short", join(section, ethernet, le(blockPacket, 16, 0, 16)), "a packet block is too short"},
		{"a packet longer than its block", join(section, ethernet, le(blockPacket, 32, 0, 0, 0, 1000, 1000, 32)), "a packet claims to be 1000 bytes long"},
		{"a simple packet before its interface", join(section, le(blockSimple, 16, 0, 16)), "interface 0, which is not described"},
		{"statistics of no interface", join(section, le(blockStatistics, 24, 5, 0, 0, 24)), "interface 5, which is not described"},
	} {
		got := told(t, memorySource(bad.file, Options{}))
		if !strings.Contains(got, bad.want) || !strings.Contains(got, "read memory: at byte") || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %s", bad.name, got)
		}
	}
}

func TestPcapng(t *testing.T) {
	c := dialogue(false)
	var out bytes.Buffer
	w := packettest.NewWriter(&out, packettest.Format{NG: true, BigEndian: true})
	u16 := func(v ...uint16) (b []byte) {
		for _, v := range v {
			b = append(b, byte(v>>8), byte(v))
		}
		return b
	}
	u32 := func(v ...uint32) (b []byte) {
		for _, v := range v {
			b = append(b, u16(uint16(v>>16), uint16(v))...)
		}
		return b
	}
	block := func(kind uint32, parts ...[]byte) {
		t.Helper()
		if err := w.Block(kind, bytes.Join(parts, nil)); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	// Interface 1: raw IP, units of 2^-20 s, ten seconds late. Interface 2 has a
	// link type that nobody knows.
	block(blockInterface, u16(uint16(LinkRaw), 0), u32(0), u16(optTimeResolution, 1), []byte{0x80 | 20, 0, 0, 0},
		u16(optTimeOffset, 8), u32(0, 10), u16(0, 0))
	block(blockInterface, u16(9999, 0), u32(0))
	block(0x0bad, make([]byte, 3<<20)) // longer than any block that is looked at
	at := func(s *packettest.Segment, binary bool) []byte {
		us := uint64(s.At / 1000)
		if binary {
			us = uint64(s.At/1e9-10)<<20 | (uint64(s.At%1e9)<<20+1e9-1)/1e9
		}
		return u32(uint32(us>>32), uint32(us))
	}
	for i := range c.Segments {
		s := &c.Segments[i]
		frame := c.Frame(s)
		switch i {
		case 3: // on interface 1
			ip := c.IP(s)
			block(blockPacket, u32(1), at(s, true), u32(uint32(len(ip)), uint32(len(ip))), ip)
		case 4: // an old packet block, before which 7 were dropped
			block(blockOldPacket, u16(0, 7), at(s, false), u32(uint32(len(frame)), uint32(len(frame))), frame)
		case 5: // with options: 5 were dropped
			pad := make([]byte, -len(frame)&3)
			block(blockPacket, u32(0), at(s, false), u32(uint32(len(frame)), uint32(len(frame))), frame, pad,
				u16(2, 4), u32(0), u16(optDropCount, 8), u32(0, 5), u16(0, 0))
		case 6: // without a time
			block(blockSimple, u32(uint32(len(frame))), frame)
		case 7: // and one on the unknown interface
			block(blockPacket, u32(2), at(s, false), u32(4, 4), []byte("what"))
			fallthrough
		default:
			w.Packet(s.At, frame)
		}
	}
	// 20 were dropped in all, 12 of which are known.
	block(blockStatistics, u32(0, 0, 0), u16(optReceiverDrops, 8), u32(0, 20), u16(0, 0))
	s := memorySource(out.Bytes(), Options{})
	got := told(t, s)
	for _, want := range []string{
		"300.407µs #1 data server \"greeting\"", "drop 7", "400µs #1 data client \"login\"", "drop 5", "close client finished", "drop 8",
	} {
		i := strings.Index(got, want)
		if i < 0 {
			t.Fatalf("no %q in\n%s", want, got)
		}
		got = got[i:]
	}
	if stats := s.Stats(); stats.SourceDrops != 20 || stats.UnknownLink != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestCapturedTime(t *testing.T) {
	for _, c := range []struct {
		i    captured
		ts   uint64
		want int64
	}{
		{captured{base10: true, exp: 6}, 1_500_000, 1_500_000_000},
		{captured{base10: true, exp: 0}, 3, 3e9},
		{captured{base10: true, exp: 9}, 7, 7},
		{captured{base10: true, exp: 12}, 7500, 7},
		{captured{base10: true, exp: 127}, 1<<64 - 1, 0},
		{captured{base10: true, exp: 6}, 1<<64 - 1, 1<<63 - 1},
		{captured{base10: true, exp: 9}, 1<<64 - 1, 1<<63 - 1},
		{captured{exp: 20}, 3 << 19, 1_500_000_000},
		{captured{exp: 0}, 2, 2e9},
		{captured{exp: 63}, 1 << 62, 500_000_000},
		{captured{exp: 64}, 1<<64 - 1, 0},
		{captured{exp: 0}, 1<<64 - 1, 1<<63 - 1},
		{captured{base10: true, exp: 9, offset: 10}, 5, 10_000_000_005},
		{captured{base10: true, exp: 9, offset: -1}, 5, -999_999_995},
		{captured{base10: true, exp: 9, offset: 1<<63 - 1}, 1 << 62, 1<<63 - 1},
	} {
		if got := c.i.time(c.ts); got != c.want {
			t.Errorf("%+v at %d: %d, want %d", c.i, c.ts, got, c.want)
		}
	}
}

func TestBomb(t *testing.T) {
	zeros := append(capture(t, dialogue(false), packettest.Format{})[:24], make([]byte, 8<<20)...)
	for _, file := range [][]byte{gzipped(zeros), zstded(zeros)} {
		s := unpackedSource(file, Options{})
		if got := told(t, s); got != "" {
			t.Error(got)
		}
		if n := s.Stats().Malformed; n != 8<<20/recordHeader {
			t.Errorf("%d packets", n)
		}
	}
	// A zstd frame that asks for a window of 3 TiB.
	if got := told(t, unpackedSource([]byte("\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00"), Options{})); !strings.Contains(got, "window size exceeded") {
		t.Error(got)
	}
}
