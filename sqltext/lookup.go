package sqltext

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// traits of a word.
type traits uint16

const (
	isKeyword       traits = 1 << iota // of some server, reserved or not
	isReserved                         // never a name without quotes
	isValue                            // stands for a value
	isFunction                         // built in, or a keyword that reads like one
	isBare                             // a function without parentheses too
	isTight                            // no space before its parenthesis
	isParen                            // may stand before a parenthesis, and calls nothing
	isParenMySQL                       // the same, in MySQL only
	isSpaced                           // not built in when a space follows
	isSpacedMariaDB                    // the same, in MariaDB only
	isAction                           // has an entry in actions
	ofMySQL                            // built into MySQL
	ofMariaDB                          // built into MariaDB
)

// wordInfo is what is known of a Word.
type wordInfo struct {
	traits traits
	funcs  Funcs
}

const (
	maxWordLen = 40
	slotBits   = 12
	// caseBits turns ASCII letters into lower case, eight at a time. It turns
	// '_' into DEL too, which no name can hold, so nothing is confused.
	caseBits = 0x2020202020202020
)

// slot holds the first and the last eight bytes of a word, with caseBits; a
// word of fewer has its bytes in head, and zeros.
type slot struct {
	head, tail uint64
	word       Word
	length     uint8
}

var (
	slots     [1 << slotBits]slot
	wordTexts []string
	wordInfos []wordInfo
	// wordBytes are the texts of words with zeros behind them.
	wordBytes [][maxWordLen]byte
)

func init() {
	wordTexts = append(wordTexts, namedWords[:]...)
	wordInfos = make([]wordInfo, len(wordTexts))
	for w := Word(1); w < wNamed; w++ {
		place(w)
	}
	mark(reservedWords, isKeyword|isReserved)
	mark(otherKeywords, isKeyword)
	mark(valueWords, isKeyword|isValue)
	mark(bareWords, isBare)
	mark(parenWords, isKeyword|isParen)
	mark(mysqlParenWords, isKeyword|isParenMySQL)
	mark(tightWords, isTight)
	for _, g := range builtins {
		t := isFunction | isTight
		if g.servers&inMySQL != 0 {
			t |= ofMySQL
		}
		if g.servers&inMariaDB != 0 {
			t |= ofMariaDB
		}
		for _, w := range mark(g.names, t) {
			wordInfos[w].funcs |= g.funcs
		}
	}
	mark(spaceSensitive, isSpaced)
	mark(mariadbSpaceSensitive, isSpacedMariaDB)
	for w, a := range actions {
		if a != actNone {
			wordInfos[w].traits |= isAction
		}
	}
	wordBytes = make([][maxWordLen]byte, len(wordTexts))
	for w, text := range wordTexts {
		copy(wordBytes[w][:], text)
	}
}

// mark gives the words of a list traits, adding those that are new.
func mark(list string, t traits) []Word {
	var words []Word
	for _, s := range strings.Fields(list) {
		w := wordOf(s)
		if w == 0 {
			w = Word(len(wordTexts))
			wordTexts = append(wordTexts, s)
			wordInfos = append(wordInfos, wordInfo{})
			place(w)
		}
		wordInfos[w].traits |= t
		words = append(words, w)
	}
	return words
}

// place enters a word into slots.
func place(w Word) {
	s := wordTexts[w]
	head, tail := ends([]byte(s), 0, len(s))
	i := slotOf(head, tail)
	for slots[i].word != 0 {
		i = (i + 1) % len(slots)
	}
	slots[i] = slot{head, tail, w, uint8(len(s))}
}

// lookup returns the Word that text[start:end] spells, or 0.
func lookup(text []byte, start, end int) Word {
	n := end - start
	if n <= 0 || n > maxWordLen {
		return 0
	}
	head, tail := ends(text, start, end)
	for i := slotOf(head, tail); ; i = (i + 1) % len(slots) {
		s := &slots[i]
		if s.word == 0 {
			return 0
		}
		if s.head == head && s.tail == tail && int(s.length) == n {
			if n > 16 && !sameWord(text[start:end], wordTexts[s.word]) {
				continue
			}
			return s.word
		}
	}
}

// ends returns a word's first and last eight bytes with caseBits.
func ends(text []byte, start, end int) (head, tail uint64) {
	n := uint(end - start)
	if n >= 8 {
		head = binary.LittleEndian.Uint64(text[start:])
		tail = binary.LittleEndian.Uint64(text[end-8:])
		return head | caseBits, tail | caseBits
	}
	if start+8 <= len(text) {
		head = binary.LittleEndian.Uint64(text[start:]) | caseBits
		return head & (1<<(8*n) - 1), 0
	}
	for i := range n {
		head |= uint64(text[start+int(i)]|0x20) << (8 * i)
	}
	return head, 0
}

func slotOf(head, tail uint64) int {
	return int((head ^ bits.RotateLeft64(tail, 31)) * 0x9e3779b97f4a7c15 >> (64 - slotBits))
}

// sameWord compares a name with a lower-case word.
func sameWord(name []byte, word string) bool {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
