package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
)

// way is a way for a load to reach the server.
type way struct {
	name string
	tls  bool // the client uses TLS
	// start starts what stands between, and returns its address and process; nil:
	// nothing does.
	start func(b *testing.B, s *mysqltest.Server) (addr string, p *mysqltest.Process)
}

// relayWay is a relay with the given arguments.
func relayWay(args ...string) func(*testing.B, *mysqltest.Server) (string, *mysqltest.Process) {
	return func(b *testing.B, s *mysqltest.Server) (string, *mysqltest.Process) {
		own := args
		if len(args) > 0 && args[len(args)-1] == "-o" {
			own = append(own[:len(own):len(own)], b.TempDir()+"/capture")
		}
		said := &spoken{}
		cmd := myreplayCommand(b, append([]string{"relay", "--listen", "127.0.0.1:0", "--to", s.Addr, "-q"}, own...)...)
		cmd.Stderr = said
		p := mysqltest.Background(b, cmd)
		for !strings.Contains(said.String(), "Ctrl-C ends it") {
			time.Sleep(5 * time.Millisecond)
		}
		return relayAddr(b, said.String()), p
	}
}

var ways = []way{
	{"direct", false, nil},
	{"haproxy", false, func(b *testing.B, s *mysqltest.Server) (string, *mysqltest.Process) {
		p := mysqltest.HAProxy(b, s.Addr)
		return p.Addr, p.Process
	}},
	{"router", false, func(b *testing.B, s *mysqltest.Server) (string, *mysqltest.Process) {
		p := mysqltest.Router(b, s.Addr, mysqltest.ClassicProtocol)
		return p.Addr, p.Process
	}},
	{"passing", false, relayWay()},
	{"recording", false, relayWay("-o")},
	{"direct-tls", true, nil},
	{"passing-tls", true, relayWay()},
	{"ending-tls", true, withCertificate("--tls", "end")},
	{"recording-tls", true, withCertificate("-o")},
}

// withCertificate is a relay that shows the server's own certificate.
func withCertificate(args ...string) func(*testing.B, *mysqltest.Server) (string, *mysqltest.Process) {
	return func(b *testing.B, s *mysqltest.Server) (string, *mysqltest.Process) {
		return relayWay(append([]string{"--cert", certificate(s, "cert"), "--key", certificate(s, "key")}, args...)...)(b, s)
	}
}

// certificate is a PEM file of the server's: its certificate or its key.
func certificate(s *mysqltest.Server, what string) string {
	return filepath.Join(filepath.Dir(s.CA), what+".pem")
}

// clientFiles is a folder with the files that sysbench wants to use TLS.
func clientFiles(b *testing.B, s *mysqltest.Server) string {
	b.Helper()
	dir := b.TempDir()
	for name, file := range map[string]string{"cacert": s.CA, "client-cert": certificate(s, "cert"), "client-key": certificate(s, "key")} {
		if err := os.Symlink(file, filepath.Join(dir, name+".pem")); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkRelay runs sysbench against a server directly, through other proxies
// and through the relay, in turns: statements a second, latency, and what the
// process between took.
func BenchmarkRelay(b *testing.B) {
	s := mysqltest.Start(b, mysqltest.MariaDB, mysqltest.BufferPool("256M"), mysqltest.MaxConnections(4000))
	benchLoad("oltp_read_write", "", 1).Prepare(b, s)
	for _, script := range []string{"oltp_point_select", "oltp_read_write"} {
		b.Run(script, func(b *testing.B) {
			for range b.N {
				benchWays(b, s, script)
			}
		})
	}
}

// through is what one run through one way gave.
type through struct{ rate, p50, p99, cpu, memory []float64 }

func benchWays(b *testing.B, s *mysqltest.Server, script string) {
	got := map[string]*through{}
	for range 3 {
		for _, w := range ways {
			t := got[w.name]
			if t == nil {
				t = &through{}
				got[w.name] = t
			}
			benchWay(b, s, script, w, t)
		}
	}
	direct, haproxy := median(got["direct"].rate), median(got["haproxy"].rate)
	for _, w := range ways {
		t := got[w.name]
		line := fmt.Sprintf("%-14s %8.0f statements/s  p50 %.3f ms  p99 %.3f ms", w.name, median(t.rate), median(t.p50), median(t.p99))
		if w.start != nil {
			line += fmt.Sprintf("  %.2f of direct  %.2f of haproxy  %.2f ms CPU/1k  %.0f MiB", median(t.rate)/direct, median(t.rate)/haproxy, median(t.cpu), median(t.memory))
		}
		b.Log(line)
	}
	b.ReportMetric(median(got["passing"].rate)/haproxy, "passing-of-haproxy")
	b.ReportMetric(median(got["recording"].cpu)-median(got["passing"].cpu), "recording-adds-ms/1k")
}

func benchWay(b *testing.B, s *mysqltest.Server, script string, w way, t *through) {
	load := benchLoad(script, "auto", 8)
	load.Time = 4 * time.Second
	load.Args = []string{"--histogram=on"}
	if w.tls {
		load.Args = append(load.Args, "--mysql-ssl=on")
	}
	var p *mysqltest.Process
	if w.start != nil {
		var addr string
		addr, p = w.start(b, s)
		load.Args = append(load.Args, "--mysql-port="+addr[strings.LastIndexByte(addr, ':')+1:])
	}
	cmd := load.Command(b, s, "run")
	if w.tls {
		cmd.Dir = clientFiles(b, s)
	}
	out := mysqltest.Output(b, cmd)
	r, err := mysqltest.ParseSysbench(out)
	if err != nil {
		b.Fatal(err)
	}
	t.rate = append(t.rate, float64(r.Queries)/r.Elapsed.Seconds())
	t.p50, t.p99 = append(t.p50, percentile(b, out, 0.5)), append(t.p99, percentile(b, out, 0.99))
	if p != nil {
		u := interrupted(b, p)
		t.cpu, t.memory = append(t.cpu, u.per1k(r.Queries)), append(t.memory, float64(u.memory)/(1<<20))
	}
}

// bucket is a line of sysbench's histogram: a latency in ms, and how many had it.
var bucket = regexp.MustCompile(`(?m)^\s*([0-9.]+) \|\**\s+(\d+)$`)

// percentile reads a percentile from the histogram that sysbench printed.
func percentile(b *testing.B, out string, share float64) float64 {
	var all, upTo float64
	rows := bucket.FindAllStringSubmatch(out, -1)
	for _, m := range rows {
		n, _ := strconv.ParseFloat(m[2], 64)
		all += n
	}
	for _, m := range rows {
		n, _ := strconv.ParseFloat(m[2], 64)
		if upTo += n; upTo >= share*all {
			ms, _ := strconv.ParseFloat(m[1], 64)
			return ms
		}
	}
	b.Fatalf("no histogram in\n%s", out)
	return 0
}

// BenchmarkRelayIdle opens 2,000 sessions through a relay and lets them be.
func BenchmarkRelayIdle(b *testing.B) {
	const sessions = 2000
	s := mysqltest.Start(b, mysqltest.MariaDB, mysqltest.MaxConnections(4000))
	for _, w := range ways {
		if w.start == nil {
			continue
		}
		b.Run(w.name, func(b *testing.B) {
			for range b.N {
				addr, p := w.start(b, s)
				before := resident(p.Pid())
				closeAll := idle(b, s, addr, w.tls, sessions)
				after := resident(p.Pid())
				b.ReportMetric(float64(before)/(1<<20), "MiB-before")
				b.ReportMetric(float64(after)/(1<<20), "MiB-idle")
				b.ReportMetric(float64(after-before)/sessions/1024, "KiB/session")
				closeAll()
				interrupted(b, p)
			}
		})
	}
}

// idle opens sessions that log in and say nothing more.
func idle(b *testing.B, s *mysqltest.Server, addr string, tls bool, n int) (closeAll func()) {
	b.Helper()
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = s.User, s.Password, "tcp", addr, mysqltest.Schema
	if tls {
		c.TLSConfig = "skip-verify"
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		b.Fatal(err)
	}
	db := sql.OpenDB(connector)
	for range n {
		conn, err := db.Conn(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if err := conn.PingContext(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(2 * time.Second)
	return func() { db.Close() }
}

var rss = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is what a process holds in memory now, in bytes.
func resident(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if m := rss.FindSubmatch(text); m != nil {
		n, _ := strconv.ParseInt(string(m[1]), 10, 64)
		return n << 10
	}
	return 0
}
