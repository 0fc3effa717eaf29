package outcome

import "bytes"

// isHex tells which bytes are hex digits.
var isHex = func() (is [256]bool) {
	for _, c := range []byte("0123456789abcdefABCDEF") {
		is[c] = true
	}
	return is
}()

// isName tells which bytes may stand in a name.
func isName(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// EachUUID calls yield for what may be UUIDs in a command's payload: with their
// dashes wherever they stand alone (in a literal, within JSON, in a quoted name),
// as 32 hex digits in a literal of their own ('...', "...", 0x..., x'...'), and
// where the length of 36, 32 or 16 bytes stands before them, as of a parameter.
// Forms without dashes may come twice at one place: only one of them is meant.
// raw tells that the payload holds parameters: a text has no lengths.
func EachUUID(payload []byte, raw bool, yield func(at int, form Form, u UUID)) {
	eachDashed(payload, yield)
	eachHex(payload, raw, yield)
	if !raw {
		return
	}
	for at := 0; at+1+rawLen <= len(payload); at++ {
		n := bytes.IndexByte(payload[at:len(payload)-rawLen], rawLen)
		if n < 0 {
			return
		}
		at += n
		readings(payload[at+1:at+1+rawLen], func(f Form, u UUID) { yield(at+1, f, u) })
	}
}

// eachDashed finds those with dashes.
func eachDashed(payload []byte, yield func(at int, form Form, u UUID)) {
	for from := 8; from+dashLen-8 <= len(payload); {
		n := bytes.IndexByte(payload[from:], '-')
		if n < 0 {
			return
		}
		dash := from + n
		from = dash + 1
		at := dash - 8
		end := at + dashLen
		if end > len(payload) || payload[end-13] != '-' {
			continue
		}
		sized := at > 0 && payload[at-1] == dashLen // a parameter: what follows belongs to something else
		if !sized && (at > 0 && isHex[payload[at-1]] || end < len(payload) && isHex[payload[end]]) {
			continue
		}
		if u, ok := parseDashed(payload[at:end]); ok && u.timed() {
			yield(at, DashForm, u)
			from = end
		}
	}
}

// eachHex finds those without.
func eachHex(payload []byte, raw bool, yield func(at int, form Form, u UUID)) {
	EachHexRun(payload, hexLen, func(at, end int) {
		if raw && at > 0 && payload[at-1] == hexLen || end-at == hexLen && isLiteral(payload, at, end) {
			readings(payload[at:at+hexLen], func(f Form, u UUID) { yield(at, f, u) })
		}
	})
}

// EachHexRun calls yield for each run of hex digits, in either case, that has so
// many at least: payload[at:end].
func EachHexRun(payload []byte, digits int, yield func(at, end int)) {
	for end := 0; end+digits <= len(payload); {
		// A run that begins at end or behind it and is long enough has a digit here.
		at := end + digits - 1
		if !isHex[payload[at]] {
			end = at + 1
			continue
		}
		for at > end && isHex[payload[at-1]] {
			at--
		}
		for end = at; end < len(payload) && isHex[payload[end]]; end++ {
		}
		if end-at >= digits {
			yield(at, end)
		}
	}
}

// isLiteral tells whether hex digits are a literal of their own.
func isLiteral(payload []byte, at, end int) bool {
	if at == 0 {
		return false
	}
	switch q := payload[at-1]; q {
	case '\'', '"':
		return end < len(payload) && payload[end] == q
	case 'x':
		return at > 1 && payload[at-2] == '0' && (at == 2 || !isName(payload[at-3])) && (end == len(payload) || !isName(payload[end]))
	}
	return false
}
