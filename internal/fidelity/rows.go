package fidelity

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// digest stands for some values.
type digest [16]byte

// Tables are the contents of a schema: of each table its rows, by key.
type Tables map[string]map[digest]digest

// Rows is the number of all rows.
func (t Tables) Rows() (n int) {
	for _, rows := range t {
		n += len(rows) - 1 // one stands for the definition
	}
	return n
}

// definition is the key under which a table's definition stands among its rows.
var definition = digestOf([]sql.RawBytes{[]byte("definition")})

// counter is what SHOW CREATE TABLE tells of the next generated id, which is no
// part of the data.
var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// ReadTables reads every base table of a schema. A table's key is its primary
// key; where it has none rows are compared as a multiset. instead has queries
// for tables that are read otherwise, the first column being the key. Nothing
// may write meanwhile.
func ReadTables(ctx context.Context, db *sql.DB, schema string, instead map[string]string) (Tables, error) {
	names, err := column(ctx, db, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME", schema)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	all := Tables{}
	for _, name := range names {
		rows, err := readTable(ctx, db, schema, name, instead[name])
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", name, err)
		}
		all[name] = rows
	}
	return all, nil
}

func readTable(ctx context.Context, db *sql.DB, schema, name, query string) (map[digest]digest, error) {
	quoted := "`" + schema + "`.`" + name + "`"
	var same, text string
	if err := db.QueryRowContext(ctx, "SHOW CREATE TABLE "+quoted).Scan(&same, &text); err != nil {
		return nil, err
	}
	keys := 1
	if query == "" {
		primary, err := column(ctx, db, "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX", schema, name)
		if err != nil {
			return nil, err
		}
		keys = len(primary)
		first := make([]string, keys)
		for i, c := range primary {
			first[i] = "t.`" + c + "`, "
		}
		query = "SELECT " + strings.Join(first, "") + "t.* FROM " + quoted + " AS t"
	}
	rows, err := readRows(ctx, db, query, keys)
	if err == nil {
		rows[definition] = digestOf([]sql.RawBytes{[]byte(counter.ReplaceAllString(text, ""))})
	}
	return rows, err
}

// errKey says that a query's key names two rows.
var errKey = errors.New("two rows have one key")

// readRows reads a query's rows; the first columns are the key, none is a
// multiset.
func readRows(ctx context.Context, db *sql.DB, query string, keys int) (map[digest]digest, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	all, times := map[digest]digest{}, map[digest]uint64{}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := digestOf(values)
		key := digestOf(values[:keys])
		if keys == 0 {
			times[row]++
			key = digestOf([]sql.RawBytes{row[:], binary.AppendUvarint(nil, times[row])})
		}
		if _, twice := all[key]; twice {
			return nil, errKey
		}
		all[key] = row
	}
	return all, rows.Err()
}

// digestOf returns the digest of values; NULL is none of them.
func digestOf(values []sql.RawBytes) (d digest) {
	var b []byte
	for _, v := range values {
		if v == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(append(b, 1), uint64(len(v)))
		b = append(b, v...)
	}
	sum := sha256.Sum256(b)
	copy(d[:], sum[:])
	return d
}

func column(ctx context.Context, db *sql.DB, query string, args ...any) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// RowDiff counts how two schemas differ. A definition that differs counts as a
// changed row.
type RowDiff struct {
	// Rows are the source's.
	Rows int `json:"rows"`
	// Changed rows are on both sides, Missing ones only on the source, Extra
	// ones only on the target.
	Changed int `json:"changed"`
	Missing int `json:"missing"`
	Extra   int `json:"extra"`
	// Tables has the sum of the three for each table that differs.
	Tables map[string]int `json:"tables,omitempty"`
}

// Sum is the number of rows that differ.
func (d RowDiff) Sum() int { return d.Changed + d.Missing + d.Extra }

// DiffTables compares all rows.
func DiffTables(source, target Tables) RowDiff {
	d := RowDiff{Rows: source.Rows(), Tables: map[string]int{}}
	for name, rows := range source {
		before := d.Sum()
		other := target[name]
		for key, row := range rows {
			switch theirs, ok := other[key]; {
			case !ok:
				d.Missing++
			case theirs != row:
				d.Changed++
			}
		}
		d.countExtra(rows, other)
		d.note(name, before)
	}
	for name, rows := range target {
		if _, ok := source[name]; !ok {
			before := d.Sum()
			d.countExtra(nil, rows)
			d.note(name, before)
		}
	}
	return d
}

func (d *RowDiff) countExtra(source, target map[digest]digest) {
	for key := range target {
		if _, ok := source[key]; !ok {
			d.Extra++
		}
	}
}

func (d *RowDiff) note(table string, before int) {
	if n := d.Sum() - before; n > 0 {
		d.Tables[table] = n
	}
}
