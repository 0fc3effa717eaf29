package mysqltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Verdict is how a script of the suite ended.
type Verdict string

// The verdicts.
const (
	Passed   Verdict = "passed"    // with the result that the suite expects
	Differs  Verdict = "differs"   // it ran to its end and printed something else
	Skipped  Verdict = "skipped"   // it says that the server lacks something
	Failed   Verdict = "failed"    // it gave up
	TimedOut Verdict = "timed out" // it was killed
)

// Outcome is what a run of a script gave.
type Outcome struct {
	Verdict Verdict
	// Output is what the script printed, with the server's and the relay's
	// ports and folders replaced by names, so that two servers' are alike.
	Output string
	Why    string // for Skipped and Failed: what mysqltest said, in one line
	Took   time.Duration
	// Restarted says that the script stopped the server, or started it again:
	// it is to be closed now.
	Restarted bool
}

// Place is where a script's connections go. The server must be a Suite's, with
// no other script running on it.
type Place struct {
	Server *Server
	// Port and XPort are where clients find the classic and the X Protocol: of
	// the server, or of relays before it. 0: the server's.
	Port, XPort int
	// Args are further arguments of mysqltest: "--ssl-mode=REQUIRED",
	// "--ps-protocol", "--compress".
	Args []string
	// XArgs are further arguments of mysqlxtest, in front of the script's own.
	XArgs []string
}

func (p Place) port() int {
	if p.Port != 0 {
		return p.Port
	}
	return p.Server.Port
}

func (p Place) xport() int {
	if p.XPort != 0 {
		return p.XPort
	}
	return p.Server.XPort
}

// Run runs a script. A script that can't be started has Failed, with the reason.
func (s *Suite) Run(script Script, p Place, timeout time.Duration) Outcome {
	o, err := s.run(script, p, timeout)
	if err != nil {
		return Outcome{Verdict: Failed, Why: err.Error()}
	}
	return o
}

func (s *Suite) run(script Script, p Place, timeout time.Duration) (Outcome, error) {
	options, err := s.writeOptions(p)
	if err != nil {
		return Outcome{}, err
	}
	args := append([]string{"--defaults-file=" + options, "--silent", "--database=" + Schema,
		"--tmpdir=" + filepath.Join(p.Server.Dir, "tmp"),
		"--logdir=" + filepath.Join(p.Server.Dir, "log"),
		"--test-file=" + s.file(script, "test")}, p.Args...)
	cmd, err := s.command("mysqltest", args...)
	if err != nil {
		return Outcome{}, err
	}
	cmd.Dir = s.tests()
	cmd.Env = s.environment(p, options)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	k := keep(p.Server)
	err = runGroup(cmd, timeout)
	o := Outcome{Output: p.plain(stdout.String()), Took: time.Since(began)}
	var keepErr error
	if o.Restarted, keepErr = k.end(); keepErr != nil {
		return Outcome{}, keepErr
	}
	o.Verdict, o.Why = s.judge(script, err, stdout.String())
	if o.Verdict == Skipped || o.Verdict == Failed {
		o.Why = strings.TrimSpace(o.Why + " " + p.plain(endOf(stderr.String())))
	}
	return o, nil
}

// mysqltest's exit codes.
const (
	exitPass = 0
	exitSkip = 62
)

// judge tells how a script ended.
func (s *Suite) judge(script Script, err error, out string) (Verdict, string) {
	var exit *exec.ExitError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut, ""
	case errors.As(err, &exit) && exit.ExitCode() == exitSkip:
		return Skipped, ""
	case err != nil:
		return Failed, err.Error()
	}
	want, err := os.ReadFile(s.file(script, "result"))
	if err != nil {
		return Differs, "no expected result"
	}
	if string(want) == out {
		return Passed, ""
	}
	return Differs, ""
}

// runGroup runs a command with all that it starts, which has ended when
// runGroup returns; context.DeadlineExceeded says that it took too long.
func runGroup(cmd *exec.Cmd, timeout time.Duration) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	p, err := startProcess(cmd)
	if err != nil {
		return err
	}
	end := time.NewTimer(timeout)
	defer end.Stop()
	select {
	case <-p.Done():
	case <-end.C:
		err = context.DeadlineExceeded
	}
	// What a script left behind goes, too.
	if killErr := syscall.Kill(-p.Pid(), syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
		return killErr
	}
	if waitErr := p.Wait(); err == nil {
		err = waitErr
	}
	return err
}

// plain replaces what differs from server to server in what a script printed.
func (p Place) plain(out string) string {
	words := []string{p.Server.Dir, "$DIR"}
	for name, port := range map[string]int{"$PORT": p.port(), "$XPORT": p.xport()} {
		words = append(words, strconv.Itoa(port), name)
	}
	return strings.NewReplacer(words...).Replace(out)
}

// clientOptions lets clients connect over TCP, also those that are told to go to
// "localhost"; mysql_client_test does not know "protocol".
const clientOptions = `[client]
user=root
host=127.0.0.1
port=%d
socket=%s

[mysqltest]
protocol=TCP
ssl-mode=DISABLED
server-public-key-path=%s

[mysql]
protocol=TCP
character-sets-dir=%[4]s
default-character-set=utf8mb4
[mysqladmin]
protocol=TCP
[mysqlbinlog]
protocol=TCP
character-sets-dir=%[4]s
[mysqldump]
protocol=TCP
character-sets-dir=%[4]s
[mysqlcheck]
protocol=TCP
default-character-set=utf8mb4
[mysqlshow]
protocol=TCP
default-character-set=utf8mb4
`

// writeOptions writes the option file of the scripts' clients.
func (s *Suite) writeOptions(p Place) (string, error) {
	file := filepath.Join(p.Server.Dir, "my.cnf")
	text := fmt.Sprintf(clientOptions, p.port(), p.Server.Socket, filepath.Join(s.tests(), "std_data/rsa_public_key.pem"), s.charsets())
	return file, os.WriteFile(file, []byte(text), 0o644)
}

func (s *Suite) charsets() string { return filepath.Join(s.root.messages(MySQL97), "charsets") }
