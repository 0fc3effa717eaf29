package probe

import (
	"strings"

	"myreplay/schema"
)

func (d *dictionary) askColumns() error {
	return d.list("columns", "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, DATA_TYPE, LOCATE('unsigned', COLUMN_TYPE),"+
		" COLLATION_NAME, EXTRA, COLUMN_DEFAULT, GENERATION_EXPRESSION, IS_NULLABLE FROM information_schema.COLUMNS", "TABLE_SCHEMA",
		MaxColumns, func(r row) {
			t := d.table(r)
			if t == nil {
				return
			}
			t.Columns, t.places = append(t.Columns, d.column(r)), append(t.places, r.number(3))
		})
}

// column reads a column's row.
func (d *dictionary) column(r row) schema.Column {
	extra := strings.ToLower(r.text(7))
	c := schema.Column{Name: r.text(2), Type: strings.ToLower(r.text(4)), Collation: r.text(6), Generated: d.expression(r.text(9)),
		AutoIncrement: strings.Contains(extra, "auto_increment"), Invisible: strings.Contains(extra, "invisible"), Nullable: r.text(10) == "YES"}
	if c.Type != "enum" && c.Type != "set" { // whose values stand in the type's text
		c.Unsigned = r.number(5) > 0
	}
	c.Clock = strings.Contains(extra, "on update ") // of nothing but the time
	standard := d.expression(r.text(8))
	switch {
	case c.Generated == "ROW START" || c.Generated == "ROW END": // of MariaDB's system versioning
		c.Clock = true
	case r.null(8) || c.Generated != "":
	case c.Type == "timestamp" || c.Type == "datetime":
		c.Clock = c.Clock || isClock(standard)
		c.Made = !isClock(standard) && d.computed(extra) && !isConstant(standard)
	case !d.computed(extra):
	case isClock(standard):
		c.Clock = true
	default:
		c.Made = !isConstant(standard)
	}
	return c
}

// computed tells whether a default is written as an expression. MySQL says so;
// MariaDB writes all defaults so.
func (d *dictionary) computed(extra string) bool {
	return d.mariaDB || strings.Contains(extra, "default_generated")
}

// unescape undoes what MySQL's dictionary does to expressions.
var unescape = strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\n`, "\n")

// expression returns an expression's text. MySQL's dictionary puts a backslash
// before quotes.
func (d *dictionary) expression(s string) string {
	if d.mariaDB {
		return s
	}
	return unescape.Replace(s)
}

// clocks are the functions that tell the statement's time.
var clocks = map[string]bool{"current_timestamp": true, "now": true, "localtime": true, "localtimestamp": true, "curdate": true,
	"current_date": true, "curtime": true, "current_time": true, "utc_timestamp": true, "utc_date": true, "utc_time": true, "unix_timestamp": true}

// isClock tells whether an expression is the statement's time and nothing else:
// a function of that kind, with at most a number in brackets.
func isClock(expression string) bool {
	s := strings.ToLower(strings.Trim(expression, "() "))
	word, digits, _ := strings.Cut(s, "(")
	return clocks[strings.TrimSpace(word)] && strings.Trim(digits, "0123456789 ") == ""
}

// constants are the words that an expression may have whose value is always the
// same: those that begin literals, and functions that make one of literals.
var constants = map[string]bool{"b": true, "x": true, "n": true, "null": true, "true": true, "false": true, "date": true, "time": true,
	"timestamp": true, "json_array": true, "json_object": true, "e": true}

// isConstant tells whether an expression's value is surely always the same.
func isConstant(expression string) bool {
	for i := 0; i < len(expression); {
		c := expression[i]
		switch {
		case c == '\'' || c == '"':
			end, open := quoted([]byte(expression), i, true)
			if open {
				return false
			}
			i = end
		case c == '`':
			return false
		case '0' <= c && c <= '9': // 0xff, 1e5
			i = wordEnd(expression, i)
		case inName(c) && c != '?':
			end := wordEnd(expression, i)
			word := strings.ToLower(expression[i:end])
			if !constants[word] && !strings.HasPrefix(word, "_") { // _utf8mb4'...'
				return false
			}
			i = end
		default:
			i++
		}
	}
	return true
}

// wordEnd returns where the word ends that begins at i.
func wordEnd(s string, i int) int {
	for i < len(s) && inName(s[i]) {
		i++
	}
	return i
}
