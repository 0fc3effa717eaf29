package main

import (
	"net/netip"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/target"
)

// TestSocketOfSource: a target on a unix socket is recognised as the server that
// was recorded on its port, and another server on this host is not.
func TestSocketOfSource(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	other := mysqltest.Start(t, mysqltest.MariaDB)
	recorded := netip.MustParseAddrPort(s.Addr)
	check := func(socket string) error {
		u, err := target.Parse("mysql:///?socket=" + socket)
		if err != nil {
			t.Fatal(err)
		}
		c, err := notTheSource(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		return c(recorded)
	}
	if err := check(s.Socket); err == nil || !strings.Contains(err.Error(), "is the server that was recorded") {
		t.Errorf("its own socket: %v", err)
	}
	if err := check(other.Socket); err != nil {
		t.Errorf("another server's socket: %v", err)
	}
	if err := check(s.Socket + ".gone"); err == nil {
		t.Error("nobody listens, and it is taken for another server")
	}
	recorded = netip.MustParseAddrPort("192.0.2.1:3306")
	if err := check(s.Socket); err != nil {
		t.Errorf("recorded on another host: %v", err)
	}
}
