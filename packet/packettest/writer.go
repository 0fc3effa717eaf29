package packettest

import (
	"encoding/binary"
	"io"
)

// Link types for Format. LinkNull is number 0 in the file.
const (
	LinkNull     = -1
	LinkEthernet = 1
	LinkRaw      = 101
	LinkLoop     = 108
	LinkCooked   = 113
	LinkIPv4     = 228
	LinkIPv6     = 229
	LinkCooked2  = 276
)

// Format says how a capture file is written. The zero Format is pcap with
// microseconds, little-endian, Ethernet, packets as long as they are.
type Format struct {
	NG        bool // pcapng
	BigEndian bool
	Nanos     bool
	Link      int // 0: LinkEthernet
	Snaplen   int // 0: no limit
}

// Writer writes a capture file.
type Writer struct {
	w     io.Writer
	f     Format
	order order
	begun bool
}

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// NewWriter returns a Writer to w. The header is written with the first packet,
// or by Flush.
func NewWriter(w io.Writer, f Format) *Writer {
	out := &Writer{w: w, f: f, order: binary.LittleEndian}
	if f.BigEndian {
		out.order = binary.BigEndian
	}
	return out
}

// Flush writes the header when nothing was written yet.
func (w *Writer) Flush() error {
	if w.begun {
		return nil
	}
	w.begun = true
	if w.f.NG {
		section := w.order.AppendUint32(nil, 0x1a2b3c4d)
		section = append(w.order.AppendUint16(section, 1), 0, 0)
		section = w.order.AppendUint64(section, ^uint64(0))
		if err := w.Block(0x0a0d0d0a, section); err != nil {
			return err
		}
		return w.Block(1, w.description())
	}
	magic := uint32(0xa1b2c3d4)
	if w.f.Nanos {
		magic = 0xa1b23c4d
	}
	h := w.order.AppendUint32(nil, magic)
	h = w.order.AppendUint16(h, 2)
	h = w.order.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...)
	h = w.order.AppendUint32(h, w.snaplen())
	h = w.order.AppendUint32(h, w.link())
	_, err := w.w.Write(h)
	return err
}

// description is the body of the interface description block.
func (w *Writer) description() []byte {
	b := w.order.AppendUint16(nil, uint16(w.link()))
	b = append(b, 0, 0)
	b = w.order.AppendUint32(b, w.snaplen())
	if w.f.Nanos {
		b = w.order.AppendUint16(b, 9)
		b = w.order.AppendUint16(b, 1)
		b = append(b, 9, 0, 0, 0)
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

func (w *Writer) snaplen() uint32 {
	if w.f.Snaplen > 0 {
		return uint32(w.f.Snaplen)
	}
	return 262144
}

func (w *Writer) link() uint32 {
	switch w.f.Link {
	case 0:
		return LinkEthernet
	case LinkNull:
		return 0
	}
	return uint32(w.f.Link)
}

// Packet writes a frame that came at a time in nanoseconds since the Unix epoch,
// cut to Format.Snaplen.
func (w *Writer) Packet(at int64, frame []byte) error {
	return w.Cut(at, frame, len(frame))
}

// Cut writes a frame of which more was on the wire: wire bytes.
func (w *Writer) Cut(at int64, frame []byte, wire int) error {
	if err := w.Flush(); err != nil {
		return err
	}
	if w.f.Snaplen > 0 && len(frame) > w.f.Snaplen {
		frame = frame[:w.f.Snaplen]
	}
	unit := int64(1000)
	if w.f.Nanos {
		unit = 1
	}
	var b []byte
	if w.f.NG {
		ts := uint64(at / unit)
		b = w.order.AppendUint32(b, 0)
		b = w.order.AppendUint32(b, uint32(ts>>32))
		b = w.order.AppendUint32(b, uint32(ts))
	} else {
		b = w.order.AppendUint32(b, uint32(at/1e9))
		b = w.order.AppendUint32(b, uint32(at%1e9/unit))
	}
	b = w.order.AppendUint32(b, uint32(len(frame)))
	b = w.order.AppendUint32(b, uint32(wire))
	b = append(b, frame...)
	if w.f.NG {
		return w.Block(6, b)
	}
	_, err := w.w.Write(b)
	return err
}

// Block writes a pcapng block of any type; the body is padded to a multiple of
// four bytes.
func (w *Writer) Block(kind uint32, body []byte) error {
	padded := (len(body) + 3) &^ 3
	b := w.order.AppendUint32(nil, kind)
	b = w.order.AppendUint32(b, uint32(padded+12))
	b = append(b, body...)
	b = append(b, make([]byte, padded-len(body))...)
	b = w.order.AppendUint32(b, uint32(padded+12))
	_, err := w.w.Write(b)
	return err
}
