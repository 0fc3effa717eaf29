package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"myreplay/internal/mysqltest"
)

// people are users of the source.
var people = []mysqltest.User{person("alice"), person("bob")}

// twiceEach opens two sessions of each user: the first login on a server is a full
// one of caching_sha2_password, the second a fast one.
func twiceEach(t testing.TB, s *mysqltest.Server) {
	t.Helper()
	for range 2 {
		for _, p := range people {
			c := as(t, s, p.Name)
			c.read("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)")
			c.Close()
		}
	}
}

// TestMirrorLogins: each session logs in as its own user on MySQL 9.7, where all
// need caching_sha2_password: over TLS, and without, where the password goes by the
// server's RSA key.
func TestMirrorLogins(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.NoTLS(), mysqltest.Users(people...))
	file := filepath.Join(t.TempDir(), "credentials")
	text := ""
	for _, p := range people {
		text += fmt.Sprintf("[%s]\npassword = %s\n", p.Name, p.Password)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string][]mysqltest.Option{"tls": nil, "clear": {mysqltest.NoTLS()}} {
		t.Run(name, func(t *testing.T) {
			u := mysqltest.Start(t, mysqltest.MySQL97, append(opts, mysqltest.Users(people...))...)
			m := startMirror(t, append(atPorts(s.Port), "--read-only", "--credentials", file, "--target", fmt.Sprintf("mysql://%s/%s", u.Addr, mysqltest.Schema))...)
			twiceEach(t, s)
			m.stop().same(t)
			if n := u.Status(t, "Aborted_connects"); n != 0 {
				t.Errorf("%d logins failed", n)
			}
		})
	}
}

// TestMirrorAnyUser: a target without grant tables lets everybody in as recorded.
func TestMirrorAnyUser(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.NoTLS(), mysqltest.Users(people...))
	u := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.SkipGrantTables())
	m := startMirror(t, append(atPorts(s.Port), "--writes", "--auth", "any", "--target", fmt.Sprintf("mysql://%s/", u.Addr))...)
	for _, p := range people {
		c := as(t, s, p.Name)
		c.read("SELECT USER(), 1")
		c.Close()
	}
	r := m.stop()
	r.same(t, "row_data") // the client's port
	users := map[string]bool{}
	for _, c := range r.report.Classes {
		for _, n := range c.Users {
			users[n.Name] = true
		}
	}
	if !slices.ContainsFunc(people, func(p mysqltest.User) bool { return users[p.Name] }) {
		t.Errorf("users %v", users)
	}
}

// TestMirrorRelayTLS: MySQL's own client, with TLS and caching_sha2_password, is
// mirrored through the relay.
func TestMirrorRelayTLS(t *testing.T) {
	s, u := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Users(people...)), mysqltest.Start(t, mysqltest.MySQL97)
	for _, each := range []*mysqltest.Server{s, u} {
		each.Exec(t, "CREATE TABLE secret (id INT PRIMARY KEY, v VARCHAR(20))")
	}
	addr := freeAddr(t)
	m := startMirror(t, "--relay", addr, "--to", s.Addr, "--target", classicURL(u), "--writes")
	port := addr[len("127.0.0.1:"):]
	for i, p := range append(people, people...) {
		args := []string{"--host=127.0.0.1", "--protocol=tcp", "--port=" + port, "--user=" + p.Name, "--password=" + p.Password,
			"--ssl-mode=REQUIRED", "test", "-e", fmt.Sprintf("INSERT INTO secret VALUES (%d, '%s'); SELECT * FROM secret", i, p.Name)}
		mysqltest.Output(t, mysqltest.Client(t, mysqltest.MySQL97, "mysql", args...))
	}
	m.stop().same(t)
	sameRows(t, s, u, "SELECT * FROM secret ORDER BY id")
}
