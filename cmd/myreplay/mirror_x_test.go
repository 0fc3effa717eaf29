package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// startTwo starts two servers of MySQL 9.7 whose ids begin differently: the ids
// that a server makes for documents begin with the second of its start.
func startTwo(t testing.TB) (s, u *mysqltest.Server) {
	t.Helper()
	s = mysqltest.Start(t, mysqltest.MySQL97)
	time.Sleep(time.Second)
	return s, mysqltest.Start(t, mysqltest.MySQL97)
}

// workXClear lets mysqlxtest work at addr without TLS, in four ways of
// compression. A login over TLS comes first, somewhere else: it puts the
// password's hash into the server's cache, without which nobody logs in in the
// clear.
func workXClear(t testing.TB, s *mysqltest.Server, addr, names string) {
	t.Helper()
	for _, mode := range []string{"plain", "deflate", "lz4", "zstd"} {
		args := append([]string{"--ssl-mode=DISABLED", "--quiet", "--schema=test"}, xModes[mode]...)
		script := strings.ReplaceAll(fmt.Sprintf(xScript, mode+names), "\ttest\tplain", "\ttest\tsha256_memory")
		if out := mysqltest.Output(t, mysqltest.XTest(t, addr, script, args...)); !strings.Contains(out, "again") {
			t.Errorf("mysqlxtest, %s:\n%s", mode, out)
		}
	}
}

// cacheX puts the password's hash into the server's cache of the X Protocol.
func cacheX(t testing.TB, s *mysqltest.Server) {
	t.Helper()
	mysqltest.Output(t, mysqltest.XTest(t, xAddr(s), "-->stmtsql SELECT 1\n-->recvresult\n", "--ssl-mode=REQUIRED", "--quiet"))
}

// xTables are what asks for the rows that xScript leaves. Ids that servers make
// are not the same.
func xTables(names string) (queries []string) {
	for mode := range xModes {
		queries = append(queries, fmt.Sprintf("SELECT id, n, d, s, e, st, j, dt, u FROM t%s%s ORDER BY id", mode, names),
			fmt.Sprintf("SELECT JSON_REMOVE(doc, '$._id') FROM c%s%s ORDER BY _id", mode, names))
	}
	return queries
}

// TestMirrorX: sessions of the X Protocol are mirrored from the wire while they
// happen: CRUD, documents with ids that the servers make, SQL, prepared
// statements, cursors, pipelines, compression. The protocol is told by the bytes,
// by --protocol x, and by the target's URL.
func TestMirrorX(t *testing.T) {
	s, u := startTwo(t)
	cacheX(t, s)
	pair := fmt.Sprintf("%d-%s", s.XPort, xAddr(u))
	for name, args := range map[string][]string{
		"target": append(atPorts(s.XPort), "--target", xURL(u)),
		"pair":   {"-i", "lo", "-x", pair, "--protocol", "x", "--user", u.User, "--target-tls", "required"},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMirror(t, append(args, "--writes")...)
			workXClear(t, s, xAddr(s), name)
			m.stop().same(t)
			sameRows(t, s, u, xTables(name)...)
		})
	}
}

// TestMirrorXRelay: clients of the X Protocol that use TLS, as xdevapi does by
// default, are mirrored through the relay.
func TestMirrorXRelay(t *testing.T) {
	s, u := startTwo(t)
	addr := freeAddr(t)
	m := startMirror(t, "--relay", addr, "--to", xAddr(s), "--target", xURL(u), "--writes")
	workX(t, addr)
	m.stop().same(t)
	sameRows(t, s, u, append(xTables(""), "SELECT JSON_REMOVE(doc, '$._id') FROM npmpets ORDER BY _id", "SELECT * FROM npmt ORDER BY id")...)
}
