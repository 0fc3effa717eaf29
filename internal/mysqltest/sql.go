package mysqltest

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// open returns the control connections: on the socket, so that they are not in
// a capture of the port.
func (s *Server) open() *sql.DB {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = s.User, s.Password, Schema
	c.Net, c.Addr = "unix", s.Socket
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		panic(err) // unreachable: the configuration is valid
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(idleConns)
	return db
}

// idleConns is how many control connections stay open between two questions.
const idleConns = 2

// DB returns control connections to the server as its all-privileged user, in
// the schema Schema, over the unix socket. They live as long as the server, and
// come back by themselves after a Restart. What they ask is counted by the
// server like everything else.
func (s *Server) DB() *sql.DB { return s.db }

// DSN returns the TCP address of the server in go-sql-driver's notation, with
// its all-privileged user and the schema Schema.
func (s *Server) DSN() string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", s.User, s.Password, s.Addr, Schema)
}

// Exec runs statements on the control connections; each may get another
// connection of the pool.
func (s *Server) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := s.db.Exec(q); err != nil {
			t.Fatalf("%v: %s: %v", s.Kind, q, err)
		}
	}
}

// Value returns the first column of a query's first row; NULL is "NULL".
func (s *Server) Value(t testing.TB, query string, args ...any) string {
	t.Helper()
	rows := s.Rows(t, query, args...)
	if len(rows) == 0 {
		t.Fatalf("%v: %s: no row", s.Kind, query)
	}
	return rows[0][0]
}

// Rows returns all rows of a query; NULL is "NULL".
func (s *Server) Rows(t testing.TB, query string, args ...any) [][]string {
	t.Helper()
	rows, err := queryRows(s.db, query, args...)
	if err != nil {
		t.Fatalf("%v: %s: %v", s.Kind, query, err)
	}
	return rows
}

func queryRows(db *sql.DB, query string, args ...any) ([][]string, error) {
	rows, err := db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(columns))
		for i, v := range values {
			row[i] = "NULL"
			if v.Valid {
				row[i] = v.String
			}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// Status returns a global status variable that is a number, "Com_select" or
// "Questions". Asking is one question and one Com_show_status more.
func (s *Server) Status(t testing.TB, name string) int64 {
	t.Helper()
	rows := s.Rows(t, "SHOW GLOBAL STATUS LIKE "+quote(name))
	if len(rows) != 1 {
		t.Fatalf("%v: status %s: %d rows", s.Kind, name, len(rows))
	}
	n, err := strconv.ParseInt(rows[0][1], 10, 64)
	if err != nil {
		t.Fatalf("%v: status %s: %v", s.Kind, name, err)
	}
	return n
}

// LogQueries makes the server keep every command of all its sessions from now
// on, for GeneralLog to read.
func (s *Server) LogQueries(t testing.TB) {
	t.Helper()
	s.Exec(t, "SET GLOBAL general_log = OFF", "TRUNCATE TABLE mysql.general_log",
		"SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON")
}

// LogEntry is one command as the server saw it.
type LogEntry struct {
	Session  int64  // the server's connection id
	Host     string // the client's address
	Command  string // "Connect", "Query", "Prepare", "Execute", "Quit" ...
	Argument string // the statement, with its parameters when executed
}

// GeneralLog returns the commands since LogQueries in the order in which the
// server began them, those of the control connections left out. A "Quit" may be
// logged some time after the client has gone.
func (s *Server) GeneralLog(t testing.TB) []LogEntry {
	t.Helper()
	rows := s.Rows(t, "SELECT thread_id, command_type, argument, user_host FROM mysql.general_log WHERE user_host NOT LIKE '%@ localhost []%'")
	all := make([]LogEntry, len(rows))
	for i, r := range rows {
		id, err := strconv.ParseInt(r[0], 10, 64)
		if err != nil {
			t.Fatalf("%v: general log: session %q: %v", s.Kind, r[0], err)
		}
		_, host, _ := strings.Cut(r[3], "@")
		host = strings.TrimRight(host[strings.LastIndexByte(host, '[')+1:], "]")
		all[i] = LogEntry{Session: id, Host: host, Command: r[1], Argument: r[2]}
	}
	return all
}
