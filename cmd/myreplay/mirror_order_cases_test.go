package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// scripts are the workloads of the fidelity measurements.
const scripts = "../../internal/fidelity/workload"

// orderFlags are those of a mirror that keeps an order.
func orderFlags(url string) []string {
	return []string{"--target", url, "--writes", "--order", "row", "--drain", "60s", "--ring-buffer", "128M"}
}

// allApart counts the rows of all tables that are on one server only. instead has
// what to ask for where ids that servers make are in the rows.
func allApart(t testing.TB, s, u *mysqltest.Server, instead map[string]string) (n int) {
	t.Helper()
	there := map[string]int{}
	for i, each := range []*mysqltest.Server{s, u} {
		for _, name := range each.Rows(t, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'test'") {
			query := instead[name[0]]
			if query == "" {
				query = "SELECT * FROM " + name[0]
			}
			there[name[0]+" exists"] += 1 - 2*i
			for _, row := range each.Rows(t, query) {
				there[name[0]+" "+strings.Join(row, "\x00")] += 1 - 2*i
			}
		}
	}
	if len(there) < 10 {
		t.Errorf("%d rows in all", len(there))
	}
	for _, d := range there {
		n += max(d, -d)
	}
	return n
}

// cameOut checks that a mirror left the same rows. It waited for each other's
// sessions, or the test proves nothing.
func (r *liveReport) cameOut(t testing.TB, s, u *mysqltest.Server, instead map[string]string) {
	t.Helper()
	apart := allApart(t, s, u, instead)
	t.Logf("%d rows apart; %s\n%s", apart, r.report.Verdict.Reason, r.said)
	if apart > 0 || !strings.Contains(r.said, "order row:") {
		t.Errorf("%d rows differ\n%s", apart, r.differences())
	}
}

// Hundreds of sessions, most of them asleep: what each waits for is found among
// what all did.
func TestMirrorOrderMany(t *testing.T) {
	work := mysqltest.Sysbench{Script: "oltp_read_write", Threads: 300, Tables: 1, TableSize: 1000, Time: 3 * time.Second, Rate: 150, PSMode: "disable"}
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			s, u := startOrdered(t, kind)
			m := startMirror(t, append(atPorts(s.Port), orderFlags(fmt.Sprintf("mysql://%s@%s/", u.User, u.Addr))...)...)
			work.Run(t, s)
			m.stop().cameOut(t, s, u, nil)
		})
	}
}

// Definitions, named locks and LOCK TABLES between ordinary work.
func TestMirrorOrderDDL(t *testing.T) {
	work := mysqltest.Sysbench{Script: "ddl.lua", Threads: 8, Time: 3 * time.Second, Rate: 200, PSMode: "disable",
		Args: []string{"--rand-seed=42", "--mysql-ignore-errors=1213,1205,1020,1050,1051,1054,1060,1061,1062,1091,1136,1146,1412"}}
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			s, u := startPlain(t, kind), startPlain(t, kind)
			for _, each := range []*mysqltest.Server{s, u} {
				cmd := work.Command(t, each, "prepare")
				cmd.Dir = scripts
				mysqltest.Output(t, cmd)
			}
			m := startMirror(t, append(atPorts(s.Port), orderFlags(fmt.Sprintf("mysql://%s@%s/test", u.User, u.Addr))...)...)
			cmd := work.Command(t, s, "run")
			cmd.Dir = scripts
			mysqltest.Output(t, cmd)
			m.stop().cameOut(t, s, u, nil)
		})
	}
}

// Documents over the X Protocol. The rate is what node can do.
func TestMirrorOrderX(t *testing.T) {
	s, u := startTwo(t)
	script, err := os.ReadFile(filepath.Join(scripts, "documents.js"))
	if err != nil {
		t.Fatal(err)
	}
	node := func(step string, s *mysqltest.Server, args ...string) {
		mysqltest.Output(t, mysqltest.Node(t, string(script), append([]string{step, s.XSocket, s.User, s.Password}, args...)...))
	}
	node("prepare", s)
	node("prepare", u)
	node("login", u)
	args := orderFlags(fmt.Sprintf("mysqlx://%s@%s/test?tls=disabled", u.User, xAddr(u)))
	m := startMirror(t, append(append(atPorts(s.XPort), args...), "--target", fmt.Sprintf("mysql://%s@%s/test", u.User, u.Addr))...)
	node("run", s, strconv.Itoa(s.XPort), "8", "3", "42")
	m.stop().cameOut(t, s, u, map[string]string{"stamp": "SELECT JSON_REMOVE(doc, '$._id') FROM stamp"})
}

// What the order decides goes to the assistant, which keeps it.
func TestMirrorOrderAssist(t *testing.T) {
	s, u := startOrdered(t, mysqltest.MariaDB)
	dir, addr, errs := t.TempDir(), freeAddr(t), &spoken{}
	mustRun(t, "pair", dir)
	assist := myreplayCommand(t, "assist", "--listen", addr, "--pair-key", filepath.Join(dir, "assist.key"), "--client-ip", "off",
		"--target", fmt.Sprintf("mysql://%s@%s/test", u.User, u.Addr), "--drain", "60s")
	assist.Stderr = errs
	a := mysqltest.Background(t, assist)
	awaitWords(t, a, errs, "Ctrl-C ends it")
	m := startMirror(t, "-i", "lo", "-x", fmt.Sprintf("%d-%s", s.Port, u.Addr), "-s", addr, "--pair-key", filepath.Join(dir, "mirror.key"),
		"--writes", "--order", "row", "--drain", "60s", "--ring-buffer", "128M")
	orderWork("disable").Run(t, s)
	m.stop().cameOut(t, s, u, nil)
	if err := a.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	a.Wait()
	t.Logf("the assistant: %s", errs)
}
