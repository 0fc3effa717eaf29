package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// daemonVariable makes this test program a command with the daemon's flags, whose
// work is named by the variable.
const daemonVariable = "MYREPLAY_TEST_DAEMON"

func init() {
	if os.Getenv(daemonVariable) == "" {
		return
	}
	if err := daemonCommand(os.Getenv(daemonVariable)).Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "myreplay:", err)
		os.Exit(exitFailed)
	}
	os.Exit(exitSame)
}

// daemonCommand works until it is told to end by SIGTERM: "work", or fails before
// it works: "fail", "crash".
func daemonCommand(how string) *cobra.Command {
	d := daemonArgs{}
	answer := ""
	c := &cobra.Command{Use: "mirror", SilenceUsage: true, SilenceErrors: true}
	d.flags(c)
	c.Flags().StringVar(&answer, "answer", "", "")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		more := []string{}
		if d.leaves() {
			more = append(more, "--answer=asked before")
		}
		done, err := d.begin(c.OutOrStdout(), more...)
		if done || err != nil {
			return err
		}
		defer func() { d.end(err) }()
		switch how {
		case "fail":
			return errors.New("no capture: operation not permitted")
		case "crash":
			panic("a bug")
		}
		ctx, stop := interruptible(os.Stderr)
		defer stop()
		ctx, gone := context.WithCancel(ctx)
		defer d.onHangup(ctx, os.Stderr, gone, func() (string, error) { return "12 users", nil })()
		d.ready()
		fmt.Fprintln(os.Stderr, "mirroring, answer:", answer)
		<-ctx.Done()
		fmt.Println("the report")
		return nil
	}
	return c
}

// runDaemon runs the command in dir and returns what it printed.
func runDaemon(t *testing.T, dir, how string, args ...string) (out, errs string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	var o, e bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &o, &e
	c.Env = append(os.Environ(), daemonVariable+"="+how)
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), c.ProcessState.ExitCode()
}

// eventually waits for something.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 1000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never:", what)
}

func content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// TestDaemon runs in the background, writes its log anew after a hangup, and ends
// in good order.
func TestDaemon(t *testing.T) {
	dir := t.TempDir()
	pidFile, log := filepath.Join(dir, "a.pid"), filepath.Join(dir, "myreplay-mirror.log")
	out, errs, code := runDaemon(t, dir, "work", "-d", "-P", "a.pid")
	m := regexp.MustCompile(`^myreplay mirror runs in the background as process (\d+); it writes to myreplay-mirror.log\n$`).FindStringSubmatch(out)
	if m == nil || errs != "" || code != exitSame {
		t.Fatalf("%q %q %d", out, errs, code)
	}
	pid, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	kill := func(s syscall.Signal) {
		if err := syscall.Kill(pid, s); err != nil {
			t.Error(err)
		}
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	if got := content(pidFile); got != m[1]+"\n" {
		t.Errorf("pid file: %q", got)
	}
	eventually(t, "the answer given before", func() bool { return strings.Contains(content(log), "mirroring, answer: asked before\n") })
	if session, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, uintptr(pid), 0, 0); int(session) != pid {
		t.Error("it has no session of its own:", session)
	}
	_, errs, code = runDaemon(t, dir, "work", "-d", "-P", "a.pid", "-l", "second.log")
	if code != exitFailed || !strings.Contains(errs, "names process "+m[1]+", which is alive") {
		t.Errorf("a second one: %q %d", errs, code)
	}
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	kill(syscall.SIGHUP)
	eventually(t, "a new log", func() bool { return content(log) == "SIGHUP: read again: 12 users\n" })
	kill(syscall.SIGTERM)
	eventually(t, "its end", func() bool { return !alive(pid) })
	if got := content(log); got != "SIGHUP: read again: 12 users\nthe report\n" {
		t.Errorf("log: %q", got)
	}
	if _, err := os.Stat(pidFile); err == nil {
		t.Error("the pid file is still there")
	}
}

// TestDaemonFails: who starts it is told why it does not work.
func TestDaemonFails(t *testing.T) {
	for _, c := range []struct {
		how, want string
		args      []string
	}{
		{"fail", "^myreplay: no capture: operation not permitted\n$", nil},
		{"crash", `^myreplay: process \d+ in the background ended before it worked; myreplay-mirror.log may say why\n$`, nil},
		{"work", "^myreplay: the log: open .*/none/a.log: no such file or directory\n$", []string{"-l", "none/a.log"}},
		{"work", "^myreplay: the pid file: open none/a.pid.*: no such file or directory\n$", []string{"-P", "none/a.pid"}},
	} {
		t.Run(c.how+strings.Join(c.args, " "), func(t *testing.T) {
			dir := t.TempDir()
			out, errs, code := runDaemon(t, dir, c.how, append(c.args, "-d")...)
			if out != "" || code != exitFailed || !regexp.MustCompile(c.want).MatchString(errs) {
				t.Errorf("%q %q %d", out, errs, code)
			}
			if c.how == "crash" {
				eventually(t, "the panic in the log", func() bool {
					return strings.Contains(content(filepath.Join(dir, "myreplay-mirror.log")), "panic: a bug")
				})
			}
		})
	}
}

// TestLogInFront: without -d only stderr goes to the log.
func TestLogInFront(t *testing.T) {
	dir := t.TempDir()
	out, errs, code := runDaemon(t, dir, "fail", "-l", "a.log")
	if out != "" || errs != "" || code != exitFailed {
		t.Errorf("%q %q %d", out, errs, code)
	}
	if got := content(filepath.Join(dir, "a.log")); got != "myreplay: no capture: operation not permitted\n" {
		t.Errorf("%q", got)
	}
}

// TestPIDFile: what stands at the path decides.
func TestPIDFile(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct{ name, before, after, err string }{
		{"nothing", "", own + "\n", ""},
		{"ours, from before", own + "\n", own + "\n", ""},
		{"a process that has ended", strconv.Itoa(dead.Process.Pid), own + "\n", ""},
		{"a living one", strconv.Itoa(os.Getppid()) + "\n", strconv.Itoa(os.Getppid()) + "\n", "which is alive"},
		{"something else", "root:x:0:0", "root:x:0:0", "it is no pid file"},
		{"a number and more", "1 2", "1 2", "it is no pid file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			if c.before != "" {
				if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := writePID(path)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Error(err)
			}
			if got := content(path); got != c.after {
				t.Errorf("%q", got)
			}
			if left, _ := filepath.Glob(path + ".*"); left != nil {
				t.Error("left:", left)
			}
			removePID(path)
			if _, gone := os.Stat(path); (gone != nil) != (err == nil) {
				t.Error("removed:", gone)
			}
		})
	}
}

// lockedBuffer is a writer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestHangup: neither an error nor a panic of what reads again ends anything.
func TestHangup(t *testing.T) {
	var out lockedBuffer
	n := 0
	stop := (&daemonArgs{background: true}).onHangup(context.Background(), &out, func() { t.Error("ended") }, func() (string, error) {
		n++
		switch n {
		case 1:
			return "", errors.New("filter: syntax")
		case 2:
			panic("a bug")
		}
		return "2 users", nil
	})
	defer stop()
	for i, want := range []string{"SIGHUP: nothing changed: filter: syntax\n", "SIGHUP: nothing changed: a bug\n", "SIGHUP: read again: 2 users\n"} {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, want, func() bool { return strings.HasSuffix(out.String(), want) })
		if got := strings.Count(out.String(), "\n"); got != i+1 {
			t.Errorf("%d lines: %q", got, out.String())
		}
	}
}

// TestNotify: a unit of Type=notify is told when the work has begun.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	(&daemonArgs{}).ready()
	b := make([]byte, 100)
	n, err := l.Read(b)
	if err != nil && !errors.Is(err, io.EOF) || string(b[:n]) != "READY=1" {
		t.Error(string(b[:n]), err)
	}
}
