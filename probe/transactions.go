package probe

import (
	"fmt"
)

// What setup_instruments and setup_consumers are asked for.
const instrumentsQuery = "SELECT NAME, ENABLED FROM performance_schema.setup_instruments" +
	" WHERE NAME IN ('transaction', 'statement/com/Prepare', 'statement/sql/prepare_sql') UNION ALL" +
	" SELECT NAME, ENABLED FROM performance_schema.setup_consumers" +
	" WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', 'events_transactions_current')"

const maxInstruments = 100

// instruments returns which of the instruments and consumers that matter are
// switched off.
func (a *asker) instruments() (off map[string]bool, err error) {
	off = map[string]bool{}
	_, err = a.rows(instrumentsQuery, maxInstruments, func(r row) { off[r.text(0)] = r.text(1) != "YES" })
	if err != nil && refused(err) == "" {
		return nil, fmt.Errorf("the instruments: %w", err)
	}
	return off, nil
}

// storage is what InnoDB tells of a session's transaction.
type storage struct {
	running    bool // a statement
	autocommit bool // a read that is a transaction of its own
}

// event is what the performance schema tells of a session's latest transaction.
type event struct {
	active     bool
	autocommit bool // it is one statement's own
}

// transactions asks which sessions have an open transaction. The performance
// schema knows, where it watches. InnoDB knows transactions that touched a
// table, those of single statements, too, while they run.
func (sn *snapshot) transactions() error {
	events, watched, err := sn.eventTransactions()
	if err != nil {
		return err
	}
	inStorage, why, err := sn.storageTransactions(!watched)
	if err != nil {
		return err
	}
	switch why {
	case "":
	case sn.grantProcess():
		sn.remark("%s lacks the PROCESS privilege, so the server shows it only its own sessions, and none of InnoDB's transactions: %s", sn.account, why)
	default:
		sn.remark("InnoDB does not tell the open transactions: %s", why)
	}
	if !watched && sn.schema {
		sn.remark("transactions that have touched no table yet are not told: %s; %s",
			"UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME = 'events_transactions_current'",
			"UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'transaction'")
	}
	sn.each(func(k *known) {
		e, seen := events[k.thread]
		trx, stored := inStorage[k.id]
		switch {
		case seen && watched && !k.uninstrumented:
			k.state.Transaction = e.active && !e.autocommit
		case why != "":
			k.unknown(openTransactions, why)
		case stored && trx.running && !trx.autocommit:
			k.unknown("whether a transaction is open", "a statement was running")
		default:
			k.state.Transaction = stored && !trx.autocommit
		}
	})
	return nil
}

// waitForStorage makes sure that InnoDB looks anew: it shows what it found last
// to whoever asks within a tenth of a second.
const waitForStorage = "DO SLEEP(0.11)"

// storageTransactions asks InnoDB; why is the reason when it does not tell.
// alone: nobody else tells.
func (sn *snapshot) storageTransactions(alone bool) (list map[uint64]storage, why string, err error) {
	list = map[uint64]storage{}
	if alone {
		if _, err := sn.c.ExecContext(sn.ctx, waitForStorage); err != nil {
			return nil, "", fmt.Errorf("waiting for the open transactions: %w", err)
		}
	}
	more, err := sn.rows("SELECT trx_mysql_thread_id, trx_query IS NOT NULL, trx_autocommit_non_locking FROM information_schema.INNODB_TRX",
		MaxSessions, func(r row) { list[r.number(0)] = storage{r.number(1) != 0, r.number(2) != 0} })
	why = refused(err)
	switch {
	case why == denied:
		return list, sn.grantProcess(), nil
	case why != "":
		return list, why, nil
	case err != nil:
		return nil, "", fmt.Errorf("the open transactions: %w", err)
	case more:
		return list, "too many", nil
	}
	return list, "", nil
}

// eventTransactions asks the performance schema for the sessions' latest
// transactions, by thread. watched tells whether it watches them.
func (sn *snapshot) eventTransactions() (list map[uint64]event, watched bool, err error) {
	list = map[uint64]event{}
	if !sn.schema {
		return list, false, nil
	}
	off, err := sn.instruments()
	if err != nil {
		return nil, false, err
	}
	for _, name := range []string{"transaction", "events_transactions_current", "global_instrumentation", "thread_instrumentation"} {
		if is, told := off[name]; is || !told {
			return list, false, nil
		}
	}
	more, err := sn.rows("SELECT THREAD_ID, STATE, AUTOCOMMIT FROM performance_schema.events_transactions_current",
		MaxSessions, func(r row) { list[r.number(0)] = event{r.text(1) == "ACTIVE", r.text(2) == "YES"} })
	if err != nil && refused(err) == "" {
		return nil, false, fmt.Errorf("the latest transactions: %w", err)
	}
	return list, err == nil && !more, nil
}

// temporaryTables asks which sessions made temporary tables; no server tells
// which tables. MySQL keeps a tablespace for each session that did.
func (sn *snapshot) temporaryTables() error {
	made := map[uint64]bool{}
	_, err := sn.rows("SELECT ID FROM information_schema.INNODB_SESSION_TEMP_TABLESPACES WHERE PURPOSE = 'USER' AND STATE = 'ACTIVE'",
		MaxSessions, func(r row) { made[r.number(0)] = true })
	if err != nil && refused(err) == "" {
		return fmt.Errorf("the temporary tables: %w", err)
	}
	sn.each(func(k *known) {
		switch {
		case err != nil:
			k.unknown(temporaryTables, "")
		case made[k.id]:
			k.unknown(temporaryTables, "it made some")
		}
	})
	return nil
}
