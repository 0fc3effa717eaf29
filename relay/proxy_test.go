package relay

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"myreplay/preface"
)

// The header as the protocol's text describes it, byte by byte.
func TestProxyHeader(t *testing.T) {
	const signature = "0d0a0d0a000d0a515549540a"
	for _, c := range []struct{ client, listener, want string }{
		{"10.1.2.3:4660", "10.9.8.7:3306", "21" + "11" + "000c" + "0a010203" + "0a090807" + "1234" + "0cea"},
		{"[2001:db8::1]:1", "[2001:db8::2]:2", "21" + "21" + "0024" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + "0001" + "0002"},
		// A listener for both families sees IPv4 addresses as mapped ones.
		{"[::ffff:10.1.2.3]:1", "[::ffff:10.9.8.7]:2", "21" + "11" + "000c" + "0a010203" + "0a090807" + "0001" + "0002"},
		{"10.1.2.3:1", "[2001:db8::2]:2", "21" + "21" + "0024" + "00000000000000000000ffff0a010203" + "20010db8000000000000000000000002" + "0001" + "0002"},
		// A client at a unix socket has no address.
		{"", "10.9.8.7:3306", "20" + "00" + "0000"},
	} {
		client, _ := netip.ParseAddrPort(c.client)
		listener, _ := netip.ParseAddrPort(c.listener)
		if got := hex.EncodeToString(preface.Proxy(client, listener)); got != signature+c.want {
			t.Errorf("%s to %s:\n got %s\nwant %s", c.client, c.listener, got, signature+c.want)
		}
	}
}

// Whatever the addresses, the length in the header is that of what follows.
func TestProxyHeaderLength(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) netip.AddrPort {
		n := rapid.SampledFrom([]int{4, 16}).Draw(t, "length")
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "address"))
		return netip.AddrPortFrom(a, rapid.Uint16().Draw(t, "port"))
	})
	rapid.Check(t, func(t *rapid.T) {
		h := preface.Proxy(address.Draw(t, "client"), address.Draw(t, "listener"))
		if n := int(h[14])<<8 | int(h[15]); len(h) != 16+n {
			t.Errorf("%d bytes, of which the header says %d", len(h), n)
		}
	})
}

// The header comes before anything else, also to a server that speaks first.
func TestProxyFirst(t *testing.T) {
	got := make(chan []byte, 1)
	to := listen(t, func(c net.Conn) {
		defer c.Close()
		c.Write([]byte("hello, whoever you are"))
		b, _ := io.ReadAll(c)
		got <- b
	})
	for _, look := range []bool{false, true} {
		r := serve(t, Options{Pairs: []Pair{{To: to}}, ClientIP: Proxy, Look: look})
		c := dial(t, r.addr)
		io.ReadFull(c, make([]byte, 22))
		c.Write([]byte("that's all"))
		c.CloseWrite()
		want := string(preface.Proxy(addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()))) + "that's all"
		if b := string(<-got); b != want {
			t.Errorf("the server read %q, not %q", b, want)
		}
	}
}

// A server may see the client's own address.
func TestPreserve(t *testing.T) {
	if err := Preserve.check(); err != nil {
		if !errors.Is(err, ErrPreserve) {
			t.Error(err)
		}
		t.Skip(err)
	}
	from := make(chan net.Addr, 1)
	to := listen(t, func(c net.Conn) { from <- c.RemoteAddr(); c.Close() })
	eachWay(t, func(t *testing.T, loops int) {
		r := serve(t, Options{Pairs: []Pair{{To: to}}, ClientIP: Preserve, Loops: loops})
		for range 20 {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 10 * time.Second}
			c, err := d.Dial("tcp", r.addr)
			if err != nil {
				t.Skip(err)
			}
			if seen := addrOf(<-from); seen.Addr() != netip.AddrFrom4([4]byte{127, 0, 0, 2}) {
				t.Errorf("the server sees %v", seen)
			}
			c.Close()
		}
	})
}
