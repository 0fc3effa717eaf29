package probe

import (
	"bytes"
	"database/sql"
	"strconv"
)

// statusInnoDB asks for InnoDB's status, a text. Of it only the list of transactions
// is read.
// https://mariadb.com/kb/en/show-engine-innodb-status/
const statusInnoDB = "SHOW ENGINE INNODB STATUS"

// readStatus tells who waits for row locks, by a MariaDB server's status, which is
// new each time. Who has the locks is not told there.
func readStatus(rows *sql.Rows) (list []LockWait, err error) {
	var kind, name string
	var text sql.RawBytes
	if rows.Next() {
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return nil, err
		}
		list = readWaiters(text)
	}
	return list, rows.Err()
}

// What the lines of a transaction begin with, or have. After the line of its thread
// comes the text of its statement, which may hold anything: nothing is read there.
var (
	lineTransactions = []byte("LIST OF TRANSACTIONS FOR EACH SESSION:")
	lineTransaction  = []byte("---TRANSACTION ")
	lineLockWait     = []byte("LOCK WAIT ")
	lineThread       = []byte("MariaDB thread id ")
	lineThreadOld    = []byte("MySQL thread id ") // MariaDB 10.5
)

// readWaiters reads who waits for a lock from InnoDB's status.
func readWaiters(text []byte) (list []LockWait) {
	_, text, _ = bytes.Cut(text, lineTransactions) // before it there may be a deadlock of old
	heads, waits := false, false                   // in the lines before a thread's
	for line := range bytes.Lines(text) {
		rest, isThread := bytes.CutPrefix(line, lineThread)
		if !isThread {
			rest, isThread = bytes.CutPrefix(line, lineThreadOld)
		}
		switch {
		case bytes.HasPrefix(line, lineTransaction):
			heads, waits = true, false
		case !heads:
		case bytes.HasPrefix(line, lineLockWait):
			waits = true
		case isThread:
			heads = false
			digits, _, _ := bytes.Cut(rest, []byte(","))
			if id, err := strconv.ParseUint(string(digits), 10, 64); err == nil && id != 0 && waits && len(list) < MaxLockWaits {
				list = append(list, LockWait{Waiting: id})
			}
		}
	}
	return list
}
