package target

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// threadPair returns a connection on its own thread and its peer.
func threadPair(t *testing.T, network string) (*threadConn, net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "sock")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, ok := onThread(nc, new(atomic.Int64)).(*threadConn)
	if !ok {
		t.Fatal("the connection has no thread of its own")
	}
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c, peer
}

func eachNetwork(t *testing.T, test func(t *testing.T, c *threadConn, peer net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			c, peer := threadPair(t, network)
			test(t, c, peer)
		})
	}
}

// TestThreadWhole: more than the kernel holds goes through whole, both ways, and
// the end of the stream is told.
func TestThreadWhole(t *testing.T) {
	eachNetwork(t, func(t *testing.T, c *threadConn, peer net.Conn) {
		data := make([]byte, 24<<20)
		for i := range data {
			data[i] = byte(i * i >> 8)
		}
		want := sha256.Sum256(data)
		go func() {
			h := sha256.New()
			io.CopyN(h, peer, int64(len(data)))
			peer.Write(h.Sum(nil))
			peer.Write(data)
			peer.Close()
		}()
		if n, err := c.Write(data); n != len(data) || err != nil {
			t.Fatal(n, err)
		}
		got, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want)+len(data) || string(got[:len(want)]) != string(want[:]) || sha256.Sum256(got[len(want):]) != want {
			t.Error("not what was sent")
		}
	})
}

// TestThreadClose: Close ends a read and a write that wait, and what comes later
// fails without touching a file descriptor that may be another's by then.
func TestThreadClose(t *testing.T) {
	eachNetwork(t, func(t *testing.T, c *threadConn, peer net.Conn) {
		ended := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
		time.Sleep(10 * time.Millisecond) // most likely it waits by now
		c.Close()
		if <-ended == nil {
			t.Error("a read from a closed connection")
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := c.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	eachNetwork(t, func(t *testing.T, c *threadConn, peer net.Conn) {
		ended := make(chan error)
		go func() { _, err := c.Write(make([]byte, 64<<20)); ended <- err }()
		time.Sleep(10 * time.Millisecond)
		c.Close()
		if <-ended == nil {
			t.Error("64 MiB to nobody")
		}
	})
}

// TestThreadDeadline: reads and writes that take too long fail as others' do,
// and no longer once the deadline is taken back.
func TestThreadDeadline(t *testing.T) {
	eachNetwork(t, func(t *testing.T, c *threadConn, peer net.Conn) {
		c.SetDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if _, err := c.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		c.SetDeadline(time.Time{})
		go func() { time.Sleep(50 * time.Millisecond); peer.Write([]byte("x")) }()
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
}

// TestThreadAbort: the reply timeout and the end of the context reach a
// connection that keeps its thread, and its thread is free for another then.
func TestThreadAbort(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MariaDB)
	s := realTarget(t, "mysql://"+db.Addr+"/", keepOne(Options{Users: OneUser(db.User, db.Password), ReplyTimeout: 50 * time.Millisecond}))
	s.options.Threads = 1
	for range 3 {
		ctx, cancel := context.WithCancelCause(t.Context())
		c, err := s.Connect(ctx, &session.Start{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.nc.(*threadConn); !ok {
			t.Fatal("no thread")
		}
		if _, err := c.Do(query("select sleep(100)"), nil); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		cancel(nil)
	}
	s.options.ReplyTimeout = 0
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	c, err := s.Connect(ctx, &session.Start{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { time.Sleep(50 * time.Millisecond); cancel(stop) }()
	if _, err := c.Do(query("select sleep(100)"), nil); !errors.Is(err, stop) {
		t.Error(err)
	}
	if n := s.threads.Load(); n != 0 {
		t.Errorf("%d threads are kept", n)
	}
}
