package sqltext

// Secret tells what of a text is secret.
type Secret struct {
	// Found: the text holds a secret, which Mask replaces.
	Found bool
	// Params: a placeholder stands where a secret belongs. The parameters of the
	// statement's executions must not be recorded.
	Params bool
}

// Any tells whether there is a secret or a place for one.
func (s Secret) Any() bool { return s.Found || s.Params }

// secretMarks are the pieces of text without one of which nothing is a secret.
// (KDF is too short to look for this way; the classifier and Mask see to it.)
var secretMarks = []string{
	"password", "passwd", "passphrase", "identified", "secret", "encrypt", "decrypt", "encode", "decode", "asymmetric",
	"keyring", "authentication", "challenge_response", "wsrep_sst_auth", "connection", "rds_set_",
	"mysql.", "mysql`", "mysql\"", "mysql ",
}

// shortMarks are too short for that search. The classifier knows their words;
// Mask looks for them byte by byte.
var shortMarks = []string{"kdf", "mysql"}

// The search for marks is Wu and Manber's: the last two letters of a window
// tell how far the next mark can be, at best the whole window. It looks at a
// quarter of the bytes of ordinary text.
const (
	markWindow = 6 // the shortest mark
	pairBits   = 10
)

var (
	// letters numbers the letters and _ without regard to case; 0 is the rest.
	letters [256]uint8
	// markShift tells for each two letters how far the window may move.
	markShift [1 << pairBits]uint8
	// marksEnding lists the marks whose first markWindow letters end so.
	marksEnding [1 << pairBits][]string
)

func init() {
	for c := byte('a'); c <= 'z'; c++ {
		letters[c], letters[c-0x20] = c-'a'+1, c-'a'+1
	}
	letters['_'] = 'z' - 'a' + 2
	for i := range markShift {
		markShift[i] = markWindow - 1
	}
	for _, mark := range secretMarks {
		for i := 1; i < markWindow; i++ {
			p := letterPair(mark[i-1], mark[i])
			markShift[p] = min(markShift[p], uint8(markWindow-1-i))
		}
		p := letterPair(mark[markWindow-2], mark[markWindow-1])
		marksEnding[p] = append(marksEnding[p], mark)
	}
}

// letterPair numbers two letters.
func letterPair(a, b byte) int { return int(letters[a])<<5 | int(letters[b]) }

// maybeSecret tells whether the text holds a mark, so that it is worth looking
// at closely. When it does not, and no short mark is a word of it, nothing in
// the text is secret.
func maybeSecret(text []byte) bool { return firstMark(text) >= 0 }

// firstMark returns the offset behind the first mark in the text, or -1. Every
// secret has a mark before it.
func firstMark(text []byte) int {
	for i := markWindow - 1; i < len(text); {
		p := letterPair(text[i-1], text[i])
		if n := markShift[p]; n > 0 {
			i += int(n)
			continue
		}
		at := i - markWindow + 1
		for _, mark := range marksEnding[p] {
			if hasFold(text[at:], mark) {
				return at + len(mark)
			}
		}
		i++
	}
	return -1
}

// firstShortMark is firstMark for the short marks.
func firstShortMark(text []byte) int {
	first := -1
	for _, mark := range shortMarks {
		if n := indexFold(text, mark); n >= 0 && (first < 0 || n+len(mark) < first) {
			first = n + len(mark)
		}
	}
	return first
}

// maybeSecretShort tells whether the text holds a short mark.
func maybeSecretShort(text []byte) bool { return firstShortMark(text) >= 0 }

// hasFold tells whether text begins with a lower-case mark, in any case.
func hasFold(text []byte, mark string) bool {
	return len(text) >= len(mark) && sameWord(text[:len(mark)], mark)
}

// indexFold returns the index of a lower-case word in text, in any case, or -1.
func indexFold(text []byte, word string) int {
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i]|0x20 == word[0]|0x20 && hasFold(text[i:], word) {
			return i
		}
	}
	return -1
}

// secretEndings are how the names of options and variables that hold a secret
// end.
var secretEndings = []string{"password", "passwd", "pwd", "passphrase", "secret", "authentication_string", "wsrep_sst_auth"}

// isSecretName tells whether an option or variable of this name holds a secret.
// validate_password and its kind end so but are switches.
func isSecretName(name []byte) bool {
	const shortest = 3
	if len(name) < shortest {
		return false
	}
	switch name[len(name)-1] | 0x20 {
	case 'd', 'e', 't', 'g', 'h', 'y':
	default:
		return false
	}
	if sameFold(name, []byte("validate_password")) || sameFold(name, []byte("disconnect_on_expired_password")) {
		return false
	}
	for _, e := range secretEndings {
		if n := len(name) - len(e); n >= 0 && sameWord(name[n:], e) {
			return true
		}
	}
	return indexFold(name, "secret_") >= 0 // s3_secret_key, keyring_..._secret_id
}

// cryptoArgs are which arguments of a function are secret, counted from 1.
type cryptoArgs struct{ from, to int }

const lastArg = 1 << 30

var cryptoFunctions = map[string]cryptoArgs{
	"password": {1, lastArg}, "old_password": {1, lastArg}, "ed25519_password": {1, lastArg},
	"validate_password_strength": {1, lastArg}, "encrypt": {1, 1}, "kdf": {1, 1},
	"aes_encrypt": {2, 2}, "aes_decrypt": {2, 2}, "des_encrypt": {2, 2}, "des_decrypt": {2, 2},
	"encode": {2, 2}, "decode": {2, 2},
	"asymmetric_encrypt": {3, 3}, "asymmetric_decrypt": {3, 3}, "asymmetric_sign": {3, 3},
	"create_asymmetric_pub_key": {2, 2}, "keyring_key_store": {3, 3},
}

// cryptoFunction returns which arguments of the function of this name are
// secret, if any.
func cryptoFunction(name []byte) (cryptoArgs, bool) {
	var buf [maxWordLen]byte
	if len(name) > len(buf) {
		return cryptoArgs{}, false
	}
	args, ok := cryptoFunctions[string(appendLower(buf[:0], name))]
	return args, ok
}

// freeSecret tells whether a text that is no SQL, such as a comment, holds a
// secret: a secret's name with a value behind it, or IDENTIFIED BY. With
// colons, "password: x" counts too.
func freeSecret(text []byte, colons bool) bool {
	for _, name := range []string{"password", "passwd", "pwd", "passphrase", "secret"} {
		for rest := text; ; {
			n := indexFold(rest, name)
			if n < 0 {
				break
			}
			rest = rest[n+len(name):]
			if valueFollows(rest, colons) {
				return true
			}
		}
	}
	for rest := text; ; {
		n := indexFold(rest, "identified")
		if n < 0 {
			break
		}
		rest = trimSpace(rest[n+len("identified"):])
		if hasFold(rest, "by") || hasFold(rest, "with") || hasFold(rest, "via") {
			return true
		}
	}
	for name := range cryptoFunctions {
		if n := indexFold(text, name); n >= 0 && hasFold(trimSpace(text[n+len(name):]), "(") {
			return true
		}
	}
	return false
}

// valueFollows tells whether what stands behind a name gives it a value: an =,
// perhaps a colon, or a literal.
func valueFollows(rest []byte, colons bool) bool {
	for len(rest) > 0 && (starts[rest[0]] == atSpace || rest[0] == '(') {
		rest = rest[1:]
	}
	if len(rest) < 2 {
		return false
	}
	switch rest[0] {
	case '=', '\'', '"', '\\':
		return true
	case ':':
		return colons || rest[1] == '='
	}
	return false
}
