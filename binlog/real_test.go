package binlog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// counted is what a session did: its place in the order that took effect, and the
// moments between which it was.
type counted struct {
	place    int64
	thread   uint32
	from, to int64
}

// count has sessions race for one row with autocommitted writes that tell the
// order in which they took effect.
func count(t *testing.T, s *mysqltest.Server, sessions, each int) (list []counted) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range sessions {
		all.Go(func() {
			c, err := s.DB().Conn(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			var thread uint32
			if err := c.QueryRowContext(context.Background(), "SELECT CONNECTION_ID()").Scan(&thread); err != nil {
				t.Error(err)
			}
			for range each {
				from := time.Now().UnixNano()
				r, err := c.ExecContext(context.Background(), "UPDATE c SET n = LAST_INSERT_ID(n + 1)")
				to := time.Now().UnixNano()
				if err != nil {
					t.Error(err)
					return
				}
				place, _ := r.LastInsertId()
				mu.Lock()
				list = append(list, counted{place, thread, from, to})
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.SortFunc(list, func(a, b counted) int { return cmp.Compare(a.place, b.place) })
	return list
}

// A real server's log tells the order of writes that overlap, whose answers do not:
// plain, and with transactions compressed.
func TestReal(t *testing.T) {
	base := filepath.Join(t.TempDir(), "log")
	s := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Args("--log-bin="+base))
	s.Exec(t, "CREATE TABLE c (n BIGINT)", "INSERT INTO c VALUES (0)")
	for file, compress := range []string{"OFF", "ON"} {
		s.Exec(t, "FLUSH BINARY LOGS", "SET GLOBAL binlog_transaction_compression = "+compress)
		list := count(t, s, 8, 50)
		s.Exec(t, "FLUSH BINARY LOGS")
		// The server begins with file 1, and each round ends one and begins one.
		data, err := os.ReadFile(fmt.Sprintf("%s.%06d", base, 2*file+2))
		if err != nil {
			t.Fatal(err)
		}
		var x Index
		if err := x.Read(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if x.Len() != uint64(len(list)) {
			t.Errorf("compression %s: %d commits, want %d", compress, x.Len(), len(list))
		}
		var last uint64
		for _, c := range list {
			n, ok := x.Find(c.thread, c.from-1000, c.to) // the log has whole microseconds
			if !ok || n <= last {
				t.Fatalf("compression %s: write %d has place %d (%v) after %d", compress, c.place, n, ok, last)
			}
			last = n
		}
		torn(t, data)
	}
}

// torn cuts a log in many places: what is before is read, and nothing is made up.
func torn(t *testing.T, data []byte) {
	t.Helper()
	var last uint64
	for cut := 0; cut < len(data); cut += 1 + len(data)/100 {
		var x Index
		err := x.Read(bytes.NewReader(data[:cut]))
		if err != nil && !errors.Is(err, ErrFormat) || x.Len() < last || x.Len() > uint64(cut/headerSize) {
			t.Fatalf("cut at %d: %d commits after %d, %v", cut, x.Len(), last, err)
		}
		last = x.Len()
	}
}

// MariaDB's logs are refused with what to do instead.
func TestMariaDB(t *testing.T) {
	base := filepath.Join(t.TempDir(), "log")
	s := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.Args("--log-bin="+base))
	s.Exec(t, "CREATE TABLE c (n BIGINT)", "FLUSH BINARY LOGS")
	f, err := os.Open(base + ".000001")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := new(Index).Read(f); !errors.Is(err, ErrMariaDB) {
		t.Errorf("%v", err)
	}
}
