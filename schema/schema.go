// Package schema holds what a server's data dictionary says of its tables:
// columns, keys, foreign keys, triggers. It knows no server and no SQL text.
package schema

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Schema is what is known of the tables of a server. It is not changed once it
// is in use.
type Schema struct {
	// Server is the version that the server named.
	Server string `json:"server"`
	// IgnoreCase: table and schema names that differ in case only are the same
	// (lower_case_table_names is not 0).
	IgnoreCase bool `json:"ignore_case,omitempty"`
	// Isolation is the server's transaction_isolation, such as "REPEATABLE-READ".
	Isolation string `json:"isolation,omitempty"`
	// Increment is its auto_increment_increment; 0 stands for 1.
	Increment uint64 `json:"increment,omitempty"`
	// RollbackOnTimeout is its innodb_rollback_on_timeout.
	RollbackOnTimeout bool `json:"rollback_on_timeout,omitempty"`
	// SnapshotIsolation is MariaDB's innodb_snapshot_isolation: a write to a row
	// that was changed since the snapshot fails (error 1020).
	SnapshotIsolation bool      `json:"snapshot_isolation,omitempty"`
	Tables            []Table   `json:"tables"`
	Routines          []Routine `json:"routines,omitempty"`
	// Unknown names, for a reader, what the server did not tell, and why. Tables
	// that the account may not see are among that.
	Unknown []string `json:"unknown,omitempty"`

	tables   map[string]*Table
	routines map[string]*Routine
}

// Kind tells what a Table is.
type Kind string

// The kinds.
const (
	Base     Kind = "table"
	View     Kind = "view"
	Sequence Kind = "sequence"
)

// Table is a table, a view or a sequence.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	// Engine is the storage engine, in the server's spelling; "" of a view.
	Engine  string   `json:"engine,omitempty"`
	Columns []Column `json:"columns"`
	// Keys are its keys, the primary key first, if there is one, then the unique
	// ones. Those that find no rows by value (full text, spatial) are left out.
	Keys    []Key        `json:"keys,omitempty"`
	Parents []ForeignKey `json:"parents,omitempty"`
	// Triggers are the bodies of its triggers.
	Triggers []Trigger `json:"triggers,omitempty"`
	// Definition is a view's SELECT.
	Definition string `json:"definition,omitempty"`
}

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	// Type is the data type in lower case, without length: "int", "varchar".
	Type     string `json:"type"`
	Unsigned bool   `json:"unsigned,omitempty"`
	// Collation is that of a text column, else "".
	Collation     string `json:"collation,omitempty"`
	AutoIncrement bool   `json:"auto_increment,omitempty"`
	// Clock: its default, or what an UPDATE sets it to, is the time
	// (CURRENT_TIMESTAMP). Made: its default is another expression (UUID()...).
	Clock bool `json:"clock,omitempty"`
	Made  bool `json:"made,omitempty"`
	// Generated is the expression of a generated column, else "".
	Generated string `json:"generated,omitempty"`
	Nullable  bool   `json:"nullable,omitempty"`
	// Invisible: an INSERT that names no columns gives it no value, and SELECT *
	// does not return it.
	Invisible bool `json:"invisible,omitempty"`
}

// Key is an index.
type Key struct {
	Name    string `json:"name"`
	Primary bool   `json:"primary,omitempty"`
	Unique  bool   `json:"unique,omitempty"`
	// Columns are its columns in order; "" stands for an expression.
	Columns []string `json:"columns"`
	// Prefixes are how many characters of each column (bytes of a binary one) are
	// in the key, 0: all. nil: all of all columns.
	Prefixes []int `json:"prefixes,omitempty"`
}

// ForeignKey is a constraint of a child table.
type ForeignKey struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	// ParentSchema and Parent name the table that Columns refer to, ParentColumns
	// its columns.
	ParentSchema  string   `json:"parent_schema"`
	Parent        string   `json:"parent"`
	ParentColumns []string `json:"parent_columns"`
	// OnDelete and OnUpdate are "CASCADE", "SET NULL", "RESTRICT", "NO ACTION"...
	OnDelete string `json:"on_delete,omitempty"`
	OnUpdate string `json:"on_update,omitempty"`
}

// Trigger is a trigger of a table. Event is "INSERT", "UPDATE" or "DELETE".
type Trigger struct {
	Name  string `json:"name"`
	Event string `json:"event"`
	// After: it runs after the row was changed, not before.
	After bool   `json:"after,omitempty"`
	Body  string `json:"body"`
}

// Routine is a stored procedure or function. Body is "" where the account may
// not read it.
type Routine struct {
	Schema   string `json:"schema"`
	Name     string `json:"name"`
	Function bool   `json:"function,omitempty"`
	Body     string `json:"body"`
}

// Table returns the table of that name, or nil. It is for one goroutine at a
// time.
func (s *Schema) Table(schema, name string) *Table {
	if s == nil {
		return nil
	}
	if s.tables == nil {
		s.index()
	}
	return s.tables[s.key(schema, name)]
}

// Routine returns the stored procedure or function of that name, or nil. It is
// for one goroutine at a time.
func (s *Schema) Routine(schema, name string, function bool) *Routine {
	if s == nil {
		return nil
	}
	if s.tables == nil {
		s.index()
	}
	return s.routines[routineKey(schema, name, function)]
}

func (s *Schema) index() {
	s.tables, s.routines = map[string]*Table{}, map[string]*Routine{}
	for i := range s.Tables {
		s.tables[s.key(s.Tables[i].Schema, s.Tables[i].Name)] = &s.Tables[i]
	}
	for i := range s.Routines {
		r := &s.Routines[i]
		s.routines[routineKey(r.Schema, r.Name, r.Function)] = r
	}
}

func (s *Schema) key(schema, name string) string {
	if s.IgnoreCase {
		return strings.ToLower(schema + "\x00" + name)
	}
	return schema + "\x00" + name
}

func routineKey(schema, name string, function bool) string {
	return fmt.Sprintf("%s\x00%s\x00%v", schema, strings.ToLower(name), function)
}

// Primary returns the columns of the primary key; nil when there is none.
func (t *Table) Primary() []string {
	if len(t.Keys) > 0 && t.Keys[0].Primary {
		return t.Keys[0].Columns
	}
	return nil
}

// Column returns the place of a column, from 0, or -1. Case does not matter.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// MaxText is how many bytes of JSON Read takes.
const MaxText = 512 << 20

// Read reads what Write wrote.
func Read(r io.Reader) (*Schema, error) {
	s := new(Schema)
	if err := json.NewDecoder(io.LimitReader(r, MaxText)).Decode(s); err != nil {
		return nil, fmt.Errorf("no schema: %w", err)
	}
	return s, nil
}

// Write writes the schema as JSON.
func (s *Schema) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(s)
}
