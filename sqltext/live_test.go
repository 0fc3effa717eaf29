package sqltext

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
)

// standIns are the names of stored functions that are called where a built-in
// one is taken to be, and why that is let be.
var standIns = map[mysqltest.Kind]string{
	mysqltest.MySQL97: "md5 sha sha1", // see builtins
	// With as many arguments as the built-in function never has; json_table is
	// one behind FROM only.
	mysqltest.MariaDB118: "geometrycollection json_table linestring multilinestring multipoint multipolygon point polygon",
}

// connect opens one connection to a server.
func connect(t *testing.T, s *mysqltest.Server) *sql.Conn {
	t.Helper()
	config, err := mysql.ParseDSN(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.MultiStatements = true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// asked returns the one value that a query returns.
func asked(c *sql.Conn, query string) (v string, err error) {
	err = c.QueryRowContext(context.Background(), query).Scan(&v)
	return v, err
}

// TestOnServers asks real servers about what this package believes of them.
func TestOnServers(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB118} {
		t.Run(kind.String(), func(t *testing.T) {
			c := connect(t, mysqltest.Start(t, kind))
			checkNames(t, c, kind)
			checkSpaces(t, c)
		})
	}
}

// checkNames gives stored functions the name of every word that is taken for a
// built-in function or a keyword before a parenthesis: the server must not call
// them.
func checkNames(t *testing.T, c *sql.Conn, kind mysqltest.Kind) {
	do := func(text string) {
		if _, err := c.ExecContext(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	do("set global log_bin_trust_function_creators = 1; create database names; use names")
	opt := Options{MariaDB: kind != mysqltest.MySQL97}
	for _, word := range wordTexts[1:] {
		if !strings.Contains(" "+standIns[kind]+" ", " "+word+" ") {
			checkName(t, c, do, word, opt)
		}
	}
}

// checkName asks whether a stored function of a name is called.
func checkName(t *testing.T, c *sql.Conn, do func(string), word string, opt Options) {
	const mark = "4711"
	for _, form := range []string{"select %s(1)", "select %s (1)"} {
		text := fmt.Sprintf(form, word)
		var a Analyzer
		if a.Analyze([]byte(text), opt).Class == Unknown {
			continue
		}
		do(fmt.Sprintf("create function names.`%s`(a int) returns int deterministic return %s", word, mark))
		if v, err := asked(c, text); err == nil && v == mark {
			t.Errorf("%s calls a stored function", text)
		}
		do(fmt.Sprintf("drop function names.`%s`", word))
	}
}

// checkSpaces asks which bytes over 0x7f are spaces, for each character set.
func checkSpaces(t *testing.T, c *sql.Conn) {
	for name, class := range clientCharsets {
		if _, err := c.ExecContext(context.Background(), "set names "+name); err != nil {
			continue // a set of the other server
		}
		for b := 0x80; b <= 0xff; b++ {
			_, err := asked(c, "select"+string([]byte{byte(b)})+"1")
			if got, want := err == nil, byte(b) == class.highSpace(); got != want {
				t.Errorf("%s: %x is a space: %t, want %t", name, b, got, want)
			}
		}
	}
}
