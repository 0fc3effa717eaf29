package probe

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// About is what a server tells of itself. What it does not tell is zero, and
// named in Unknown.
type About struct {
	// Version and Comment are the server's @@version and @@version_comment.
	Version, Comment string
	MariaDB          bool
	// Account is who asked, as GRANT names it.
	Account string
	// UUID is MySQL's server_uuid; MariaDB has none.
	UUID     string
	ServerID uint64
	Hostname string
	DataDir  string
	Port     uint64

	// PerformanceSchema: it is on. Readable: the account may read it. Off are its
	// instruments and consumers that Sessions needs and that are switched off.
	PerformanceSchema, Readable bool
	Off                         []string
	// Process: the account has the PROCESS privilege, without which a server shows
	// it only its own sessions.
	Process bool
	// Grants are the account's, as SHOW GRANTS has them, without passwords.
	// SkipGrantTables: the server runs without grant tables.
	Grants          []string
	SkipGrantTables bool

	// Connections are open of at most MaxConnections.
	Connections, MaxConnections uint64
	// Prepared statements are open of at most MaxPrepared.
	Prepared, MaxPrepared uint64

	ReadOnly, SuperReadOnly bool
	// Source is the host that the server replicates from, "" for none; Replicas is
	// how many servers read its binary log.
	Source   string
	Replicas int

	SQLMode                string
	RequireSecureTransport bool
	LowerCaseTableNames    uint64
	// Cipher is that of this connection, "" without TLS.
	Cipher string
	// Encrypted, Clear and Sockets count the open sessions by how they are
	// connected: TLS, TCP without TLS, the server's socket. All are 0 where the
	// performance schema does not tell.
	Encrypted, Clear, Sockets int

	// UTC is the server's time. Asked and Told are when it was asked and had
	// answered, by the local clock. All are nanoseconds since the Unix epoch.
	UTC         int64
	Asked, Told int64

	// Unknown names, for a reader, what the server did not tell, and why.
	Unknown []string
}

// Skew returns how far the server's clock is ahead of the local one, in
// nanoseconds, and by how much that may be wrong to either side.
func (a *About) Skew() (ahead, uncertain int64) {
	uncertain = (a.Told - a.Asked + 1) / 2
	return a.UTC - (a.Asked + uncertain), uncertain
}

// Identity names the server: two addresses with the same are one server. It is
// the server_uuid, or what MariaDB has instead.
func (a *About) Identity() string {
	if a.UUID != "" {
		return a.UUID
	}
	return fmt.Sprintf("%s:%s:%d:%d", a.Hostname, a.DataDir, a.Port, a.ServerID)
}

// maxGrants is how many lines of grants are read, maxReplicas how many replicas.
const (
	maxGrants   = 1000
	maxReplicas = 1000
)

// About asks the server about itself. It fails when the server can't be asked at
// all.
func (s *Server) About(ctx context.Context) (*About, error) {
	out := &About{}
	err := s.with(ctx, func(a *asker) error {
		for _, step := range []func(*asker) error{func(a *asker) error { return out.clock(a, s.now) }, out.basics, out.grants,
			out.counts, out.watching, out.connections, out.replication} {
			if err := step(a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// optional asks a question whose answer the server may refuse: that is named.
func (o *About) optional(a *asker, what, query string, limit int, each func(r row)) error {
	_, err := a.rows(query, limit, each)
	if why := refused(err); why != "" {
		o.Unknown = append(o.Unknown, what+" ("+why+")")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the %s: %w", what, err)
	}
	return nil
}

// clock asks for the time.
func (o *About) clock(a *asker, now func() int64) error {
	var text string
	o.Asked = now()
	err := a.one("SELECT UTC_TIMESTAMP(6)", func(r row) { text = r.text(0) })
	o.Told = now()
	if err != nil {
		return fmt.Errorf("the time: %w", err)
	}
	t, err := time.Parse("2006-01-02 15:04:05.999999", text)
	if err != nil {
		o.Unknown = append(o.Unknown, "the time (the answer is no time)")
		return nil
	}
	o.UTC = t.UnixNano()
	return nil
}

// basics takes what the global variables say.
func (o *About) basics(a *asker) error {
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(a.variables[name], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	o.Version, o.Comment, o.MariaDB, o.Account = a.version, a.comment, a.mariaDB, a.account
	o.UUID, o.Hostname, o.DataDir = a.variables["server_uuid"], a.variables["hostname"], a.variables["datadir"]
	o.ServerID, o.Port = number("server_id"), number("port")
	o.PerformanceSchema = a.schema
	o.MaxConnections, o.MaxPrepared = number("max_connections"), number("max_prepared_stmt_count")
	o.ReadOnly, o.SuperReadOnly = a.on("read_only"), a.on("super_read_only")
	o.SQLMode, o.RequireSecureTransport = a.variables["sql_mode"], a.on("require_secure_transport")
	o.LowerCaseTableNames = number("lower_case_table_names")
	return nil
}

// counts asks for the status.
func (o *About) counts(a *asker) error {
	status := map[string]string{}
	err := o.optional(a, "status", "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Prepared_stmt_count')", 10,
		func(r row) { status[r.text(0)] = r.text(1) })
	if err != nil {
		return err
	}
	for name, into := range map[string]*uint64{"Threads_connected": &o.Connections, "Prepared_stmt_count": &o.Prepared} {
		if n, err := strconv.ParseUint(status[name], 10, 64); err == nil {
			*into = n
		}
	}
	return o.optional(a, "cipher", "SHOW SESSION STATUS LIKE 'Ssl_cipher'", 1, func(r row) { o.Cipher = r.text(1) })
}

// grants asks for the account's privileges.
func (o *About) grants(a *asker) error {
	_, err := a.rows("SHOW GRANTS", maxGrants, func(r row) { o.Grants = append(o.Grants, withoutPassword(r.text(0))) })
	switch why := refused(err); {
	case why == prevented:
		o.SkipGrantTables = true
	case why != "":
		o.Unknown = append(o.Unknown, "grants ("+why+")")
	case err != nil:
		return fmt.Errorf("the grants: %w", err)
	}
	_, err = a.rows("SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX LIMIT 1", 1, func(row) {})
	if err != nil && refused(err) == "" {
		return fmt.Errorf("the privileges: %w", err)
	}
	o.Process = err == nil
	return nil
}

// withoutPassword cuts the hash of a password out of a line of SHOW GRANTS, as
// MariaDB has it.
func withoutPassword(grant string) string {
	const begin = " IDENTIFIED "
	i := strings.Index(grant, begin)
	if i < 0 {
		return grant
	}
	end := i
	for quoted := false; end < len(grant); end++ {
		if rest := grant[end:]; !quoted && (strings.HasPrefix(rest, " REQUIRE ") || strings.HasPrefix(rest, " WITH ")) {
			break
		}
		if grant[end] == '\'' {
			quoted = !quoted
		}
	}
	return grant[:i] + grant[end:]
}
