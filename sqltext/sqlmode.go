package sqltext

// Setting is what a statement does to one switch.
type Setting uint8

// The settings.
const (
	// Keep: the statement leaves the switch as it is.
	Keep Setting = iota
	// On and Off: the statement sets it.
	On
	Off
	// Unsure: the statement may change it; the text does not tell how.
	Unsure
)

// SQLMode tells what a statement does to those parts of the session's sql_mode
// that change how text is read. The zero SQLMode changes nothing. (The server
// shows NO_BACKSLASH_ESCAPES in the status flags of its replies too.)
type SQLMode struct {
	ANSIQuotes, NoBackslashEscapes, IgnoreSpace Setting
}

// Apply changes opt as the statement changes the session. What it cannot know
// it leaves, and sets opt.Guessed.
func (m SQLMode) Apply(opt *Options) {
	set := func(s Setting, b *bool) {
		switch s {
		case On, Off:
			*b = s == On
		case Unsure:
			opt.Guessed = true
		}
	}
	set(m.ANSIQuotes, &opt.ANSIQuotes)
	set(m.NoBackslashEscapes, &opt.NoBackslashEscapes)
	set(m.IgnoreSpace, &opt.IgnoreSpace)
}

// Bits of sql_mode when it is given as a number.
const (
	bitANSIQuotes         = 1 << 2
	bitIgnoreSpace        = 1 << 3
	bitNoBackslashEscapes = 1 << 20
	// bitsCombined are the modes that imply ANSI_QUOTES and IGNORE_SPACE:
	// POSTGRESQL, ORACLE, MSSQL, DB2, MAXDB and ANSI.
	bitsCombined = 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12 | 1<<18
)

var unsureMode = SQLMode{Unsure, Unsure, Unsure}

// modeOfBits returns what assigning a number does.
func modeOfBits(n uint64) SQLMode {
	setting := func(bits uint64) Setting {
		if n&bits != 0 {
			return On
		}
		return Off
	}
	return SQLMode{
		ANSIQuotes:         setting(bitANSIQuotes | bitsCombined),
		NoBackslashEscapes: setting(bitNoBackslashEscapes),
		IgnoreSpace:        setting(bitIgnoreSpace | bitsCombined),
	}
}

// modeNamed returns the modes that a list such as "ANSI_QUOTES,STRICT_ALL_TABLES"
// turns on, and Keep for the others.
func modeNamed(list []byte) (m SQLMode) {
	for len(list) > 0 {
		n := 0
		for n < len(list) && list[n] != ',' {
			n++
		}
		name := string(appendLower(nil, trimSpace(list[:n])))
		list = list[min(n+1, len(list)):]
		switch name {
		case "ansi_quotes":
			m.ANSIQuotes = On
		case "ignore_space":
			m.IgnoreSpace = On
		case "no_backslash_escapes":
			m.NoBackslashEscapes = On
		case "ansi", "db2", "maxdb", "mssql", "oracle", "postgresql":
			m.ANSIQuotes, m.IgnoreSpace = On, On
		}
	}
	return m
}

// replaced returns the mode after an assignment of exactly the modes of m.
func (m SQLMode) replaced() SQLMode {
	for _, s := range []*Setting{&m.ANSIQuotes, &m.NoBackslashEscapes, &m.IgnoreSpace} {
		if *s == Keep {
			*s = Off
		}
	}
	return m
}

// sqlModeOf tells what assigning the expression value to sql_mode does. It
// understands a literal, a name, a number, and the usual ways to add or remove
// modes: CONCAT and REPLACE of @@sql_mode and literals.
func sqlModeOf(value []byte, opt Options) SQLMode {
	s := NewScanner(value, opt)
	first := s.Next()
	rest := s
	if rest.Next().Kind == EOF {
		return simpleMode(value, first, opt)
	}
	var m SQLMode
	ours, removes := false, false
	for t := first; t.Kind != EOF; t = s.Next() {
		text := value[t.Start:t.End]
		switch t.Kind {
		case String:
			m = modeNamed(AppendString(nil, text, opt)).or(m)
		case SysVar:
			ours = ours || isSessionMode(text)
		case Ident:
			switch t.Word {
			case wReplace:
				removes = true
			case wSelect, wConcat, wSqlMode:
			default:
				return unsureMode
			}
		case Op:
		default:
			return unsureMode
		}
	}
	if !ours || removes && m != (SQLMode{}) {
		return unsureMode
	}
	return m
}

// isSessionMode tells whether a SysVar token begins the session's sql_mode.
func isSessionMode(text []byte) bool {
	switch string(appendLower(nil, text)) {
	case "@@sql_mode", "@@session", "@@local":
		return true
	}
	return false
}

// or returns m with the settings of o where m has none.
func (m SQLMode) or(o SQLMode) SQLMode {
	if m.ANSIQuotes == Keep {
		m.ANSIQuotes = o.ANSIQuotes
	}
	if m.NoBackslashEscapes == Keep {
		m.NoBackslashEscapes = o.NoBackslashEscapes
	}
	if m.IgnoreSpace == Keep {
		m.IgnoreSpace = o.IgnoreSpace
	}
	return m
}

// simpleMode is sqlModeOf for a value of one token.
func simpleMode(value []byte, t Token, opt Options) SQLMode {
	text := value[t.Start:t.End]
	switch t.Kind {
	case String:
		return modeNamed(AppendString(nil, text, opt)).replaced()
	case Int:
		if n, ok := parseUint(text); ok {
			return modeOfBits(n)
		}
	case Ident, Quoted:
		if t.Word == wDefault {
			return unsureMode
		}
		return modeNamed(AppendName(nil, text)).replaced()
	case SysVar:
		if isSessionMode(text) {
			return SQLMode{}
		}
	}
	return unsureMode
}

// parseUint reads decimal digits.
func parseUint(text []byte) (uint64, bool) {
	const most = 18 // digits that surely fit
	if len(text) == 0 || len(text) > most {
		return 0, false
	}
	n := uint64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && starts[b[0]] == atSpace {
		b = b[1:]
	}
	for len(b) > 0 && starts[b[len(b)-1]] == atSpace {
		b = b[:len(b)-1]
	}
	return b
}
