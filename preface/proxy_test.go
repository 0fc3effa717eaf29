package preface

import (
	"net/netip"
	"testing"
)

// TestProxy: what is written is read again, and every part of it asks for more.
func TestProxy(t *testing.T) {
	for _, client := range []string{"192.0.2.7:4711", "[2001:db8::7]:4711"} {
		from := netip.MustParseAddrPort(client)
		h := Proxy(from, netip.MustParseAddrPort("192.0.2.1:3306"))
		for n := range h {
			if _, got, err := ReadProxy(h[:n]); got != 0 || err != nil {
				t.Errorf("%s, %d bytes of it: %d, %v", client, n, got, err)
			}
		}
		src, n, err := ReadProxy(append(h, "more"...))
		if src.Addr().Unmap() != from.Addr() || src.Port() != from.Port() || n != len(h) || err != nil {
			t.Errorf("%s: read %v, %d of %d bytes, %v", client, src, n, len(h), err)
		}
	}
	if src, n, err := ReadProxy(Proxy(netip.AddrPort{}, netip.AddrPort{})); src.IsValid() || n != 16 || err != nil {
		t.Errorf("without addresses: %v, %d, %v", src, n, err)
	}
}

func FuzzReadProxy(f *testing.F) {
	f.Add([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 1000 3306\r\n"))
	f.Add(Proxy(netip.MustParseAddrPort("192.0.2.7:4711"), netip.MustParseAddrPort("192.0.2.1:3306")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, n, err := ReadProxy(b); n < 0 || n > len(b) || err != nil && err != ErrNoProxy {
			t.Errorf("%d of %d bytes, %v", n, len(b), err)
		}
		_ = IsTLS(b)
	})
}
