package probe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// asker asks the questions of one call on one connection.
type asker struct {
	ctx  context.Context
	c    *sql.Conn
	text int // bytes of text that may still be taken
	basics
}

// basics are what every call wants to know first.
type basics struct {
	id        uint64 // this connection's
	version   string
	comment   string
	account   string // as GRANT wants it
	mariaDB   bool
	schema    bool // performance_schema is on
	maxSQL    int  // bytes of a statement's text that it keeps
	variables map[string]string
}

// with calls ask with a connection and a deadline.
func (s *Server) with(ctx context.Context, ask func(a *asker) error) error {
	return s.within(ctx, s.timeout, ask)
}

// within calls ask with a connection and a deadline; each question may take as
// long as one call.
func (s *Server) within(ctx context.Context, all time.Duration, ask func(a *asker) error) error {
	ctx, cancel := context.WithTimeout(ctx, all)
	defer cancel()
	s.budget.left.Store(maxAnswer)
	c, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	a := &asker{ctx: ctx, c: c, text: MaxText}
	err = a.begin(s.timeout.Milliseconds())
	if err == nil {
		err = ask(a)
	}
	if err != nil {
		err = fmt.Errorf("asking the server: %w", err)
	}
	return errors.Join(err, c.Close())
}

// wanted are the global variables that are asked for in every call, as far as
// the server has them.
var wanted = []string{"performance_schema", "performance_schema_max_sql_text_length", "character_set_client",
	"character_set_results", "character_set_connection", "collation_connection", "server_uuid", "server_id", "hostname",
	"datadir", "port", "max_connections", "read_only", "super_read_only", "sql_mode", "require_secure_transport",
	"max_prepared_stmt_count", "lower_case_table_names", "time_zone", "system_time_zone", "log_bin", "gtid_mode",
	"session_track_gtids", "session_track_system_variables",
	"character_set_server", "collation_server", "skip_name_resolve", "binlog_format", "transaction_isolation", "tx_isolation",
	"auto_increment_increment", "innodb_rollback_on_timeout", "innodb_snapshot_isolation"}

// begin asks for the basics.
func (a *asker) begin(milliseconds int64) error {
	err := a.one("SELECT CONNECTION_ID(), VERSION(), @@version_comment, CURRENT_USER()", func(r row) {
		a.id, a.version, a.comment, a.account = r.number(0), r.text(1), r.text(2), account(r.text(3))
	})
	if err != nil {
		return err
	}
	a.mariaDB = strings.Contains(strings.ToLower(a.version), "mariadb")
	limit := fmt.Sprintf("SET SESSION max_execution_time = %d", milliseconds)
	if a.mariaDB {
		limit = fmt.Sprintf("SET SESSION max_statement_time = %d", max(milliseconds/1000, 1))
	}
	if _, err := a.c.ExecContext(a.ctx, limit); err != nil && refused(err) == "" {
		return err // a server that has no such variable is asked without
	}
	a.variables = map[string]string{}
	_, err = a.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('"+strings.Join(wanted, "','")+"')", len(wanted),
		func(r row) { a.variables[strings.ToLower(r.text(0))] = r.text(1) })
	if err != nil {
		return err
	}
	a.schema = a.on("performance_schema")
	a.maxSQL = a.maxText()
	return nil
}

// preparedText is how many bytes of a prepared statement's text MySQL 9.7 and
// MariaDB 10.11 keep, whatever performance_schema_max_sql_text_length says. Other
// versions may keep less when it says so.
const preparedText = 1024

func (a *asker) maxText() int {
	n, err := strconv.Atoi(a.variables["performance_schema_max_sql_text_length"])
	if err != nil || n > preparedText || n < 0 {
		return preparedText
	}
	return n
}

// on tells whether a global variable is ON or 1.
func (a *asker) on(name string) bool {
	v := strings.ToUpper(a.variables[name])
	return v == "ON" || v == "1" || v == "YES"
}

// account writes what CURRENT_USER() returns as GRANT wants it.
func account(user string) string {
	name, host := user, "%"
	if i := strings.LastIndexByte(user, '@'); i >= 0 {
		name, host = user[:i], user[i+1:]
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	return quote(name) + "@" + quote(host)
}

// row is a row of an answer. Its bytes are valid until the next; nil is NULL.
type row []sql.RawBytes

func (r row) text(i int) string {
	if i < len(r) {
		return string(r[i])
	}
	return ""
}

// number returns a number, 0 when it is none.
func (r row) number(i int) uint64 {
	n, err := strconv.ParseUint(r.text(i), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (r row) null(i int) bool { return i >= len(r) || r[i] == nil }

// one asks for one row.
func (a *asker) one(query string, each func(r row)) error {
	n := 0
	_, err := a.rows(query, 1, func(r row) { n++; each(r) })
	if err == nil && n == 0 {
		return errors.New("an empty answer")
	}
	return err
}

// rows asks for rows and tells whether there were more than the limit, or more
// text than may be taken.
func (a *asker) rows(query string, limit int, each func(r row)) (more bool, err error) {
	return a.ask(query, limit, func(_ []string, r row) { each(r) })
}

// ask is rows for answers whose columns differ from version to version.
func (a *asker) ask(query string, limit int, each func(columns []string, r row)) (more bool, err error) {
	rows, err := a.c.QueryContext(a.ctx, query)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return false, err
	}
	r := make(row, len(columns))
	into := make([]any, len(columns))
	for i := range r {
		into[i] = &r[i]
	}
	for n := 0; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return false, err
		}
		for i := range r {
			a.text -= len(r[i])
		}
		if n >= limit || a.text < 0 {
			return true, nil
		}
		each(columns, r)
	}
	return false, rows.Err()
}

// What a server answers to a question that it does not want to answer.
const (
	denied    = "not allowed"
	absent    = "the server has no such thing"
	slow      = "it took too long"
	prevented = "an option of the server prevents it" // such as --skip-grant-tables
)

// refused tells why a server did not answer a question; "" when the error is
// none of the server's, or one that ends the asking.
func refused(err error) string {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Number {
	case 1044, 1045, 1142, 1143, 1227, 1370: // ER_*_ACCESS_DENIED_ERROR
		return denied
	case 1049, 1054, 1064, 1109, 1146, 1193, 1231: // no such schema, column, syntax, table, variable
		return absent
	case 1290: // ER_OPTION_PREVENTS_STATEMENT
		return prevented
	case 1317, 1969, 3024: // ER_QUERY_INTERRUPTED, ER_STATEMENT_TIMEOUT, ER_QUERY_TIMEOUT
		return slow
	}
	return fmt.Sprintf("error %d", e.Number)
}
