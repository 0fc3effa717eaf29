// Package sqltext reads MySQL and MariaDB statements without parsing them: one
// pass over the bytes gives the tokens, a fingerprint, what each statement
// does, which tables it names, and whether it carries a secret. A Shaper reads
// more of a statement, once for all texts that differ in literals only: which
// rows of its tables it is about. Nothing here panics; all takes linear time,
// and borrows the text that it is given.
//
// A text does not tell everything. A view may call a stored function, a server
// may have a stored function with the name of one that is built in only since a
// later version, and the point and line functions of MariaDB with an unusual
// number of arguments are stored ones: all these are classed Read. The secret in
// SET @a = 'x' shows only by the variable's name, and not before a PREPARE that
// asks for it.
package sqltext

// Options tell how a session's server reads text. They follow from the
// session's character_set_client and sql_mode; SQLMode.Apply and CharsetByName
// keep them up to date. The zero Options fit MySQL with its default sql_mode
// and UTF-8 or a single-byte character set.
type Options struct {
	// Charset is the class of character_set_client.
	Charset Charset
	// ANSIQuotes: "..." is an identifier (sql_mode ANSI_QUOTES).
	ANSIQuotes bool
	// NoBackslashEscapes: a backslash is an ordinary character in strings
	// (sql_mode NO_BACKSLASH_ESCAPES).
	NoBackslashEscapes bool
	// IgnoreSpace: a space may stand between a built-in function's name and its
	// parenthesis (sql_mode IGNORE_SPACE or CLIENT_IGNORE_SPACE). Without it
	// "now ()" calls a stored function, and is classified so.
	IgnoreSpace bool
	// MariaDB: the server is MariaDB, not MySQL. It decides which functions are
	// built in and what $$ means.
	MariaDB bool
	// Guessed: the fields above were not seen but assumed, as for a session
	// joined in mid-life. The class is then the worst that the text has in any
	// mode and character set, and masking is stricter: where a different one
	// would end a string elsewhere, all that follows is masked.
	Guessed bool
}

// Span is a range of bytes of the text: text[Start:End]. The zero Span means
// "none".
type Span struct{ Start, End int }

// Empty tells whether the span holds no bytes.
func (s Span) Empty() bool { return s.End <= s.Start }

// Of returns the span's bytes of text, borrowed from it.
func (s Span) Of(text []byte) []byte { return text[s.Start:s.End] }
