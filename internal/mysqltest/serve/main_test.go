package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
)

// serveVariable makes the test program be the command.
const serveVariable = "SERVE_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(serveVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"":                               "usage",
		"oracle":                         `no server kind "oracle"`,
		"mariadb -tls":                   "unknown flag -tls",
		"mariadb --port=1":               "unknown flag --port=1",
		"mariadb":                        "",
		"mariadb -notls":                 "",
		"mysql97 --notls -- --port=1 -x": "",
		"mysql97 -- -notls":              "",
	} {
		kind, opts, err := parse(strings.Fields(line))
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", line, err)
			}
			continue
		}
		wantOpts := 1
		if before, _, _ := strings.Cut(line, " -- "); strings.Contains(before, "notls") {
			wantOpts = 2
		}
		if err != nil || !strings.HasPrefix(line, kind.String()) || len(opts) != wantOpts {
			t.Errorf("%q: %v with %d options, %v", line, kind, len(opts), err)
		}
	}
}

// The command prints where its server is, serves, passes arguments on, and
// takes the server along when it is interrupted.
func TestServe(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real server: not in -short mode")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "mariadb", "-notls", "--", "--max-connections=123")
	cmd.Env = append(os.Environ(), serveVariable+"=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := mysqltest.Background(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.Wait()
		if strings.Contains(stderr.String(), mysqltest.ErrUnavailable.Error()) {
			mysqltest.Unavailable(t, errors.New(stderr.String()))
		}
		t.Fatal(stderr.String())
	}
	addr := regexp.MustCompile(`\bADDR=(\S+) `).FindStringSubmatch(line)
	if addr == nil || !strings.Contains(line, " CA='' ") {
		t.Fatalf("printed: %q", line)
	}
	c, err := net.Dial("tcp4", addr[1])
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := p.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp4", addr[1]); err == nil {
		c.Close()
		t.Error(fmt.Sprint("the server at ", addr[1], " is still there"))
	}
}
