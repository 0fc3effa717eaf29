package decode

import (
	"bytes"

	"myreplay/flow"
	"myreplay/xproto"
)

// What payloads of COMPRESSION messages begin with where each can be read without
// those before it.
const (
	magicLZ4  = "\x04\x22\x4d\x18"
	magicZstd = "\x28\xb5\x2f\xfd"
)

// packs returns the type of a side's messages that hold others.
func packs(side flow.Side) byte {
	if side == flow.Server {
		return byte(xproto.ServerCompression)
	}
	return byte(xproto.ClientCompression)
}

// setCompression makes the Framers undo a compression: of the server's next
// message, and of the client's.
func (d *X) setCompression(a xproto.Algorithm) {
	if a == d.compression && !d.unsure {
		return
	}
	d.compression, d.unsure = a, false
	d.client.SetCompression(a, packs(flow.Client))
	d.server.SetCompression(a, packs(flow.Server))
}

// streamed tells whether the compression is one stream for the whole connection,
// of which no part can be read after a loss. Of zstd's, servers begin a frame in
// each message; where a client does not, that is an error.
func (d *X) streamed() bool { return d.compression == xproto.Deflate }

// algorithmOf returns the compression of a COMPRESSION message that can be read
// by itself, or Uncompressed.
func algorithmOf(f *xproto.Frame) xproto.Algorithm {
	var m xproto.Compressed
	switch {
	case f.Cut || f.Holed || m.Decode(f.Payload) != nil:
	case bytes.HasPrefix(m.Payload, []byte(magicLZ4)):
		return xproto.LZ4
	case bytes.HasPrefix(m.Payload, []byte(magicZstd)):
		return xproto.Zstd
	}
	return xproto.Uncompressed
}

// unpack is called for a COMPRESSION message that a Framer let pass. Where it was
// not seen what had been agreed on, the message itself may tell: then it is read
// again, and unpack returns true.
func (d *X) unpack(framer *xproto.Framer, f *xproto.Frame) bool {
	a := algorithmOf(f)
	if !d.unsure || a == xproto.Uncompressed {
		return false
	}
	again := xproto.AppendFrame(nil, f.Type, f.Payload)
	again = append(again, framer.Rest()...)
	d.setCompression(a)
	framer.Feed(again)
	return true
}

// sniff returns the compression that a side's bytes show.
func sniff(side flow.Side, b []byte) xproto.Algorithm {
	framer := xproto.Framer{Limit: maxTurn}
	framer.Feed(b)
	var f xproto.Frame
	for {
		more, err := framer.Next(&f)
		if err != nil || !more {
			return xproto.Uncompressed
		}
		if f.Type == packs(side) {
			return algorithmOf(&f)
		}
	}
}

// newFramer returns a Framer for a side's bytes that are to be judged.
func (d *X) newFramer(side flow.Side, b []byte) *xproto.Framer {
	a := d.compression
	if d.unsure {
		a = sniff(side, b)
	}
	f := &xproto.Framer{Limit: maxTurn}
	f.SetCompression(a, packs(side))
	f.Feed(b)
	return f
}
