package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"myreplay/schema"
)

// foreign are the foreign keys of a table that is being put together, by name.
type foreign map[string]*foreignKey

type foreignKey struct {
	schema.ForeignKey
	places []uint64
}

func (f foreign) list() (list []schema.ForeignKey) {
	for _, k := range f {
		byPlace(k.places, func(order []int) {
			k.Columns, k.ParentColumns = ordered(k.Columns, order), ordered(k.ParentColumns, order)
		})
		list = append(list, k.ForeignKey)
	}
	slices.SortFunc(list, func(a, b schema.ForeignKey) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// askForeign asks for the foreign keys, then for their columns: that costs
// MariaDB much, and nothing where there are none.
func (d *dictionary) askForeign() error {
	found := false
	err := d.list("foreign keys", "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE"+
		" FROM information_schema.REFERENTIAL_CONSTRAINTS", "CONSTRAINT_SCHEMA", MaxColumns, func(r row) {
		t := d.table(r)
		if t == nil {
			return
		}
		if t.foreign == nil {
			t.foreign = foreign{}
		}
		found = true
		t.foreign[r.text(2)] = &foreignKey{ForeignKey: schema.ForeignKey{Name: r.text(2), OnUpdate: r.text(3), OnDelete: r.text(4)}}
	})
	if err != nil || !found {
		return err
	}
	return d.list("columns of foreign keys", "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION, COLUMN_NAME,"+
		" REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE",
		"REFERENCED_TABLE_NAME IS NOT NULL AND TABLE_SCHEMA", MaxColumns, func(r row) {
			t := d.table(r)
			if t == nil || t.foreign[r.text(2)] == nil || r.null(6) {
				return
			}
			k := t.foreign[r.text(2)]
			k.ParentSchema, k.Parent = r.text(5), r.text(6)
			k.Columns, k.ParentColumns = append(k.Columns, r.text(4)), append(k.ParentColumns, r.text(7))
			k.places = append(k.places, r.number(3))
		})
}

// body asks for a text where it is not too long.
func body(column string) string {
	return fmt.Sprintf("IF(LENGTH(%[1]s) > %[2]d, NULL, %[1]s)", column, MaxBody)
}

// read returns the body of a program, "" and counted where it was not told.
func (d *dictionary) read(r row, i int) string {
	s := r.text(i)
	if s == "" {
		d.unread++
	}
	return s
}

func (d *dictionary) askTriggers() error {
	return d.list("triggers", "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME, EVENT_MANIPULATION, "+body("ACTION_STATEMENT")+
		", ACTION_TIMING FROM information_schema.TRIGGERS", "TRIGGER_SCHEMA", MaxPrograms, func(r row) {
		t := d.table(r)
		if t == nil {
			return
		}
		text := d.read(r, 4)
		for _, event := range strings.Split(r.text(3), ",") {
			t.Triggers = append(t.Triggers, schema.Trigger{Name: r.text(2), Event: strings.TrimSpace(event), After: r.text(5) == "AFTER", Body: text})
		}
	})
}

func (d *dictionary) askViews() error {
	return d.list("views", "SELECT TABLE_SCHEMA, TABLE_NAME, "+body("VIEW_DEFINITION")+" FROM information_schema.VIEWS", "TABLE_SCHEMA",
		MaxTables, func(r row) {
			if t := d.table(r); t != nil {
				t.Definition = d.read(r, 2)
			}
		})
}

func (d *dictionary) askRoutines() error {
	return d.list("routines", "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, "+body("ROUTINE_DEFINITION")+" FROM information_schema.ROUTINES",
		"ROUTINE_SCHEMA", MaxPrograms, func(r row) {
			switch kind := r.text(2); kind {
			case "PROCEDURE", "FUNCTION":
				d.out.Routines = append(d.out.Routines, schema.Routine{Schema: r.text(0), Name: r.text(1), Function: kind == "FUNCTION", Body: d.read(r, 3)})
			default:
				d.unknown("routines of the kind " + kind)
			}
		})
}

// needed are the privileges without which a server keeps quiet about tables and
// triggers.
var needed = []string{"SELECT", "TRIGGER", "SHOW VIEW"}

// askPrivileges names what the account would not have been told.
func (d *dictionary) askPrivileges(schemas []string) error {
	if strings.Contains(d.account, "skip-grants") {
		return nil
	}
	has := map[string]map[string]bool{"*": {}} // privileges, by schema
	note := func(r row) {
		if has[r.text(1)] == nil {
			has[r.text(1)] = map[string]bool{}
		}
		has[r.text(1)][r.text(0)] = true
	}
	whose := " WHERE GRANTEE = " + literal(d.account)
	_, err := d.rows("SELECT PRIVILEGE_TYPE, '*' FROM information_schema.USER_PRIVILEGES"+whose+
		" UNION ALL SELECT PRIVILEGE_TYPE, TABLE_SCHEMA FROM information_schema.SCHEMA_PRIVILEGES"+whose, maxGrants, note)
	if err != nil && refused(err) == "" {
		return fmt.Errorf("the privileges: %w", err)
	}
	if schemas == nil {
		schemas = []string{"*"} // nobody knows which there are besides those that are seen
	}
	for _, s := range schemas {
		var missing []string
		for _, p := range needed {
			if !has["*"][p] && !has[s][p] {
				missing = append(missing, p)
			}
		}
		if len(missing) > 0 {
			on := s
			if s != "*" {
				on = "`" + strings.ReplaceAll(s, "`", "``") + "`"
			}
			d.unknown(fmt.Sprintf("what %[1]s has no privilege on (GRANT %[2]s ON %[3]s.* TO %[1]s)", d.account, strings.Join(missing, ", "), on))
		}
	}
	return nil
}
