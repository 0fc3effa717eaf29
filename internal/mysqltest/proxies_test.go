package mysqltest

import (
	"fmt"
	"strings"
	"testing"
)

// The proxies that benchmarks compare with pass both protocols on, TLS and all.
func TestProxies(t *testing.T) {
	s := Start(t, MySQL97)
	x := fmt.Sprintf("127.0.0.1:%d", s.XPort)
	for name, start := range map[string]func(to string, p Protocol) *Proxy{
		"haproxy": func(to string, _ Protocol) *Proxy { return HAProxy(t, to) },
		"router":  func(to string, p Protocol) *Proxy { return Router(t, to, p) },
	} {
		t.Run(name, func(t *testing.T) {
			port := strings.TrimPrefix(start(s.Addr, ClassicProtocol).Addr, "127.0.0.1:")
			args := append(s.ClientArgs(MySQL97), "--port="+port, "-BN", "-e", "SHOW STATUS LIKE 'Ssl_version'")
			if out := Output(t, Client(t, MySQL97, "mysql", args...)); !strings.Contains(out, "TLS") {
				t.Errorf("mysql through it: %q", out)
			}
			out := Output(t, XTest(t, start(x, XProtocol).Addr, "-->sql\nSELECT 40 + 2\n-->endsql\n", "--ssl-mode=REQUIRED"))
			if !strings.Contains(out, "\n42\n") {
				t.Errorf("mysqlxtest through it: %q", out)
			}
		})
	}
}

// The unpacked HAProxy runs, also where the machine has one of its own.
func TestUnpackedHAProxy(t *testing.T) {
	notShort(t)
	cmd, err := unpackedTool("haproxy", "-v")
	if err != nil {
		failOrSkip(t, err)
	}
	if out := Output(t, cmd); !strings.Contains(out, "HAProxy version") {
		t.Errorf("haproxy -v: %q", out)
	}
}
