package relay

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Without descriptors clients wait; once there are some again, they are served.
func TestNoDescriptors(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		r := serve(t, Options{Pairs: []Pair{{To: echoServer(t)}}, Loops: loops})
		talk(t, r.addr, 1, 1000)
		eventually(t, "the first connection has ended", func() bool { return r.Stats().Open.Load() == 0 })
		sockets := make([]int, 10)
		for i := range sockets {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			sockets[i] = fd
		}
		restore := noMoreDescriptors(t)
		defer restore()
		to := unix.SockaddrInet4{Port: r.Addrs()[0].(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
		for _, fd := range sockets {
			if err := unix.Connect(fd, &to); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the lack is noticed", func() bool { return len(r.Stats().Failures()) > 0 })
		restore()
		for i, fd := range sockets {
			text := fmt.Sprint("waited", i)
			if _, err := unix.Write(fd, []byte(text)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, len(text))
			if _, err := unix.Read(fd, b); err != nil || b[0] != 'w'+1 {
				t.Errorf("got %q: %v", b, err)
			}
		}
	})
}

// noMoreDescriptors takes care that this process can open nothing until restore
// is called.
func noMoreDescriptors(t *testing.T) (restore func()) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Skip(err)
	}
	none := old
	none.Cur = 0 // what is open stays open
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Skip(err)
	}
	return sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
}

// Both legs find out when their peer is gone without a word, and send at once.
func TestSocketOptions(t *testing.T) {
	m := meet(t, Options{Loops: -1})
	m.connect(t)
	eventually(t, "the connection is passed on", func() bool { return m.Stats().Open.Load() == 1 })
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.own {
		for side, end := range c.ends {
			fd, err := descriptor(end)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []struct{ level, name, want int }{
				{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{unix.SOL_TCP, unix.TCP_KEEPIDLE, 60},
				{unix.SOL_TCP, unix.TCP_KEEPINTVL, 15},
				{unix.SOL_TCP, unix.TCP_KEEPCNT, 4},
				{unix.SOL_TCP, unix.TCP_NODELAY, 1},
			} {
				if got, err := unix.GetsockoptInt(fd, o.level, o.name); err != nil || got != o.want {
					t.Errorf("side %d: option %d of level %d is %d, %v", side, o.name, o.level, got, err)
				}
			}
			unix.Close(fd)
		}
	}
}
