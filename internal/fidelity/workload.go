// Package fidelity measures how faithful replays are: it records workloads from
// a real server, replays them on an equal one in every order mode, and counts
// the answers and the final rows that differ. "make fidelity" runs it;
// docs/FIDELITY.md has the figures. It knows myreplay only as a user does: by
// the command, its JSON, and what the servers hold in the end.
package fidelity

import "slices"

// Folder holds the workloads' scripts, below this package.
const Folder = "workload"

// Seed begins the random numbers of every workload.
const Seed = 20261121

// Workload is a load of many sessions on one schema.
type Workload struct {
	// Name names it in results and in FIDELITY_CELLS.
	Name string
	// What says in a sentence what it is for.
	What string
	// Script is sysbench's script, own ones in Folder; or one for node when it
	// ends in ".js".
	Script string
	// Options are further arguments of sysbench, for preparing and running.
	Options []string
	// PSMode is sysbench's --db-ps-mode.
	PSMode string
	// Errors are the server's error codes, with commas, after which a session goes
	// on with something else; "" stands for sysbench's own, deadlocks and lock
	// timeouts.
	Errors string
	// GTIDs: the servers tell their clients the GTIDs of commits.
	GTIDs bool
	// Open: its answers rest on what no recording tells, such as whose locks SKIP
	// LOCKED passed over, so some differ on an equal target, too, with such a cause.
	Open bool
	// X: its sessions speak the X Protocol, which only MySQL has.
	X bool
	// Instead names tables whose rows are compared by a query, the first column
	// being the key.
	Instead map[string]string
}

// lockErrors are what a server may refuse at any time because of its locks.
const (
	lockErrors  = "1213,1020,1205"
	fkidsErrors = lockErrors + ",1062,1451,1452"
	ddlErrors   = lockErrors + ",1050,1051,1054,1060,1061,1062,1091,1136,1146,1412"
)

// Workloads are all workloads, in the order of the document.
var Workloads = []Workload{
	{
		Name: "oltp-hot", What: "sysbench's oltp_read_write on one table of 1,000 rows, text protocol",
		Script: "oltp.lua", Options: []string{"--tables=1", "--table-size=1000"}, PSMode: "disable",
	},
	{
		Name: "oltp-cold", What: "the same on 100,000 rows",
		Script: "oltp.lua", Options: []string{"--tables=1", "--table-size=100000"}, PSMode: "disable",
	},
	{
		Name: "oltp-hot-prepared", What: "sysbench's oltp_read_write on 1,000 rows, prepared statements",
		Script: "oltp.lua", Options: []string{"--tables=1", "--table-size=1000"}, PSMode: "auto",
	},
	{
		Name: "oltp-cold-prepared", What: "the same on 100,000 rows",
		Script: "oltp.lua", Options: []string{"--tables=1", "--table-size=100000"}, PSMode: "auto",
	},
	{
		Name: "tpcc", What: "TPC-C after the public specification, 2 warehouses, reduced tables, no think time: five transactions, foreign keys",
		Script: "tpcc.lua", PSMode: "disable",
	},
	{
		Name: "fkids", What: "auto-increment parents and foreign-key children that sessions make for each other",
		Script: "fkids.lua", PSMode: "disable", Errors: fkidsErrors, Open: true,
	},
	{
		Name: "fkids-gtid", What: "the same, with GTIDs tracked",
		Script: "fkids.lua", PSMode: "disable", Errors: fkidsErrors, Open: true, GTIDs: true,
	},
	{
		Name: "queue", What: "SELECT ... FOR UPDATE SKIP LOCKED queues, ranges, secondary indexes; every other session reads committed",
		Script: "queue.lua", PSMode: "disable", Open: true,
	},
	{
		Name: "queue-gtid", What: "the same, with GTIDs tracked",
		Script: "queue.lua", PSMode: "disable", Open: true, GTIDs: true,
	},
	{
		Name: "ddl", What: "DDL on side tables, GET_LOCK and LOCK TABLES between ordinary transactions",
		Script: "ddl.lua", PSMode: "disable", Errors: ddlErrors, Open: true,
	},
	{
		Name: "ddl-gtid", What: "the same, with GTIDs tracked",
		Script: "ddl.lua", PSMode: "disable", Errors: ddlErrors, Open: true, GTIDs: true,
	},
	{
		Name: "documents", What: "documents over the X Protocol by _id and by criteria, npm @mysql/xdevapi",
		Script: "documents.js", X: true,
		Instead: map[string]string{"stamp": "SELECT CONCAT(doc->>'$.who', '-', doc->>'$.n'), JSON_REMOVE(doc, '$._id') FROM test.stamp"},
	},
}

// OnMariaDB tells whether the workload runs on MariaDB, too.
func (w Workload) OnMariaDB() bool { return !w.X }

// HasBinlog tells whether a source's binary log can tell of the workload what its
// recording does not: MySQL has one by default, and myreplay reads it for the classic
// protocol.
func (w Workload) HasBinlog(server string) bool { return server == "mysql97" && !w.X && !w.GTIDs }

// Find returns the workload with the name.
func Find(name string) (Workload, bool) {
	i := slices.IndexFunc(Workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return Workloads[i], true
}

// Mode is a way to order a replay: a name and the flags of "myreplay replay".
type Mode struct {
	Name string
	Args []string
	// Resets: the replay resets its target by itself, by a command that is added
	// as --reset.
	Resets bool
	// Binlog: the replay is given the source's binary log, by --binlog, where there is
	// one (Workload.HasBinlog).
	Binlog bool
}

// Modes are all modes; the first is the yardstick of speed.
var Modes = []Mode{
	{Name: "none", Args: []string{"--order", "none"}},
	{Name: "commit", Args: []string{"--order", "commit"}},
	{Name: "table", Args: []string{"--order", "table"}},
	{Name: "row", Args: []string{"--order", "row"}},
	{Name: "row+refine", Args: []string{"--order", "row", "--refine", "10"}, Resets: true},
	{Name: "row+binlog", Args: []string{"--order", "row"}, Binlog: true},
}
