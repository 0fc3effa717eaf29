package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// relayProcess starts a relay to an address and waits until it listens.
func relayProcess(t testing.TB, to string, args ...string) (addr string, p *mysqltest.Process, said *spoken) {
	t.Helper()
	said = &spoken{}
	cmd := myreplayCommand(t, append([]string{"relay", "--listen", "127.0.0.1:0", "--to", to, "-q"}, args...)...)
	cmd.Stderr = said
	p = mysqltest.Background(t, cmd)
	await(t, func() bool { return strings.Contains(said.String(), "Ctrl-C ends it") })
	return relayAddr(t, said.String()), p, said
}

// await waits until something is so.
func await(t testing.TB, is func() bool) {
	t.Helper()
	for end := time.Now().Add(startWait); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it takes too long")
		}
	}
}

// talkers are clients, each of which asks for its own number again and again.
type talkers struct {
	wrong, asked, failed atomic.Int64
	quit                 chan struct{}
	all                  sync.WaitGroup
	slowest              atomic.Int64 // nanoseconds
}

// startTalkers starts n clients. A client that lost its connection makes another.
func startTalkers(t testing.TB, s *mysqltest.Server, addr, parameters string, n int) *talkers {
	c, err := mysql.ParseDSN(fmt.Sprintf("%s:%s@tcp(%s)/?timeout=2s%s", s.User, s.Password, addr, parameters))
	if err != nil {
		t.Fatal(err)
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	k := &talkers{quit: make(chan struct{})}
	for i := range n {
		k.all.Go(func() { k.talk(connector, i) })
	}
	return k
}

func (k *talkers) talk(connector driver.Connector, number int) {
	for {
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(1)
		for {
			select {
			case <-k.quit:
				db.Close()
				return
			default:
			}
			var got int
			began := time.Now()
			err := db.QueryRowContext(context.Background(), fmt.Sprintf("SELECT %d", number)).Scan(&got)
			if err != nil {
				k.failed.Add(1)
				time.Sleep(20 * time.Millisecond)
				break
			}
			if took := int64(time.Since(began)); took > k.slowest.Load() {
				k.slowest.Store(took)
			}
			k.asked.Add(1)
			if got != number {
				k.wrong.Add(1)
			}
		}
		db.Close()
	}
}

// more waits until another n questions were answered.
func (k *talkers) more(t testing.TB, n int64) {
	t.Helper()
	want := k.asked.Load() + n
	for end := time.Now().Add(30 * time.Second); k.asked.Load() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d answers, %d failures: it does not go on", k.asked.Load(), k.failed.Load())
		}
	}
}

func (k *talkers) stop() {
	close(k.quit)
	k.all.Wait()
}

// descriptors counts the open files of a process.
func descriptors(t testing.TB, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestRelayServerKilled: the server is killed under a relay that ends TLS. Its
// clients see their connections end, never another's answer; with the server
// back the relay serves again, and no connection is left behind.
func TestRelayServerKilled(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	addr, p, _ := relayProcess(t, s.Addr, "-o", filepath.Join(t.TempDir(), "capture"))
	startTalkers(t, s, addr, "", 1).stop()
	before := descriptors(t, p.Pid())
	clear, secret := startTalkers(t, s, addr, "", 8), startTalkers(t, s, addr, "&tls=skip-verify", 8)
	for range 2 {
		clear.more(t, 100)
		secret.more(t, 100)
		s.Kill()
		time.Sleep(100 * time.Millisecond)
		s.Restart(t)
	}
	clear.more(t, 100)
	secret.more(t, 100)
	clear.stop()
	secret.stop()
	if n := clear.wrong.Load() + secret.wrong.Load(); n > 0 {
		t.Errorf("%d answers to somebody else's question", n)
	}
	if clear.failed.Load() == 0 || secret.failed.Load() == 0 {
		t.Error("the server's end was not noticed")
	}
	await(t, func() bool { return descriptors(t, p.Pid()) <= before })
}

// TestRelayClientsKilled: clients that vanish take nothing of the others with
// them, and leave nothing behind.
func TestRelayClientsKilled(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	w := load("oltp_read_only", "auto")
	w.Prepare(t, s)
	dir := filepath.Join(t.TempDir(), "capture")
	addr, p, said := relayProcess(t, s.Addr, "-o", dir)
	others := startTalkers(t, s, addr, "", 4)
	others.more(t, 100)
	before := descriptors(t, p.Pid())
	for range 3 {
		w.Threads, w.Time = 16, 20*time.Second
		w.Args = []string{"--mysql-port=" + addr[strings.LastIndexByte(addr, ':')+1:]}
		clients := mysqltest.Background(t, w.Command(t, s, "run"))
		await(t, func() bool { return descriptors(t, p.Pid()) >= before+2*w.Threads })
		others.more(t, 300)
		clients.Kill()
	}
	others.more(t, 100)
	await(t, func() bool { return descriptors(t, p.Pid()) <= before })
	others.stop()
	if n := others.failed.Load() + others.wrong.Load(); n > 0 {
		t.Errorf("%d of the others' statements failed", n)
	}
	if err := p.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	ends := map[session.Reason]int{}
	for _, e := range pick[*session.End](eventsOf(t, dir)) {
		ends[e.Reason]++
	}
	if ends[session.Finished]+ends[session.WasReset] < 48 {
		t.Errorf("how sessions ended: %v", ends)
	}
}

// TestRelayKilled: a relay that is killed takes the connections with it; what it
// recorded can be read but for the last moment.
func TestRelayKilled(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	dir := filepath.Join(t.TempDir(), "capture")
	addr, p, _ := relayProcess(t, s.Addr, "-o", dir, "--flush-every", "200ms")
	k := startTalkers(t, s, addr, "&tls=skip-verify", 8)
	k.more(t, 1000)
	time.Sleep(time.Second)
	p.Kill()
	k.stop()
	events, _ := readEvents(t, dir)
	if n := len(pick[*session.Command](events)); n < 1000 {
		t.Errorf("%d commands can be read", n)
	}
}

// TestRelayOneByte: a client that sends one byte at a time, and reads as slowly,
// logs in and asks like any other, in the clear and in TLS.
func TestRelayOneByte(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	dir := filepath.Join(t.TempDir(), "capture")
	addr, p, said := relayProcess(t, s.Addr, "-o", dir)
	mysql.RegisterDialContext("one-byte", func(ctx context.Context, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		return oneByte{c}, err
	})
	for _, tls := range []string{"skip-verify", "false"} {
		db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@one-byte(%s)/?tls=%s", s.User, s.Password, addr, tls))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := db.QueryRow("SELECT REPEAT('x', ?)", 1000).Scan(&got); err != nil || len(got) != 1000 {
			t.Errorf("tls=%s: %v, %d bytes", tls, err, len(got))
		}
		db.Close()
	}
	p.Signal(os.Interrupt)
	if err := p.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	events := eventsOf(t, dir)
	if n := kindsOf(events)[session.Prepare]; n != 2 || len(pick[*session.Gap](events)) > 0 {
		t.Errorf("%d prepares recorded\n%s", n, said)
	}
}

// oneByte is a connection that sends and reads one byte at a time.
type oneByte struct{ net.Conn }

// Write implements io.Writer.
func (c oneByte) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// Read implements io.Reader.
func (c oneByte) Read(b []byte) (int, error) { return c.Conn.Read(b[:min(len(b), 1)]) }

// TestRelayHostile: frames that no client sends end their own connection, or
// pass for the server to refuse; a client beside them is served as ever, and the
// relay holds no more memory than before.
func TestRelayHostile(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	for _, protocol := range []string{s.Addr, xAddr(s)} {
		dir := filepath.Join(t.TempDir(), "capture")
		addr, p, said := relayProcess(t, protocol, "-o", dir)
		for _, bytes := range hostile() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(5 * time.Second))
			c.Read(make([]byte, 512)) // the server speaks first
			c.Write(bytes)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		}
		if protocol == s.Addr {
			k := startTalkers(t, s, addr, "", 1)
			k.more(t, 10)
			k.stop()
		} else {
			out := mysqltest.Output(t, mysqltest.XTest(t, addr, "-->stmtsql SELECT 'fine'\n-->recvresult\n", "--ssl-mode=REQUIRED", "--quiet"))
			if !strings.Contains(out, "fine") {
				t.Error(out)
			}
		}
		if n := highWaterMiB(p.Pid()); n > 150 {
			t.Errorf("%d MiB", n)
		}
		p.Signal(os.Interrupt)
		if err := p.Wait(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		eventsOf(t, dir)
	}
}

// hostile is what no client sends.
func hostile() [][]byte {
	deep := []byte{}
	for range 10000 { // messages in each other
		deep = append(deep, 0x0a, 0xff, 0xff, 0x03)
	}
	many := make([]byte, 1<<20)
	return [][]byte{
		{0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0}, // lengths of 0
		{0xff, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xff, 12, 1, 2, 3}, // the longest
		append([]byte{0xff, 0xff, 0xff, 0x01}, many...), // a login of 16 MiB
		append([]byte{1, 0, 16, 0, 2}, many...),         // capabilities of 1 MiB
		append([]byte{0x41, 0x9c, 0, 0, 2}, deep...),    // nested
		[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), {0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0},
		{32, 0, 0, 1, 0, 0x0a, 0, 0, 0, 0, 0, 1, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 'y'},
	}
}

func highWaterMiB(pid int) int64 { return maxMemory(pid) >> 20 }

// TestRelayStalledDisk: a file system that takes nothing for a while stalls no
// client; what could not be recorded is counted, and the capture can be read.
func TestRelayStalledDisk(t *testing.T) {
	stall := 3 * time.Second
	if d, err := time.ParseDuration(os.Getenv("MYREPLAY_STALL")); err == nil {
		stall = d
	}
	dir := frozenFS(t)
	s := mysqltest.Start(t, mysqltest.MariaDB)
	w := load("oltp_read_write", "disable")
	w.Threads = 8
	w.Prepare(t, s)
	addr, p, said := relayProcess(t, s.Addr, "-o", filepath.Join(dir, "capture"), "--rows", "all")
	w.Time, w.Args = stall+2*time.Second, []string{"--mysql-port=" + addr[strings.LastIndexByte(addr, ':')+1:], "--percentile=99", "--report-interval=1"}
	work := w.Command(t, s, "run")
	out := &spoken{}
	work.Stdout = out
	running := mysqltest.Background(t, work)
	time.Sleep(time.Second)
	freeze(t, dir)
	k := startTalkers(t, s, addr, "", 2)
	time.Sleep(stall)
	k.more(t, 10)
	thaw(t, dir)
	k.stop()
	if err := running.Wait(); err != nil {
		t.Fatalf("sysbench: %v\n%s", err, out)
	}
	if k.failed.Load() > 0 || strings.Contains(out.String(), "FATAL") {
		t.Errorf("%d statements failed\n%s", k.failed.Load(), out)
	}
	t.Logf("in %v without a disk: %d statements, the slowest took %v; %d MiB at most\n%s", stall, k.asked.Load(),
		time.Duration(k.slowest.Load()), highWaterMiB(p.Pid()), out)
	p.Signal(os.Interrupt)
	if err := p.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	events := eventsOf(t, filepath.Join(dir, "capture"))
	if len(pick[*session.Command](events)) == 0 {
		t.Error("nothing was recorded")
	}
	t.Log(said)
}

// frozenFS returns a folder on a file system of its own.
func frozenFS(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("mounts a file system: not in -short mode")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	for _, args := range [][]string{{"truncate", "-s", "512M", image}, {"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no file system to freeze: %v: %v %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		exec.Command("fsfreeze", "-u", dir).Run()
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}

func freeze(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("fsfreeze", "-f", dir).CombinedOutput(); err != nil {
		t.Skipf("fsfreeze: %v %s", err, out)
	}
}

func thaw(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("fsfreeze", "-u", dir).CombinedOutput(); err != nil {
		t.Fatalf("fsfreeze: %v %s", err, out)
	}
}
