package packet

import (
	"encoding/binary"
	"fmt"
	"io"
)

// recordReader reads the packets of one capture file. Its errors are io.EOF at
// the end, errIdle, errDrops (p.drops packets are missing here), or a *FileError.
type recordReader interface {
	next(p *rawPacket) error
}

// maxRecord is the longest packet that is read. libpcap's own limit is a quarter
// of it.
const maxRecord = 1 << 20

// Magic numbers of pcap files, in the byte order of the reader.
const (
	magicMicros = 0xa1b2c3d4
	magicNanos  = 0xa1b23c4d
	magicNG     = 0x0a0d0d0a // pcapng's section header block
)

const (
	pcapHeader   = 24
	recordHeader = 16
)

// openRecords reads the file's header and returns the reader for what follows.
// It may return errIdle, and be called again later.
func openRecords(in *input) (recordReader, error) {
	if err := in.need(4); err != nil {
		switch err {
		case io.EOF:
			return nil, in.fail("the file is empty", io.ErrUnexpectedEOF)
		default:
			return nil, in.torn(err, "the header")
		}
	}
	b := in.bytes(4)
	if binary.LittleEndian.Uint32(b) == magicNG {
		return &pcapngReader{in: in}, nil
	}
	for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(b) {
		case magicMicros:
			return openPcap(in, order, 1000)
		case magicNanos:
			return openPcap(in, order, 1)
		}
	}
	if packed(b) {
		return nil, in.fail("a compressed file cannot be followed", nil)
	}
	return nil, in.fail(fmt.Sprintf("not a pcap or pcapng file: it begins with % x", b), nil)
}

// byteOrder is what both of encoding/binary's orders are.
type byteOrder interface {
	Uint16([]byte) uint16
	Uint32([]byte) uint32
	Uint64([]byte) uint64
}

// pcapReader reads the classic format.
type pcapReader struct {
	in   *input
	big  bool
	unit int64 // nanoseconds of a unit of the second time field
	link LinkType
}

func openPcap(in *input, order byteOrder, unit int64) (recordReader, error) {
	if err := in.need(pcapHeader); err != nil {
		return nil, in.torn(err, "the header")
	}
	b := in.bytes(pcapHeader)
	r := &pcapReader{in: in, big: order == byteOrder(binary.BigEndian), unit: unit}
	// The upper bits tell of frame check sequences, which IP's own lengths cut off.
	r.link = LinkType(order.Uint32(b[20:]))
	if major := order.Uint16(b[4:]); major != 2 {
		return nil, in.fail(fmt.Sprintf("pcap version %d.%d is not known", major, order.Uint16(b[6:])), nil)
	}
	if !r.link.known() {
		return nil, in.fail(fmt.Sprintf("link type %s is not known", r.link), nil)
	}
	in.skip(pcapHeader)
	return r, nil
}

// next reads one record.
func (r *pcapReader) next(p *rawPacket) error {
	in := r.in
	if in.hi-in.lo < recordHeader {
		if err := in.need(recordHeader); err == io.EOF {
			return io.EOF
		} else if err != nil {
			return in.torn(err, "a record")
		}
	}
	b := in.buf[in.lo : in.lo+recordHeader]
	var sec, frac, have, wire uint32
	if r.big {
		sec, frac = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		have, wire = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	} else {
		sec, frac = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		have, wire = binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	}
	if have > maxRecord {
		return in.fail(fmt.Sprintf("a record claims to be %d bytes long, more than %d", have, maxRecord), nil)
	}
	whole := recordHeader + int(have)
	if in.hi-in.lo < whole {
		if err := in.need(whole); err != nil {
			return in.torn(err, "a record")
		}
	}
	p.at = int64(sec)*1e9 + int64(frac)*r.unit
	p.data = in.buf[in.lo+recordHeader : in.lo+whole : in.lo+whole]
	p.wire = wireLen(wire, int(have))
	p.link = r.link
	in.skip(whole)
	return nil
}

// wireLen bounds the length on the wire that a record claims: it is at least what
// was captured and, IP packets being what they are, at most maxRecord.
func wireLen(claimed uint32, have int) int {
	return max(have, int(min(claimed, maxRecord)))
}
