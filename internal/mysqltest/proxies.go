package mysqltest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Proxy is another program that passes connections on to a server, for
// benchmarks to compare with.
type Proxy struct {
	*Process
	Addr string // where clients connect to, "127.0.0.1:PORT"
}

// haproxyConfig passes TCP on; its verbs: connections, listening address,
// server. The timeouts are those of a database's idle connections.
const haproxyConfig = `global
  maxconn %d
defaults
  mode tcp
  timeout connect 10s
  timeout client 8h
  timeout server 8h
listen mysql
  bind %s
  server one %s
`

// HAProxy starts Debian's HAProxy, which passes the TCP connections of a free
// port on to an address, whatever the protocol. It is killed when the test ends.
func HAProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	return startProxy(t, "haproxy.cfg", func(listen, file string) (string, *exec.Cmd) {
		return fmt.Sprintf(haproxyConfig, proxyConnections, listen, to), Tool(t, "haproxy", "-db", "-f", file)
	})
}

// Protocol is what a Router speaks.
type Protocol string

// The protocols.
const (
	ClassicProtocol Protocol = "classic"
	XProtocol       Protocol = "x"
)

// routerConfig passes connections on and lets TLS through.
const routerConfig = `[DEFAULT]
plugin_folder=%s
logging_folder=
runtime_folder=%[2]s
data_folder=%[2]s
[logger]
level=warning
[routing:one]
bind_address=127.0.0.1
bind_port=%[3]s
destinations=%[4]s
routing_strategy=first-available
protocol=%[5]s
client_ssl_mode=PASSTHROUGH
server_ssl_mode=AS_CLIENT
max_connections=%[6]d
`

// Router starts MySQL Router 9.7 of Debian sid, which passes the connections of
// a free port on to an address; what is inside TLS it does not see. It is killed
// when the test ends.
func Router(t testing.TB, to string, protocol Protocol) *Proxy {
	t.Helper()
	if testing.Short() {
		t.Skip("needs MySQL Router: not in -short mode")
	}
	r, err := recipe{name: "mysql-router", suite: "sid", packages: []string{"mysql-router"}, unneeded: unneeded, prune: toolPrune}.install()
	if err != nil {
		failOrSkip(t, err)
	}
	return startProxy(t, "router.conf", func(listen, file string) (string, *exec.Cmd) {
		args := []string{"--config=" + file}
		if os.Getuid() == 0 {
			args = append(args, "--user=root")
		}
		cmd, err := r.command("mysqlrouter", args...)
		if err != nil {
			t.Fatal(err)
		}
		plugins := filepath.Join(r.dir, "usr/lib/mysqlrouter/plugin")
		_, port, _ := net.SplitHostPort(listen)
		return fmt.Sprintf(routerConfig, plugins, filepath.Dir(file), port, to, protocol, proxyConnections), cmd
	})
}

// Limits of the proxies.
const (
	proxyConnections = 4000             // at once
	proxyWait        = 20 * time.Second // until a proxy listens
)

// startProxy starts a proxy on a free port and waits until it listens. make
// the text of its configuration file and its command.
func startProxy(t testing.TB, name string, prepare func(listen, file string) (string, *exec.Cmd)) *Proxy {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	listen := "127.0.0.1:" + strconv.Itoa(port)
	file := filepath.Join(t.TempDir(), name)
	text, cmd := prepare(listen, file)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(file + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p := &Proxy{Background(t, cmd), listen}
	if err := p.await(); err != nil {
		said, _ := os.ReadFile(file + ".log")
		t.Fatalf("%s: %v\n%s", cmd.Args, err, said)
	}
	return p
}

// await waits until the proxy takes a connection, which the server sees, too.
func (p *Proxy) await() error {
	for end := time.Now().Add(proxyWait); ; time.Sleep(startPoll) {
		c, err := net.Dial("tcp4", p.Addr)
		switch {
		case err == nil:
			return c.Close()
		case !p.running():
			return errors.Join(errors.New("it ended by itself"), p.Wait())
		case time.Now().After(end):
			return err
		}
	}
}
