package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"myreplay/session"
)

// Sessions asks for all sessions that are open now, but its own. It fails when
// the server can't be asked at all; what it does not tell is remarked.
func (s *Server) Sessions(ctx context.Context) (*Sessions, error) {
	out := &Sessions{known: map[netip.AddrPort][]*known{}, named: map[uint16][]*known{}}
	err := s.with(ctx, func(a *asker) error {
		sn := snapshot{asker: a, out: out, byID: map[uint64]*known{}, byThread: map[uint64]*known{}}
		// What began before asking is part of the state.
		out.asked = s.now()
		err := sn.take(s)
		out.told = s.now()
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, list := range out.known {
		for _, k := range list {
			k.state.Asked, k.state.Told = out.asked, out.told
		}
	}
	for _, list := range out.named {
		for _, k := range list {
			k.state.Asked, k.state.Told = out.asked, out.told
		}
	}
	return out, nil
}

// snapshot is what is being asked for.
type snapshot struct {
	*asker
	out      *Sessions
	byID     map[uint64]*known
	byThread map[uint64]*known
	unclear  int // prepared statements without a certain text
	numbers  int // user variables taken for numbers
}

// take asks all questions.
func (sn *snapshot) take(s *Server) error {
	sn.out.version, sn.out.uuid = sn.version, sn.variables["server_uuid"]
	if err := sn.position(); err != nil {
		return err
	}
	if !sn.tracksGTIDs() {
		sn.remark("GTIDs are not tracked, so the order of commits that overlap is guessed when this is replayed: docs/ORDER.md tells how to switch it on")
	}
	if err := sn.processlist(); err != nil {
		return err
	}
	for _, step := range []func() error{sn.threads, func() error { return sn.sessionVariables(s) }, sn.userVariables,
		sn.prepared, sn.transactions, sn.temporaryTables} {
		if err := step(); err != nil {
			return err
		}
	}
	if sn.unclear > 0 {
		sn.remark("%s without a certain text: the server keeps %d bytes, and only of UTF-8 text; their executions are left out until they are prepared anew",
			number(sn.unclear, "prepared statement"), sn.maxSQL)
	}
	if sn.numbers > 0 {
		sn.remark("the server does not tell the types of user variables: %s that read as numbers are taken for numbers", number(sn.numbers, "value"))
	}
	return nil
}

// position asks for the GTID position. MySQL breaks it into lines.
func (sn *snapshot) position() error {
	name := "@@GLOBAL.gtid_executed"
	if sn.mariaDB {
		name = "@@GLOBAL.gtid_binlog_pos"
	}
	_, err := sn.rows(fmt.Sprintf("SELECT IF(LENGTH(%[1]s) > %[2]d, NULL, %[1]s)", name, MaxGTID), 1, func(r row) {
		sn.out.gtid = strings.ReplaceAll(r.text(0), "\n", "")
		if r.null(0) {
			sn.remark("the GTID position has more than %d bytes, and is left out", MaxGTID)
		}
	})
	if err != nil && refused(err) == "" {
		return fmt.Errorf("the GTID position: %w", err)
	}
	return nil
}

// tracksGTIDs tells whether the server tells new sessions the GTIDs of their
// commits, as far as they ask for that; true also where it has none.
func (sn *snapshot) tracksGTIDs() bool {
	if sn.mariaDB {
		list := strings.Split(strings.ToLower(strings.ReplaceAll(sn.variables["session_track_system_variables"], " ", "")), ",")
		return !sn.on("log_bin") || slices.Contains(list, "last_gtid") || slices.Contains(list, "*")
	}
	return !strings.EqualFold(sn.variables["gtid_mode"], "ON") || !strings.EqualFold(sn.variables["session_track_gtids"], "OFF")
}

func (sn *snapshot) remark(format string, args ...any) {
	sn.out.remarks = append(sn.out.remarks, fmt.Sprintf(format, args...))
}

// each calls f for every session.
func (sn *snapshot) each(f func(k *known)) {
	for _, k := range sn.byID {
		f(k)
	}
}

// unknown names something that is not told of any session.
func (sn *snapshot) unknown(what, why string) {
	sn.each(func(k *known) { k.unknown(what, why) })
}

func (k *known) unknown(what, why string) {
	if why != "" {
		what += " (" + why + ")"
	}
	if !slices.Contains(k.state.Unknown, what) {
		k.state.Unknown = append(k.state.Unknown, what)
	}
}

// The words for what a server may not be able to tell.
const (
	sessionVariables   = "session variables"
	userVariables      = "user variables"
	preparedStatements = "prepared statements"
	openTransactions   = "open transactions"
	temporaryTables    = "temporary tables"
)

// grantSchema and grantProcess are what mends a want of privileges.
func (sn *snapshot) grantSchema() string {
	return "GRANT SELECT ON performance_schema.* TO " + sn.account
}

func (sn *snapshot) grantProcess() string { return "GRANT PROCESS ON *.* TO " + sn.account }

// processlist asks for the sessions themselves.
func (sn *snapshot) processlist() error {
	const columns = "SELECT ID, USER, HOST, DB, COMMAND FROM "
	sockets, named := 0, 0
	each := func(r row) {
		k := &known{id: r.number(0), user: r.text(1), schema: r.text(3), idle: r.text(4) == "Sleep", state: &session.State{}}
		switch {
		case k.id == sn.id, k.user == "system user", k.user == "event_scheduler", k.user == "unauthenticated user":
			return
		}
		p, ok := parseHost(r.text(2))
		if !ok {
			sockets++
			return
		}
		k.place = p
		sn.byID[k.id] = k
		if p.name != "" {
			named++
			sn.out.named[p.port] = append(sn.out.named[p.port], k)
		} else {
			sn.out.known[p.addr] = append(sn.out.known[p.addr], k)
		}
	}
	// The performance schema has a list, too, in which sessions of the X Protocol
	// have no port.
	more, err := sn.rows(columns+"information_schema.PROCESSLIST", MaxSessions, each)
	if refused(err) == absent {
		more, err = sn.rows(columns+"performance_schema.processlist", MaxSessions, each)
	}
	if err != nil {
		return fmt.Errorf("the list of sessions: %w", err)
	}
	sn.out.count = len(sn.byID)
	if more {
		sn.remark("only the first %d sessions were read", sn.out.count)
	}
	if sockets > 0 {
		sn.remark("%s on the server's socket, so not on the network", number(sockets, "session"))
	}
	if named > 0 {
		sn.remark("the server resolves names (skip_name_resolve is off): %s shown with a host name, found by the client's port alone", number(named, "session"))
	}
	return nil
}

// threads asks which thread serves which session: the performance schema's own
// names for them.
func (sn *snapshot) threads() error {
	if !sn.schema {
		sn.remark("performance_schema is off, so variables and prepared statements of open sessions are not told: performance_schema=ON in the server's option file (needs a restart)")
		return nil
	}
	more, err := sn.rows("SELECT THREAD_ID, PROCESSLIST_ID, NAME, INSTRUMENTED FROM performance_schema.threads"+
		" WHERE TYPE = 'FOREGROUND' AND PROCESSLIST_ID IS NOT NULL", MaxSessions, func(r row) {
		k := sn.byID[r.number(1)]
		if k == nil {
			return
		}
		k.thread, k.protocol, k.uninstrumented = r.number(0), session.Classic, r.text(3) != "YES"
		if strings.Contains(r.text(2), "mysqlx") {
			k.protocol = session.X
		}
		sn.byThread[k.thread] = k
	})
	switch why := refused(err); {
	case why == denied:
		sn.schema = false
		sn.remark("%s may not read the performance schema, so variables and prepared statements of open sessions are not told: %s", sn.account, sn.grantSchema())
	case why != "":
		sn.schema = false
		sn.remark("the performance schema can't be read: %s", why)
	case err != nil:
		return fmt.Errorf("the threads: %w", err)
	case more:
		sn.remark("only the first %d threads were read", MaxSessions)
	}
	return nil
}

// question is one that is asked of the performance schema.
type question struct {
	what, query string
	each        func(r row)
}

// watched asks a question of the performance schema, and names what it is about
// where it is not told. It tells whether there was an answer.
func (sn *snapshot) watched(q question) (told bool, err error) {
	switch {
	case !sn.schema && sn.on("performance_schema"):
		sn.unknown(q.what, sn.grantSchema())
		return false, nil
	case !sn.schema:
		sn.unknown(q.what, "performance_schema is off")
		return false, nil
	}
	more, err := sn.rows(q.query, MaxVariables, q.each)
	why := refused(err)
	if why == denied {
		why = sn.grantSchema()
	}
	switch {
	case why != "":
		sn.unknown(q.what, why)
		sn.remark("%s are not told: %s", q.what, why)
	case err != nil:
		return false, fmt.Errorf("the %s: %w", q.what, err)
	case more:
		sn.unknown(q.what, "too many")
		sn.remark("not all %s were read: there are more than %d, or they are longer than %d MB in all", q.what, MaxVariables, MaxText>>20)
	}
	sn.each(func(k *known) {
		if k.thread == 0 {
			k.unknown(q.what, "the performance schema has no room for the session: performance_schema_max_thread_instances")
		}
	})
	return why == "", nil
}

// number writes a count and what is counted, with "are" or "is" left to the
// sentence: "1 session", "2 sessions".
func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
