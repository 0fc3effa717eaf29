package probe

import (
	"fmt"
	"slices"
	"strings"

	"myreplay/session"
)

// notSet are the session variables that are not restored though their value is
// not the global one. Those that have no global value (timestamp, insert_id,
// last_insert_id, rand_seed1, gtid_next, pseudo_thread_id, proxy_user and their
// like) are none of these: what they say is of one statement, of the server's
// own work, or can't be set. last_insert_id names a row that the target need not
// have under that number.
var notSet = map[string]bool{
	// They follow from collation_connection and from the schema.
	"character_set_connection": true, "character_set_database": true, "collation_database": true,
	// They can't be set for a session.
	"max_allowed_packet": true, "net_buffer_length": true, "max_user_connections": true,
	// They say how the source writes its binary log, and need privileges.
	"binlog_format": true, "binlog_row_image": true, "binlog_row_value_options": true, "binlog_rows_query_log_events": true,
	"binlog_direct_non_transactional_updates": true, "binlog_transaction_compression": true,
	"binlog_transaction_compression_level_zstd": true, "transaction_write_set_extraction": true, "rbr_exec_mode": true,
	"default_collation_for_utf8mb4": true, "sql_log_bin": true, "gtid_next": true, "gtid_owned": true, "debug": true, "debug_sync": true,
}

// maxShown is how many bytes of a system variable the performance schema shows.
const maxShown = 1024

// charsetVariables say how text is sent, in the order in which they are to be set.
var charsetVariables = []string{"character_set_client", "character_set_results", "collation_connection"}

// differingVariables asks for the variables that are not the global ones. The
// copy of the global ones has an index of its own: so it costs the server half
// of what a plain join does (0.35 s of CPU for 2,000 sessions).
const differingVariables = "SELECT v.THREAD_ID, v.VARIABLE_NAME, v.VARIABLE_VALUE FROM performance_schema.variables_by_thread v" +
	" STRAIGHT_JOIN (SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.global_variables LIMIT 100000) g" +
	" ON g.VARIABLE_NAME = v.VARIABLE_NAME WHERE v.VARIABLE_VALUE <> g.VARIABLE_VALUE"

// sessionVariables asks for the system variables whose value is not the global
// one.
func (sn *snapshot) sessionVariables(s *Server) error {
	if sn.mariaDB {
		sn.unknown(sessionVariables, "")
		sn.remark("MariaDB does not tell the session variables of other sessions: character set, autocommit, sql_mode and the like are taken for the server's defaults")
		return nil
	}
	charsets := map[*known]map[string]string{}
	told, err := sn.watched(question{sessionVariables, differingVariables,
		func(r row) {
			k := sn.byThread[r.number(0)]
			if k == nil {
				return
			}
			name, value := r.text(1), r.text(2)
			switch {
			case slices.Contains(charsetVariables, name):
				if charsets[k] == nil {
					charsets[k] = map[string]string{}
				}
				charsets[k][name] = value
			case notSet[name]:
			case len(value) >= maxShown:
				k.unknown("session variable "+name, "too long")
			default:
				k.state.Variables = append(k.state.Variables, session.Variable{Name: name, Value: value, Number: decimal(value)})
			}
		}})
	if err != nil || !told {
		return err
	}
	collations, err := s.collationIDs(sn.asker)
	if err != nil {
		return err
	}
	sn.each(func(k *known) {
		if k.thread != 0 {
			sn.charset(k, charsets[k], collations)
		}
		slices.SortFunc(k.state.Variables, byName)
	})
	return nil
}

func byName(a, b session.Variable) int { return strings.Compare(a.Name, b.Name) }

// charset sets a session's collation, and the variables of character sets where
// the collation alone does not say them. set are those that are not the global
// ones.
func (sn *snapshot) charset(k *known, set map[string]string, collations map[string]uint16) {
	values := map[string]string{}
	for _, name := range charsetVariables {
		values[name] = sn.variables[name]
		if v, ok := set[name]; ok {
			values[name] = v
		}
	}
	collation := values["collation_connection"]
	k.collation = collations[collation]
	own, _, _ := strings.Cut(collation, "_")
	k.utf8 = isUTF8(values["character_set_client"])
	if len(set) == 0 && k.collation != 0 && values["character_set_client"] == own && values["character_set_results"] == own {
		return
	}
	for _, name := range charsetVariables {
		v := session.Variable{Name: name, Value: values[name]}
		v.Null = v.Value == "" // of character_set_results: nothing is converted
		k.state.Variables = append(k.state.Variables, v)
	}
}

// isUTF8 tells whether text in a character set is UTF-8.
func isUTF8(charset string) bool {
	switch charset {
	case "utf8mb4", "utf8mb3", "utf8", "ascii":
		return true
	}
	return false
}

// maxCollations is more than any server has.
const maxCollations = 10_000

// collationIDs returns the ids of collations by name.
func (s *Server) collationIDs(a *asker) (map[string]uint16, error) {
	s.mu.Lock()
	ids := s.collations
	s.mu.Unlock()
	if ids != nil {
		return ids, nil
	}
	ids = map[string]uint16{}
	_, err := a.rows("SELECT COLLATION_NAME, ID FROM information_schema.COLLATIONS WHERE ID < 65536", maxCollations, func(r row) {
		ids[r.text(0)] = uint16(r.number(1))
	})
	if err != nil && refused(err) == "" {
		return nil, fmt.Errorf("the collations: %w", err)
	}
	s.mu.Lock()
	s.collations = ids
	s.mu.Unlock()
	return ids, nil
}

// userVariables asks for the users' own variables (@name).
func (sn *snapshot) userVariables() error {
	empty := map[*known][]string{}
	_, err := sn.watched(question{userVariables,
		fmt.Sprintf("SELECT THREAD_ID, VARIABLE_NAME, LENGTH(VARIABLE_VALUE), LEFT(VARIABLE_VALUE, %d) FROM performance_schema.user_variables_by_thread", MaxValue),
		func(r row) {
			k := sn.byThread[r.number(0)]
			if k == nil {
				return
			}
			name, value := r.text(1), r.text(3)
			switch {
			case value == "":
				// The server shows '' as NULL.
				empty[k] = append(empty[k], "@"+name)
			case r.number(2) > MaxValue:
				k.unknown("@"+name, fmt.Sprintf("%d bytes", r.number(2)))
			default:
				v := session.Variable{Name: name, Value: value, Number: decimal(value)}
				if v.Number {
					sn.numbers++
				}
				k.state.UserVariables = append(k.state.UserVariables, v)
			}
		}})
	sn.each(func(k *known) {
		if names := empty[k]; len(names) > 0 {
			slices.Sort(names)
			k.unknown(strings.Join(names, ", "), "NULL or empty")
		}
		slices.SortFunc(k.state.UserVariables, byName)
	})
	return err
}

// maxDigits is how many digits a number has at most to be taken for one.
const maxDigits = 65 // DECIMAL's

// decimal tells whether a value reads as a number does that the server writes:
// "5", "-1.50", but not "007" or "1e3".
func decimal(value string) bool {
	s := strings.TrimPrefix(value, "-")
	whole, fraction, point := strings.Cut(s, ".")
	if len(s) > maxDigits || !digits(whole) || point && !digits(fraction) {
		return false
	}
	return len(whole) == 1 || whole[0] != '0'
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
