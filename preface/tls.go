package preface

// tlsHeader is the length of a TLS record's header.
const tlsHeader = 5

// LooksTLS tells whether b begins as a TLS record does (RFC 8446, section 5.1).
func LooksTLS(b []byte) bool {
	return len(b) >= 3 && b[0] >= 0x14 && b[0] <= 0x17 && b[1] == 3 && b[2] <= 4
}

// IsTLS tells whether b consists of whole TLS records, one at least.
func IsTLS(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for len(b) > 0 {
		if len(b) < tlsHeader || !LooksTLS(b) {
			return false
		}
		n := tlsHeader + (int(b[3])<<8 | int(b[4]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
