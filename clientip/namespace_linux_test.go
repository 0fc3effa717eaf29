package clientip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperVariable turns the test program into a helper, to be run in another
// network: "serve", "dial", or "nobody".
const helperVariable = "MYREPLAY_CLIENTIP_HELPER"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(helperVariable) {
	case "serve":
		err = helpServe()
	case "dial":
		helpDial()
	case "nobody":
		err = helpNobody()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// helpServe tells every client whom it sees, and holds the connection until the
// client ends it.
func helpServe() error {
	l, err := net.Listen("tcp", ":3306")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			fmt.Fprintln(c, c.RemoteAddr())
			io.Copy(io.Discard, c)
			c.Close()
		}()
	}
}

// helpDial does what the lines of stdin say: "FROM TO own|other" or "close".
func helpDial() {
	var open []net.Conn
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		if w[0] == "close" {
			for _, c := range open {
				c.Close()
			}
			open = nil
			fmt.Println("closed")
			continue
		}
		from, _ := netip.ParseAddrPort(w[0])
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		c, got, err := Dial(ctx, Request{From: from, To: w[1], OtherPort: w[2] == "other"})
		cancel()
		if err != nil {
			fmt.Println(err)
			continue
		}
		open = append(open, c)
		seen, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Printf("%s own=%t other=%t inuse=%t\n", strings.TrimSpace(seen), got.OwnPort, got.OtherPort, got.InUse)
	}
}

// helpNobody has no capabilities.
func helpNobody() error {
	if err := syscall.Setuid(65534); err != nil {
		return err
	}
	err := Check()
	fmt.Println(err, errors.Is(err, ErrCapability))
	_, _, err = Dial(context.Background(), Request{From: netip.MustParseAddrPort("10.50.7.9:41000"), To: "127.0.0.1:1"})
	fmt.Println(err, errors.Is(err, ErrCapability))
	return nil
}

// helper starts a helper behind the words of before.
func helper(t *testing.T, name string, before ...string) (io.Writer, *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := append(before, self)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), helperVariable+"="+name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return in, bufio.NewScanner(out)
}

// Without the capability the error says how to get it.
func TestNobody(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("giving up capabilities is for root")
	}
	_, out := helper(t, "nobody")
	for range 2 {
		if !out.Scan() || !strings.Contains(out.Text(), "setcap cap_net_raw+ep") || !strings.HasSuffix(out.Text(), "true") {
			t.Errorf("%q", out.Text())
		}
	}
}

// hosts are two hosts with a link, the assistant and the target.
type hosts struct {
	t    *testing.T
	ask  io.Writer
	said *bufio.Scanner
}

func newHosts(t *testing.T) *hosts {
	if testing.Short() {
		t.Skip("it makes network namespaces, and waits for timeouts")
	}
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Skip("network namespaces need root and the program ip")
	}
	h := &hosts{t: t}
	for _, n := range []string{"asst", "tgt"} {
		h.ip("netns add " + space(n))
		t.Cleanup(func() { exec.Command("ip", "netns", "del", space(n)).Run() })
		h.ip("-n " + space(n) + " link set lo up")
	}
	h.ip("-n " + space("asst") + " link add to-tgt type veth peer name to-asst netns " + space("tgt"))
	for _, end := range [][4]string{{"asst", "to-tgt", "10.99.1.2/24", "2001:db8:99::2/64"}, {"tgt", "to-asst", "10.99.1.3/24", "2001:db8:99::3/64"}} {
		h.ip("-n " + space(end[0]) + " addr add " + end[2] + " dev " + end[1])
		h.ip("-n " + space(end[0]) + " addr add " + end[3] + " dev " + end[1] + " nodad")
		h.ip("-n " + space(end[0]) + " link set " + end[1] + " up")
	}
	_, ready := helper(t, "serve", "ip", "netns", "exec", space("tgt"))
	if !ready.Scan() {
		t.Fatal("the server does not start")
	}
	h.ask, h.said = helper(t, "dial", "ip", "netns", "exec", space("asst"))
	return h
}

func space(host string) string { return fmt.Sprintf("clientiptest-%d-%s", os.Getpid(), host) }

func (h *hosts) ip(line string) {
	h.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		h.t.Skipf("ip %s: %v: %s", line, err, out)
	}
}

// routes are what the RouteHint says, for both kinds of addresses.
func (h *hosts) routes() {
	h.t.Helper()
	h.ip("-n " + space("tgt") + " route add 10.50.0.0/16 via 10.99.1.2")
	h.ip("-n " + space("tgt") + " -6 route add 2001:db8:50::/64 via 2001:db8:99::2")
	h.ip("-n " + space("asst") + " rule add iif to-tgt lookup 100")
	h.ip("-n " + space("asst") + " -6 rule add iif to-tgt lookup 100")
	h.ip("-n " + space("asst") + " route add local 10.50.0.0/16 dev lo table 100")
	h.ip("-n " + space("asst") + " -6 route add local 2001:db8:50::/64 dev lo table 100")
}

// do returns what the helper says to a line.
func (h *hosts) do(line string) string {
	h.t.Helper()
	fmt.Fprintln(h.ask, line)
	if !h.said.Scan() {
		h.t.Fatalf("%s: no answer", line)
	}
	return h.said.Text()
}

func (h *hosts) expect(line, want string) {
	h.t.Helper()
	if got := h.do(line); got != want {
		h.t.Errorf("%s: %q, not %q", line, got, want)
	}
}

// expectOther expects a connection from the client's address but not its port.
func (h *hosts) expectOther(line, prefix, not, flags string) {
	h.t.Helper()
	got := h.do(line)
	if !strings.HasPrefix(got, prefix) || strings.HasPrefix(got, not+" ") || !strings.HasSuffix(got, flags) {
		h.t.Errorf("%s: %q", line, got)
	}
}

// Without the rule and the routes nothing comes back, and the error says what is
// missing.
func TestNoRoutes(t *testing.T) {
	h := newHosts(t)
	for _, line := range []string{"10.50.7.9:41000 10.99.1.3:3306 own", "[2001:db8:50::9]:41000 [2001:db8:99::3]:3306 own"} {
		if got := h.do(line); !strings.Contains(got, "timeout") || !strings.HasSuffix(got, RouteHint) {
			t.Errorf("%q", got)
		}
	}
	// From the host's own address it works without.
	h.expectOther("- 10.99.1.3:3306 own", "10.99.1.2:", "", "own=false other=false inuse=false")
	if got := h.do("[2001:db8:50::9]:41000 10.99.1.3:3306 own"); !strings.Contains(got, ErrFamily.Error()) {
		t.Errorf("IPv6 to IPv4: %q", got)
	}
	if got := h.do("10.50.7.9:41000 192.0.2.1:3306 own"); !strings.Contains(got, "unreachable") {
		t.Errorf("no route to the server: %q", got)
	}
}

// The server sees the clients: their ports where those are free.
func TestPorts(t *testing.T) {
	h := newHosts(t)
	h.routes()
	for _, to := range [][3]string{{"10.50.7.9:", "10.50.7.10:", "10.99.1.3:3306"}, {"[2001:db8:50::9]:", "[2001:db8:50::a]:", "[2001:db8:99::3]:3306"}} {
		first, second, server := to[0], to[1], to[2]
		h.expect(first+"41000 "+server+" own", first+"41000 own=true other=false inuse=false")
		h.expect(second+"41000 "+server+" own", second+"41000 own=true other=false inuse=false")
		// The port is in use: of another session to the same server.
		h.expectOther(first+"41000 "+server+" own", first, first+"41000", "own=false other=true inuse=true")
		// A copy does not even try it.
		h.expectOther(first+"42000 "+server+" other", first, first+"42000", "own=false other=true inuse=false")
		h.expect(first+"42000 "+server+" own", first+"42000 own=true other=false inuse=false")
		// Any port will do.
		h.expectOther(first+"0 "+server+" own", first, "", "own=false other=false inuse=false")
		// Many at once from one port of the client: each gets another.
		for range 50 {
			h.expectOther(first+"41000 "+server+" own", first, first+"41000", "own=false other=true inuse=true")
		}
		h.do("close")
		// Its own connection of a moment ago (TIME_WAIT) is no hindrance, with
		// whichever port.
		for range 50 {
			if got := h.do(first + "41000 " + server + " own"); !strings.HasPrefix(got, first) {
				t.Errorf("after a connection that was just closed: %q", got)
			}
			h.do("close")
		}
	}
}
