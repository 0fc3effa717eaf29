package sqltext

// Charset is a class of character sets. It matters where a character's second
// byte may look like a backslash, a quote or a letter.
type Charset uint8

// The classes of character sets.
const (
	// ASCIISafe: the bytes 0x00 to 0x7f mean ASCII wherever they stand, and only
	// they are spaces and punctuation. So it is in UTF-8, the EUC sets and the
	// single-byte sets that are not listed below. (swe7, whose letters take the
	// places of brackets, is read as ASCII too.)
	ASCIISafe Charset = iota
	// Big5 is the set big5.
	Big5
	// GBK is the set gbk.
	GBK
	// GB18030 is the set gb18030. Its four-byte characters hold only digits
	// below 0x80, so that reading them as bytes does no harm.
	GB18030
	// SJIS is the sets sjis and cp932.
	SJIS
	// SpaceA0 is the single-byte sets in which 0xa0 is a space to the server:
	// latin1, latin2, latin5, latin7, cp1250, greek, hebrew, dec8, armscii8 and
	// geostd8.
	SpaceA0
	// SpaceFF is those in which 0xff is: cp852, cp866 and keybcs2.
	SpaceFF
)

var charsetNames = [...]string{"ascii-safe", "big5", "gbk", "gb18030", "sjis", "space-a0", "space-ff"}

// String returns the class's name.
func (c Charset) String() string {
	if int(c) < len(charsetNames) {
		return charsetNames[c]
	}
	return "?"
}

// pairs tells for one character set which bytes lead a two-byte character and
// which may follow.
type pairs [256]uint8

const (
	lead  = 1
	trail = 2
)

// at tells whether a two-byte character begins at text[i].
func (p *pairs) at(text []byte, i int) bool {
	return p[text[i]]&lead != 0 && i+1 < len(text) && p[text[i+1]]&trail != 0
}

func newPairs(ranges ...[3]uint8) *pairs {
	p := new(pairs)
	for _, r := range ranges {
		for b := int(r[1]); b <= int(r[2]); b++ {
			p[b] |= r[0]
		}
	}
	return p
}

// pairsOf has nil for the sets that need no care.
var pairsOf = [...]*pairs{
	Big5:    newPairs([3]uint8{lead, 0xa1, 0xf9}, [3]uint8{trail, 0x40, 0x7e}, [3]uint8{trail, 0xa1, 0xfe}),
	GBK:     newPairs([3]uint8{lead, 0x81, 0xfe}, [3]uint8{trail, 0x40, 0x7e}, [3]uint8{trail, 0x80, 0xfe}),
	GB18030: newPairs([3]uint8{lead, 0x81, 0xfe}, [3]uint8{trail, 0x40, 0x7e}, [3]uint8{trail, 0x80, 0xfe}),
	SJIS: newPairs([3]uint8{lead, 0x81, 0x9f}, [3]uint8{lead, 0xe0, 0xfc},
		[3]uint8{trail, 0x40, 0x7e}, [3]uint8{trail, 0x80, 0xfc}),
}

// highSpace is the byte over 0x7f that the server takes for a space, or 0.
func (c Charset) highSpace() byte {
	switch c {
	case SpaceA0:
		return 0xa0
	case SpaceFF:
		return 0xff
	}
	return 0
}

// CharsetOfCollation returns the class of the collation with the given id, as
// a handshake response or CHANGE_USER names it. Ids that are not known are
// ASCIISafe; so are those of ucs2, utf16 and utf32, with which no client can
// speak.
func CharsetOfCollation(id uint16) Charset {
	const noPad = 1024 // MariaDB: the same collation without padding
	if id >= noPad {
		id -= noPad
	}
	switch id {
	case 1, 84:
		return Big5
	case 28, 87:
		return GBK
	case 248, 249, 250:
		return GB18030
	case 13, 88, 95, 96:
		return SJIS
	case 2, 3, 5, 8, 9, 15, 16, 20, 21, 25, 26, 27, 30, 31, 32, 34, 41, 42, 44, 47, 48, 49, 64, 66, 69, 70, 71, 77, 78, 79,
		92, 93, 94, 99:
		return SpaceA0
	case 36, 37, 40, 68, 73, 81:
		return SpaceFF
	}
	return ASCIISafe
}

// clientCharsets are the character sets that a client may speak, by name.
var clientCharsets = map[string]Charset{
	"big5": Big5, "gbk": GBK, "gb18030": GB18030, "sjis": SJIS, "cp932": SJIS,
	"armscii8": SpaceA0, "cp1250": SpaceA0, "dec8": SpaceA0, "geostd8": SpaceA0, "greek": SpaceA0, "hebrew": SpaceA0,
	"latin1": SpaceA0, "latin2": SpaceA0, "latin5": SpaceA0, "latin7": SpaceA0,
	"cp852": SpaceFF, "cp866": SpaceFF, "keybcs2": SpaceFF,
	"ascii": 0, "binary": 0, "cp1251": 0, "cp1256": 0, "cp1257": 0, "cp850": 0, "eucjpms": 0, "euckr": 0, "gb2312": 0,
	"hp8": 0, "koi8r": 0, "koi8u": 0, "macce": 0, "macroman": 0, "swe7": 0, "tis620": 0, "ujis": 0, "utf8": 0,
	"utf8mb3": 0, "utf8mb4": 0,
}

// serverCharsets are the sets that only a literal's introducer may name.
var serverCharsets = map[string]bool{"ucs2": true, "utf16": true, "utf16le": true, "utf32": true}

const maxCharsetName = 16

// CharsetByName returns the class of a character set by its name, in any case,
// as SET NAMES gives it, and whether the name is one that a client may use.
func CharsetByName(name []byte) (Charset, bool) {
	var buf [maxCharsetName]byte
	if len(name) > len(buf) {
		return ASCIISafe, false
	}
	c, ok := clientCharsets[string(appendLower(buf[:0], name))]
	return c, ok
}

// isIntroducer tells whether word, which begins with an underscore, names a
// character set, as in _utf8mb4'x'.
func isIntroducer(word []byte) bool {
	var buf [maxCharsetName]byte
	if len(word) > len(buf) {
		return false
	}
	name := appendLower(buf[:0], word[1:])
	_, ok := clientCharsets[string(name)]
	return ok || serverCharsets[string(name)]
}

// appendLower appends b with its ASCII letters in lower case.
func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
