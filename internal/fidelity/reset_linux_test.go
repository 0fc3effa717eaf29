package fidelity

import (
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// resetVariable makes the test program be the command that asks the harness at an
// address to reset the target, for "myreplay replay --reset".
const resetVariable = "FIDELITY_RESET"

func TestMain(m *testing.M) {
	if addr := os.Getenv(resetVariable); addr != "" {
		if err := askReset(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// askReset returns when the target has been reset: the harness closes the
// connection then, after a word.
func askReset(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(resetWait)); err != nil {
		return err
	}
	_, err = io.ReadAll(c)
	return err
}

// resetCommand returns a command for the shell; whoever runs it appears in asked,
// and waits until the connection is closed.
func resetCommand(t testing.TB, asked chan<- net.Conn) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done); l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case asked <- c:
			case <-done:
				c.Close()
			}
		}
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s=%s '%s'", resetVariable, l.Addr(), self)
}
