package outcome

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

const (
	// secondLen is the length of a time's text up to its seconds, microLen that with
	// microseconds: 2026-01-31 12:34:56.789012.
	secondLen = 19
	microLen  = secondLen + 7
	// binaryMicro is the length of a binary time that has microseconds.
	binaryMicro = 11
)

// Micros is a time of the server's, in its text with microseconds.
type Micros [microLen]byte

// Hash returns the hash by which a time is known.
func (m *Micros) Hash(seed uint64) uint64 { return xxh3.HashSeed(m[:], seed) }

// parseMicros reads the text of a time with microseconds.
func parseMicros(v []byte) (m Micros, ok bool) {
	if len(v) < microLen || v[4] != '-' || v[7] != '-' || v[13] != ':' || v[16] != ':' || v[19] != '.' || v[10] != ' ' && v[10] != 'T' {
		return m, false
	}
	for i := range microLen {
		switch i {
		case 4, 7, 10, 13, 16, 19:
		default:
			if v[i] < '0' || v[i] > '9' {
				return m, false
			}
		}
	}
	copy(m[:], v)
	m[10] = ' '
	return m, true
}

// EachMicros calls yield for the times with microseconds in a command's payload: as
// text wherever they stand, and, where raw tells that it holds parameters, in the
// binary form. micros are their six digits, or their four bytes.
func EachMicros(payload []byte, raw bool, yield func(m *Micros, micros int, binary bool)) {
	for at := secondLen; at+7 <= len(payload); at++ {
		n := bytes.IndexByte(payload[at:], '.')
		if n < 0 {
			break
		}
		if at += n; at+7 > len(payload) {
			break
		}
		begin := at - secondLen
		if begin > 0 && isDigit(payload[begin-1]) || at+7 < len(payload) && isDigit(payload[at+7]) {
			continue
		}
		if m, ok := parseMicros(payload[begin:]); ok {
			yield(&m, at+1, false)
		}
	}
	if !raw {
		return
	}
	for at := 0; at+1+binaryMicro <= len(payload); at++ {
		n := bytes.IndexByte(payload[at:len(payload)-binaryMicro], binaryMicro)
		if n < 0 {
			break
		}
		at += n
		if m, ok := binaryMicros(payload[at+1:]); ok {
			yield(&m, at+1+binaryMicro-4, true)
		}
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// binaryMicros reads a binary time with microseconds.
func binaryMicros(v []byte) (m Micros, ok bool) {
	year, micros := binary.LittleEndian.Uint16(v), binary.LittleEndian.Uint32(v[7:])
	if year > 9999 || v[2] > 12 || v[3] > 31 || v[4] > 23 || v[5] > 59 || v[6] > 59 || micros >= 1e6 {
		return m, false
	}
	copy(m[:], "0000-00-00 00:00:00.000000")
	digits(m[0:4], uint32(year))
	for i, at := range [...]int{5, 8, 11, 14, 17} {
		digits(m[at:at+2], uint32(v[2+i]))
	}
	digits(m[20:26], micros)
	return m, true
}

// digits writes a number in so many digits as dst has.
func digits(dst []byte, n uint32) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
}

// Plain tells whether a time is too likely somebody else's, too: it has no more than
// milliseconds.
func (m *Micros) Plain() bool { return string(m[microLen-3:]) == "000" }

// Put writes the microseconds over those at the beginning of dst.
func (m *Micros) Put(dst []byte, asBinary bool) {
	if !asBinary {
		copy(dst, m[secondLen+1:])
		return
	}
	n := uint32(0)
	for _, c := range m[secondLen+1:] {
		n = 10*n + uint32(c-'0')
	}
	binary.LittleEndian.PutUint32(dst, n)
}
