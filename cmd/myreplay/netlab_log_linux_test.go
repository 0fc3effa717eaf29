package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/internal/netlab"
)

// What arrived at the target is asked of its general log: it shows which command
// of which session from which address began, in order.

// arrival says how the logs of both servers are compared.
type arrival struct {
	// commands are those that count; nil: loggedCommands.
	commands []string
	// hosts: from the same addresses.
	hosts bool
	// only commands with this text count.
	only string
}

// loggedCommands are the commands that clients' statements are logged as.
var loggedCommands = []string{"Query", "Prepare", "Execute", "Init DB"}

// sequences are the sessions of a log: how often each sequence of commands was
// run, with the address it came from where that counts. Only sessions in which
// keep finds something are in it.
func (a arrival) sequences(log []mysqltest.LogEntry, keep func(e mysqltest.LogEntry) bool) map[string]int {
	commands := a.commands
	if commands == nil {
		commands = loggedCommands
	}
	type session struct {
		text strings.Builder
		keep bool
	}
	sessions := map[int64]*session{}
	for _, e := range log {
		s := sessions[e.Session]
		if s == nil {
			s = &session{}
			sessions[e.Session] = s
			if a.hosts {
				fmt.Fprintf(&s.text, "from %s\n", e.Host)
			}
		}
		if slices.Contains(commands, e.Command) && strings.Contains(e.Argument, a.only) {
			fmt.Fprintf(&s.text, "%s %s\n", e.Command, e.Argument)
			s.keep = s.keep || keep(e)
		}
	}
	all := map[string]int{}
	for _, s := range sessions {
		if s.keep {
			all[s.text.String()]++
		}
	}
	return all
}

// ofClients tells whether a command came from a client of the lab, or from one
// by way of the relay.
func (l *mirrorLab) ofClients(e mysqltest.LogEntry) bool {
	addr, err := netip.ParseAddr(e.Host)
	return err == nil && (l.relay && addr.IsLoopback() || netip.MustParsePrefix(netlab.Clients).Contains(addr) || netip.MustParsePrefix(netlab.Clients6).Contains(addr))
}

// log makes both servers keep what they are sent from now on.
func (l *mirrorLab) log() {
	l.t.Helper()
	l.source.LogQueries(l.t)
	l.target.LogQueries(l.t)
}

// arrived checks that every session of the clients arrived at the target,
// complete and in order, as often as it should, and that nothing else did that
// has one of their texts. It returns how many sessions the source had.
func (l *mirrorLab) arrived(t testing.TB, a arrival) int {
	t.Helper()
	at := l.source.GeneralLog(t)
	sent := a.sequences(at, l.ofClients)
	texts := map[string]bool{}
	for _, e := range at {
		if l.ofClients(e) {
			texts[e.Argument] = true
		}
	}
	got := a.sequences(l.target.GeneralLog(t), func(e mysqltest.LogEntry) bool { return texts[e.Argument] })
	n, missing, extra := 0, 0, 0
	for text, times := range sent {
		n += times
		more := got[text] - times*max(l.copies, 1)
		if missing -= min(more, 0); more < 0 && missing <= -more {
			t.Errorf("%d times on the source, %d times on the target:\n%s", times, got[text], shortened(text))
		}
	}
	for text, times := range got {
		more := times - sent[text]*max(l.copies, 1)
		if extra += max(more, 0); more > 0 && extra <= more {
			t.Errorf("%d times on the source, %d times on the target:\n%s", sent[text], times, shortened(text))
		}
	}
	if missing > 0 || extra > 0 {
		t.Errorf("of %d sessions %d are missing on the target, which has %d others", n, missing, extra)
	}
	return n
}

// shortened is a text of which an error message shows the beginning.
func shortened(text string) string {
	const limit = 1000
	if len(text) > limit {
		return text[:limit] + "..."
	}
	return text
}

// sameRows checks that tables have the same rows on both servers, of whatever
// kinds.
func (l *mirrorLab) sameRows(t testing.TB, tables ...string) {
	t.Helper()
	for _, table := range tables {
		schema, name, ok := strings.Cut(table, ".")
		if !ok {
			schema, name = mysqltest.Schema, table
		}
		columns := l.source.Value(t, "SELECT GROUP_CONCAT(CONCAT('HEX(', column_name, ')') ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = ? AND table_name = ?", schema, name)
		sum := fmt.Sprintf("SELECT CONCAT(COUNT(*), ' rows, ', COALESCE(SUM(CRC32(CONCAT_WS('#', %s))), 0)) FROM %s.%s", columns, schema, name)
		if a, b := l.source.Value(t, sum), l.target.Value(t, sum); a != b || strings.HasPrefix(a, "0 rows") {
			t.Errorf("table %s: %s on the source, %s on the target", table, a, b)
		}
	}
}
