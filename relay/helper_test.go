package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// helperVariable turns the test program into one of the helpers: what must be a
// process of its own, to be killed, measured, or run in another network.
const helperVariable = "MYREPLAY_RELAY_HELPER"

var helpers = map[string]func(args []string) error{
	"relay":  helpRelay,
	"who":    helpWho,
	"client": helpClient,
	"load":   helpLoad,
}

func TestMain(m *testing.M) {
	help, ok := helpers[os.Getenv(helperVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := help(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// helper returns the command of a helper, behind the words of before.
func helper(t testing.TB, before []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := append(append(before, self), args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), helperVariable+"="+name)
	return cmd
}

// firstLine starts a helper and returns the first line that it prints.
func firstLine(t testing.TB, cmd *exec.Cmd) (*mysqltest.Process, string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	p := mysqltest.Background(t, cmd)
	w.Close()
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := r.Read(b); err != nil || b[0] == '\n' {
			return p, string(line)
		}
	}
}

// helpRelay is a relay: how it treats clients' addresses (a number), where it
// listens, and to where it passes.
func helpRelay(args []string) error {
	how, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	r, err := Listen(Options{Pairs: []Pair{{Listen: args[1], To: args[2]}}, ClientIP: ClientIP(how)})
	if err != nil {
		return err
	}
	fmt.Println(r.Addrs()[0])
	return r.Serve(context.Background())
}

// helpWho is a server that tells its clients their address.
func helpWho(args []string) error {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	acceptAll(l, func(c net.Conn) {
		fmt.Fprint(c, c.RemoteAddr())
		c.Close()
	})
	return errors.New("the listener is closed")
}

// helpClient prints its address and what a server says.
func helpClient(args []string) error {
	c, err := net.DialTimeout("tcp", args[0], 10*time.Second)
	if err != nil {
		return err
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	text, err := io.ReadAll(c)
	fmt.Println(c.LocalAddr(), strings.TrimSpace(string(text)))
	return err
}

// helpLoad is an echo server and its clients: it prints the server's address,
// and then, for each line "ADDR CLIENTS ROUNDS BYTES" that it reads, lets each
// client send so many bytes, wait for their echo, and so on, and says "done".
func helpLoad([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go acceptAll(l, func(c net.Conn) { io.Copy(struct{ io.Writer }{c}, c); c.Close() })
	fmt.Println(l.Addr())
	for {
		var addr string
		var clients, rounds, size int
		if _, err := fmt.Scanln(&addr, &clients, &rounds, &size); err != nil {
			return nil
		}
		failed := make(chan error, clients)
		for range clients {
			go func() { failed <- oneClient(addr, rounds, size) }()
		}
		for range clients {
			if err := <-failed; err != nil {
				return err
			}
		}
		fmt.Println("done")
	}
}

func oneClient(addr string, rounds, size int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, size)
	for range rounds {
		if _, err := c.Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return err
		}
	}
	return nil
}
