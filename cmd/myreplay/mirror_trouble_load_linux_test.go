package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
)

// work is what clients do on a source: each writes rows that no other writes, alone
// and two in a transaction, and reads.
type work struct {
	// long clients keep their session, short ones open one for every few
	// statements.
	long, short int
	// pause is how long a client waits between two rounds.
	pause time.Duration
	// filler is how many bytes a row has besides.
	filler int
}

// The kinds of rows, by their ids modulo kindsOfRow.
const (
	rowAlone    = iota // in a statement of its own
	rowPrepared        // in a statement that the session prepared
	rowOfTwo           // two of them in a transaction, with the same id
	kindsOfRow
)

// troubleTables makes the tables of the work. No key of landed is unique, so that
// what is executed twice can be seen.
var troubleTables = []string{
	"DROP TABLE IF EXISTS landed, facts",
	"CREATE TABLE landed (id BIGINT, part INT, filler MEDIUMTEXT, KEY (id)) ENGINE=InnoDB",
	"CREATE TABLE facts (id INT PRIMARY KEY, fact VARCHAR(40)) ENGINE=InnoDB",
	"INSERT INTO facts SELECT 10 * a.d + b.d, CONCAT('fact ', 10 * a.d + b.d) FROM (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) a, (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b",
}

// clients are clients at work.
type clients struct {
	work
	text      string // as long as filler
	connector driver.Connector
	rows      *atomic.Int64 // the number of the latest row of any kind
	quit      chan struct{}
	all       sync.WaitGroup
	rounds    atomic.Int64
	sessions  atomic.Int64

	mu     sync.Mutex
	took   *hdrhistogram.Histogram // of a statement, microseconds
	failed []error
}

// startWork begins to work on a server.
func startWork(t testing.TB, s *mysqltest.Server, rows *atomic.Int64, w work) *clients {
	t.Helper()
	config, err := mysql.ParseDSN(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	const longest = 10 * time.Minute
	c := &clients{work: w, text: longText(w.filler), connector: connector, rows: rows, quit: make(chan struct{}), took: hdrhistogram.New(1, longest.Microseconds(), 3)}
	for i := range w.long + w.short {
		c.all.Go(func() {
			// Not all at the same moment.
			for !c.over(c.pause * time.Duration(i) / time.Duration(w.long+w.short)) {
				if c.session(i < w.long) {
					return
				}
			}
		})
	}
	return c
}

// over waits and tells whether the work is over.
func (c *clients) over(d time.Duration) bool {
	if d == 0 {
		select {
		case <-c.quit:
			return true
		default:
			return false
		}
	}
	select {
	case <-c.quit:
		return true
	case <-time.After(d):
		return false
	}
}

// stop ends the work, in which nothing may have failed.
func (c *clients) stop(t testing.TB) {
	t.Helper()
	close(c.quit)
	c.all.Wait()
	if n := len(c.failed); n > 0 {
		t.Errorf("the source's clients saw %d errors: %v", n, c.failed[0])
	}
}

// session is one session. It tells whether the work is over.
func (c *clients) session(long bool) (over bool) {
	db := sql.OpenDB(c.connector)
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		c.fail(err)
		return c.over(c.pause)
	}
	defer conn.Close()
	c.sessions.Add(1)
	insert, err := conn.PrepareContext(ctx, "INSERT INTO landed VALUES (?, ?, ?)")
	if err != nil {
		c.fail(err)
		return c.over(c.pause)
	}
	for n := 0; long || n < shortRounds; n++ {
		if over = c.over(c.pause); over {
			break
		}
		if err := c.round(ctx, conn, insert); err != nil {
			c.fail(err)
			return false
		}
	}
	if err := insert.Close(); err != nil {
		c.fail(err)
	}
	return over
}

// round is what a client does between two pauses.
func (c *clients) round(ctx context.Context, conn *sql.Conn, insert *sql.Stmt) error {
	n := c.rows.Add(1) * kindsOfRow
	texts := []string{
		fmt.Sprintf("INSERT INTO landed VALUES (%d, 0, '%s')", n+rowAlone, c.text),
		"START TRANSACTION",
		fmt.Sprintf("INSERT INTO landed VALUES (%d, 1, '%s')", n+rowOfTwo, c.text),
		fmt.Sprintf("INSERT INTO landed VALUES (%d, 2, '')", n+rowOfTwo),
		"COMMIT",
	}
	for _, text := range texts {
		if err := c.timed(func() error { _, err := conn.ExecContext(ctx, text); return err }); err != nil {
			return err
		}
	}
	err := c.timed(func() error { _, err := insert.ExecContext(ctx, n+rowPrepared, 0, c.text); return err })
	if err != nil {
		return err
	}
	c.rounds.Add(1)
	return c.timed(func() error {
		var fact string
		id := n / kindsOfRow % 50
		err := conn.QueryRowContext(ctx, fmt.Sprintf("SELECT fact FROM facts WHERE id = %d", id)).Scan(&fact)
		if err == nil && fact != fmt.Sprintf("fact %d", id) {
			err = fmt.Errorf("another's answer: %s", fact)
		}
		return err
	})
}

// shortRounds is how many rounds a short session has.
const shortRounds = 2

func (c *clients) timed(do func() error) error {
	began := time.Now()
	err := do()
	took := time.Since(began).Microseconds()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took.RecordValue(max(took, 1)) // in range: the histogram is wider than any test is long
	return err
}

func (c *clients) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, err)
}

// p99 is what 99 of 100 statements did not exceed.
func (c *clients) p99() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.took.ValueAtQuantile(99)) * time.Microsecond
}

// String says how long statements took.
func (c *clients) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := func(q float64) time.Duration { return time.Duration(c.took.ValueAtQuantile(q)) * time.Microsecond }
	return fmt.Sprintf("p50 %v, p99 %v, longest %v of %d statements in %d sessions", at(50), at(99),
		time.Duration(c.took.Max())*time.Microsecond, c.took.TotalCount(), c.sessions.Load())
}
