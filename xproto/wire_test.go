package xproto

import (
	"encoding/hex"
	"strings"
)

// unhex reads bytes in hex; spaces do not matter.
func unhex(words []string) []byte {
	b, err := hex.DecodeString(strings.Join(words, ""))
	if err != nil {
		return []byte(err.Error())
	}
	return b
}
