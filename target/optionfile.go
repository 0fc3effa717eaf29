package target

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// OptionGroup is one [group] of an option file.
type OptionGroup struct {
	Name string
	// Line is where it stands, from 1.
	Line    int
	Options []FileOption
}

// FileOption is one line of an option file: name = value. Of an option without
// "=" the value is empty.
type FileOption struct {
	Name, Value string
	Line        int
}

// maxOptionLine is the longest line of an option file.
const maxOptionLine = 64 << 10

// ReadOptionFile reads a file as MySQL's clients read theirs ("Using Option
// Files" in the manual): groups, comments that begin with # or ;, values in
// quotes, the escapes \b \t \n \r \\ \s. Groups of the same name stay apart.
// Lines that include other files (!include) are passed over. Errors name the
// line and never repeat what is in it.
func ReadOptionFile(r io.Reader) ([]OptionGroup, error) {
	var groups []OptionGroup
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxOptionLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		switch {
		case line == "" || line[0] == '#' || line[0] == ';' || line[0] == '!':
			continue
		case line[0] == '[':
			name, rest, ok := strings.Cut(line[1:], "]")
			if rest = uncommented(rest); !ok || strings.TrimSpace(rest) != "" {
				return nil, fmt.Errorf("line %d: a group is written [name]", n)
			}
			groups = append(groups, OptionGroup{Name: strings.TrimSpace(name), Line: n})
			continue
		case len(groups) == 0:
			return nil, fmt.Errorf("line %d: an option before the first [group]", n)
		}
		name, value, _ := strings.Cut(line, "=")
		g := &groups[len(groups)-1]
		g.Options = append(g.Options, FileOption{strings.TrimSpace(name), optionValue(value), n})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return groups, nil
}

// uncommented cuts a comment off: from a # that is not in quotes.
func uncommented(s string) string {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote != 0:
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '#':
			return s[:i]
		}
	}
	return s
}

// optionValue returns what a value stands for.
func optionValue(s string) string {
	s = strings.TrimSpace(uncommented(s))
	if n := len(s); n >= 2 && (s[0] == '\'' || s[0] == '"') && s[n-1] == s[0] {
		s = s[1 : n-1]
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'b':
			out.WriteByte('\b')
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 's':
			out.WriteByte(' ')
		case '\\', '\'', '"':
			out.WriteByte(c)
		default: // not an escape: both stay
			out.WriteByte('\\')
			out.WriteByte(c)
		}
	}
	return out.String()
}
