package outcome

import (
	"encoding/hex"

	"github.com/zeebo/xxh3"
)

// UUID is a UUID that tells when it was made, of version 1 (UUID() of MySQL and
// MariaDB) or 7 (UUID_v7() of MariaDB), in the order of its text (RFC 9562).
type UUID [16]byte

// Form is how a UUID is written.
type Form uint8

// The forms. Each has a length of its own but for the swapped ones, in which the
// parts of the time stand the largest first, as UUID_TO_BIN(u, 1) puts them.
const (
	DashForm Form = iota // 36 characters
	HexForm              // 32 hex digits
	HexSwapped
	RawForm // 16 bytes
	RawSwapped
)

const (
	dashLen = 36
	hexLen  = 32
	rawLen  = 16
)

// formLens are the lengths of the forms.
var formLens = [...]int{dashLen, hexLen, hexLen, rawLen, rawLen}

// Hash returns the hash by which a UUID is known.
func (u UUID) Hash(seed uint64) uint64 { return xxh3.HashSeed(u[:], seed) }

// timed tells whether it is of a version that tells when it was made.
func (u *UUID) timed() bool { return u[8]>>6 == 2 && (u[6]>>4 == 1 || u[6]>>4 == 7) }

// gregorian is the Unix epoch in the time of version 1, in units of 100 ns.
const gregorian = 0x01b21dd213814000

// at returns when it was made, in nanoseconds since the Unix epoch; false when
// that is nothing that anybody sees now.
func (u *UUID) at() (int64, bool) {
	if u[6]>>4 == 7 {
		ms := uint64(u[0])<<40 | uint64(u[1])<<32 | uint64(u[2])<<24 | uint64(u[3])<<16 | uint64(u[4])<<8 | uint64(u[5])
		return int64(ms) * 1e6, ms < 1<<43
	}
	t := uint64(u[6]&15)<<56 | uint64(u[7])<<48 | uint64(u[4])<<40 | uint64(u[5])<<32 |
		uint64(u[0])<<24 | uint64(u[1])<<16 | uint64(u[2])<<8 | uint64(u[3])
	since := t - gregorian
	return int64(since) * 100, since < 1<<56
}

// swap turns the order of UUID_TO_BIN(u, 1) into that of the text.
func (u UUID) swap() (s UUID) {
	copy(s[0:4], u[4:8])
	copy(s[4:6], u[2:4])
	copy(s[6:8], u[0:2])
	copy(s[8:], u[8:])
	return s
}

// unswap is the way back.
func (u UUID) unswap() (s UUID) {
	copy(s[0:2], u[6:8])
	copy(s[2:4], u[4:6])
	copy(s[4:8], u[0:4])
	copy(s[8:], u[8:])
	return s
}

// readings calls yield for what a value may be as a UUID: nothing, one, or, of
// forms without dashes, two.
func readings(v []byte, yield func(Form, UUID)) {
	var u UUID
	form := RawForm
	switch len(v) {
	case rawLen:
		copy(u[:], v)
	case hexLen:
		if _, err := hex.Decode(u[:], v); err != nil {
			return
		}
		form = HexForm
	case dashLen:
		if u, ok := parseDashed(v); ok && u.timed() {
			yield(DashForm, u)
		}
		return
	default:
		return
	}
	if u.timed() {
		yield(form, u)
	}
	if s := u.swap(); s.timed() && s[6]>>4 == 1 {
		yield(form+1, s)
	}
}

// parseDashed reads the first 36 bytes.
func parseDashed(v []byte) (u UUID, ok bool) {
	if len(v) < dashLen || v[8] != '-' || v[13] != '-' || v[18] != '-' || v[23] != '-' {
		return u, false
	}
	var digits [hexLen]byte
	n := copy(digits[:], v[:8])
	n += copy(digits[n:], v[9:13])
	n += copy(digits[n:], v[14:18])
	n += copy(digits[n:], v[19:23])
	copy(digits[n:], v[24:dashLen])
	_, err := hex.Decode(u[:], digits[:])
	return u, err == nil
}

// Write writes a UUID over the bytes at the beginning of dst, which are one in
// that form: in capitals where those have any.
func (u UUID) Write(dst []byte, form Form) {
	dst = dst[:formLens[form]]
	if form == RawSwapped || form == HexSwapped {
		u = u.unswap()
	}
	if form >= RawForm {
		copy(dst, u[:])
		return
	}
	capitals := hasCapitals(dst)
	var digits [hexLen]byte
	hex.Encode(digits[:], u[:])
	next := 0
	for i := range dst {
		if form == DashForm && (i == 8 || i == 13 || i == 18 || i == 23) {
			continue
		}
		c := digits[next]
		if next++; capitals && c >= 'a' {
			c -= 'a' - 'A'
		}
		dst[i] = c
	}
}

func hasCapitals(text []byte) bool {
	for _, c := range text {
		if 'A' <= c && c <= 'F' {
			return true
		}
	}
	return false
}
