package fidelity

import (
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
)

// Every workload runs on every server that it is for, without errors other than
// those that it names; and what it leaves is read without two rows of one key.
func TestWorkloads(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			s := mysqltest.Start(t, kind, options(Workload{GTIDs: true}, kind)...)
			for _, w := range Workloads {
				if kind == mysqltest.MariaDB && !w.OnMariaDB() {
					continue
				}
				t.Run(w.Name, func(t *testing.T) {
					s.Exec(t, "DROP DATABASE "+mysqltest.Schema, "CREATE DATABASE "+mysqltest.Schema)
					p := &pair{t: t, w: w, source: s}
					p.prepare()
					before := p.tables(s)
					said := mysqltest.Output(t, p.load(16, 1))
					after := p.tables(s)
					if w.X {
						t.Log(strings.TrimSpace(said))
					} else if r, err := mysqltest.ParseSysbench(said); err != nil {
						t.Error(err)
					} else {
						t.Logf("%d queries, %d ignored errors", r.Queries, r.IgnoredErrors)
					}
					d := DiffTables(before, after)
					t.Logf("%d rows, then %d: %d changed, %d gone, %d new", before.Rows(), after.Rows(), d.Changed, d.Missing, d.Extra)
					if d.Sum() == 0 {
						t.Error("it changes nothing")
					}
				})
			}
		})
	}
}
