package probe

import (
	"cmp"
	"fmt"
	"slices"

	"myreplay/session"
)

// prepared asks for the prepared statements that are open. Those of stored
// programs belong to no client.
func (sn *snapshot) prepared() error {
	if err := sn.watchedKinds(); err != nil {
		return err
	}
	_, err := sn.watched(question{preparedStatements,
		"SELECT OWNER_THREAD_ID, STATEMENT_ID, STATEMENT_NAME, SQL_TEXT FROM performance_schema.prepared_statements_instances" +
			" WHERE OWNER_OBJECT_TYPE IS NULL",
		func(r row) {
			k := sn.byThread[r.number(0)]
			if k == nil {
				return
			}
			p := session.PreparedState{Statement: uint32(r.number(1)), Name: r.text(2)}
			if k.protocol == session.X && p.Name == "" {
				// The ids of the X Protocol are the client's; these are the server's.
				k.unknown(preparedStatements, "the server does not tell the ids of the X Protocol")
				return
			}
			if !r.null(3) && sn.certain(k, r[3]) {
				p.SQL = append([]byte{}, r[3]...)
			} else {
				sn.unclear++
			}
			k.state.Prepared = append(k.state.Prepared, p)
		}})
	sn.each(func(k *known) {
		slices.SortFunc(k.state.Prepared, func(a, b session.PreparedState) int { return cmp.Compare(a.Statement, b.Statement) })
	})
	return err
}

// watchedKinds looks whether the server watches what is asked for.
func (sn *snapshot) watchedKinds() error {
	if !sn.schema {
		return nil
	}
	off, err := sn.instruments()
	if err != nil {
		return err
	}
	for _, name := range []string{"statement/com/Prepare", "statement/sql/prepare_sql"} {
		if off[name] {
			sn.unknown(preparedStatements, "the instrument "+name+" is off")
			sn.remark("statements that are prepared while the instrument is off are not told: UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = '%s'", name)
		}
	}
	lost := uint64(0)
	_, err = sn.rows("SHOW GLOBAL STATUS LIKE 'Performance_schema_prepared_statements_lost'", 1, func(r row) { lost = r.number(1) })
	if err != nil && refused(err) == "" {
		return fmt.Errorf("the lost prepared statements: %w", err)
	}
	if lost > 0 {
		sn.unknown(preparedStatements, "the server has no room for all: performance_schema_max_prepared_statements_instances")
		sn.remark("the performance schema had no room for %s: set performance_schema_max_prepared_statements_instances higher (needs a restart)", number(int(min(lost, 1<<30)), "prepared statement"))
	}
	sn.each(func(k *known) {
		if k.uninstrumented {
			k.unknown(preparedStatements, "the session is not instrumented")
		}
	})
	return nil
}

// certain tells whether a statement's text is all of it and as it was. Both
// servers keep its first bytes only. MySQL shows it up to the first byte that is
// not UTF-8; MariaDB shows a question mark for each such byte, and for each
// character that takes four.
func (sn *snapshot) certain(k *known, sql []byte) bool {
	if len(sql) == 0 || len(sql) > sn.maxSQL-4 { // three bytes of a character may be cut away
		return false
	}
	for _, escapes := range []bool{true, false} {
		t := read(sql, escapes)
		if t.open {
			return false
		}
		if sn.mariaDB && t.doubtful {
			return false
		}
	}
	if !sn.mariaDB && !k.utf8 {
		// A name may have gone on after this; nothing else can.
		switch sql[len(sql)-1] {
		case '?', ')', '\'', ';':
		default:
			return false
		}
	}
	return true
}

// reading is what a look at a statement's text tells.
type reading struct {
	open     bool // it ends within quotes or a comment
	doubtful bool // a question mark may stand for something else
}

// read looks at a statement's text. escapes tells whether a backslash within
// quotes escapes.
func read(sql []byte, escapes bool) (t reading) {
	for i := 0; i < len(sql); {
		end := i + 1
		switch c := sql[i]; {
		case c == '\'' || c == '"' || c == '`':
			end, t.open = quoted(sql, i, escapes && c != '`')
		case c == '#' || c == '-' && i+1 < len(sql) && sql[i+1] == '-':
			end, t.open = until(sql, i, "\n")
		case c == '/' && i+1 < len(sql) && sql[i+1] == '*':
			end, t.open = until(sql, i+2, "*/")
		case c == '?':
			t.doubtful = t.doubtful || i > 0 && inName(sql[i-1]) || i+1 < len(sql) && inName(sql[i+1])
		}
		if end > i+1 {
			t.doubtful = t.doubtful || slices.Contains(sql[i:end], '?')
		}
		i = end
	}
	return t
}

// quoted returns where quotes that begin at i end, and whether they do not.
func quoted(sql []byte, i int, escapes bool) (end int, open bool) {
	for j := i + 1; j < len(sql); j++ {
		switch {
		case sql[j] == '\\' && escapes:
			j++
		case sql[j] == sql[i]:
			return j + 1, false // a doubled quote begins the next
		}
	}
	return len(sql), true
}

// until returns where a comment ends, and whether it does not.
func until(sql []byte, i int, mark string) (end int, open bool) {
	for j := min(i, len(sql)); j+len(mark) <= len(sql); j++ {
		if string(sql[j:j+len(mark)]) == mark {
			return j + len(mark), false
		}
	}
	return len(sql), true
}

// inName tells whether a byte may be part of a name, or stand for one that may.
func inName(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' || c == '?' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
