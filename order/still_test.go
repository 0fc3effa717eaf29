package order

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

// A read is still while nobody has changed what it reads, be it by a view, a
// trigger or a foreign key; what the schema does not have, variables and what
// writes or locks never is. Commands that nobody could read end it for all.
func TestStill(t *testing.T) {
	tables, err := schema.Read(strings.NewReader(`{"server":"9.7.0","tables":[
{"schema":"test","name":"a","kind":"table","engine":"InnoDB","columns":[{"name":"id","type":"int"}],"keys":[{"name":"PRIMARY","unique":true,"primary":true,"columns":["id"]}]},
{"schema":"test","name":"b","kind":"table","engine":"InnoDB","columns":[{"name":"id","type":"int"}],"keys":[{"name":"PRIMARY","unique":true,"primary":true,"columns":["id"]}]},
{"schema":"test","name":"c","kind":"table","engine":"InnoDB","columns":[{"name":"id","type":"int"},{"name":"b","type":"int"}],"keys":[{"name":"PRIMARY","unique":true,"primary":true,"columns":["id"]}],
"parents":[{"name":"fk","columns":["b"],"parent_schema":"test","parent":"b","parent_columns":["id"],"on_delete":"CASCADE","on_update":"CASCADE"}]},
{"schema":"test","name":"d","kind":"table","engine":"InnoDB","columns":[{"name":"id","type":"int"}],"triggers":[{"name":"x","event":"INSERT","body":"INSERT INTO a VALUES (NEW.id)"}]},
{"schema":"test","name":"v","kind":"view","definition":"select id from test.a"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, script, still string }{
		{"quiet", "1 10-11 SELECT id FROM a WHERE id = 1\n1 20-21 UPDATE b SET id = 2 WHERE id = 1\n1 30-31 SELECT id FROM a", "1.1 1.3"},
		{"changed", "1 10-11 UPDATE a SET id = 2 WHERE id = 1\n1 20-21 SELECT id FROM a WHERE id = 7\n2 30-31 SELECT a.id FROM a, b\n2 40-41 SELECT id FROM b", "2.2"},
		{"view", "1 10-11 INSERT INTO a VALUES (7)\n1 20-21 SELECT id FROM v", ""},
		{"quiet view", "1 10-11 INSERT INTO b VALUES (7)\n1 20-21 SELECT id FROM v", "1.2"},
		{"cascade", "1 10-11 SELECT id FROM c\n1 20-21 DELETE FROM b WHERE id = 1\n1 30-31 SELECT id FROM c", "1.1"},
		{"cascade to the unseen", "1 20-21 DELETE FROM b WHERE id = 1\n1 30-31 SELECT id FROM c", ""},
		{"trigger", "1 10-11 INSERT INTO d VALUES (7)\n1 20-21 SELECT id FROM a", ""},
		{"not known", "1 10-11 SELECT id FROM nowhere", ""},
		{"not plain", "1 10-11 SELECT id, @x FROM a\n1 20-21 SELECT id FROM a FOR UPDATE\n1 30-31 SELECT 1", ""},
		{"defined", "1 10-11 ALTER TABLE a ADD x INT\n1 20-21 SELECT id FROM a", ""},
		{"not read", "1 10-11 SELECT id FROM a\n2 20-21 FROB THE DATA\n1 30-31 SELECT id FROM a", "1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPlanner(Options{Mode: Row, Schema: tables})
			var still []string
			seeAll(t, p, script(t, c.script), func(_ *session.Command, s *Step) {
				if s.Still {
					still = append(still, fmt.Sprintf("%d.%d", s.Session, s.Seq))
				}
			})
			slices.Sort(still)
			if got := strings.Join(still, " "); got != c.still {
				t.Errorf("%s, want %s", got, c.still)
			}
		})
	}
}
