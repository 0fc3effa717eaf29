package capfile

import (
	"encoding/binary"
	"math/bits"

	"myreplay/session"
)

// slot remembers how the last payload that was written with it began, so that
// the next one needs to give only what follows their common start. Writer and
// reader keep the same slots.
type slot struct {
	text       [slotText]byte
	n          int // bytes of text in use
	keep, rest int // of the last payload: bytes taken from text, bytes given
}

// The flags in stSlots; the low six bits are the slot.
const (
	slotKeep = 0x40 // keep is given
	slotRest = 0x80 // rest is given
	slotMask = slotCount - 1
)

// set remembers p, whose first keep bytes are those of the slot's text.
func (s *slot) set(p []byte, keep int) {
	s.n = copy(s.text[keep:], p[keep:]) + keep
}

// common returns how many bytes p begins with as the slot's text does.
func (s *slot) common(p []byte) int {
	n := min(s.n, len(p))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(s.text[i:]) ^ binary.LittleEndian.Uint64(p[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && s.text[i] == p[i] {
		i++
	}
	return i
}

// share returns how many bytes of p to take from the slot's text. It holds on
// to the last number while that is not much worse: a number that stays need
// not be written.
func (s *slot) share(p []byte) int {
	const worse = 16
	n := s.common(p)
	if s.keep > 0 && n >= s.keep && n <= s.keep+worse {
		return s.keep
	}
	return n
}

// slotFor chooses the slot of a command: one for each prepared statement, else
// one for each beginning of a payload. A reader never needs to know how.
func slotFor(c *session.Command) int {
	const spread = 0x9e3779b97f4a7c15
	p := c.Payload
	var h uint64
	switch {
	case c.Kind.OnStatement():
		h = uint64(c.Kind)<<32 | uint64(c.Statement)
	case len(p) >= 16:
		h = binary.LittleEndian.Uint64(p)*spread ^ binary.LittleEndian.Uint64(p[8:])
	default:
		for _, b := range p {
			h = h<<8 ^ h>>56 ^ uint64(b)
		}
	}
	return int(h * spread >> 58)
}
