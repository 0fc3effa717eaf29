package mysqltest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The unpacked tools run, whether or not the machine has its own.
func TestUnpackedTools(t *testing.T) {
	notShort(t)
	for _, c := range []struct{ name, flag, want string }{
		{"tcpdump", "--version", "tcpdump version 4."},
		{"tshark", "--version", "TShark"},
		{"editcap", "--version", "Editcap"},
		{"capinfos", "--version", "Capinfos"},
		{"sysbench", "--version", "sysbench 1.0.20"},
		{"ip", "-V", "iproute2"},
		{"tc", "-V", "iproute2"},
		{"ss", "-V", "iproute2"},
		{"ethtool", "--version", "ethtool version"},
	} {
		cmd, err := unpackedTool(c.name, c.flag)
		if err != nil {
			failOrSkip(t, err)
		}
		if out := Output(t, cmd); !strings.Contains(out, c.want) {
			t.Errorf("%s: %q", c.name, out)
		}
	}
	if _, err := unpackedTool("frobnicate"); err == nil {
		t.Error("a tool of no package was found")
	}
}

// tcpdump and tshark, the machine's and the unpacked ones, read a server's
// traffic.
func TestCapture(t *testing.T) {
	notShort(t)
	if os.Getuid() != 0 {
		Unavailable(t, errors.New("capturing takes root"))
	}
	s := Start(t, MariaDB, NoTLS())
	for name, find := range map[string]finder{"own": tool, "unpacked": unpackedTool} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tcpdump.pcap")
			capture(t, find, s, file)
			shark := found(t, find, "tshark", "-r", file, "-d", fmt.Sprintf("tcp.port==%d,mysql", s.Port),
				"-Y", "mysql.query", "-T", "fields", "-e", "mysql.query")
			if out := Output(t, shark); !strings.Contains(out, "SELECT 'on the wire'") {
				t.Errorf("tshark: %q", out)
			}
		})
	}
}

// finder is tool or unpackedTool.
type finder func(name string, args ...string) (*exec.Cmd, error)

func found(t *testing.T, find finder, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd, err := find(name, args...)
	if err != nil {
		failOrSkip(t, err)
	}
	return cmd
}

// capture writes the packets of one query into a file.
func capture(t *testing.T, find finder, s *Server, file string) {
	t.Helper()
	dump := found(t, find, "tcpdump", "-i", "lo", "--immediate-mode", "-U", "-w", file, "port", fmt.Sprint(s.Port))
	stderr, err := dump.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := Background(t, dump)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.Contains(lines.Text(), "listening on") {
			break
		}
	}
	// A busy kernel may drop the packet: ask until it is there.
	for tries := 0; !fileHolds(t, file, "on the wire"); tries++ {
		if tries == 100 {
			t.Fatal("tcpdump does not see the query")
		}
		if _, err := dsnRows(s.DSN(), "SELECT 'on the wire'"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := errors.Join(p.Signal(os.Interrupt), p.Wait()); err != nil {
		t.Fatal(err)
	}
}

func fileHolds(t *testing.T, file, what string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), what)
}

// Every kind has the usual clients, under MySQL's names.
func TestClients(t *testing.T) {
	for _, k := range Kinds {
		t.Run(k.String(), func(t *testing.T) {
			s := Start(t, k)
			if out := Output(t, Client(t, k, "mysqladmin", append(s.ClientArgs(k), "ping")...)); !strings.Contains(out, "alive") {
				t.Errorf("mysqladmin ping: %q", out)
			}
			for name, what := range map[string]string{"mysqlbinlog": "binlog", "mysqldump": "dump"} {
				if out := Output(t, Client(t, k, name, "--version")); !strings.Contains(out, what) {
					t.Errorf("%s --version: %q", name, out)
				}
			}
		})
	}
}

// Any kind's client reaches any kind's server, without TLS too: what
// caching_sha2_password then needs is in ClientArgs.
func TestClientMatrix(t *testing.T) {
	for _, server := range []Kind{MariaDB, MySQL97} {
		s := Start(t, server, NoTLS())
		for _, k := range Kinds {
			args := append(s.ClientArgs(k), "-BN", "-e", "SELECT CURRENT_USER()")
			if out := Output(t, Client(t, k, "mysql", args...)); strings.TrimSpace(out) != "cap@%" {
				t.Errorf("client of %v on %v: %q", k, server, out)
			}
		}
	}
}

// sysbench's figures agree with the server's own.
func TestSysbench(t *testing.T) {
	for _, k := range Kinds {
		for _, mode := range []string{"auto", "disable"} {
			t.Run(k.String()+"/"+mode, func(t *testing.T) {
				s := Start(t, k)
				b := Sysbench{Script: "oltp_read_only", Threads: 2, Tables: 1, TableSize: 100, Events: 50, PSMode: mode}
				b.Prepare(t, s)
				counter := map[string]string{"auto": "Com_stmt_execute", "disable": "Com_select"}[mode]
				before := s.Status(t, counter)
				r := b.Run(t, s)
				if r.Transactions != 50 || r.Read != 50*14 || r.Other != 50*2 || r.Queries != 50*16 || r.Elapsed <= 0 || r.P95 <= 0 {
					t.Errorf("%+v", r)
				}
				want := int64(50 * 14)
				switch {
				case mode == "auto" && (k == MySQL97 || k == MariaDB105):
					want = 50 * 15 // they cannot prepare BEGIN
				case mode == "auto":
					want = 50 * 16
				}
				if n := s.Status(t, counter) - before; n != want {
					t.Errorf("%s grew by %d, not %d", counter, n, want)
				}
			})
		}
	}
}

// The unpacked sysbench finds its scripts and plugins, also where the machine
// has one of its own.
func TestUnpackedSysbench(t *testing.T) {
	s := Start(t, MySQL97)
	b := Sysbench{Script: "oltp_write_only", Tables: 1, TableSize: 10, Events: 5, Time: time.Minute}
	for _, step := range []string{"prepare", "run", "cleanup"} {
		cmd, err := unpackedTool("sysbench", append(b.args(s), step)...)
		if err != nil {
			failOrSkip(t, err)
		}
		Output(t, cmd)
	}
}

const mysql2Script = `
const mysql = require('mysql2/promise');
(async () => {
  const [port, user, password] = process.argv.slice(2);
  const c = await mysql.createConnection({ host: '127.0.0.1', port: +port, user, password });
  const [rows] = await c.execute('SELECT ? + 1 AS n, CURRENT_USER() AS u', [41]);
  console.log(rows[0].n, rows[0].u);
  await c.end();
})().catch(e => { console.error(e); process.exit(1); });
`

func TestNode(t *testing.T) {
	for _, k := range []Kind{MariaDB, MySQL97} {
		t.Run(k.String(), func(t *testing.T) {
			s := Start(t, k)
			port := strings.TrimPrefix(s.Addr, "127.0.0.1:")
			if out := Output(t, Node(t, mysql2Script, port, s.User, s.Password)); out != "42 cap@%\n" {
				t.Errorf("mysql2: %q", out)
			}
		})
	}
}
