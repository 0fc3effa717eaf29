package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"myreplay/flow"
)

// meeting hands a test both ends of connections that a relay joins.
type meeting struct {
	*serving
	servers chan net.Conn
}

func meet(t testing.TB, o Options) *meeting {
	m := &meeting{servers: make(chan net.Conn, 16)}
	o.Pairs = []Pair{{To: listen(t, func(c net.Conn) { m.servers <- c })}}
	m.serving = serve(t, o)
	return m
}

// connect returns both ends of a new connection.
func (m *meeting) connect(t testing.TB) (client, server *net.TCPConn) {
	client = dial(t, m.addr)
	server = (<-m.servers).(*net.TCPConn)
	t.Cleanup(func() { server.Close() })
	return client, server
}

// eventually waits until something holds, for longer than any machine needs.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so: " + what)
		}
	}
}

// The law of a relay: whatever the two ends write, in which pieces, however
// slowly they read and in whichever order they end, each reads what the other
// wrote, and then its end.
func TestBothWays(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		m := meet(t, Options{Loops: loops})
		rapid.Check(t, func(rt *rapid.T) {
			var ends [2]*net.TCPConn
			ends[0], ends[1] = m.connect(t)
			var both sync.WaitGroup
			for side := range ends {
				writes := rapid.SliceOfN(rapid.IntRange(1, 300_000), 0, 5).Draw(rt, "writes")
				late := rapid.Bool().Draw(rt, "late")
				sent := make(chan []byte, 1)
				both.Go(func() {
					var all []byte
					for i, n := range writes {
						b := randomBytes(uint64(i), n)
						if _, err := ends[side].Write(b); err != nil {
							t.Error(err)
						}
						all = append(all, b...)
					}
					sent <- all
					ends[side].CloseWrite()
				})
				both.Go(func() {
					var want []byte
					if late { // reads only once all was written, as far as it fits
						select {
						case want = <-sent:
							sent <- want
						case <-time.After(10 * time.Millisecond):
						}
					}
					got, err := io.ReadAll(ends[1-side])
					if want = <-sent; err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d bytes of %d: %v", len(got), len(want), err)
					}
				})
			}
			both.Wait()
			ends[0].Close()
			ends[1].Close()
		})
	})
}

// An end that is torn down ends the other one, too, and is told as the one that
// did.
func TestReset(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		for _, side := range []flow.Side{flow.Client, flow.Server} {
			m := meet(t, Options{Loops: loops, Look: true})
			told := m.told(t)
			var ends [2]*net.TCPConn
			ends[0], ends[1] = m.connect(t)
			// Bytes that a gate does not wait for more of.
			ends[1].Write([]byte("neither protocol"))
			io.ReadFull(ends[0], make([]byte, 16))
			ends[side].SetLinger(0)
			ends[side].Close()
			if _, err := io.ReadAll(ends[side.Other()]); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the other end goes on")
			}
			ends[side.Other()].Close()
			if s := told()[1]; s == nil || s.first != side || s.why != flow.Reset {
				t.Errorf("of a reset by the %v was told %+v", side, s)
			}
		}
	})
}

// A server that closes without reading the rest, as one does for a statement
// that is too long, still gets its last message through.
func TestLastWords(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		m := meet(t, Options{Loops: loops})
		for range 50 {
			client, server := m.connect(t)
			go func() {
				b := make([]byte, 1<<20)
				for {
					if _, err := client.Write(b); err != nil {
						return
					}
				}
			}()
			io.ReadFull(server, make([]byte, 1000))
			server.Write([]byte("too long"))
			server.Close()
			if got, _ := io.ReadAll(client); string(got) != "too long" {
				t.Fatalf("the client got %q", got)
			}
			client.Close()
		}
	})
}

// Ends that do not read hold back those that write to them: what waits in the
// relay is bounded.
func TestSlowPeers(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		m := meet(t, Options{Loops: loops})
		const conns = 50
		before := heap()
		var written atomic.Int64
		for range conns {
			client, server := m.connect(t)
			client.SetReadBuffer(1 << 16)
			go func() {
				b := make([]byte, 1<<16)
				for {
					n, err := server.Write(b)
					written.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
		}
		last := int64(-1)
		for n := written.Load(); n != last; n = written.Load() { // the kernel's own buffers are full
			last = n
			time.Sleep(300 * time.Millisecond)
		}
		if used := heap() - before; used > conns*(200<<10) {
			t.Errorf("%d connections hold %d KiB each", conns, used/conns>>10)
		}
	})
}

// heap returns the bytes in use of heap and stacks.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// Connections of bare sockets that say nothing cost next to nothing.
func TestIdle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no loops here")
	}
	m := meet(t, Options{})
	const conns = 1000
	m.connect(t)
	before, goroutines := heap(), runtime.NumGoroutine()
	for range conns {
		m.connect(t)
	}
	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
	// The test's own ends are in it.
	if used := heap() - before; used > conns*(8<<10) {
		t.Errorf("%d bytes a connection", used/conns)
	}
}

// Whatever becomes of connections, nothing is left of them.
func TestNoLeaks(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		fds, goroutines := descriptors(), runtime.NumGoroutine()
		t.Run("", func(t *testing.T) {
			m := meet(t, Options{Loops: loops})
			for i := range 200 {
				client, server := m.connect(t)
				go io.Copy(io.Discard, client)
				client.Write(make([]byte, i))
				if i%3 == 0 {
					client.SetLinger(0)
				}
				if i%5 == 0 {
					server.SetLinger(0)
				}
				if i%2 == 0 {
					client, server = server, client
				}
				if i%7 == 0 {
					client.CloseWrite()
				}
				client.Close()
				io.Copy(io.Discard, server)
				server.Close()
			}
			eventually(t, "all connections have ended", func() bool { return m.Stats().Open.Load() == 0 })
		})
		eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
		if fds > 0 && descriptors() != fds {
			t.Errorf("%d descriptors, %d before", descriptors(), fds)
		}
	})
}

// descriptors counts the open descriptors; 0 where the system does not say.
func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// A server may be at a unix socket, and so may the relay.
func TestUnix(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		dir := t.TempDir()
		path, own := filepath.Join(dir, "server"), filepath.Join(dir, "relay")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		go acceptAll(l, echo)
		r := serve(t, Options{Pairs: []Pair{{To: path}, {Listen: own, To: path}}, Loops: loops, Look: true})
		told := r.told(t)
		talkers(t, r.addr)
		c, err := net.Dial("unix", own)
		if err != nil {
			t.Fatal(err)
		}
		sent := randomBytes(1, 3<<20)
		go func() {
			c.Write(sent)
			c.(*net.UnixConn).CloseWrite()
		}()
		if got, err := io.ReadAll(c); err != nil || len(got) != len(sent) {
			t.Errorf("got %d bytes: %v", len(got), err)
		}
		c.Close()
		for id, s := range told() {
			if !s.closed || len(s.sides[0]) != len(s.sides[1]) || s.why != flow.Finished {
				t.Errorf("connection %d: %d and %d bytes, %v", id, len(s.sides[0]), len(s.sides[1]), s.why)
			}
		}
	})
}

// A relay that is killed is a connection lost to both ends, and nothing worse.
func TestKilled(t *testing.T) {
	ended := make(chan struct{})
	to := listen(t, func(c net.Conn) { echo(c); close(ended) })
	p, addr := firstLine(t, helper(t, nil, "relay", "0", "127.0.0.1:0", to))
	c := dial(t, addr)
	c.Write([]byte("hello"))
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if b, err := io.ReadAll(c); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client reads %q, %v", b, err)
	}
	<-ended
}
