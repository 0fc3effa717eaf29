package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/go-sql-driver/mysql"
)

const (
	clients = 4
	// rounds is how often each session does its work.
	rounds = 50
	// own is how many customers each session looks after. Sessions keep to their
	// own, so that what they read does not hang on who comes first.
	own = 25
)

// workload is what the clients do: four sessions at once, with text and with
// prepared statements, transactions, and an error that was there all along.
func workload(addr string) error {
	db, err := sql.Open("mysql", "root@tcp("+addr+")/shop")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(clients)
	var wait sync.WaitGroup
	errs := make([]error, clients)
	for n := range clients {
		wait.Go(func() { errs[n] = client(db, n) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// client is one session.
func client(db *sql.DB, n int) error {
	ctx := context.Background()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	credit, err := c.PrepareContext(ctx, "select name, credit from customers where id = ?")
	if err != nil {
		return err
	}
	defer credit.Close()
	byCustomer, err := c.PrepareContext(ctx, "select id, item, amount from orders where customer = ? order by id")
	if err != nil {
		return err
	}
	defer byCustomer.Close()
	for i := range rounds {
		customer := 1 + n*own + i%own
		if err := errors.Join(
			read(credit.QueryContext(ctx, customer)),
			read(byCustomer.QueryContext(ctx, customer)),
			read(c.QueryContext(ctx, fmt.Sprintf("select count(*) from orders where id < %d", 10*i))),
			visit(ctx, c, n, i, customer),
		); err != nil {
			return err
		}
	}
	return errors.Join(signUpAgain(ctx, c, n), missingTable(ctx, c))
}

// visit notes, in a transaction, that a customer was there. Each session has a
// table of its own: the embedded server lets concurrent writers of one table
// overwrite each other.
func visit(ctx context.Context, c *sql.Conn, n, i, customer int) error {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("insert into visits%d values (%d, %d)", n, i, customer))
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// signUpAgain adds a customer with an e-mail address that is taken: the unique
// index refuses.
func signUpAgain(ctx context.Context, c *sql.Conn, n int) error {
	_, err := c.ExecContext(ctx, fmt.Sprintf("insert into customers values (%d, 'c%d@example.com', 'again', 0)", customers+1+n, 1+n*own))
	return failed(err, "a second customer with the same e-mail address")
}

// missingTable makes the mistake that this workload always made: an error that
// production has, too, is no difference.
func missingTable(ctx context.Context, c *sql.Conn) error {
	return failed(read(c.QueryContext(ctx, "select * from audit")), "the query of a missing table")
}

// failed expects the server to have refused.
func failed(err error, what string) error {
	var m *mysql.MySQLError
	if errors.As(err, &m) {
		return nil
	}
	return fmt.Errorf("%s should have failed, but: %v", what, err)
}

// read reads all rows.
func read(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
