package sqltext

import "bytes"

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

// secretMarks are the pieces of text without one of which, a short mark or a
// variable of a secret's name nothing is a secret.
var secretMarks = []string{
	"password", "passwd", "passphrase", "dentif", "secret", "encrypt", "decrypt", "encode", "decode", "asymmetric",
	"keyring", "authentication", "challenge_response", "wsrep_", "connection", "rds_set_", "global", "persist",
	"mysql.", "mysql`", "mysql\"", "mysql ",
}

// shortMarks are too short for that search and are looked for byte by byte.
var shortMarks = []string{"kdf", "pwd", "mysql"}

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
	// beginsShort tells with which bytes a short mark begins.
	beginsShort [256]bool
)

func init() {
	for c := byte('a'); c <= 'z'; c++ {
		letters[c], letters[c-0x20] = c-'a'+1, c-'a'+1
	}
	letters['_'] = 'z' - 'a' + 2
	for _, mark := range shortMarks {
		beginsShort[mark[0]], beginsShort[mark[0]-0x20] = true, true
	}
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

// maybeSecret tells whether the text holds a sign of a secret, so that it is
// worth looking at closely. When it does not, nothing in it is secret.
func maybeSecret(text []byte) bool {
	return firstMark(text) >= 0 || firstShortMark(text) >= 0 || firstVariable(text) >= 0
}

// firstSign returns the offset behind the first sign of a secret, or -1. Every
// secret has a sign before it.
func firstSign(text []byte) int {
	first := -1
	for _, n := range []int{firstMark(text), firstShortMark(text), firstVariable(text)} {
		if n >= 0 && (first < 0 || n < first) {
			first = n
		}
	}
	return first
}

// firstVariable returns the offset behind the first variable with the name of a
// secret, or -1.
func firstVariable(text []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], '@')
		if n < 0 {
			return -1
		}
		i += n + 1
		end := i
		for end < len(text) && (identBytes[text[end]] || bytes.IndexByte([]byte("@.`'\""), text[end]) >= 0) {
			end++
		}
		if isSecretVariable(bytes.Trim(text[i:end], "@`'\" ")) {
			return end
		}
	}
}

// firstMark returns the offset behind the first mark in the text, or -1.
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
	for i, c := range text {
		if !beginsShort[c] {
			continue
		}
		for _, mark := range shortMarks {
			if hasFold(text[i:], mark) {
				return i + len(mark)
			}
		}
	}
	return -1
}

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

// variableEndings are those of variables that hold a secret, beside the above.
// (As columns, such names are mostly other things.)
var variableEndings = []string{"pass", "pw", "psw", "passcode", "token", "credential", "credentials", "apikey", "api_key",
	"access_key", "private_key", "crypt_key", "encryption_key", "aes_key", "filekey", "role_id"}

// isSecretVariable tells whether a variable of this name holds a secret.
func isSecretVariable(name []byte) bool {
	if isSecretName(name) || sameFold(name, []byte("key")) {
		return true
	}
	for _, e := range variableEndings {
		if n := len(name) - len(e); n >= 0 && sameWord(name[n:], e) {
			return true
		}
	}
	return false
}

// cryptoArgs are which arguments of a function are secret, counted from 1.
type cryptoArgs struct{ from, to int }

const lastArg = 1 << 30

var cryptoFunctions = map[string]cryptoArgs{
	"password": {1, lastArg}, "old_password": {1, lastArg}, "ed25519_password": {1, lastArg},
	"validate_password_strength": {1, lastArg}, "encrypt": {1, 1}, "kdf": {1, 1},
	"aes_encrypt": {2, 2}, "aes_decrypt": {2, 2}, "des_encrypt": {2, 2}, "des_decrypt": {2, 2},
	"encode": {2, 2}, "decode": {2, 2},
	"asymmetric_encrypt": {3, 3}, "asymmetric_decrypt": {3, 3}, "asymmetric_sign": {3, 3}, "asymmetric_derive": {2, 2},
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
