package report

import (
	"bytes"
	"strings"

	"myreplay/session"
)

// errDuplicate is the error of a key that is there already (MySQL's error reference:
// ER_DUP_ENTRY). Its text quotes the key first.
const errDuplicate = 1062

// madeKey tells whether the target found a key to be there already that it had made
// itself: a number that the INSERT does not have in its text. Where the recorded one
// failed for another reason its id is not known, so that the target makes one, which
// may be that of a row whose id is.
func (e *entry) madeKey(y *session.Reply) bool {
	err := errorOf(y)
	if err.Code != errDuplicate || !e.class.effect.inserts || e.kind != session.Query || e.textBytes > len(e.text) {
		return false
	}
	_, rest, _ := strings.Cut(err.Message, "'")
	key, _, quoted := strings.Cut(rest, "'")
	return quoted && isNumber(key) && !bytes.Contains(e.text, []byte(key))
}

// isNumber tells whether a text is a whole number.
func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
