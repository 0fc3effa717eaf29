package xproto

import (
	"strconv"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
)

// everyType has a column for each type, and what is put into it.
var everyType = []struct {
	column string
	values []string
}{
	{"TINYINT", []string{"-128", "127", "0"}},
	{"TINYINT UNSIGNED", []string{"255", "0"}},
	{"SMALLINT", []string{"-32768"}},
	{"MEDIUMINT UNSIGNED", []string{"16777215"}},
	{"INT", []string{"-2147483648", "2147483647"}},
	{"INT(8) ZEROFILL", []string{"42", "123456789"}},
	{"INT UNSIGNED", []string{"4294967295"}},
	{"BIGINT", []string{"-9223372036854775808", "9223372036854775807"}},
	{"BIGINT UNSIGNED", []string{"18446744073709551615"}},
	{"DECIMAL(10,4)", []string{"-12.3401", "0", "999999.9999", "0.0001", "-0.5", "7"}},
	{"DECIMAL(65,30)", []string{"12345678901234567890123456789012345.123456789012345678901234567891", "-1"}},
	{"DECIMAL(5,0)", []string{"99999", "-1", "0"}},
	{"DECIMAL(5,5)", []string{"0.12345", "-0.00001"}},
	{"DECIMAL(8,2) UNSIGNED", []string{"1.5"}},
	{"DOUBLE", []string{"1.5", "-1e308", "1e-300", "0", "123456789012345680000", "0.1", "1e15", "1e14"}},
	{"DOUBLE(10,2)", []string{"1.5", "100"}},
	{"FLOAT", []string{"1.5", "-3.4e38", "0.1", "1e20"}},
	{"FLOAT(7,3)", []string{"1.5"}},
	{"BIT(1)", []string{"1", "0"}},
	{"BIT(64)", []string{"18446744073709551615"}},
	{"YEAR", []string{"1901", "2155"}},
	{"DATE", []string{"'2020-02-29'", "'0000-00-00'", "'9999-12-31'", "'2020-00-00'"}},
	{"DATETIME", []string{"'2020-02-29 01:02:03'", "'2020-02-29 00:00:00'", "'2020-02-29 01:00:00'", "'0000-00-00'"}},
	{"DATETIME(3)", []string{"'2020-02-29 01:02:03.4'", "'2020-02-29 01:02:03'", "'2020-02-29'"}},
	{"DATETIME(6)", []string{"'2020-02-29 01:02:03.000001'", "'2020-02-29'"}},
	{"TIMESTAMP", []string{"'2020-02-29 01:02:03'", "'2020-02-29'"}},
	{"TIMESTAMP(2)", []string{"'2020-02-29 01:02:03.25'"}},
	{"TIME", []string{"'00:00:00'", "'-838:59:59'", "'838:59:59'", "'-00:00:01'", "'12:00:00'"}},
	{"TIME(6)", []string{"'00:00:00.000001'", "'-01:02:03.5'", "'01:00:00'", "'00:00:00'"}},
	{"TIME(1)", []string{"'00:00:00.9'"}},
	{"CHAR(5)", []string{"'ab'", "''"}},
	{"VARCHAR(50)", []string{"'it''s'", "''", "'ü€𝄞'"}},
	{"VARCHAR(50) CHARACTER SET latin1", []string{"'ü'"}},
	{"BINARY(4)", []string{"'ab'"}},
	{"VARBINARY(50)", []string{"x'01ff'", "''"}},
	{"TEXT", []string{"'text'"}},
	{"BLOB", []string{"x'ff01'"}},
	{"ENUM('a','b,c','')", []string{"'a'", "'b,c'", "''"}},
	{"SET('a','b','c')", []string{"'a'", "'a,c'", "''", "'a,b,c'"}},
	{"SET('','x')", []string{"''", "2", "1", "3"}},
	{"JSON", []string{`'{"a":[1,2.5,null]}'`, "'null'"}},
	{"GEOMETRY", []string{"ST_GeomFromText('POINT(1 2)')"}},
	{"VECTOR(2)", []string{"STRING_TO_VECTOR('[1,2]')"}},
}

// TestServerValues compares AppendText with what a classic client is shown, for
// every type of column. Floats and bits are compared as numbers.
func TestServerValues(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	c := login(t, s)
	c.sql("SET sql_mode = ''")
	for _, e := range everyType {
		t.Run(e.column, func(t *testing.T) {
			c.t = t
			c.sql("DROP TABLE IF EXISTS v")
			c.sql("CREATE TABLE v (n INT PRIMARY KEY AUTO_INCREMENT, v " + e.column + ")")
			for _, v := range append(e.values, "NULL") {
				c.sql("INSERT INTO v (v) VALUES (" + v + ")")
			}
			shown := "v"
			if strings.HasPrefix(e.column, "BIT") {
				shown = "v+0"
			}
			args := append(s.ClientArgs(mysqltest.MySQL97), "-N", "-B", "--raw", "--binary-as-hex=0", "--default-character-set=utf8mb4", mysqltest.Schema,
				"-e", "SELECT CONCAT_WS('', v IS NULL), "+shown+" FROM v ORDER BY n")
			want := mysqltest.Output(t, mysqltest.Client(t, mysqltest.MySQL97, "mysql", args...))
			a := c.sql("SELECT v IS NULL, v FROM v ORDER BY n")
			_, rows := a.rows(t)
			number := strings.HasPrefix(e.column, "DOUBLE") || strings.HasPrefix(e.column, "FLOAT")
			var got strings.Builder
			for _, row := range rows {
				got.WriteString(row[0] + "\t" + row[1] + "\n")
			}
			if number {
				sameNumbers(t, got.String(), want)
			} else if got.String() != want {
				t.Errorf("X Protocol:\n%q\nclassic:\n%q", got.String(), want)
			}
		})
	}
}

func sameNumbers(t *testing.T, got, want string) {
	a, b := strings.Fields(got), strings.Fields(want)
	if len(a) != len(b) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range a {
		x, err1 := strconv.ParseFloat(a[i], 32)
		y, err2 := strconv.ParseFloat(b[i], 32)
		if (err1 == nil) != (err2 == nil) || x != y {
			t.Errorf("got %s, want %s", a[i], b[i])
		}
	}
}
