package probe

import (
	"fmt"
	"slices"
	"strings"
)

// watching asks what of the performance schema is switched on.
func (o *About) watching(a *asker) error {
	if !a.schema {
		return nil
	}
	switches := 0
	_, err := a.rows(instrumentsQuery, maxInstruments, func(r row) {
		switches++
		if r.text(1) != "YES" {
			o.Off = append(o.Off, r.text(0))
		}
	})
	if err != nil && refused(err) == "" {
		return fmt.Errorf("the performance schema: %w", err)
	}
	o.Readable = err == nil && switches > 0
	slices.Sort(o.Off)
	return nil
}

// connections asks how the open sessions are connected.
func (o *About) connections(a *asker) error {
	if !o.Readable {
		return nil
	}
	return o.optional(a, "kinds of connections", "SELECT CONNECTION_TYPE, COUNT(*) FROM performance_schema.threads"+
		" WHERE PROCESSLIST_ID IS NOT NULL AND CONNECTION_TYPE IS NOT NULL GROUP BY CONNECTION_TYPE", 10, func(r row) {
		n := int(min(r.number(1), MaxSessions))
		switch r.text(0) {
		case "SSL/TLS":
			o.Encrypted = n
		case "TCP/IP":
			o.Clear = n
		case "Socket":
			o.Sockets = n
		}
	})
}

// replication asks whether the server is a replica, and how many it has.
func (o *About) replication(a *asker) error {
	err := o.optional(a, "replicas", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'", 1,
		func(r row) { o.Replicas = int(min(r.number(0), maxReplicas)) })
	if err != nil {
		return err
	}
	each := func(columns []string, r row) {
		for i, name := range columns {
			switch strings.ToLower(name) {
			case "source_host", "master_host":
				o.Source = r.text(i)
			}
		}
	}
	_, err = a.ask("SHOW REPLICA STATUS", maxReplicas, each)
	if refused(err) == absent { // before MySQL 8.0.22 and MariaDB 10.5
		_, err = a.ask("SHOW SLAVE STATUS", maxReplicas, each)
	}
	if why := refused(err); why != "" {
		if why == denied {
			why = "GRANT REPLICATION CLIENT ON *.* TO " + o.Account
			if o.MariaDB {
				why = "GRANT SLAVE MONITOR ON *.* TO " + o.Account
			}
		}
		o.Unknown = append(o.Unknown, "whether it is a replica ("+why+")")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the replication: %w", err)
	}
	return nil
}
