package probe

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"myreplay/schema"
)

// Limits of a schema. Past one of them the answer ends, and that is said.
const (
	// MaxTables is how many tables and views are read, MaxColumns how many columns
	// of all of them, and parts of keys; MaxPrograms how many triggers and routines.
	MaxTables   = 100_000
	MaxColumns  = 2_000_000
	MaxPrograms = 100_000
	// MaxBody is how many bytes the body of a view, trigger or routine may have;
	// a longer one is unknown.
	MaxBody = 256 << 10
	// MaxSchemas is how many schemas may be named.
	MaxSchemas = 10_000
	// schemaCalls is how many times longer than another call Schema may take.
	schemaCalls = 6
)

// Schema asks for the tables, keys, foreign keys, triggers, views and routines of
// the schemas, of all but the server's own when schemas is nil. It fails when the
// server can't be asked; what it does not tell is named in the answer's Unknown.
// The question may take six times as long as other calls.
func (s *Server) Schema(ctx context.Context, schemas []string) (*schema.Schema, error) {
	if len(schemas) > MaxSchemas {
		return nil, fmt.Errorf("%d schemas are named, more than %d", len(schemas), MaxSchemas)
	}
	d := &dictionary{tables: map[name]*table{}}
	err := s.within(ctx, schemaCalls*s.timeout, func(a *asker) error {
		d.asker = a
		return d.take(schemas)
	})
	if err != nil {
		return nil, err
	}
	return d.whole(), nil
}

// name is that of a table, with its schema.
type name struct{ schema, table string }

// table is one that is being put together.
type table struct {
	schema.Table
	places []uint64 // of its columns
	keys   map[string]*key
	foreign
}

// key is an index that is being put together.
type key struct {
	schema.Key
	places   []uint64
	prefixes []int
	// none: it finds no rows by value.
	none bool
}

// dictionary is what is being asked for.
type dictionary struct {
	*asker
	out    schema.Schema
	tables map[name]*table
	// where is the condition on a column with a schema's name.
	where string
	// unread counts bodies that the server did not tell.
	unread int
}

// take asks all questions.
func (d *dictionary) take(schemas []string) error {
	isolation := d.variables["transaction_isolation"]
	if isolation == "" {
		isolation = d.variables["tx_isolation"]
	}
	lower := d.variables["lower_case_table_names"]
	d.out = schema.Schema{Server: d.version, Isolation: isolation, IgnoreCase: lower != "" && lower != "0",
		RollbackOnTimeout: d.on("innodb_rollback_on_timeout"), SnapshotIsolation: d.on("innodb_snapshot_isolation")}
	if _, err := fmt.Sscan(d.variables["auto_increment_increment"], &d.out.Increment); err != nil {
		d.unknown("auto_increment_increment")
	}
	for _, d.where = range conditions(schemas, d.mariaDB) {
		for _, step := range []func() error{d.askTables, d.askColumns, d.askKeys, d.askForeign, d.askTriggers, d.askViews, d.askRoutines} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	if d.unread > 0 {
		d.unknown(number(d.unread, "text") + " of views, triggers or routines: longer than the limit, or not to be read by " + d.account)
	}
	return d.askPrivileges(schemas)
}

// conditions returns the conditions on a schema's name, one for each round of
// questions. MariaDB goes through all directories but where the schema is one
// constant.
func conditions(schemas []string, mariaDB bool) (list []string) {
	switch {
	case schemas == nil:
		return []string{"NOT IN ('mysql','information_schema','performance_schema','sys')"}
	case len(schemas) == 0:
		return nil
	case mariaDB:
		for _, s := range schemas {
			list = append(list, "= "+literal(s))
		}
		return list
	}
	for _, s := range schemas {
		list = append(list, literal(s))
	}
	return []string{"IN (" + strings.Join(list, ",") + ")"}
}

// literal writes a text so that every SQL mode reads it.
func literal(s string) string {
	if s == "" {
		return "''"
	}
	return "_utf8mb4 x'" + hex.EncodeToString([]byte(s)) + "'"
}

func (d *dictionary) unknown(what string) {
	if !slices.Contains(d.out.Unknown, what) {
		d.out.Unknown = append(d.out.Unknown, what)
	}
}

// list asks for rows; what names them. column is the one with the schema's name.
func (d *dictionary) list(what, query, column string, limit int, each func(r row)) error {
	more, err := d.rows(query+" WHERE "+column+" "+d.where, limit, each)
	if why := refused(err); why != "" {
		d.unknown(what + " (" + why + ")")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the %s: %w", what, err)
	}
	if more {
		d.unknown(fmt.Sprintf("%s (there are more than %d, or they are longer than %d MB in all)", what, limit, MaxText>>20))
	}
	return nil
}

// kinds are the kinds of tables by their names in the dictionary. A temporary
// table is somebody's own.
var kinds = map[string]schema.Kind{"BASE TABLE": schema.Base, "SYSTEM VERSIONED": schema.Base, "VIEW": schema.View,
	"SEQUENCE": schema.Sequence}

func (d *dictionary) askTables() error {
	return d.list("tables", "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES", "TABLE_SCHEMA",
		max(MaxTables-len(d.tables), 0), func(r row) {
			kind, ok := kinds[r.text(2)]
			if !ok {
				return
			}
			t := &table{keys: map[string]*key{}}
			t.Schema, t.Name, t.Kind, t.Engine = r.text(0), r.text(1), kind, r.text(3)
			d.tables[name{t.Schema, t.Name}] = t
		})
}

// table returns the table that a row is about, by its first two values.
func (d *dictionary) table(r row) *table { return d.tables[name{r.text(0), r.text(1)}] }

func (d *dictionary) askKeys() error {
	return d.list("keys", "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, SUB_PART, INDEX_TYPE"+
		" FROM information_schema.STATISTICS", "TABLE_SCHEMA", MaxColumns, func(r row) {
		t := d.table(r)
		if t == nil {
			return
		}
		k := t.keys[r.text(2)]
		if k == nil {
			k = &key{Key: schema.Key{Name: r.text(2), Primary: r.text(2) == "PRIMARY", Unique: r.number(5) == 0}}
			t.keys[k.Name] = k
		}
		switch r.text(7) {
		case "FULLTEXT", "SPATIAL", "VECTOR":
			k.none = true
		}
		k.Columns, k.places = append(k.Columns, r.text(4)), append(k.places, r.number(3))
		k.prefixes = append(k.prefixes, int(min(r.number(6), 1<<20)))
	})
}

// whole returns the schema that was put together.
func (d *dictionary) whole() *schema.Schema {
	d.out.Tables = make([]schema.Table, 0, len(d.tables))
	for _, t := range d.tables {
		byPlace(t.places, func(order []int) { t.Columns = ordered(t.Columns, order) })
		for _, k := range t.keys {
			if k.none {
				continue
			}
			byPlace(k.places, func(order []int) {
				k.Columns, k.prefixes = ordered(k.Columns, order), ordered(k.prefixes, order)
			})
			if slices.Max(k.prefixes) > 0 {
				k.Prefixes = k.prefixes
			}
			t.Keys = append(t.Keys, k.Key)
		}
		slices.SortFunc(t.Keys, func(a, b schema.Key) int {
			return cmp.Or(first(a.Primary, b.Primary), first(a.Unique, b.Unique), cmp.Compare(a.Name, b.Name))
		})
		t.Parents = t.foreign.list()
		slices.SortFunc(t.Triggers, func(a, b schema.Trigger) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Event, b.Event))
		})
		d.out.Tables = append(d.out.Tables, t.Table)
	}
	slices.SortFunc(d.out.Tables, func(a, b schema.Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(d.out.Routines, func(a, b schema.Routine) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), first(!a.Function, !b.Function))
	})
	return &d.out
}

// first orders those before the others of which something is true.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// byPlace calls f with the order of places.
func byPlace(places []uint64, f func(order []int)) {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(places[a], places[b]) })
	f(order)
}

// ordered returns a list in another order.
func ordered[T any](list []T, order []int) []T {
	out := make([]T, len(order))
	for i, from := range order {
		out[i] = list[from]
	}
	return out
}
