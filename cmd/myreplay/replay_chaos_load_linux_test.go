package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
)

// Sizes of the contended work.
const (
	chaosRows  = 30 // rows of the hot table
	chaosTime  = 500 * time.Millisecond
	chaosHold  = 1200 * time.Millisecond // longer than the source's lock wait timeout
	chaosFewer = 8                       // sessions; up to as many more
)

// chaosTables are the tables of the work, and the queries that read them whole.
var chaosTables = map[string]string{
	"acc":   "SELECT * FROM acc ORDER BY id",
	"item":  "SELECT * FROM item ORDER BY id",
	"child": "SELECT * FROM child ORDER BY id",
	"tally": "SELECT * FROM tally ORDER BY k",
}

// chaosData makes the start data, the same every time.
func chaosData() []string {
	var acc, item []string
	for i := range chaosRows {
		acc = append(acc, fmt.Sprintf("(%d, %d, 0, %d)", i, i*7, i%5))
		item = append(item, fmt.Sprintf("(%d, %d, %d)", i*4+1, i%6, i))
	}
	return []string{
		"DROP TABLE IF EXISTS child, item, tally, acc",
		"CREATE TABLE acc (id INT PRIMARY KEY, v BIGINT NOT NULL, w BIGINT NOT NULL, tag INT NOT NULL, KEY (tag)) ENGINE=InnoDB",
		"CREATE TABLE item (id INT PRIMARY KEY AUTO_INCREMENT, owner INT NOT NULL, v BIGINT NOT NULL, KEY (owner)) ENGINE=InnoDB",
		"CREATE TABLE child (id INT PRIMARY KEY AUTO_INCREMENT, acc INT NOT NULL, n INT NOT NULL, FOREIGN KEY (acc) REFERENCES acc (id)) ENGINE=InnoDB",
		"CREATE TABLE tally (k VARCHAR(20) PRIMARY KEY, n BIGINT NOT NULL) ENGINE=InnoDB",
		"INSERT INTO acc VALUES " + strings.Join(acc, ", "),
		"INSERT INTO item VALUES " + strings.Join(item, ", "),
		"INSERT INTO tally VALUES ('a', 0), ('m', 0), ('z', 0)",
	}
}

// readChaos reads the tables of the work.
func readChaos(t testing.TB, s *mysqltest.Server) map[string][][]string {
	t.Helper()
	all := map[string][][]string{}
	for name, q := range chaosTables {
		all[name] = s.Rows(t, q)
	}
	return all
}

// rowsApart names rows that differ, at most a few of each table.
func rowsApart(source, target map[string][][]string) (list []string) {
	const few = 5
	for name, rows := range source {
		n := 0
		for _, row := range without(rows, target[name], few) {
			list, n = append(list, fmt.Sprintf("%s: source %v", name, row)), n+1
		}
		for _, row := range without(target[name], rows, few) {
			list, n = append(list, fmt.Sprintf("%s: target %v", name, row)), n+1
		}
	}
	slices.Sort(list)
	return list
}

// without returns the first rows of a that b has not.
func without(a, b [][]string, most int) (list [][]string) {
	have := map[string]bool{}
	for _, row := range b {
		have[strings.Join(row, "\x00")] = true
	}
	for _, row := range a {
		if !have[strings.Join(row, "\x00")] && len(list) < most {
			list = append(list, row)
		}
	}
	return list
}

// chaosLoad works on a server at addr as its clients would that are in each
// other's way, and returns what failed but for locks. Of wild work a recording
// does not prove what it leaves behind.
func chaosLoad(s *mysqltest.Server, addr string, seed uint64, wild bool) error {
	config, err := mysql.ParseDSN(s.DSN())
	if err != nil {
		return err
	}
	config.Addr, config.Logger = addr, &mysql.NopLogger{}
	r := rand.New(rand.NewPCG(seed, 1))
	sessions := chaosFewer + r.IntN(chaosFewer+1)
	// Half of the recordings have sessions that hold a row for so long that others
	// give up.
	holders := r.IntN(2) * (1 + r.IntN(2))
	end := time.Now().Add(chaosTime)
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	for i := range sessions {
		c := &chaosClient{r: rand.New(rand.NewPCG(seed, uint64(i)+2)), end: end, holds: i < holders, wild: wild}
		own := *config
		own.InterpolateParams = c.r.IntN(2) == 0 // else its statements are prepared
		all.Go(func() {
			if err := c.work(&own); err != nil {
				failed.Store(&err)
			}
		})
	}
	all.Wait()
	if p := failed.Load(); p != nil {
		return *p
	}
	return nil
}

// chaosClient is one session of the work.
type chaosClient struct {
	r     *rand.Rand
	end   time.Time
	holds bool // once, a row, for chaosHold
	wild  bool
	// gaps: it locks those between the rows that it sees, as transactions do
	// that are not READ COMMITTED.
	gaps   bool
	inside bool // a transaction
	conn   *sql.Conn
}

func (c *chaosClient) work(config *mysql.Config) error {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if c.conn, err = db.Conn(context.Background()); err != nil {
		return err
	}
	defer c.conn.Close()
	if c.gaps = c.r.IntN(3) > 0; !c.gaps {
		if err := c.do("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err != nil {
			return err
		}
	}
	for err == nil && (c.holds || time.Now().Before(c.end)) {
		switch n := c.r.IntN(10); {
		case c.holds:
			c.holds = false
			err = c.transaction(chaosHold)
		case n < 6:
			err = c.transaction(0)
		default:
			err = c.statement()
		}
		if isLockFailure(err) != 0 {
			err = nil // alone, in a transaction of its own
		}
	}
	return err
}

// transaction does a few statements in random order of rows, so that deadlocks
// happen, and ends in one way or another.
func (c *chaosClient) transaction(hold time.Duration) error {
	begin := []string{"BEGIN", "BEGIN", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "SET autocommit=0"}[c.r.IntN(4)]
	if err := c.do(begin); err != nil {
		return err
	}
	c.inside = true
	defer func() { c.inside = false }()
	end := "COMMIT"
	for range 2 + c.r.IntN(4) {
		err := c.statement()
		code := isLockFailure(err)
		switch {
		case err == nil:
		case code == 0:
			return err
		case code == 1213 || c.r.IntN(2) == 0:
			end = "ROLLBACK"
		}
		if end == "ROLLBACK" {
			break
		}
		time.Sleep(hold)
		hold = 0
	}
	if c.r.IntN(8) == 0 {
		end = "ROLLBACK"
	}
	err := c.do(end)
	if err == nil && begin == "SET autocommit=0" {
		err = c.do("SET autocommit=1")
	}
	return err
}

// statement does one. Outside of transactions it writes only what comes to the
// same in any order, since a recording does not prove in which order such
// statements took effect that were under way at once; in transactions it does.
// Wild work does not care.
func (c *chaosClient) statement() error {
	inside := c.inside || c.wild
	id, n := c.r.IntN(chaosRows), c.r.IntN(1000)
	switch k := c.r.IntN(17); {
	case k < 4 && inside:
		return c.do("UPDATE acc SET v = (v * 31 + ?) % 1000003 WHERE id = ?", n, id)
	case k < 4:
		return c.do("UPDATE acc SET w = w + ? WHERE id = ?", n, id)
	case k == 4:
		return c.do("UPDATE acc SET w = w + ? WHERE id IN (?, ?)", n, id, c.r.IntN(chaosRows))
	case k < 7:
		return c.do("SELECT id, v FROM acc WHERE id BETWEEN ? AND ? FOR UPDATE", id, id+c.r.IntN(4))
	case k == 7 && inside:
		return c.do("UPDATE acc SET v = v * 2 % 1000003 WHERE tag = ?", n%5)
	case k == 8 && c.wild:
		return c.do("UPDATE acc SET v = v + 1, tag = ? WHERE id IN (?, ?)", n%5, id, c.r.IntN(chaosRows))
	case k < 11:
		return c.do("SELECT id, v, tag FROM acc WHERE id BETWEEN ? AND ? ORDER BY id", id, id+5)
	case k == 11 && inside:
		return c.do("INSERT INTO item (owner, v) VALUES (?, ?), (?, ?)", n%6, n, id%6, id)
	case k == 12 && inside:
		return c.do("DELETE FROM item WHERE id = ?", c.r.IntN(4*chaosRows+20))
	case k == 13 && inside && (c.gaps || c.wild): // else rows may come in behind it
		return c.do("DELETE FROM item WHERE owner = ? AND v < ?", n%6, n)
	case k == 14 && inside:
		return c.do("INSERT INTO tally VALUES (?, 1) ON DUPLICATE KEY UPDATE n = n * 3 % 1000003 + ?", string(rune('a'+id)), n)
	default:
		return c.do("INSERT INTO child (acc, n) VALUES (?, ?)", id, n)
	}
}

// do sends a statement and reads its answer.
func (c *chaosClient) do(q string, args ...any) error {
	rows, err := c.conn.QueryContext(context.Background(), q, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

// isLockFailure returns the number of an error that says that a lock could not be
// had; 0: it says something else.
func isLockFailure(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) && (e.Number == 1205 || e.Number == 1213) {
		return e.Number
	}
	return 0
}
