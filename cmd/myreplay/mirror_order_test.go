package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/report"
)

// orderWork is sysbench's oltp_read_write by many on few rows, at a rate at which
// two cores have time for the source, the mirror and the target.
func orderWork(psMode string) mysqltest.Sysbench {
	return mysqltest.Sysbench{Script: "oltp_read_write", Threads: 8, Tables: 1, TableSize: 1000, Time: 5 * time.Second, Rate: 300, PSMode: psMode}
}

// startOrdered starts a source and a target with the same rows.
func startOrdered(t testing.TB, kind mysqltest.Kind) (s, u *mysqltest.Server) {
	t.Helper()
	s, u = startPlain(t, kind), startPlain(t, kind)
	for _, each := range []*mysqltest.Server{s, u} {
		orderWork("").Prepare(t, each)
		each.Exec(t, fmt.Sprintf(fill, "sbtest1"))
	}
	return s, u
}

// mirroredApart counts the rows that are not on both servers.
func mirroredApart(t testing.TB, s, u *mysqltest.Server) (n int) {
	t.Helper()
	const all = "SELECT CONCAT_WS('#', id, k, c, pad) FROM sbtest1"
	there := map[string]int{}
	for _, row := range s.Rows(t, all) {
		there[row[0]]++
	}
	for _, row := range u.Rows(t, all) {
		there[row[0]]--
	}
	for _, d := range there {
		n += max(d, 0)
	}
	return n
}

// However sessions race for rows, a mirror that keeps their order leaves the same
// rows on the target: the recorded deadlocks, and what the statements change, come
// out as they did. Without it they do not.
func TestMirrorOrder(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		s, u := startOrdered(t, kind)
		for _, order := range []string{"row", "none"} { // none leaves the tables different
			for _, mode := range []string{"disable", "auto"} {
				if order == "none" && mode == "auto" {
					continue // it shows what the order is worth; once will do
				}
				t.Run(fmt.Sprintf("%v/%s/%s", kind, order, mode), func(t *testing.T) {
					m := startMirror(t, append(atPorts(s.Port), "--target", fmt.Sprintf("mysql://%s@%s/", u.User, u.Addr),
						"--writes", "--order", order, "--drain", "60s", "--ring-buffer", "128M")...)
					load := orderWork(mode).Run(t, s)
					r := m.stop()
					apart := mirroredApart(t, s, u)
					var lag *report.Lag = r.report.Lag
					t.Logf("%d queries, %d deadlocks; %d rows apart; %s; lag %+v\n%s", load.Queries, load.IgnoredErrors, apart, r.report.Verdict.Reason, lag, r.said)
					if order == "row" && apart > 0 {
						t.Errorf("%d rows differ\n%s", apart, r.differences())
					}
					if order == "row" && !strings.Contains(r.said, "order row:") {
						t.Errorf("the summary does not tell of the order: %s", r.said)
					}
				})
			}
		}
	}
}

// What does not go together is refused before anything begins; what a mirror
// decides goes to its assistant, too.
func TestMirrorOrderFlags(t *testing.T) {
	for _, c := range []struct {
		args            liveOrderArgs
		readOnly        bool
		copies, targets int
		says            string
	}{
		{liveOrderArgs{order: "row", window: time.Second}, false, 1, 1, ""},
		{liveOrderArgs{order: "none", window: time.Second, pin: "time"}, true, 3, 2, ""},
		{liveOrderArgs{order: "table", window: time.Second}, false, 1, 1, "a mirror has none and row"},
		{liveOrderArgs{order: "row", window: -1}, false, 1, 1, "--window"},
		{liveOrderArgs{order: "row", window: time.Second, pin: "rand"}, false, 1, 1, "--pin rand"},
		{liveOrderArgs{order: "none", window: time.Second, pin: "ids"}, false, 1, 1, "--order row only"},
		{liveOrderArgs{order: "row", window: time.Second}, true, 1, 1, "--writes only"},
		{liveOrderArgs{order: "row", window: time.Second}, false, 2, 1, "copies"},
		{liveOrderArgs{order: "row", window: time.Second}, false, 1, 2, "one source"},
	} {
		err := c.args.check(c.readOnly, c.copies, c.targets)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	a := liveOrderArgs{order: "row", window: time.Minute}
	if o := a.decided(true); o != (liveOrder{"row", time.Minute, true, true, true}) {
		t.Errorf("%+v", o)
	}
	if o := a.decided(false); o != (liveOrder{"none", time.Minute, false, false, false}) {
		t.Errorf("%+v", o)
	}
}
