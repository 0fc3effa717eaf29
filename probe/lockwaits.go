package probe

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// LockWait is that a session's statement waits for a lock that another session
// has, or has asked for before.
type LockWait struct {
	// Waiting and Blocking are connection ids, as CONNECTION_ID() returns them.
	// Blocking is 0 where the server does not tell who has the lock.
	Waiting, Blocking uint64
}

// LockInterval is how long there is between two calls of LockWaits for all of an
// answer to be new: MariaDB, and MySQL's list of transactions, show what they found
// last to whoever asks again within a tenth of a second, however often that is. An
// earlier call is told less: by MariaDB only who waits, by MySQL not always who
// has a lock that another thread made.
const LockInterval = 110 * time.Millisecond

// MaxLockWaits is how many rows are read.
const MaxLockWaits = 100_000

// lockWaitsMariaDB asks for row and table locks of InnoDB.
// https://mariadb.com/kb/en/information-schema-innodb_lock_waits-table/
const lockWaitsMariaDB = "SELECT DISTINCT r.trx_mysql_thread_id, b.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w" +
	" JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id" +
	" JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id"

// lockWaitsMySQL asks for locks of InnoDB. Who waits and who blocks is known by the
// transactions: the thread that is told is that which made the lock. A row that was
// inserted gets its lock from the first that waits for it; and where rows move, or
// are purged, their locks, those that wait among them, are made anew by whoever does
// that, which may be a thread of the server's own.
// https://dev.mysql.com/doc/refman/8.4/en/performance-schema-data-lock-waits-table.html
const lockWaitsMySQL = "SELECT DISTINCT COALESCE(y.trx_mysql_thread_id, r.PROCESSLIST_ID, 0), COALESCE(x.trx_mysql_thread_id, b.PROCESSLIST_ID, 0)" +
	" FROM performance_schema.data_lock_waits w" +
	" LEFT JOIN information_schema.INNODB_TRX y ON y.trx_id = w.REQUESTING_ENGINE_TRANSACTION_ID" +
	" LEFT JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID" +
	" LEFT JOIN information_schema.INNODB_TRX x ON x.trx_id = w.BLOCKING_ENGINE_TRANSACTION_ID" +
	" LEFT JOIN performance_schema.threads b ON b.THREAD_ID = w.BLOCKING_THREAD_ID" +
	// Metadata locks, GET_LOCK's among them. Those that only share stand in nobody's
	// way, but for one that waits for all to itself, or to write to it alone, and lets
	// none pass that it would bar.
	" UNION SELECT r.PROCESSLIST_ID, b.PROCESSLIST_ID FROM performance_schema.metadata_locks p" +
	" JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = p.OBJECT_TYPE AND g.OBJECT_SCHEMA <=> p.OBJECT_SCHEMA" +
	" AND g.OBJECT_NAME <=> p.OBJECT_NAME AND g.OWNER_THREAD_ID <> p.OWNER_THREAD_ID" +
	" AND (g.LOCK_STATUS = 'GRANTED' OR g.LOCK_STATUS = 'PENDING' AND (g.LOCK_TYPE = 'EXCLUSIVE' AND p.LOCK_TYPE <> 'EXCLUSIVE'" +
	" OR g.LOCK_TYPE = 'SHARED_NO_READ_WRITE' AND p.LOCK_TYPE IN ('SHARED_READ', 'SHARED_WRITE', 'SHARED_READ_ONLY')" +
	" OR g.LOCK_TYPE = 'SHARED_NO_WRITE' AND p.LOCK_TYPE = 'SHARED_WRITE'))" +
	" AND (g.LOCK_TYPE IN (" + strongLocks + ") OR p.LOCK_TYPE IN (" + strongLocks + ") OR" +
	" p.OBJECT_TYPE IN ('GLOBAL', 'COMMIT', 'BACKUP LOCK') AND g.LOCK_TYPE <> p.LOCK_TYPE)" +
	" JOIN performance_schema.threads r ON r.THREAD_ID = p.OWNER_THREAD_ID" +
	" JOIN performance_schema.threads b ON b.THREAD_ID = g.OWNER_THREAD_ID" +
	" WHERE p.LOCK_STATUS = 'PENDING' AND r.PROCESSLIST_ID IS NOT NULL AND b.PROCESSLIST_ID IS NOT NULL" +
	// Without the performance schema only those that wait are known.
	" UNION SELECT trx_mysql_thread_id, 0 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT' AND NOT @@performance_schema"

const strongLocks = "'EXCLUSIVE', 'SHARED_NO_READ_WRITE', 'SHARED_NO_WRITE', 'SHARED_READ_ONLY'"

// LockWaits tells which statements wait at this moment for whose locks. MySQL tells
// InnoDB's locks, metadata locks and GET_LOCK's by its performance schema, and
// without it only who waits for one of InnoDB's; MariaDB tells InnoDB's locks only.
// It needs the PROCESS privilege, and on MySQL to read the performance schema. It
// asks one question, for which InnoDB stops for a moment. See LockInterval.
func (s *Server) LockWaits(ctx context.Context) (list []LockWait, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	maria, err := s.isMariaDB(ctx)
	if err != nil {
		return nil, err
	}
	query, read := lockWaitsMySQL, readLockWaits
	switch {
	case maria && s.tooSoon():
		query, read = statusInnoDB, readStatus
	case maria:
		query = lockWaitsMariaDB
		defer s.askedLocks()
	}
	s.budget.left.Store(maxAnswer)
	rows, err := s.db.QueryContext(ctx, query)
	if err == nil {
		defer rows.Close()
		list, err = read(rows)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for lock waits: %w", err)
	}
	return list, nil
}

// readLockWaits reads rows of two connections, the waiting one first.
func readLockWaits(rows *sql.Rows) (list []LockWait, err error) {
	for rows.Next() && len(list) < MaxLockWaits {
		var w LockWait
		if err := rows.Scan(&w.Waiting, &w.Blocking); err != nil {
			return nil, err
		}
		if w.Waiting != w.Blocking && w.Waiting != 0 {
			list = append(list, w)
		}
	}
	return list, rows.Err()
}

// tooSoon tells whether a MariaDB server would show what it found last.
func (s *Server) tooSoon() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.now() - s.locksAt
	return s.locksAt != 0 && d >= 0 && d < int64(LockInterval)
}

func (s *Server) askedLocks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locksAt = s.now()
}

// isMariaDB tells which kind of server this is. It asks once.
func (s *Server) isMariaDB(ctx context.Context) (bool, error) {
	s.mu.Lock()
	kind := s.kind
	s.mu.Unlock()
	if kind == kindUnknown {
		if err := s.with(ctx, func(a *asker) error {
			kind = kindMySQL
			if a.mariaDB {
				kind = kindMariaDB
			}
			return nil
		}); err != nil {
			return false, err
		}
		s.mu.Lock()
		s.kind = kind
		s.mu.Unlock()
	}
	return kind == kindMariaDB, nil
}

// kind is which kind of server answers.
type kind uint8

const (
	kindUnknown kind = iota
	kindMySQL
	kindMariaDB
)

// Ping tells whether the server answers at all, by the cheapest question there is.
func (s *Server) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var one int
	if err := s.db.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("asking whether the server answers: %w", err)
	}
	return nil
}
