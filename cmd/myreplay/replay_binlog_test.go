package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/report"
)

// Writes outside of transactions, all on few rows, come to the target in the order
// that the source's binary log tells. None of it is on the wire: a server answers
// such writes in another order than they took effect.
func TestBinlog(t *testing.T) {
	base := filepath.Join(t.TempDir(), "log")
	s := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.NoTLS(), mysqltest.Args("--log-bin="+base))
	u := startPlain(t, mysqltest.MySQL97)
	const rows = 4
	for _, each := range []*mysqltest.Server{s, u} {
		each.Exec(t, "CREATE TABLE test.c (id INT PRIMARY KEY, n INT UNSIGNED)", "INSERT INTO test.c VALUES (1,0),(2,0),(3,0),(4,0)")
	}
	rec := recordLive(t, s)
	db, err := sql.Open("mysql", s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all sync.WaitGroup
	for who := range 12 {
		all.Go(func() {
			c, err := db.Conn(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range 60 {
				// No two of them can change places.
				q := fmt.Sprintf("UPDATE test.c SET n = (n * 31 + %d) %% 1000003 WHERE id = %d", who*100+i+1, i%rows+1)
				if _, err := c.ExecContext(context.Background(), q); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	rec.stop()
	c := replayOn(t, rec.dir, u, "--binlog", base+".000001")
	if c.report.Verdict.Result != report.Same {
		t.Errorf("%s\n%s", c.report.Verdict.Reason, c.text(t))
	}
	if got := c.report.Order.Totals; got == nil || got.GTIDs < 12*60 || got.OddGTIDs > 0 {
		t.Errorf("%+v", got)
	}
	sameRows(t, s, u, "SELECT * FROM c")
}

// Binary logs of another time, of other kinds, and what is none, are refused.
func TestBinlogRefused(t *testing.T) {
	s := startPlain(t, mysqltest.MariaDB)
	rec := recordLive(t, s)
	s.Exec(t, "DO 1")
	rec.stop()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--binlog", "nosuch"}, "no such file"},
		{[]string{"--binlog", filepath.Join(rec.dir, "nosuch")}, "no such file"},
		{[]string{"--binlog", "real_test.go"}, "no binary log of MySQL 8.0 or later"},
		{[]string{"--binlog", "real_test.go", "--order", "commit"}, "--order table and row"},
	} {
		cmd := myreplayCommand(t, append([]string{"replay", rec.dir, "mysql://x@127.0.0.1:1/", "--writes", "-o", filepath.Join(t.TempDir(), "run")}, c.args...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v: %s", c.args, err, out)
		}
	}
}
